from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from napari_vaemed.data.labels import AIRWAYS, LEFT_LUNG, RIGHT_LUNG, in_lungs
from napari_vaemed.data.phantom_views import cut_on_the_left, dressed, through_circle
from napari_vaemed.data.phantoms import chest_phantom
from napari_vaemed.data.progress import Progress, finish
from napari_vaemed.data.volume import Volume
from napari_vaemed.io.volumes import read_volume
from napari_vaemed.segmentation.lungs import NoLungs, lung_ml, segment_lungs


def dice(a, b):
    return 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))


@pytest.fixture(scope="module")
def labels(small_phantom):
    return finish(segment_lungs(small_phantom.volume))


def on_another_grid(volume, hu, **changes):
    return dataclasses.replace(volume, hu=np.ascontiguousarray(hu, np.int16), **changes)


@pytest.mark.parametrize("side", [RIGHT_LUNG, LEFT_LUNG])
def test_each_lung_of_a_phantom_is_found(small_phantom, labels, side):
    assert dice(labels == side, small_phantom.lungs == side) >= 0.97


def test_right_lung_lies_at_lower_x(labels):
    x = [ndimage.center_of_mass(labels == side)[2] for side in (RIGHT_LUNG, LEFT_LUNG)]
    assert x[0] < x[1]


def test_airways_do_not_leak_into_the_lungs(small_phantom, labels):
    truth = small_phantom.lungs
    lung = (truth == RIGHT_LUNG) | (truth == LEFT_LUNG)
    assert np.count_nonzero(labels == AIRWAYS)
    leak = np.count_nonzero((labels == AIRWAYS) & ndimage.binary_erosion(lung, iterations=3))
    assert leak < 0.005 * np.count_nonzero(lung)


def test_every_planted_nodule_lies_in_or_at_a_lung(small_phantom, labels):
    reach = ndimage.binary_dilation((labels == RIGHT_LUNG) | (labels == LEFT_LUNG))
    for nodule in small_phantom.planted:
        assert (reach & (small_phantom.nodules == nodule.label)).any(), nodule


def test_nodules_at_the_wall_are_mostly_taken_in(small_phantom, labels):
    lung = (labels == RIGHT_LUNG) | (labels == LEFT_LUNG)
    for nodule in small_phantom.planted:
        assert lung[small_phantom.nodules == nodule.label].mean() > 0.6, nodule


def test_volumes_are_those_of_the_truth(small_phantom, labels):
    found = lung_ml(labels, small_phantom.volume.spacing)
    truth = lung_ml(small_phantom.lungs, small_phantom.volume.spacing)
    assert found == pytest.approx(truth, rel=0.03)


def test_lung_ml_counts_voxels_by_side():
    labels = np.zeros((2, 3, 10), np.uint8)
    labels[0, 0, :4] = RIGHT_LUNG
    labels[1, 2, :7] = LEFT_LUNG
    labels[1, 1] = AIRWAYS
    assert lung_ml(labels, (5.0, 10.0, 20.0)) == {"left": 7.0, "right": 4.0}


def test_steps_count_up_and_the_labels_are_compact(small_phantom):
    steps = []
    labels = finish(segment_lungs(small_phantom.volume), steps.append)
    assert all(isinstance(step, Progress) for step in steps)
    assert [step.done for step in steps] == list(range(steps[0].total))
    assert labels.dtype == np.uint8
    assert labels.shape == small_phantom.volume.shape


@pytest.mark.parametrize(
    ("disease", "least"),
    [
        ("ground_glass", 0.97),
        ("emphysema", 0.97),
        ("touching", 0.97),
        ("consolidation", 0.90),
        ("effusion", 0.90),
        ("mass", 0.90),
    ],
)
def test_each_lung_is_found_in_disease(disease, least):
    sick = chest_phantom(
        shape=(80, 144, 144), spacing=(3.2, 2.4, 2.4), seed=21, nodules=(), **{disease: True}
    )
    found = finish(segment_lungs(sick.volume))
    for side in (RIGHT_LUNG, LEFT_LUNG):
        assert dice(found == side, sick.lungs == side) >= least
    deep = ndimage.binary_erosion(in_lungs(sick.lungs), iterations=2)
    leak = np.count_nonzero((found == AIRWAYS) & deep)
    assert leak < 0.005 * np.count_nonzero(in_lungs(sick.lungs))


