"""Lungs from a CT by a network, dense lung included: plane after plane, in tiles where need be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import nn

from napari_vaemed.data.labels import AIRWAYS, LEFT_LUNG, RIGHT_LUNG, in_lungs
from napari_vaemed.data.progress import Progress, Work
from napari_vaemed.data.volume import Volume
from napari_vaemed.preprocessing.lung_planes import (
    lung_label_planes,
    lung_planes,
    plane_counts,
    plane_spacing,
    with_neighbours,
)
from napari_vaemed.segmentation.lungs import NoLungs
from napari_vaemed.segmentation.morphology import label, of_pieces

TILE, OVERLAP = 416, 0.5
"""Edge of a tile in samples, so that most planes need one, and the share two tiles have in
common."""

RADIUS = 80
"""Samples around one that can change the network's answer there. So far from its edge, a tile says
what the whole plane would; nearer, it counts only where no other tile does."""

MARGIN = 16
"""Samples seen around the body, mirrored where the scan ends there."""

EVEN = 16
"""A tile's edge and step are multiples of this: the network's coarsest level."""

SLAB = 8
"""Planes at a time."""

BODY_HU, AIR_HU = -300.0, -500.0
SMALLEST_ML, SMALLEST_SHARE = 60.0, 0.05
"""A piece of lung that is smaller, and a smaller share of all, is none."""

LARGEST_HOLE_ML = 50.0
ISLAND_SHARE = 0.2
NO_LUNGS_ML = 30.0
THIN_SAMPLES, SMALLEST_ADDED_ML = 1, 3.0
"""Dense lung beside aerated lung is thicker than twice so many samples of a plane, and larger."""

FLAT = ndimage.generate_binary_structure(2, 1)[None]
SURE = 255

Labels = NDArray[np.uint8]
Spacing = tuple[float, float, float]


def find_lungs_by_network(
    network: nn.Module, volume: Volume, aerated: Labels | None = None, *, tile: int = TILE
) -> Work[Labels]:
    """Find right lung, left lung and airways, dense lung and the pleura's fluid included.

    Parameters
    ----------
    network : nn.Module
        See `models.protocols.LungSegmenter`; the work is done where its weights lie.
    volume : Volume
        Canonical, so that the right lung has the lower x.
    aerated : (z, y, x) uint8 or None
        What `segmentation.lungs.segment_lungs` has found there. It knows the edges of lung that
        holds air better than samples of 1.5 mm can show: then they stay as they are, and only
        dense lung is added, in place, so that no second array of the scan's size is needed.
    tile : int
        Edge of the tiles, in samples of 1.5 mm; a smaller one needs less memory.

    Returns
    -------
    (z, y, x) uint8
        See `data.labels`; ``aerated`` itself if it was given.

    Raises
    ------
    NoLungs
        When none are seen.
    ValueError
        If ``tile`` is not a multiple of 32, or below 320.
    """
    if tile % (2 * EVEN) or tile < 4 * RADIUS:
        raise ValueError(
            f"A tile's edge is a multiple of {2 * EVEN} samples, at least {4 * RADIUS}; got {tile}."
        )
    chances, airless = yield from _chances(network, volume, tile)
    yield Progress("Tidying the lungs", 0, 2)
    labels = _surest(chances)
    spacing = plane_spacing(volume.shape, volume.spacing)
    tidied = tidy_labels(labels, spacing)
    if aerated is None and np.count_nonzero(in_lungs(tidied)) * _ml(spacing) < NO_LUNGS_ML:
        raise NoLungs(
            "The network sees no lungs here. Open a chest CT in Hounsfield units; if this is one, "
            "look for the lungs by threshold."
        )
    changed = tidied != labels
    for number, chance in enumerate(chances, start=1):
        chance[changed] = SURE * (tidied[changed] == number)
    yield Progress("Tidying the lungs", 1, 2)
    if aerated is None:
        aerated = np.zeros(volume.shape, np.uint8)
    else:
        tidied[~airless] = 0  # air that the threshold left out is a bowel's
        chances *= dense_additions(tidied, lung_label_planes(aerated, volume.spacing), spacing)
        chances[AIRWAYS - 1] = 0
    yield from _draw(chances, aerated)
    return aerated


def dense_additions(learned: Labels, aerated: Labels, spacing: Spacing) -> NDArray[np.bool_]:
    """Where lung lies that only the network has found: thick pieces that touch the other lung.

    Thin ones are where the two draw the same edge a little apart.

    Parameters
    ----------
    learned, aerated : (z, y, x) uint8
        Labels by the network and by threshold.
    spacing : (z, y, x) mm

    Returns
    -------
    (z, y, x) bool
        One sample wider than the pieces, so that no gap is left beside the aerated lung.
    """
    dense = in_lungs(learned) & (aerated == 0)
    thick = ndimage.binary_opening(dense, FLAT, iterations=THIN_SAMPLES)
    pieces, sizes = label(thick)
    beside = ndimage.binary_dilation(in_lungs(aerated), iterations=2)
    kept = np.zeros(len(sizes), bool)
    kept[np.unique(pieces[beside])] = True
    kept &= sizes * _ml(spacing) > SMALLEST_ADDED_ML
    return np.asarray(ndimage.binary_dilation(of_pieces(pieces, kept), FLAT))


def tiled_logits(network: nn.Module, planes: torch.Tensor, *, tile: int = TILE) -> torch.Tensor:
    """The network's logits (n, 4, y, x) of planes (n, 3, y, x), no more than a tile at a time.

    As in the U-Net paper's overlap-tile strategy: what is near a tile's edge is another tile's to
    say; where several may, each counts the less the nearer its edge is, so that no seam is seen.
    """
    rows, columns = planes.shape[2:]
    below, right = _missing(rows, tile), _missing(columns, tile)
    padded = _mirrored(planes, (0, below), (0, right))
    if padded.shape[2] <= tile and padded.shape[3] <= tile:
        logits: torch.Tensor = network(padded)
    else:
        from monai.inferers import sliding_window_inference

        sizes = padded.shape[2:]
        edges = [min(tile, n) for n in sizes]
        weights = _weights(edges[0], sizes[0])[:, None] * _weights(edges[1], sizes[1])
        logits = sliding_window_inference(  # type: ignore[assignment]
            padded, edges, 1, network, OVERLAP, roi_weight_map=weights.to(padded.device)
        )
    return logits[..., :rows, :columns]


def tidy_labels(labels: Labels, spacing: Spacing) -> Labels:
    """Take away pieces that are no lung, fill holes, and give every piece of lung one side.

    Parameters
    ----------
    labels : (z, y, x) uint8
    spacing : (z, y, x) mm
    """
    ml = _ml(spacing)
    tidied = np.where(_large_pieces(in_lungs(labels), ml), labels, 0).astype(np.uint8)
    for one, other in ((RIGHT_LUNG, LEFT_LUNG), (LEFT_LUNG, RIGHT_LUNG)):
        tidied[_islands(tidied == one, tidied == other)] = other
    for side in (RIGHT_LUNG, LEFT_LUNG):
        tidied[_holes(tidied == side, ml) & (tidied == 0)] = side
    tubes, sizes = label((labels == AIRWAYS) & (tidied == 0))
    tidied[of_pieces(tubes, sizes >= max(0.1 * sizes.max(), 1))] = AIRWAYS
    return tidied


def _chances(
    network: nn.Module, volume: Volume, tile: int
) -> Work[tuple[NDArray[np.uint8], NDArray[np.bool_]]]:
    """How sure the network is of each label, (3, planes, rows, columns), of 255; and where there
    is no air."""
    counts = plane_counts(volume.shape, volume.spacing)
    step = plane_spacing(volume.shape, volume.spacing)[0]
    around = with_neighbours(counts[0], step)
    chances, airless = np.zeros((3, *counts), np.uint8), np.zeros(counts, bool)
    device = next(network.parameters()).device
    for start in range(0, counts[0], SLAB):
        yield Progress("Looking for lungs", start, counts[0])
        here = around[start : start + SLAB]
        first, last = int(here.min()), int(here.max()) + 1
        planes = lung_planes(volume.hu, volume.spacing, slice(first, last))
        airless[start : start + SLAB] = planes[here[:, 1] - first] > AIR_HU
        box = _body(planes)
        if box is None:
            continue
        seen, where = _with_margin(torch.from_numpy(planes), box)
        with torch.inference_mode():
            logits = tiled_logits(network, seen[here - first].to(device), tile=tile)
            sure = (logits.float().softmax(1)[:, 1:] * SURE).round().byte().cpu()
        rows, columns = box
        found = sure[..., where[0], where[1]].transpose(0, 1)
        chances[:, start : start + SLAB, rows, columns] = found.numpy()
    return chances, airless


def _body(planes: NDArray[np.float32]) -> tuple[slice, slice] | None:
    """Rows and columns of a slab that the body takes."""
    body = ndimage.binary_opening((planes > BODY_HU).any(axis=0), iterations=2)
    found = ndimage.find_objects(body.view(np.uint8))
    return (found[0][0], found[0][1]) if found else None


def _with_margin(
    planes: torch.Tensor, box: tuple[slice, slice]
) -> tuple[torch.Tensor, tuple[slice, slice]]:
    """The box of each plane with a margin, and where in it the box lies."""
    taken, missing, where = [], [], []
    for cut, n in zip(box, planes.shape[1:], strict=True):
        first, last = cut.start - MARGIN, cut.stop + MARGIN
        taken.append(slice(max(first, 0), min(last, n)))
        missing.append((max(-first, 0), max(last - n, 0)))
        where.append(slice(MARGIN, MARGIN + cut.stop - cut.start))
    seen = planes[:, taken[0], taken[1]]
    return _mirrored(seen[None], missing[0], missing[1])[0], (where[0], where[1])


def _mirrored(
    planes: torch.Tensor, rows: tuple[int, int], columns: tuple[int, int]
) -> torch.Tensor:
    """Planes (n, c, y, x) with so many samples more at each end, mirrored at the edge."""
    for axis, (before, after) in ((2, rows), (3, columns)):
        if before or after:
            n = planes.shape[axis]
            at = np.pad(np.arange(n), (before, after), mode="reflect" if n > 1 else "edge")
            planes = planes.index_select(axis, torch.from_numpy(at).to(planes.device))
    return planes


def _weights(edge: int, size: int) -> torch.Tensor:
    """How much each sample of a tile counts, along one axis of a plane of ``size``."""
    away = (torch.arange(edge) - (edge - 1) / 2).abs()
    weights = torch.exp(-0.5 * (away / (edge / 8)) ** 2).clamp_min(1e-3)
    if size > edge:
        weights[away > edge / 2 - RADIUS] *= 1e-6
    return weights


def _missing(n: int, tile: int) -> int:
    """Samples to add until tiles, all a whole number of the coarsest samples apart, fit."""
    if n <= tile:
        return -n % EVEN
    return -(n - tile) % int(tile * (1 - OVERLAP))


def _ml(spacing: Spacing) -> float:
    return float(np.prod(spacing)) / 1000


def _large_pieces(lung: NDArray[np.bool_], ml: float) -> NDArray[np.bool_]:
    pieces, sizes = label(lung)
    large = sizes * ml >= min(SMALLEST_ML, SMALLEST_SHARE * sizes.sum() * ml)
    return of_pieces(pieces, large & (sizes > 0))


def _islands(side: NDArray[np.bool_], other: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Small pieces of one lung that touch the other."""
    pieces, sizes = label(side)
    touching = np.zeros(len(sizes), bool)
    touching[np.unique(pieces[ndimage.binary_dilation(other)])] = True
    return of_pieces(pieces, touching & (sizes > 0) & (sizes < ISLAND_SHARE * sizes.max()))


