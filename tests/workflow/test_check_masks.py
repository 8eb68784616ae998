from dataclasses import replace

import numpy as np
import pytest

from napari_vaemed.data import mask_check
from napari_vaemed.data.phantom_defects import DEFECTS, spoilt_mask, true_mask
from napari_vaemed.data.progress import finish
from napari_vaemed.io.volumes import write_mask, write_volume
from napari_vaemed.workflow.check_masks import check_mask, check_masks, check_rows

MOVED = [defect for defect in DEFECTS if defect.moved is not None]


@pytest.fixture(scope="module")
def pairs(small_phantom, tmp_path_factory):
    """Sound masks, one spoilt ball, and every mask on another grid."""
    folder = tmp_path_factory.mktemp("pairs")
    (folder / "image").mkdir()
    (folder / "mask").mkdir()
    masks = {f"sound-{of}": true_mask(small_phantom, of) for of in mask_check.KINDS}
    masks |= {f"moved-{n}": spoilt_mask(small_phantom, d, n) for n, d in enumerate(MOVED)}
    masks["island"] = spoilt_mask(small_phantom, DEFECTS[8], 1)
    small = replace(small_phantom.volume, hu=small_phantom.volume.hu)
    for case, mask in masks.items():
        write_volume(folder / "image" / f"{case}.nii", small.hu, small)
        write_mask(folder / "mask" / f"{case}.nii.gz", mask.hu.astype(np.uint8), mask)
    (folder / "image" / "broken.nii").write_bytes(b"no image")
    write_mask(folder / "mask" / "broken.nii.gz", small_phantom.lungs, small)
    return folder


@pytest.fixture(scope="module")
def checks(pairs):
    return {check.case: check for check in finish(check_masks(pairs))}


def test_sound_masks_are_not_flagged_and_known_for_what_they_are(checks):
    for of in mask_check.KINDS:
        assert checks[f"sound-{of}"].flags == ()
        assert checks[f"sound-{of}"].of == of


@pytest.mark.parametrize("number", range(len(MOVED)), ids=[d.name for d in MOVED])
def test_a_mask_on_another_grid_is_flagged(checks, number):
    assert mask_check.WRONG_GRID in checks[f"moved-{number}"].kinds


def test_one_broken_file_does_not_stop_the_others(checks):
    assert checks["broken"].kinds == (mask_check.UNREADABLE,)
    assert checks["island"].kinds == (mask_check.ISLANDS,)


def test_volumes_are_those_of_the_phantom(checks, small_phantom):
    ml = np.count_nonzero(small_phantom.lungs == 1) * small_phantom.volume.voxel_mm3 / 1000
    assert checks["sound-lungs"].volumes_ml[1] == pytest.approx(ml)


def test_masks_are_scored_against_a_folder_of_references(pairs, small_phantom, tmp_path):
    for of in ("sound-lungs", "island"):
        write_mask(tmp_path / f"{of}.nrrd", small_phantom.lungs, small_phantom.volume)
    scored = {check.case: check for check in finish(check_masks(pairs, references=tmp_path))}
    assert [score.dice for score in scored["sound-lungs"].scores] == [1, 1, 1]
    spoilt = [score for score in scored["island"].scores if score.dice < 1]
    assert len(spoilt) == 1
    assert spoilt[0].farthest_mm > 10
    assert scored["moved-0"].scores == ()


def test_rows_have_the_same_columns_and_no_nan(checks):
    rows = check_rows(checks.values())
    assert len({tuple(row) for row in rows}) == 1
    assert all(value == value for row in rows for value in row.values())
    (row,) = [r for r in rows if r["case"] == "broken"]
    assert (row["label"], row["flags"]) == (None, "unreadable")


def test_an_edited_mask_can_be_checked_without_files(small_phantom):
    spoilt = small_phantom.lungs.copy()
    spoilt[spoilt == 2] = 0
    check = finish(check_mask(small_phantom.volume, spoilt, reference=small_phantom.lungs))
    assert mask_check.EMPTY in check.kinds
    assert [score.dice for score in check.scores] == [1, 0, 1]
