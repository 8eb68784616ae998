from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_vaemed.data.volume import Volume
from napari_vaemed.preprocessing.patch import cut_mask, cut_patch, middle_planes

SLOPE = np.array([3.0, -2.0, 5.0])  # HU per mm along x, y, z


def _ramp(shape=(40, 60, 60), spacing=(1.25, 0.7, 0.8), direction=None) -> Volume:
    direction = np.eye(3) if direction is None else direction
    empty = Volume(np.zeros(shape, np.int16), spacing, (-20.0, -25.0, 10.0), direction)
    world = empty.to_world(np.moveaxis(np.indices(shape), 0, -1))
    hu = np.round(world @ SLOPE).astype(np.int16)
    return Volume(hu, spacing, empty.origin, direction)


def _points(centre) -> np.ndarray:
    z, y, x = np.indices((32, 32, 32)) - 15.5
    return np.stack([x, y, z], axis=-1) + centre


def _about(degrees: float) -> np.ndarray:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])


@pytest.mark.parametrize("direction", [np.eye(3), np.diag([-1.0, -1.0, 1.0]), _about(10)])
def test_a_linear_field_is_cut_exactly_whatever_the_direction_of_the_grid(direction):
    volume = _ramp(direction=direction)
    middle = volume.to_world((np.array(volume.shape) - 1) / 2)
    patch = cut_patch(volume, middle)
    error = np.abs(patch.hu - _points(middle) @ SLOPE)
    assert patch.measured.mean() > 0.8
    assert error[patch.measured].max() <= 0.6  # the field was rounded to whole HU


def test_beyond_the_volume_the_edge_is_repeated_and_not_measured():
    volume = _ramp(shape=(7, 60, 60))
    middle = volume.to_world((3, 30, 30))
    patch = cut_patch(volume, middle)
    assert not patch.measured[0].any()
    assert patch.measured[16, 16, 16]
    np.testing.assert_allclose(patch.hu[0], patch.hu[5])


def test_a_patch_wholly_outside_the_volume_repeats_its_nearest_edge():
    patch = cut_patch(_ramp(), (500.0, 0.0, 0.0))
    assert not patch.measured.any()
    assert np.ptp(patch.hu, axis=2).max() == 0


def test_a_crop_gives_the_patch_of_the_whole_scan_where_it_has_data():
    rng = np.random.default_rng(0)
    hu = rng.integers(-1000, 400, (40, 70, 70)).astype(np.int16)
    whole = Volume(hu, (1.25, 0.7, 0.7), (5.0, -3.0, 40.0))
    corner = (14, 10, 12)
    x, y, z = whole.to_world(corner)
    crop = Volume(hu[14:22, 10:55, 12:57], whole.spacing, (x, y, z))
    centre = whole.to_world((18.3, 32.4, 33.1))
    from_crop, from_whole = cut_patch(crop, centre), cut_patch(whole, centre)
    assert from_crop.measured.any()
    assert np.abs(from_crop.hu - from_whole.hu)[from_crop.measured].max() < 0.01


def test_the_mask_of_a_ball_keeps_its_volume():
    volume = _ramp(shape=(48, 80, 80), spacing=(1.0, 0.5, 0.5))
    centre = volume.to_world((24.3, 40.2, 40.1))
    world = volume.to_world(np.moveaxis(np.indices(volume.shape), 0, -1))
    ball = np.linalg.norm(world - centre, axis=-1) <= 8.0
    cut = cut_mask(volume, ball, centre)
    assert cut.sum() == pytest.approx(4 / 3 * np.pi * 8**3, rel=0.03)


def test_a_mask_on_another_grid_is_refused():
    with pytest.raises(ValueError, match="shape"):
        cut_mask(_ramp(), np.zeros((3, 3, 3), bool), (0, 0, 0))


def test_a_centre_that_is_no_position_is_refused():
    with pytest.raises(ValueError, match="three finite numbers"):
        cut_patch(_ramp(), (0.0, np.nan, 0.0))


def test_crop_and_scan_of_a_real_nodule_agree_within_one_hu(real_data: Path):
    from napari_vaemed.data.progress import finish
    from napari_vaemed.io.ct import read_ct

    record, crop = _first_lidc_nodule(real_data)
    scan = finish(read_ct(real_data / "lidc_scans" / "LIDC-IDRI-0001"))
    centre = record["centre"]
    from_crop, from_scan = cut_patch(crop, centre), cut_patch(scan, centre)
    assert from_crop.measured.mean() > 0.3
    assert from_scan.measured.all()
    assert np.abs(from_crop.hu - from_scan.hu)[from_crop.measured].max() < 1.0


def _first_lidc_nodule(real_data: Path) -> tuple[dict, Volume]:
    import csv

    import SimpleITK as sitk

    folder = real_data / "lidc_nodules"
    with (folder / "nodules.csv").open() as lines:
        row = next(csv.DictReader(lines))
    image = sitk.ReadImage(str(folder / "image" / "LIDC-IDRI-0001_R_1.nii.gz"))
    crop = Volume(
        sitk.GetArrayFromImage(image).astype(np.int16), image.GetSpacing()[::-1], image.GetOrigin()
    )
    return {"centre": [float(row[f"coord{a}"]) for a in "XYZ"]}, crop


def test_middle_planes_are_turned_as_they_are_looked_at():
    z, y, x = np.indices((4, 6, 8))
    axial, coronal, sagittal = middle_planes(100 * z + 10 * y + x)
    assert axial[5, 7] == 200 + 50 + 7  # back and left of the patient: below and on the right
    assert coronal[0, 7] == 300 + 30 + 7  # the head up
    assert sagittal[0, 5] == 300 + 50 + 4  # the back on the right