def _holes(side: NDArray[np.bool_], ml: float) -> NDArray[np.bool_]:
    """What a lung encloses, on every side in space, if it is small."""
    holes, sizes = label(ndimage.binary_fill_holes(side) & ~side)
    return of_pieces(holes, (sizes > 0) & (sizes * ml < LARGEST_HOLE_ML))


def _surest(chances: NDArray[np.uint8]) -> Labels:
    """The label of each sample; none where all three together are not likely."""
    labels = np.zeros(chances.shape[1:], np.uint8)
    for plane, sure in zip(labels, chances.swapaxes(0, 1), strict=True):
        inside = sure.sum(axis=0, dtype=np.uint16) > SURE // 2
        plane[:] = np.where(inside, sure.argmax(axis=0) + 1, 0)
    return labels


def _surest_around(chances: NDArray[np.uint8]) -> Labels:
    """The label that is likeliest in the 27 samples around each."""
    labels, most = np.ones(chances.shape[1:], np.uint8), np.zeros(chances.shape[1:], np.uint16)
    for number, chance in enumerate(chances, start=1):
        near = ndimage.uniform_filter(chance, 3, np.uint16)
        labels[near > most] = number
        np.maximum(most, near, out=most)
    return labels


def _draw(chances: NDArray[np.uint8], labels: Labels) -> Work[None]:
    """Label voxels that have none: in where straight lines between samples say half, and which
    of the three by the samples near."""
    any_of = np.minimum(chances.sum(axis=0, dtype=np.uint16), SURE).astype(np.uint8)
    found = ndimage.find_objects((any_of > 0).view(np.uint8))
    if not found:
        return
    which = _surest_around(chances)
    z, y, x = (
        _between(n, m, cut) for n, m, cut in zip(labels.shape, any_of.shape, found[0], strict=True)
    )
    for start in range(0, len(z.first), SLAB):
        if start % (4 * SLAB) == 0:
            yield Progress("Drawing the lungs' edges", start, len(z.first))
        here = slice(start, start + SLAB)
        planes = z.of(any_of, 0, here)
        inside = x.of(y.of(planes, 1), 2) > SURE / 2
        nearest = which[np.ix_(z.nearest[here], y.nearest, x.nearest)]
        voxels = labels[z.voxels][here, y.voxels, x.voxels]
        np.copyto(voxels, nearest, where=inside & (voxels == 0))


