from __future__ import annotations

import numpy as np
import pytest

from napari_vaemed.data.volume import Volume
from napari_vaemed.segmentation.mask_features import MASK_FEATURES, mask_features


def test_the_features_of_a_box_are_those_of_arithmetic():
    hu = np.full((8, 8, 8), -900, np.int16)
    mask = np.zeros(hu.shape, bool)
    mask[1:3, 2:6, 2:5] = True
    hu[mask] = 0
    hu[1, 2:5, 2] = 400
    found = dict(zip(MASK_FEATURES, mask_features(Volume(hu, (2.0, 0.5, 1.0)), mask), strict=True))
    assert len(found) == 11
    assert np.exp(found["log volume"]) == pytest.approx(24)
    assert found["diameter"] == pytest.approx(2 * (3 * 24 / (4 * np.pi)) ** (1 / 3))
    assert found["mean HU"] == pytest.approx(50)
    assert found["HU deviation"] == pytest.approx(400 * np.sqrt(1 / 8 * 7 / 8))
    assert found["10th percentile of HU"] == 0
    assert found["90th percentile of HU"] == pytest.approx(0.7 * 400)  # 0.9 · 23 = 20 + 0.7
    assert found["calcified share"] == pytest.approx(1 / 8)
    assert [found[f"extent {axis}"] for axis in "zyx"] == [4.0, 2.0, 3.0]
    assert found["filled share of its box"] == 1.0


def test_an_empty_mask_is_refused():
    volume = Volume(np.zeros((3, 3, 3), np.int16), (1.0, 1.0, 1.0))
    with pytest.raises(ValueError, match="empty mask"):
        mask_features(volume, np.zeros((3, 3, 3), bool))
