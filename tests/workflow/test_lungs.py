import numpy as np
import pytest
import torch

from napari_vaemed.data.progress import finish
from napari_vaemed.io.checkpoints import write_model
from napari_vaemed.models.segmenters.click_net import ClickNet
from napari_vaemed.segmentation.lungs import segment_lungs
from napari_vaemed.workflow.lungs import LUNG_METHODS, find_lungs, lung_model, told_of


def test_threshold_is_the_classical_mask(small_phantom):
    found = finish(find_lungs(small_phantom.volume, "threshold"))
    np.testing.assert_array_equal(found, finish(segment_lungs(small_phantom.volume)))
    assert "no training" in told_of("threshold")


def test_the_shipped_network_says_what_it_was_trained_on():
    told = told_of("network", device="cpu")
    model = lung_model("network", device="cpu")
    assert model.sha256[:8] in told
    assert "LIDC-IDRI" in told
    assert f"{model.card['counts']['phantoms']} phantoms" in told
    assert "Research only" in model.card["use"]


def test_a_method_that_is_not_there_and_a_model_of_another_kind_are_refused(tmp_path):
    with pytest.raises(ValueError, match="threshold, network, r231"):
        finish(find_lungs(None, "magic"))
    torch.manual_seed(0)
    write_model(tmp_path / "click.safetensors", ClickNet(width=4, fine_width=4), {})
    with pytest.raises(ValueError, match="no lung network"):
        finish(find_lungs(None, "network", weights=tmp_path / "click.safetensors", device="cpu"))


def test_methods_are_offered_in_order_of_what_is_taken():
    assert set(LUNG_METHODS) == {"threshold", "network", "r231"}
    assert LUNG_METHODS[0] != "r231"  # its weights do not come with the package