@dataclass(frozen=True, eq=False)
class _Line:
    """Voxels along an axis, and between which samples each lies."""

    voxels: slice
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    share: NDArray[np.float32]
    nearest: NDArray[np.int64]

    def of(
        self, samples: NDArray[np.generic], axis: int, only: slice = slice(None)
    ) -> NDArray[np.float32]:
        """What samples are at the voxels, along one axis."""
        shape = [1, 1, 1]
        shape[axis] = -1
        share = self.share[only].reshape(shape)
        first = samples.take(self.first[only], axis).astype(np.float32)
        mixed: NDArray[np.float32] = samples.take(self.second[only], axis).astype(np.float32)
        mixed -= first
        mixed *= share
        mixed += first
        return mixed


def _between(n: int, m: int, cut: slice) -> _Line:
    """The voxels, of n, that samples ``cut``, of m, and their neighbours reach."""
    low, high = max((cut.start - 1) * n // m, 0), min(-(-(cut.stop + 1) * n // m), n)
    where = ((np.arange(low, high) + 0.5) * m / n - 0.5).clip(0, m - 1)
    first = where.astype(int)
    share = (where - first).astype(np.float32)
    return _Line(
        slice(low, high), first, np.minimum(first + 1, m - 1), share, np.rint(where).astype(int)
    )