@pytest.mark.parametrize("padding", [-1024, -2000, -2048, -3024])
def test_padding_around_a_small_field_of_view_changes_nothing_inside(
    small_phantom, labels, padding
):
    seen = through_circle(small_phantom, padding)
    found = finish(segment_lungs(seen.volume))
    outside = seen.volume.hu == padding if padding != -1024 else seen.volume.hu.max(0) == padding
    outside = np.broadcast_to(outside, labels.shape)
    assert (in_lungs(labels) & outside).any(), "the circle should cut the lungs"
    for side in (RIGHT_LUNG, LEFT_LUNG):
        assert dice((found == side)[~outside], (labels == side)[~outside]) > 0.98


def test_a_view_cut_on_the_left_keeps_both_lungs(small_phantom):
    cut = cut_on_the_left(small_phantom)
    found = finish(segment_lungs(cut.volume))
    for side in (RIGHT_LUNG, LEFT_LUNG):
        assert dice(found == side, cut.lungs == side) > 0.97


def test_clothes_and_a_blanket_change_nothing(small_phantom, labels):
    found = finish(segment_lungs(dressed(small_phantom).volume))
    np.testing.assert_array_equal(found, labels)


def test_gas_in_stomach_and_bowel_stays_out(small_phantom, labels):
    lowest = np.flatnonzero(in_lungs(small_phantom.lungs).any(axis=(1, 2)))[0]
    tissue_around = ndimage.binary_erosion(small_phantom.lungs == 0, iterations=2)
    assert (small_phantom.volume.hu[: lowest + 15][tissue_around[: lowest + 15]] < -800).any()
    assert not labels[tissue_around & (small_phantom.volume.hu < -800)].any()


def test_data_stored_feet_first_and_mirrored_gives_the_same_lungs(small_phantom, labels, tmp_path):
    volume = small_phantom.volume
    image = sitk.GetImageFromArray(volume.hu)
    image.SetSpacing(volume.spacing[::-1])
    image.SetOrigin(volume.origin)
    sitk.WriteImage(sitk.Flip(image, (True, False, True)), str(tmp_path / "chest.nii.gz"))
    stored = read_volume(tmp_path / "chest.nii.gz")
    assert stored.stored_axes != volume.stored_axes
    np.testing.assert_array_equal(finish(segment_lungs(stored)), labels)


def test_axes_that_no_cell_divides_are_covered(small_phantom):
    z, y, x = small_phantom.volume.spacing
    fine = np.repeat(small_phantom.volume.hu[20:71, 1:-2, 2:-1], 2, axis=0)[:-1]
    fine = np.repeat(np.repeat(fine, 2, axis=1), 2, axis=2)[:, :-1, :-1]
    truth = small_phantom.lungs[20:71, 1:-2, 2:-1]
    found = finish(segment_lungs(Volume(fine, (z / 2, y / 2, x / 2))))
    for side in (RIGHT_LUNG, LEFT_LUNG):
        assert dice(found[::2, ::2, ::2] == side, truth == side) > 0.97


def test_a_single_lung_is_put_on_its_own_side(small_phantom, labels):
    for gone, left_over in ((RIGHT_LUNG, LEFT_LUNG), (LEFT_LUNG, RIGHT_LUNG)):
        hu = np.where(labels == gone, 20, small_phantom.volume.hu)
        found = finish(segment_lungs(on_another_grid(small_phantom.volume, hu)))
        assert dice(found == left_over, labels == left_over) > 0.98
        assert not (found == gone).any()


