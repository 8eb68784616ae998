"""The sample chest comes with its truth, hidden until asked for."""

from __future__ import annotations

import numpy as np

from napari_vaemed.plugin.layers import layer_name
from napari_vaemed.plugin.samples import phantom_layers


def test_the_sample_is_a_ct_with_hidden_truth_on_its_grid(small_phantom):
    (ct, shown, _), (lungs, right, kind), (nodules, left, _) = phantom_layers(small_phantom)
    assert ct is small_phantom.volume.hu
    assert shown["name"] == layer_name(small_phantom.volume)
    assert kind == "labels"
    for mask, attributes in ((lungs, right), (nodules, left)):
        assert mask.shape == ct.shape
        assert not attributes["visible"]
        assert attributes["scale"] == shown["scale"]
    assert set(np.unique(lungs)) >= {0, 1, 2}
    assert nodules.max() >= 6
