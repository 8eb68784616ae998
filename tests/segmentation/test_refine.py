"""Hints hold, stay local, and do what they say, on bodies of known shape."""

import numpy as np
import pytest

from napari_vaemed.data.finding import NoduleMask
from napari_vaemed.data.volume import Volume
from napari_vaemed.segmentation.refine import Hints, NothingLeft, refine

SPACING = (1.0, 0.7, 0.7)
SHAPE = (41, 61, 61)
AT = np.stack(np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij"), -1)
MIDDLE = np.array((20, 30, 30))


def off(z, y, x):
    """A voxel so far from the middle."""
    return MIDDLE + np.array((z, y, x))


def ball(radius, centre=MIDDLE):
    return np.linalg.norm((AT - centre) * SPACING, axis=-1) <= radius


def tube(radius, reach=21.0):
    """A vessel that leaves the middle along x."""
    away = (AT - MIDDLE) * SPACING
    along = np.abs(away[..., 2] - reach / 2) <= reach / 2
    return (np.hypot(away[..., 0], away[..., 1]) <= radius) & along


def scan(*bodies):
    hu = np.full(SHAPE, -850.0)
    for body in bodies:
        hu[body] = 30
    noise = np.random.default_rng(0).normal(0, 20, SHAPE)
    return Volume(np.rint(hu + noise).astype(np.int16), SPACING)


def dice(mask, truth):
    found = mask.full(truth.shape)
    return 2 * (found & truth).sum() / (found.sum() + truth.sum())


def test_a_negative_hint_cuts_the_vessel_and_keeps_the_nodule():
    nodule, vessel = ball(6), tube(1.8)
    volume, leaked = scan(nodule, vessel), NoduleMask.of(nodule | vessel)
    hint = off(0, 0, 14)
    cut = refine(volume, leaked, Hints.of(outside=[hint]))
    found = cut.full(SHAPE)
    assert dice(cut, nodule) > 0.95 > dice(leaked, nodule)
    assert not found[(vessel & ~ball(10))].any()
    assert found[ball(5)].all()


def test_a_positive_hint_adds_the_missing_part():
    first, second = ball(5, off(0, 0, -5)), ball(4, off(0, 0, 6))
    both = first | second
    volume, partial = scan(both), NoduleMask.of(first)
    hint = off(0, 0, 6)
    added = refine(volume, partial, Hints.of(inside=[hint]))
    assert dice(added, both) > 0.93 > dice(partial, both)


@pytest.mark.parametrize("which", ["inside", "outside"])
def test_every_voxel_of_a_scribble_holds(which):
    nodule = ball(6)
    volume = scan(nodule)
    line = [off(0, 3, step) for step in range(-4, 5)]
    if which == "inside":
        line = [off(0, 10, step) for step in range(-4, 5)]
    found = refine(volume, NoduleMask.of(nodule), Hints.of(**{which: line})).full(SHAPE)
    assert (found[tuple(np.array(line).T)] == (which == "inside")).all()


def test_what_is_far_from_a_hint_stays():
    nodule = ball(9)
    before = NoduleMask.of(nodule)
    hint = off(0, 0, 15)  # 10.5 mm off, in lung
    after = refine(scan(nodule), before, Hints.of(inside=[hint])).full(SHAPE)
    far = np.linalg.norm((AT - hint) * SPACING, axis=-1) > 16
    assert np.array_equal(after[far], nodule[far])


def test_nothing_said_changes_nothing():
    nodule = ball(6)
    same = refine(scan(nodule), NoduleMask.of(nodule), Hints.of())
    assert np.array_equal(same.full(SHAPE), nodule)


def test_a_box_on_a_slice_bounds_the_nodule_on_all():
    nodule, vessel = ball(6), tube(1.8)
    low, high = off(0, -9, -9), off(0, 9, 9)
    boxed = refine(scan(nodule, vessel), NoduleMask.of(nodule | vessel), Hints.of(box=[high, low]))
    assert dice(boxed, nodule) > 0.95
    y, x = (np.flatnonzero(boxed.full(SHAPE).any(axis=axes)) for axes in ((0, 2), (0, 1)))
    assert y.min() >= 21
    assert y.max() <= 39
    assert x.min() >= 21
    assert x.max() <= 39


def test_a_box_makes_the_nodule_fill_it():
    nodule = ball(6)
    before = NoduleMask.of(ball(4.5))
    low, high = off(0, -8, -8), off(0, 8, 8)

    def belief(where):
        return ((6 - np.linalg.norm((AT - MIDDLE) * SPACING, axis=-1)) * 0.8)[where]

    after = refine(scan(nodule), before, Hints.of(box=[low, high]), belief)
    assert dice(after, nodule) > 0.85 > dice(before, nodule)


def test_what_the_network_believes_decides_where_hu_do_not():
    nodule, vessel = ball(6), ball(6, off(0, 0, 14))
    volume = scan(nodule, vessel)
    hint = off(0, 0, 9)

    def belief(where):
        return np.where(nodule, 3.0, -6.0)[where].astype(np.float32)

    with_it = refine(volume, NoduleMask.of(nodule), Hints.of(inside=[hint]), belief)
    without = refine(volume, NoduleMask.of(nodule), Hints.of(inside=[hint]))
    assert (with_it.full(SHAPE) & vessel).sum() < (without.full(SHAPE) & vessel).sum()


def test_the_newer_of_two_hints_on_a_voxel_holds():
    older = Hints.of(inside=[(1, 2, 3), (4, 5, 6)])
    both = older.then(Hints.of(outside=[(1, 2, 3)]))
    assert both.inside.tolist() == [[4, 5, 6]]
    assert both.outside.tolist() == [[1, 2, 3]]
    assert len(both) == 2


def test_hints_that_leave_nothing_say_so():
    nodule = ball(1.0)
    hints = Hints.of(outside=np.argwhere(ball(3)))
    with pytest.raises(NothingLeft, match="Nothing is left"):
        refine(scan(nodule), NoduleMask.of(nodule), hints)


def test_a_hint_outside_the_scan_is_refused():
    nodule = ball(6)
    with pytest.raises(ValueError, match="outside the scan"):
        refine(scan(nodule), NoduleMask.of(nodule), Hints.of(inside=[(0, 0, 99)]))
