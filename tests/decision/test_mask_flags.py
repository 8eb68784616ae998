import numpy as np
import pytest

from napari_vaemed.data import mask_check
from napari_vaemed.data.phantom_defects import DEFECTS, spoilt_mask, true_mask
from napari_vaemed.decision.mask_flags import flag_mask, guess_kind

ON_ITS_GRID = [defect for defect in DEFECTS if defect.moved is None]


@pytest.mark.parametrize("defect", ON_ITS_GRID, ids=lambda d: f"{d.of}: {d.name}")
def test_each_planted_defect_is_flagged(small_phantom, defect):
    spoilt = spoilt_mask(small_phantom, defect, seed=5)
    flags = flag_mask(spoilt.hu, small_phantom.volume, defect.of, small_phantom.lungs)
    assert defect.expected in {flag.kind for flag in flags}


@pytest.mark.parametrize("of", mask_check.KINDS)
def test_a_true_mask_has_no_flags(small_phantom, of):
    truth = true_mask(small_phantom, of)
    assert flag_mask(truth.hu, small_phantom.volume, of, small_phantom.lungs) == ()
    assert guess_kind(truth.hu, small_phantom.volume.spacing) == of


def test_a_flag_says_where_to_look(small_phantom):
    labels = small_phantom.lungs.copy()
    labels[60, 70:78, 40:48] = 0  # a hole on one slice of the right lung
    labels[59:62, 72:76, 42:46] = 0
    (flag,) = flag_mask(labels, small_phantom.volume, mask_check.LUNGS)
    assert (flag.kind, flag.label, flag.slice_index) == (mask_check.HOLES, 1, 60)


def test_every_kind_of_flag_has_a_defect_that_shows_it():
    names = {name for name in vars(mask_check) if name.isupper()} - {"KINDS"}
    others = {mask_check.LUNGS, mask_check.NODULES, mask_check.UNREADABLE}
    kinds = {getattr(mask_check, name) for name in names} - others
    assert {defect.expected for defect in DEFECTS} == kinds


def test_a_crop_inside_the_body_has_no_outside(small_phantom):
    from dataclasses import replace

    nodule = small_phantom.planted[3]
    z, y, x = np.rint(small_phantom.volume.to_voxel(nodule.centre_mm)).astype(int)
    box = tuple(slice(c - 8, c + 8) for c in (z, y, x))
    crop = replace(small_phantom.volume, hu=small_phantom.volume.hu[box])
    mask = (small_phantom.nodules[box] == nodule.label).astype(np.uint8)
    assert flag_mask(mask, crop, mask_check.NODULES) == ()


def test_a_mask_of_another_shape_or_kind_is_refused(small_phantom):
    with pytest.raises(ValueError, match="shape"):
        flag_mask(small_phantom.lungs[1:], small_phantom.volume, mask_check.LUNGS)
    with pytest.raises(ValueError, match="lungs or nodules"):
        flag_mask(small_phantom.lungs, small_phantom.volume, "heart")
