"""Is one patient here under two ids? By the scans' geometry, then by pixels, then by codes.

Anonymised archives give one scan two patient ids now and then, and its two labels then contradict
each other. The places of a scan's slices, to a hundredth of a millimetre, and its pixel spacing
are all but unique to it: of the 1,018 scans of LIDC-IDRI two patients' share them, and those two
are one. Pixels and codes say the same of crops whose scans are not at hand.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.volume import Volume

FINEST_MM = 0.01
"""Places nearer than this are one."""


@dataclass(frozen=True)
class ScanGrid:
    """Where a scan's voxels lie, and whose it is said to be.

    Parameters
    ----------
    patient, series_uid : str
        As published; the UID may be empty.
    z_mm : tuple of float
        Places of all slices, in any order.
    spacing_mm : tuple of float
        Of the pixels, (y, x) or one number.
    """

    patient: str
    series_uid: str
    z_mm: tuple[float, ...]
    spacing_mm: tuple[float, ...]

    @property
    def fingerprint(self) -> Hashable:
        """Equal for scans of equal geometry from one archive."""
        places = tuple(sorted(round(z / FINEST_MM) for z in self.z_mm))
        spacing = tuple(round(step * 1e4) for step in self.spacing_mm)
        return places, spacing, self.series_uid.rpartition(".")[0]


def same_geometry(scans: Sequence[ScanGrid]) -> tuple[tuple[int, ...], ...]:
    """Groups of scans (their places in ``scans``) of one geometry under several patient ids.

    The most telling group first: few patients, many slices.
    """
    groups = shared([scan.fingerprint for scan in scans], [scan.patient for scan in scans])
    return tuple(sorted(groups, key=lambda group: (len(group), -len(scans[group[0]].z_mm))))


def shared(
    fingerprints: Sequence[Hashable], patients: Sequence[str]
) -> tuple[tuple[int, ...], ...]:
    """Groups of rows of one fingerprint that are of several patients."""
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for row, fingerprint in enumerate(fingerprints):
        groups[fingerprint].append(row)
    several = [rows for rows in groups.values() if len({patients[row] for row in rows}) > 1]
    return tuple(tuple(rows) for rows in several)


def lattice_of(spacing: tuple[float, float, float], origin: tuple[float, float, float]) -> Hashable:
    """Fingerprint of the voxel grid that a crop was cut from, whatever its place on it.

    Parameters
    ----------
    spacing : (z, y, x)
    origin : (x, y, z)
        Of the crop's first voxel, in mm.
    """
    steps = tuple(round(step * 1e4) for step in spacing)
    phases = np.mod(origin[::-1], spacing) / FINEST_MM
    periods = np.maximum(np.rint(np.asarray(spacing) / FINEST_MM), 1)
    return steps, tuple(np.mod(np.rint(phases), periods).astype(int).tolist())


def same_lattice(
    lattices: Sequence[Hashable], patients: Sequence[str], *, most: int = 3
) -> set[tuple[int, int]]:
    """Pairs of rows of two patients on one grid of voxels, the smaller row first.

    A grid that more than ``most`` patients share, as resampled sets have, tells nothing of them.
    """
    pairs = set()
    for rows in shared(lattices, patients):
        if len({patients[row] for row in rows}) <= most:
            pairs |= {(a, b) for a in rows for b in rows if a < b and patients[a] != patients[b]}
    return pairs


def equal_voxels(one: Volume, other: Volume) -> float | None:
    """Share of the voxels that two crops of one grid have in common which are equal.

    None where the crops do not meet.
    """
    spacing = np.asarray(one.spacing)
    apart = (np.asarray(other.origin) - np.asarray(one.origin))[::-1]
    shift = np.rint(apart / spacing).astype(int)
    start, stop = np.maximum(shift, 0), np.minimum(np.add(other.shape, shift), one.shape)
    if (start >= stop).any():
        return None
    here = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
    there = tuple(slice(a, b) for a, b in zip(start - shift, stop - shift, strict=True))
    return float(np.mean(one.hu[here] == other.hu[there]))


def likeness(pictures: NDArray) -> NDArray[np.float32]:
    """Correlation (n, n) of pictures (n, …) with each other; 0 for one without contrast."""
    flat = np.asarray(pictures, np.float32).reshape(len(pictures), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    flat = np.divide(flat, length, out=np.zeros_like(flat), where=length > 0)
    return flat @ flat.T


def alike_pairs(
    alike: NDArray[np.floating], patients: Sequence[str], *, least: float
) -> list[tuple[int, int]]:
    """Pairs of rows of two patients that are alike by ``least`` or more, the most alike first.

    Parameters
    ----------
    alike : (n, n)
        Symmetric; the higher, the more alike.
    """
    names = np.asarray(patients)
    one, other = np.nonzero(np.triu(alike >= least, 1) & (names[:, None] != names))
    order = np.argsort(-alike[one, other], kind="stable")
    return [(int(one[i]), int(other[i])) for i in order]
