from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from napari_vaemed.data.intake import Intake
from napari_vaemed.data.progress import finish
from napari_vaemed.data.volume import Volume
from napari_vaemed.preprocessing.geometry import Lattice, isotropic, with_slices
from napari_vaemed.preprocessing.resampling import INTERPOLATIONS, resample, resample_labels

SHAPE, SPACING, ORIGIN = (20, 36, 30), (2.5, 0.8, 0.7), (-31.0, 12.0, -140.0)
TURN = np.array([[0.8, -0.6, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, 1.0]])
PLANE = np.array([3.0, -2.0, 5.0])
"""HU by mm along the patient's x, y and z."""


def corners(volume):
    """Outer edges of the box that the voxels fill, LPS mm."""
    n = np.array(volume.shape)
    ends = np.array([np.where([b >> a & 1 for a in range(3)], n - 0.5, -0.5) for b in range(8)])
    return volume.to_world(ends)


def centre(volume):
    return volume.to_world((np.array(volume.shape) - 1) / 2)


@pytest.fixture(scope="module")
def noise():
    hu = np.random.default_rng(3).integers(-1000, 400, SHAPE).astype(np.int16)
    return Volume(hu, SPACING, ORIGIN, TURN, series_uid="1.2.3", patient="p")


@pytest.fixture(scope="module")
def ramp():
    """HU that grow linearly with the place in the patient."""
    empty = Volume(np.zeros(SHAPE, np.int16), SPACING, ORIGIN, TURN)
    world = empty.to_world(np.moveaxis(np.indices(SHAPE), 0, -1))
    hu = np.rint((world - centre(empty)) @ PLANE).astype(np.int16)
    return Volume(hu, SPACING, ORIGIN, TURN)


@pytest.mark.parametrize("count", [1, 7, 20, 33, 64])
@pytest.mark.parametrize("by", INTERPOLATIONS)
def test_any_number_of_slices_covers_the_same_patient(noise, count, by):
    made = finish(resample(noise, with_slices(noise, count), by))
    assert made.shape == (count, *SHAPE[1:])
    np.testing.assert_allclose(corners(made), corners(noise), atol=1e-9)
    np.testing.assert_array_equal(made.direction, TURN)


@pytest.mark.parametrize(("to", "mm"), [("finest", 0.7), ("coarsest", 2.5), (1.3, 1.3)])
def test_cubes_have_the_size_asked_for_and_the_patients_middle(noise, to, mm):
    made = finish(resample(noise, isotropic(noise, to)))
    assert made.spacing == (mm, mm, mm)
    np.testing.assert_allclose(centre(made), centre(noise), atol=1e-9)
    left_over = np.multiply(made.shape, mm) - np.multiply(SHAPE, SPACING)
    assert np.abs(left_over).max() <= mm / 2 + 1e-9


@pytest.mark.parametrize("by", ["linear", "cubic"])
@pytest.mark.parametrize("to", ["finest", "coarsest", 1.1])
def test_a_linear_ramp_is_reproduced_between_the_outermost_centres(ramp, to, by):
    made = finish(resample(ramp, isotropic(ramp, to), by))
    world = made.to_world(np.moveaxis(np.indices(made.shape), 0, -1))
    voxels = ramp.to_voxel(world)
    between = np.all((voxels >= 0) & (voxels <= np.array(SHAPE) - 1), axis=-1)
    expected = (world - centre(ramp)) @ PLANE
    # the ramp itself and what is made of it are rounded to whole HU; splines may overshoot both
    allowed = 1.0 if by == "linear" else 1.6
    assert between.mean() > 0.7
    assert np.abs(made.hu - expected)[between].max() <= allowed + 1e-3


def test_linear_and_nearest_are_those_of_simpleitk(noise):
    lattice = Lattice.of_spacing(noise, (1.79, 0.91, 0.62))
    image = sitk.GetImageFromArray(noise.hu)
    image.SetSpacing(SPACING[::-1])
    image.SetOrigin(ORIGIN)
    image.SetDirection(TURN.ravel().tolist())
    for by, peer in (("linear", sitk.sitkLinear), ("nearest", sitk.sitkNearestNeighbor)):
        made = finish(resample(noise, lattice, by))
        theirs = sitk.Resample(
            image, lattice.shape[::-1], sitk.Transform(), peer, lattice.origin,
            lattice.spacing[::-1], TURN.ravel().tolist(), 0.0, sitk.sitkInt16, True,
        )  # fmt: skip
        assert np.abs(made.hu.astype(int) - sitk.GetArrayFromImage(theirs)).max() <= 1


