from dataclasses import replace

import numpy as np
import pytest

from napari_vaemed.data.volume import Volume
from napari_vaemed.decision.duplicates import (
    ScanGrid,
    alike_pairs,
    equal_voxels,
    lattice_of,
    likeness,
    same_geometry,
    same_lattice,
)

GRID = ScanGrid("A", "1.2.3.7", tuple(np.arange(-345, -4, 1.25)), (0.878906,))


def test_one_scan_under_two_ids_is_found_and_one_alike_is_not():
    shuffled = tuple(reversed([z + 1e-4 for z in GRID.z_mm]))
    scans = [
        GRID,
        replace(GRID, series_uid="1.2.3.8"),  # the same patient again
        replace(GRID, patient="B", series_uid="1.2.3.9", z_mm=shuffled),
        replace(GRID, patient="C", z_mm=tuple(z + 0.5 for z in GRID.z_mm)),
        replace(GRID, patient="D", spacing_mm=(0.88,)),
        replace(GRID, patient="E", series_uid="1.2.4.1"),
    ]
    assert same_geometry(scans) == ((0, 1, 2),)


def test_the_most_telling_group_comes_first():
    short = replace(GRID, z_mm=(0.0, 1.0))
    scans = [short, replace(short, patient="B"), GRID, replace(GRID, patient="B")]
    assert same_geometry(scans) == ((2, 3), (0, 1))


def test_crops_of_one_scan_lie_on_one_lattice_wherever_they_were_cut():
    spacing, origin = (1.25, 0.7, 0.7), np.array([-161.3, -170.1, -12.5])
    moved = origin + np.array([5 * 0.7, -3 * 0.7, 7 * 1.25])
    beside = origin + np.array([0.1, 0.0, 0.0])
    assert lattice_of(spacing, tuple(origin)) == lattice_of(spacing, tuple(moved))
    assert lattice_of(spacing, tuple(origin)) != lattice_of(spacing, tuple(beside))


def test_a_lattice_that_many_patients_share_tells_nothing():
    assert same_lattice("aabb", "PQRR") == {(0, 1)}
    assert same_lattice("aaaa", "PQRS") == set()


def test_voxels_common_to_two_crops_are_compared():
    hu = np.arange(6 * 7 * 8, dtype=np.int16).reshape(6, 7, 8)
    whole = Volume(hu, (2.0, 0.5, 0.5), origin=(10.0, 20.0, 30.0))
    part = Volume(hu[2:5, 1:6, 3:].copy(), whole.spacing, origin=(11.5, 20.5, 34.0))
    assert equal_voxels(whole, part) == equal_voxels(part, whole) == 1.0
    part.hu[0] += 1
    assert equal_voxels(whole, part) == pytest.approx(2 / 3)
    assert equal_voxels(whole, replace(part, origin=(99.0, 20.5, 34.0))) is None


def test_likeness_is_the_correlation():
    pictures = np.random.default_rng(0).normal(size=(5, 3, 3, 3))
    pictures[4] = 2.0 * pictures[1] + 7.0
    expected = np.corrcoef(pictures.reshape(5, -1))
    assert likeness(pictures) == pytest.approx(expected, abs=1e-5)
    assert alike_pairs(likeness(pictures), list("ABCDE"), least=0.99) == [(1, 4)]
    assert alike_pairs(likeness(pictures), ["A"] * 5, least=0.99) == []
    assert likeness(np.ones((2, 8)))[0, 1] == 0
