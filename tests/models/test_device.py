from __future__ import annotations

import pytest
import torch

from napari_vaemed.models.device import choose_device, device_name


def test_the_processor_is_always_there():
    assert choose_device("cpu") == "cpu"
    assert device_name("cpu") == "CPU"


def test_auto_takes_the_graphics_card_when_there_is_one():
    assert choose_device() == ("cuda" if torch.cuda.is_available() else "cpu")


def test_a_device_no_one_knows_is_refused_in_words():
    with pytest.raises(ValueError, match="must be one of auto, cpu, cuda, mps"):
        choose_device("tpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a graphics card")
def test_a_device_that_is_not_there_is_refused_in_words():
    with pytest.raises(ValueError, match="no cuda device"):
        choose_device("cuda")
