"""What others, or a hand, have drawn as findings: labels, places, calipers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from napari_vaemed.data.caliper import Caliper
from napari_vaemed.data.finding import NoduleMask
from napari_vaemed.data.progress import Progress, Work
from napari_vaemed.data.volume import Volume
from napari_vaemed.preprocessing.placement import labels_on, labels_present
from napari_vaemed.segmentation.measure import measure_nodule
from napari_vaemed.segmentation.nodules import NoNodule
from napari_vaemed.workflow.examine import Marked, mark

MOST = 50
"""More pieces than this are a mask of something else than nodules."""
SPECK = 0.1
"""A piece of less than this share of its label's largest is left out."""
DIAMETERS = {"line": 1, "bidirectional": 2}
"""Kinds of calipers that tell a nodule's size, and how many diameters they have."""


def take_labels(
    volume: Volume, drawn: Volume, label: int | None, lungs: NDArray[np.uint8] | None = None
) -> Work[tuple[Marked, ...]]:
    """Each piece of a label, or of all labels, as a measured nodule.

    Parameters
    ----------
    volume : Volume
        The CT.
    drawn : Volume
        The labels on their grid, in ``hu``; it may be another than the CT's.
    label : int or None
        None takes all.
    lungs : (z, y, x) uint8, optional
        Lung labels of the CT.

    Raises
    ------
    ValueError
        There is no such label on the CT, or there are more than `MOST` pieces.
    """
    yield Progress("Looking for pieces")
    labels = drawn.hu if label is None else np.where(drawn.hu == label, drawn.hu, 0)
    pieces = _pieces(labels_on(labels, drawn, volume))
    if not pieces:
        which = "Nothing is drawn" if label is None else f"Label {label} has no voxels"
        raise ValueError(f"{which} on this CT. Choose another label or layer.")
    if len(pieces) > MOST:
        raise ValueError(
            f"The mask falls into {len(pieces)} pieces; at most {MOST} can be taken as findings. "
            "Take one of its labels, or correct it on the mask desk first."
        )
    marked = []
    for done, mask in enumerate(pieces):
        yield Progress("Measuring", done, len(pieces))
        marked.append(Marked(_middle(mask), mask, measure_nodule(volume, mask, lungs)))
    return tuple(marked)


def take_points(
    volume: Volume, voxels: Sequence[ArrayLike], lungs: NDArray[np.uint8] | None = None
) -> Work[tuple[Marked, ...]]:
    """The nodules at places (z, y, x) of the CT, each as if it were clicked.

    Raises
    ------
    NoNodule
        There is none at any of them.
    """
    marked, reason = [], NoNodule("No point was given.")
    for done, voxel in enumerate(voxels):
        yield Progress("Outlining", done, len(voxels))
        try:
            marked.append(mark(volume, voxel, lungs))
        except NoNodule as error:
            reason = error
    if not marked:
        raise reason
    return tuple(marked)


def take_caliper(
    volume: Volume, caliper: Caliper, lungs: NDArray[np.uint8] | None = None
) -> Marked:
    """A nodule as large as a hand has measured it: a ball over a line, an ellipsoid over two.

    The third axis is the mean of the other two. Diameters drawn on an axial slice stay what the
    hand said; the rest is measured on the ellipsoid's voxels.

    Raises
    ------
    ValueError
        The caliper tells no diameter, or none of it lies on the CT.
    """
    if caliper.kind not in DIAMETERS:
        raise ValueError(
            f"A caliper of the kind {caliper.kind!r} tells no diameter. Take a "
            f"{' or a '.join(DIAMETERS)}."
        )
    mask = _ellipsoid(volume, np.array(caliper.points).reshape(-1, 2, 3))
    measured = measure_nodule(volume, mask, lungs)
    if caliper.axis == 0:
        first, last = caliper.points[:2], caliper.points[-2:]
        measured = replace(
            measured,
            longest_mm=_length(volume, first),
            perpendicular_mm=_length(volume, last),
            longest_ends=(first[0], first[1]),
            perpendicular_ends=(last[0], last[1]),
            slice_index=caliper.slice_index,
        )
    return Marked(_middle(mask), mask, measured)


def _pieces(labels: NDArray) -> list[NoduleMask]:
    """Connected pieces, edges and corners counted, of every label."""
    found = []
    for label in labels_present(labels):
        whole = NoduleMask.of(labels == label)
        inside, count = ndimage.label(whole.voxels, np.ones((3, 3, 3)))
        sizes = np.bincount(inside.ravel())[1:]
        for piece in range(1, count + 1):
            if sizes[piece - 1] >= SPECK * sizes.max():
                mask = NoduleMask.of(inside == piece)
                z, y, x = (a + b for a, b in zip(mask.start, whole.start, strict=True))
                found.append(NoduleMask(mask.voxels, (z, y, x)))
    return found


def _middle(mask: NoduleMask) -> tuple[float, float, float]:
    """The voxel (z, y, x) of the mask nearest to its centre of mass."""
    inside = np.argwhere(mask.voxels)
    nearest = inside[np.square(inside - inside.mean(0)).sum(1).argmin()] + mask.start
    z, y, x = (float(v) for v in nearest)
    return z, y, x


def _ellipsoid(volume: Volume, lines: NDArray[np.float64]) -> NoduleMask:
    """Voxels inside the ellipsoid with these diameters, (n, 2, 3) as ends in voxels."""
    ends = volume.to_world(lines)
    centre = ends.mean((0, 1))
    halves = (ends[:, 1] - ends[:, 0]) / 2
    radii = np.linalg.norm(halves, axis=1)
    long, short = radii[0], radii[-1]
    if min(long, short) <= 0:
        raise ValueError("The caliper has no length. Draw it anew.")
    along = halves[0] / long
    reach = np.ceil(long / np.array(volume.spacing)).astype(int) + 1
    middle = np.rint(volume.to_voxel(centre)).astype(int)
    low = np.clip(middle - reach, 0, np.array(volume.shape) - 1)
    high = np.clip(middle + reach + 1, 1, volume.shape)
    index = np.moveaxis(np.indices(high - low), 0, -1) + low
    away = volume.to_world(index) - centre
    if len(lines) == 1:
        inside = np.square(away / long).sum(-1) <= 1
    else:
        across = halves[1] - (halves[1] @ along) * along
        across /= np.linalg.norm(across)
        axes = np.stack(
            [along / long, across / short, np.cross(along, across) * 2 / (long + short)]
        )
        inside = np.square(away @ axes.T).sum(-1) <= 1
    if not inside.any():
        inside[tuple(np.clip(middle - low, 0, np.array(inside.shape) - 1))] = True
    mask = NoduleMask.of(inside)
    z, y, x = (int(a) + int(b) for a, b in zip(mask.start, low, strict=True))
    return NoduleMask(mask.voxels, (z, y, x))


def _length(volume: Volume, ends: Sequence[ArrayLike]) -> float:
    one, other = volume.to_world(np.array(ends))
    return float(np.linalg.norm(one - other))
