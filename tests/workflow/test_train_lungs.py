from dataclasses import replace

import numpy as np
import pytest

from napari_vaemed.data.progress import Progress, finish
from napari_vaemed.data.run_settings import RunSettings
from napari_vaemed.data.volume import Volume
from napari_vaemed.io.mask_pairs import find_mask_pairs
from napari_vaemed.io.volumes import write_mask, write_volume
from napari_vaemed.workflow.train_lungs import read_pair, train_lungs

SMALL = {"width": 4, "fine_width": 4}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Five small chests of boxes with masks: three of both sides, two that say lung only."""
    place = tmp_path_factory.mktemp("pairs")
    for kind in ("image", "mask"):
        (place / kind).mkdir()
    for number in range(5):
        hu = np.full((8, 60, 80), -1000, np.int16)
        hu[:, 5:55, 5:75] = 40
        labels = np.zeros(hu.shape, np.uint8)
        labels[1:7, 15:45, 12:36] = 1
        labels[1:7, 15:45, 44:68] = 2
        hu[labels > 0] = -850 + number
        volume = Volume(hu, (3.0, 3.0, 3.0))
        write_volume(place / "image" / f"{number}.nii.gz", hu, volume)
        mask = (labels > 0).astype(np.uint8) * 255 if number > 2 else labels
        write_mask(place / "mask" / f"{number}.nii.gz", mask, volume)
    return place


def test_a_mask_of_lung_alone_is_divided_into_its_sides(folder):
    pairs = find_mask_pairs(folder).pairs
    both, alone = (finish(read_pair(pairs[i])) for i in (0, 3))
    np.testing.assert_array_equal(both[1] % 255, alone[1] % 255)
    assert both[2] == (3.0, 1.5, 1.5)


def test_a_mask_of_something_else_is_refused(folder, tmp_path):
    hu = np.full((4, 20, 20), -1000, np.int16)
    hu[:, 4:16, 4:16] = 40
    volume = Volume(hu, (3.0, 3.0, 3.0))
    write_volume(tmp_path / "7.nii.gz", volume.hu, volume)
    labels = np.arange(4).repeat(400).reshape(4, 20, 20).astype(np.uint8) + 3
    write_mask(tmp_path / "7_mask.nii.gz", labels, volume)
    with pytest.raises(ValueError, match=r"7_mask.nii.gz holds the labels \[3, 4, 5, 6\]"):
        finish(read_pair(find_mask_pairs(tmp_path).pairs[0]))


def test_training_on_masks_writes_a_card_and_goes_on_where_it_stopped(folder, tmp_path):
    steps = []
    settings = {"folder": folder, "phantoms": 0, "pasted": 1, "source": "boxes"}
    settings |= {"arguments": SMALL, "figures": False}
    two = RunSettings(epochs=2, batch=16, device="cpu")

    def run(out, resume=False):
        work = train_lungs(out, run=replace(two, resume=resume), **settings)
        steps.clear()
        return finish(work, steps.append)

    whole = run(tmp_path / "whole")
    assert [s.number for s in steps if not isinstance(s, Progress)] == [1, 2]
    assert whole.card["data"] == "boxes"
    assert whole.card["counts"]["masks"] == 4
    assert "mass" in whole.card["not taught"]
    # stopped after one of two epochs, then resumed: the same weights
    work = train_lungs(tmp_path / "part", run=two, **settings)
    while isinstance(next(work), Progress):
        pass
    work.close()
    assert not (tmp_path / "part" / "lung_net.safetensors").exists()
    again = run(tmp_path / "part", resume=True)
    assert [s.number for s in steps if not isinstance(s, Progress)] == [2]
    assert again.sha256 == whole.sha256


def test_there_must_be_something_to_learn_from(tmp_path):
    with pytest.raises(ValueError, match="nothing to learn from"):
        finish(train_lungs(tmp_path, phantoms=0))


def test_patience_wants_masks_to_hold_out(folder, tmp_path):
    run = RunSettings(epochs=2, batch=16, device="cpu", patience=1)
    with pytest.raises(ValueError, match="CTs with masks to hold out"):
        finish(train_lungs(tmp_path, folder=folder, phantoms=0, arguments=SMALL, run=run))
