from __future__ import annotations

import numpy as np
import pytest

from napari_vaemed.data.progress import finish
from napari_vaemed.data.volume import Volume
from napari_vaemed.preprocessing.slabs import thick_slabs

SHAPE, SPACING, ORIGIN = (14, 20, 24), (2.5, 0.6, 0.8), (-7.0, 11.0, -130.0)
TRUTH = {"MIP": np.max, "MinIP": np.min, "Mean": np.mean}


@pytest.fixture(scope="module")
def volume():
    hu = np.random.default_rng(2).integers(-1000, 400, SHAPE).astype(np.int16)
    return Volume(hu, SPACING, ORIGIN)


@pytest.mark.parametrize("kind", TRUTH)
@pytest.mark.parametrize(
    ("plane", "thickness", "step"),
    [("axial", 10.0, None), ("axial", 7.0, 5.0), ("coronal", 4.0, 1.8), ("sagittal", 5.0, 1.6)],
)
def test_a_slab_is_the_projection_of_what_lies_within_its_millimetres(
    volume, kind, plane, thickness, step
):
    made = finish(thick_slabs(volume, kind, thickness, step_mm=step, plane=plane))
    axis = ("axial", "coronal", "sagittal").index(plane)
    places = volume.to_world(np.eye(3)[axis] * np.arange(SHAPE[axis])[:, None])[:, 2 - axis]
    for k in range(made.shape[axis]):
        middle = made.to_world(np.eye(3)[axis] * k)[2 - axis]
        within = np.abs(places - middle) <= thickness / 2 + 1e-6
        expected = TRUTH[kind](np.compress(within, volume.hu, axis=axis), axis=axis)
        assert np.abs(np.take(made.hu, k, axis=axis) - expected).max() <= 0.5 + 1e-3
    if step is not None:
        assert made.spacing[axis] == pytest.approx(step)
    others = [a for a in range(3) if a != axis]
    assert [made.shape[a] for a in others] == [SHAPE[a] for a in others]


def test_padding_counts_only_where_there_is_nothing_else(volume):
    hu = volume.hu.copy()
    hu[:7, 3] = -3024
    padded = Volume(hu, SPACING, ORIGIN, padding=-3024)
    for kind in ("MinIP", "Mean"):
        made = finish(thick_slabs(padded, kind, 15.0)).hu
        assert (made[:4, 3] == -3024).all()
        assert made[4:, 3].min() >= -1000
        measured = hu[4:11, 3][hu[4:11, 3] > -3024].reshape(-1, 24)
        assert np.abs(made[7, 3] - TRUTH[kind](measured, axis=0)).max() <= 0.5 + 1e-3


def test_a_slab_says_what_it_is(volume):
    made = finish(thick_slabs(volume, "MIP", 10))
    assert made.description == "CT MIP 10 mm"
    assert made.notes[-1] == "MIP slabs of 10 mm every 2.5 mm, axial."


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"kind": "Sum"}, "MIP, MinIP, Mean"),
        ({"plane": "oblique"}, "axial, coronal, sagittal"),
        ({"thickness_mm": 0.0}, "positive mm"),
        ({"step_mm": -1.0}, "positive mm"),
    ],
)
def test_what_makes_no_sense_is_refused(volume, wrong, message):
    with pytest.raises(ValueError, match=message):
        finish(thick_slabs(volume, **{"kind": "MIP", "thickness_mm": 10.0, **wrong}))
