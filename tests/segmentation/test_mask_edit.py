import numpy as np
import pytest
from scipy import ndimage

from napari_vaemed.segmentation.mask_edit import EDITS, edit_label, edit_mask

SPACING = (2.5, 0.7, 0.9)


@pytest.fixture(scope="module")
def blob():
    """A smooth random shape that touches no edge."""
    noise = np.random.default_rng(4).normal(size=(24, 60, 50))
    field = ndimage.gaussian_filter(noise, [6 / s for s in SPACING])
    inside = (slice(5, -5), slice(12, -12), slice(10, -10))
    mask = np.zeros(field.shape, bool)
    mask[inside] = field[inside] > np.median(field[inside])
    return mask


def after(mask, how, radius_mm=0.0):
    """What `edit_label` makes of a mask with label 3."""
    labels = np.where(mask, 3, 0).astype(np.uint8)
    edit = edit_label(labels, 3, how, SPACING, radius_mm)
    labels[edit.where] = edit.value
    return labels == 3


@pytest.mark.parametrize("radius_mm", [0.8, 2.6, 4.0])
def test_balls_move_as_the_distance_transform_says(blob, radius_mm):
    beyond = ndimage.distance_transform_edt(~blob, SPACING)
    depth = ndimage.distance_transform_edt(blob, SPACING)
    assert np.array_equal(after(blob, "dilate", radius_mm), beyond <= radius_mm)
    assert np.array_equal(after(blob, "erode", radius_mm), depth > radius_mm)


@pytest.mark.parametrize("radius_mm", [1.0, 3.0])
def test_opening_and_closing_are_erosion_and_dilation_in_turn(blob, radius_mm):
    opened = edit_mask(edit_mask(blob, "erode", SPACING, radius_mm), "dilate", SPACING, radius_mm)
    closed = edit_mask(edit_mask(blob, "dilate", SPACING, radius_mm), "erode", SPACING, radius_mm)
    assert np.array_equal(after(blob, "open", radius_mm), opened)
    assert np.array_equal(after(blob, "close", radius_mm), closed)
    assert not (opened & ~blob).any()
    assert not (blob & ~closed).any()


def test_fill_closes_holes_and_keep_largest_drops_islands(blob):
    whole = np.zeros((20, 30, 30), bool)
    whole[4:16, 5:25, 5:25] = True
    spoilt = whole.copy()
    spoilt[8:10, 12:15, 12:15] = False
    assert np.array_equal(after(spoilt, "fill"), whole)
    island = whole.copy()
    island[1, 1, 1] = True
    assert np.array_equal(after(island, "keep largest"), whole)


def test_other_labels_keep_their_voxels():
    labels = np.zeros((9, 20, 20), np.uint8)
    labels[2:7, 4:10, 4:16] = 1
    labels[2:7, 10:16, 4:16] = 2
    before = labels.copy()
    edit = edit_label(labels, 1, "dilate", (1, 1, 1), 2.0)
    assert np.array_equal(labels, before)  # nothing is changed in place
    labels[edit.where] = edit.value
    assert edit.value == 1
    assert np.array_equal(labels == 2, before == 2)
    assert labels[4, 2, 8] == 1


def test_what_is_cut_by_the_edge_of_the_scan_does_not_shrink_from_there():
    mask = np.zeros((10, 20, 20), bool)
    mask[:6, 5:15, 5:15] = True
    assert edit_mask(mask, "erode", (1, 1, 1), 2.0)[0, 10, 10]


def test_edits_that_cannot_be_say_why():
    labels = np.zeros((3, 4, 4), np.uint8)
    with pytest.raises(ValueError, match="No voxel has label 1"):
        edit_label(labels, 1, "erode", SPACING, 1.0)
    labels[1] = 1
    with pytest.raises(ValueError, match=EDITS[0]):
        edit_label(labels, 1, "melt", SPACING, 1.0)
    with pytest.raises(ValueError, match="radius above 0"):
        edit_label(labels, 1, "open", SPACING)