def test_area_keeps_the_mean_and_cubic_is_the_spline_of_simpleitk(noise):
    fewer = finish(resample(noise, with_slices(noise, 7), "area"))
    np.testing.assert_allclose(fewer.hu.mean(axis=0), noise.hu.mean(axis=0), atol=0.6)
    more = finish(resample(noise, with_slices(noise, 60), "cubic"))
    image = sitk.GetImageFromArray(noise.hu.astype(np.float64))
    image.SetSpacing(SPACING[::-1])
    grid = sitk.Image(SHAPE[2], SHAPE[1], 60, sitk.sitkFloat64)
    grid.SetSpacing(more.spacing[::-1])
    grid.SetOrigin((0.0, 0.0, (more.spacing[0] - SPACING[0]) / 2))
    peer = sitk.GetArrayFromImage(sitk.Resample(image, grid, sitk.Transform(), sitk.sitkBSpline))
    inner = slice(27, 33)  # their spline ends otherwise, which fades by 0.27 a slice
    np.testing.assert_allclose(more.hu[inner], peer[inner], atol=0.6)


def test_padding_stays_padding_and_pulls_nothing_down(noise):
    hu = np.full(SHAPE, 40, np.int16)
    hu[:, :10] = -3024
    padded = Volume(hu, SPACING, padding=-3024)
    made = finish(resample(padded, isotropic(padded, 0.5)))
    assert set(np.unique(made.hu[made.hu < -1001])) == {-3024}
    assert (made.hu == -3024).mean() == pytest.approx(10 / 36, abs=0.02)


def test_what_was_read_stays_known_and_what_was_done_is_told(noise):
    read = Volume(noise.hu, SPACING, intake=Intake("DICOM"), series_uid="1.2.3", notes=("A gap.",))
    made = finish(resample(read, with_slices(read, 10)))
    assert made.series_uid == "1.2.3"
    assert made.notes[0] == "A gap."
    assert "20 to 10 slices" in made.notes[1]
    assert made.intake.spacing_mm == made.spacing
    assert "10 slices" in " ".join(made.intake.lines())
    assert made.source is None


@pytest.fixture(scope="module")
def ball():
    """A ball of 11 mm in slices of 4 mm, and the same truth on cubes of 0.8 mm."""
    coarse = Volume(np.zeros((16, 60, 60), np.int16), (4.0, 0.8, 0.8))
    lattice = isotropic(coarse, "finest")
    fine = Volume(np.zeros(lattice.shape, np.int16), lattice.spacing, lattice.origin)
    middle = centre(coarse) + np.array([0.7, -0.4, 1.1])

    def inside(volume):
        world = volume.to_world(np.moveaxis(np.indices(volume.shape), 0, -1))
        return (np.linalg.norm(world - middle, axis=-1) < 11).astype(np.uint8)

    return coarse, lattice, inside(coarse), inside(fine)


def dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def test_a_ball_by_distance_is_rounder_than_by_nearest(ball):
    coarse, lattice, mask, truth = ball
    scores = {
        by: dice(finish(resample_labels(mask, coarse, lattice, by)), truth)
        for by in ("nearest", "distance")
    }
    assert scores["distance"] > 0.96
    assert scores["distance"] > scores["nearest"] + 0.02


def test_labels_keep_their_numbers_and_do_not_mix(ball):
    coarse, lattice, mask, truth = ball
    two = mask * np.where(np.arange(60) < 31, 2, 5).astype(np.uint8)
    made = finish(resample_labels(two, coarse, lattice))
    assert set(np.unique(made)) == {0, 2, 5}
    assert dice((made > 0).astype(np.uint8), truth) > 0.96
    assert made[:, :, :28].max() == 2
    assert (made == 5).sum() + (made == 2).sum() == (made > 0).sum()


def test_a_mask_that_fills_the_scan_fills_it_still(noise):
    full = np.ones(SHAPE, np.uint8)
    lattice = isotropic(noise, 1.0)
    for by in ("nearest", "distance"):
        assert finish(resample_labels(full, noise, lattice, by)).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda v: isotropic(v, "fine"), "finest, coarsest"),
        (lambda v: isotropic(v, 0.0), "positive mm"),
        (lambda v: with_slices(v, 0), "a voxel or more"),
        (lambda v: finish(resample(v, isotropic(v, 1.0), "sinc")), "nearest, linear, cubic, area"),
        (
            lambda v: finish(resample_labels(v.hu > 0, v, isotropic(v, 1.0), "linear")),
            "nearest or distance",
        ),
        (
            lambda v: finish(resample_labels(v.hu[1:] > 0, v, isotropic(v, 1.0))),
            "mask has shape",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(noise, make, message):
    with pytest.raises(ValueError, match=message):
        make(noise)
