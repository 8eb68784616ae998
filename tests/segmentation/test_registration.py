"""A chest that lies otherwise on another grid is found again to a fraction of a voxel."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from napari_vaemed.data.finding import NoduleMask
from napari_vaemed.data.phantom_prior import seen_from
from napari_vaemed.data.progress import finish
from napari_vaemed.data.rigid import RigidTransform
from napari_vaemed.data.volume import Volume
from napari_vaemed.segmentation.registration import (
    NotRegistered,
    lay_mask,
    register_rigid,
    resample_onto,
)


def about_middle(volume, degrees, shift):
    middle = volume.to_world(np.array(volume.shape) / 2)
    turn = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    return RigidTransform(turn, middle + np.array(shift) - turn @ middle)


def scanned_again(volume, transform, shape, spacing):
    centre = transform(volume.to_world(np.array(volume.shape) / 2))
    x, y, z = centre - np.array(shape)[::-1] * np.array(spacing)[::-1] / 2
    grid = Volume(np.empty(shape, np.int16), spacing, (x, y, z))
    return Volume(seen_from(volume, grid, transform.inverse()), spacing, grid.origin)


@pytest.mark.parametrize(
    ("degrees", "shift"), [((5, -3, 8), (12, -20, 15)), ((12, 8, -12), (-25, 15, 40))]
)
def test_a_turned_and_shifted_chest_is_laid_back_to_less_than_a_millimetre(
    small_phantom, degrees, shift
):
    truth = about_middle(small_phantom.volume, degrees, shift)
    again = scanned_again(small_phantom.volume, truth, (84, 120, 120), (3.5, 3.1, 3.1))
    found = finish(register_rigid(small_phantom.volume, again))
    nodules = np.array([nodule.centre_mm for nodule in small_phantom.planted])
    assert np.linalg.norm(found(nodules) - truth(nodules), axis=1).max() < 1.0
    assert found.likeness > 0.9


def test_lung_labels_may_be_given(small_phantom):
    truth = about_middle(small_phantom.volume, (3, 2, -4), (6, 6, -20))
    again = scanned_again(small_phantom.volume, truth, (84, 120, 120), (3.5, 3.1, 3.1))
    found = finish(register_rigid(small_phantom.volume, again, small_phantom.lungs))
    nodules = np.array([nodule.centre_mm for nodule in small_phantom.planted])
    assert np.linalg.norm(found(nodules) - truth(nodules), axis=1).max() < 1.0


def test_a_scan_without_lungs_is_refused(small_phantom):
    water = Volume(np.zeros((40, 80, 80), np.int16), (4.0, 4.0, 4.0))
    with pytest.raises(NotRegistered, match="300 ml of lung"):
        finish(register_rigid(small_phantom.volume, water))


def test_it_says_what_it_does_and_can_be_stopped(small_phantom):
    work = register_rigid(small_phantom.volume, small_phantom.volume)
    steps = [next(work), next(work)]
    work.close()
    assert [step.done for step in steps] == [0, 1]
    assert all(step.total == 4 for step in steps)


def test_a_resampled_volume_is_what_scipy_makes_of_it(small_phantom):
    volume = small_phantom.volume
    truth = about_middle(volume, (5, -3, 8), (12, -20, 15))
    grid = Volume(np.empty((30, 60, 50), np.int16), (6.0, 4.0, 5.0), volume.origin)
    by_itk = finish(resample_onto(volume, grid, truth))
    by_scipy = seen_from(volume, grid, truth)
    inside = (by_itk > -1024) & (by_scipy > -1024)
    assert inside.mean() > 0.5
    assert np.abs(by_itk[inside].astype(int) - by_scipy[inside]).max() <= 1


def test_a_laid_mask_keeps_its_place_and_its_volume():
    moving = Volume(np.empty((60, 60, 60), np.int16), (1.0, 1.0, 1.0))
    fixed = Volume(np.empty((50, 90, 90), np.int16), (1.3, 0.7, 0.7), (5.0, 5.0, -4.0))
    turn = Rotation.from_euler("xyz", (10, 20, 30), degrees=True).as_matrix()
    transform = RigidTransform(turn, np.array([8.0, -12.0, 14.0]))
    centre = np.array([33.0, 30.0, 28.0])
    index = np.moveaxis(np.indices(moving.shape), 0, -1)
    mask = NoduleMask.of(np.linalg.norm(index - centre, axis=-1) <= 7)
    laid = lay_mask(mask, moving, fixed, transform)
    voxels = np.argwhere(laid.voxels) + laid.start
    there = transform.inverse()(moving.to_world(centre))
    assert fixed.to_world(voxels.mean(0)) == pytest.approx(there, abs=0.15)
    assert len(voxels) * fixed.voxel_mm3 == pytest.approx(mask.voxels.sum(), rel=0.02)


def test_a_mask_that_lies_outside_is_none():
    grid = Volume(np.empty((10, 10, 10), np.int16), (1.0, 1.0, 1.0))
    mask = NoduleMask(np.ones((2, 2, 2), bool), (4, 4, 4))
    away = RigidTransform(np.eye(3), np.array([100.0, 0.0, 0.0]))
    assert lay_mask(mask, grid, grid, away) is None