def test_thick_slices_and_a_coarse_grid_agree_with_the_fine_one(small_phantom, labels):
    z, y, x = small_phantom.volume.spacing
    coarse = on_another_grid(
        small_phantom.volume,
        small_phantom.volume.hu[::2, ::2, ::2],
        spacing=(2 * z, 2 * y, 2 * x),
    )
    found = finish(segment_lungs(coarse))
    for side in (RIGHT_LUNG, LEFT_LUNG):
        assert dice(found == side, labels[::2, ::2, ::2] == side) > 0.96


def test_thin_slices_agree_with_thick_ones(small_phantom, labels):
    z, y, x = small_phantom.volume.spacing
    thin = on_another_grid(
        small_phantom.volume,
        np.repeat(small_phantom.volume.hu[20:60], 5, axis=0),
        spacing=(z / 5, y, x),
    )
    found = finish(segment_lungs(thin))[2::5]
    for side in (RIGHT_LUNG, LEFT_LUNG):
        assert dice(found == side, labels[20:60] == side) > 0.97


def test_lungs_that_touch_are_cut_where_they_touch():
    z, y, x = np.mgrid[:40, :90, :120] * 3.0
    hu = np.full(z.shape, 40, np.int16)
    hu[((y - 135) / 120) ** 2 + ((x - 180) / 170) ** 2 > 1] = -1000
    for middle in (112, 248):
        hu[((y - 135) / 85) ** 2 + ((x - middle) / 72) ** 2 < 1] = -850
    touching = (np.abs(x - 180) < 12) & (np.abs(y - 135) < 9) & (np.abs(z - 60) < 9)
    hu[touching] = -850
    found = finish(segment_lungs(Volume(hu, (3.0, 3.0, 3.0))))
    right, left = (found == side for side in (RIGHT_LUNG, LEFT_LUNG))
    assert (right | left)[hu == -850].all()
    assert not right[x > 189].any()
    assert not left[x < 171].any()


@pytest.mark.parametrize(
    ("name", "hu"),
    [
        ("air", np.full((20, 64, 64), -1000)),
        ("water", np.zeros((20, 64, 64))),
        ("MR", np.random.default_rng(0).integers(0, 900, (20, 64, 64))),
    ],
)
def test_without_lungs_it_says_what_was_looked_for(name, hu):
    with pytest.raises(NoLungs, match=r"(?s)looked for.*HU.*found.*Open a chest CT"):
        finish(segment_lungs(Volume(hu.astype(np.int16), (3.0, 2.0, 2.0))))


def test_gas_in_a_body_is_not_a_lung():
    z, y, x = np.mgrid[:30, :100, :100] * 3.0
    hu = np.where((y - 150) ** 2 + (x - 150) ** 2 < 120**2, 40, -1000).astype(np.int16)
    hu[(y - 130) ** 2 + (x - 170) ** 2 + (z - 45) ** 2 < 40**2] = -990
    with pytest.raises(NoLungs, match="ml of gas"):
        finish(segment_lungs(Volume(hu, (3.0, 3.0, 3.0))))


def test_a_real_thorax_agrees_with_its_published_mask(real_data):
    folder = real_data / "small_ct"
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder / "cip_ct64_dicom"))
    image = sitk.DICOMOrient(sitk.ReadImage(names), "LPS")
    hu = sitk.GetArrayFromImage(image).astype(np.int16)
    found = finish(segment_lungs(Volume(hu, image.GetSpacing()[::-1], image.GetOrigin())))

    def truth(name):
        mask = sitk.ReadImage(str(folder / name))
        return sitk.GetArrayFromImage(sitk.DICOMOrient(mask, "LPS"))

    region = truth("lm-64.nrrd") & 255
    assert dice((found == 1) | (found == 2), truth("wholeLung-64.nrrd") > 0) >= 0.98
    assert dice(found == LEFT_LUNG, (region >= 9) & (region <= 11)) >= 0.98
    assert dice(found == RIGHT_LUNG, (region >= 12) & (region <= 14)) >= 0.98
