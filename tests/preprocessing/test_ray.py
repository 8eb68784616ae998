"""Pointing along lines of sight, against nodules planted in a phantom."""

import numpy as np
import pytest
from scipy import ndimage

from napari_vaemed.data.labels import in_lungs
from napari_vaemed.data.volume import Volume
from napari_vaemed.preprocessing.ray import nodule_on_ray

SPACING = (2.0, 1.0, 1.5)


def ball(hu, centre_mm, radius_mm, value):
    places = np.moveaxis(np.indices(hu.shape), 0, -1) * SPACING
    hu[np.linalg.norm(places - centre_mm, axis=-1) <= radius_mm] = value


@pytest.fixture
def lung():
    """Air of 80 x 80 x 90 mm."""
    return np.full((40, 80, 60), -850, np.int16)


def along_y(hu, lungs=None):
    return nodule_on_ray(Volume(hu, SPACING), (20, -0.5, 30), (20, 79.5, 30), lungs)


def test_the_only_dense_thing_on_the_line_is_meant(lung):
    ball(lung, (40, 50, 45), 5, 30)
    z, y, x = along_y(lung)
    assert (z, x) == (20, 30)
    assert 45 <= y <= 55


def test_a_vessel_in_front_of_a_nodule_is_not_meant(lung):
    lung[20, 18:21, :] = -20  # crosses the line, 3 mm thick
    ball(lung, (40, 50, 45), 5, 30)
    assert 45 <= along_y(lung)[1] <= 55


def test_a_brighter_vessel_behind_a_nodule_is_not_meant(lung):
    ball(lung, (40, 30, 45), 5, 30)
    lung[20, 60:63, :] = 200
    assert 25 <= along_y(lung)[1] <= 35


def test_a_rib_in_front_of_the_lung_hides_nothing(lung):
    lungs = np.zeros(lung.shape, np.uint8)
    lungs[:, 10:70] = 2
    lung[:, :8] = 900
    ball(lung, (40, 50, 45), 5, 30)
    assert 45 <= along_y(lung, lungs)[1] <= 55


def test_a_line_beside_the_lungs_means_nothing(lung):
    lungs = np.zeros(lung.shape, np.uint8)
    lungs[:10] = 1
    assert along_y(lung, lungs) is None


def test_a_padded_corner_of_a_lung_still_has_a_voxel(lung):
    lung[:] = -2000
    assert along_y(lung, np.ones(lung.shape, np.uint8)) is not None


def test_pointing_at_planted_nodules_from_all_around_lands_on_them(small_phantom):
    """Where nothing denser lies in front; ground glass does not show in a projection."""
    volume, rng = small_phantom.volume, np.random.default_rng(0)
    inside = in_lungs(small_phantom.lungs)
    landed = []
    for nodule in small_phantom.planted:
        if nodule.kind == "ground-glass":
            continue
        mask = small_phantom.nodules == nodule.label
        apart_mm = ndimage.distance_transform_edt(~mask, sampling=volume.spacing)
        centre = volume.to_voxel(nodule.centre_mm)
        for direction in rng.normal(size=(30, 3)):
            start, end = (centre + d * direction / volume.spacing for d in (-300, 300))
            line = np.rint(np.linspace(start, end, 4000)).astype(int)
            line = line[((line >= 0) & (line < volume.shape)).all(axis=1)]
            z, y, x = line.T
            seen = np.where(inside[z, y, x], volume.hu[z, y, x], -1024)
            on = mask[z, y, x]
            if not on.any() or seen[: np.argmax(on)].max(initial=-1024) >= seen[on].max():
                continue
            found = nodule_on_ray(volume, line[0], line[-1], small_phantom.lungs)
            landed.append(apart_mm[tuple(np.rint(found).astype(int))] <= 3.0)
    assert len(landed) > 200
    assert np.mean(landed) > 0.97
