import numpy as np
import pytest

from napari_vaemed.data.volume import Volume
from napari_vaemed.plugin.layers import volume_to_layer
from napari_vaemed.plugin.session import session_of

SHAPE, SPACING, ORIGIN = (14, 20, 24), (2.5, 0.6, 0.8), (-7.0, 11.0, -130.0)
TRUTH = {"MIP": np.max, "MinIP": np.min, "Mean": np.mean}


@pytest.fixture
def session(viewer, qapp):
    hu = np.random.default_rng(2).integers(-1000, 400, SHAPE).astype(np.int16)
    session = session_of(viewer)
    session.add(volume_to_layer(Volume(hu, SPACING, ORIGIN)))
    yield session
    session.close()


def truth(case, axis, mm, kind, thickness):
    """The projection of the slices whose middles lie within half the thickness, from mm alone."""
    middles = ORIGIN[2 - axis] + np.arange(SHAPE[axis]) * SPACING[axis]
    nearest = middles[np.argmin(np.abs(middles - mm))]
    within = np.abs(middles - nearest) <= thickness / 2 + 1e-6
    return TRUTH[kind](np.compress(within, case.volume.hu, axis=axis), axis=axis)


@pytest.mark.parametrize("kind", TRUTH)
@pytest.mark.parametrize(("axis", "thickness"), [(0, 10.0), (0, 7.0), (1, 4.0), (2, 5.0)])
def test_a_slab_is_the_projection_of_the_slices_within_its_millimetres(
    session, kind, axis, thickness
):
    case, dims = session.case, session.viewer.dims
    dims.order = (axis, *(a for a in range(3) if a != axis))
    session.slab.set(kind, thickness)
    for voxel in (0, 5.3, 6, SHAPE[axis] - 1):  # at both ends, and off the middle of a slice
        mm = float(case.world((voxel,) * 3)[axis])
        dims.set_point(axis, mm)
        shown = np.asarray(case.layer._slice.image.raw)
        assert np.allclose(shown, truth(case, axis, mm, kind, thickness))


def test_zero_is_a_single_slice_again(session):
    case, dims = session.case, session.viewer.dims
    session.slab.set("Mean", 20)
    session.slab.set("Mean", 0)
    dims.set_point(0, float(case.world((3, 0, 0))[0]))
    assert np.array_equal(case.layer._slice.image.raw, case.volume.hu[3])
    assert dims.thickness == (0, 0, 0)


def test_another_ct_takes_the_slab_over_in_its_own_slices(session):
    first = session.case
    session.slab.set("MIP", 10)
    other = Volume(np.zeros((9, 9, 9), np.int16), (5.0, 5.0, 5.0), description="Other")
    session.add(volume_to_layer(other))
    assert session.slab.beyond(0) == 1
    assert first.layer.projection_mode == "none"
    assert session.case.layer.projection_mode == "max"


def test_an_unknown_kind_is_refused(session):
    with pytest.raises(ValueError, match="MIP, MinIP, Mean"):
        session.slab.set("Sum", 5)
