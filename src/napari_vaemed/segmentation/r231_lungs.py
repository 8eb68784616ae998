"""Lungs from a CT by lungmask's R231: each slice cropped to the body and brought to 256²."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy import ndimage
from torch import nn

from napari_vaemed.data.labels import in_lungs
from napari_vaemed.data.progress import Progress, Work
from napari_vaemed.data.volume import Volume
from napari_vaemed.models.segmenters.r231 import HU_RANGE, SIZE
from napari_vaemed.segmentation.learned_lungs import Labels, tidy_labels
from napari_vaemed.segmentation.lungs import NoLungs

SLAB = 4
BODY_HU, BODY_SIZE = -500.0, 128
Box = tuple[slice, slice]


def find_lungs_by_r231(network: nn.Module, volume: Volume) -> Work[Labels]:
    """Find right and left lung; R231 knows no airways, they are outside.

    Parameters
    ----------
    network : nn.Module
        `models.segmenters.r231.R231`; the work is done where its weights lie.
    volume : Volume
        Canonical, so that the right lung has the lower x.

    Returns
    -------
    (z, y, x) uint8
        See `data.labels`.

    Raises
    ------
    NoLungs
        When none are seen.
    """
    device = next(network.parameters()).device
    seen = np.zeros((len(volume.hu), SIZE, SIZE), np.uint8)
    boxes: list[Box] = []
    for start in range(0, len(volume.hu), SLAB):
        yield Progress("Looking for lungs", start, len(volume.hu))
        slab = volume.hu[start : start + SLAB].astype(np.float32).clip(*HU_RANGE)
        here = [_body(plane) for plane in slab]
        planes = torch.stack([_fitted(plane[box]) for plane, box in zip(slab, here, strict=True)])
        low, high = HU_RANGE
        with torch.inference_mode():
            logits = network(((planes - low) / (high - low)).to(device))
        seen[start : start + SLAB] = logits.argmax(1).byte().cpu().numpy()
        boxes += here
    yield Progress("Tidying the lungs")
    tidied = tidy_labels(seen, _spacing(boxes, volume.spacing))
    if not in_lungs(tidied).any():
        raise NoLungs("R231 sees no lungs here. Open a chest CT in Hounsfield units.")
    labels = np.zeros(volume.shape, np.uint8)
    for plane, found, (rows, columns) in zip(labels, tidied, boxes, strict=True):
        plane[rows, columns] = _nearest(
            found, (rows.stop - rows.start, columns.stop - columns.start)
        )
    return labels


def _body(plane: NDArray[np.float32]) -> Box:
    """Rows and columns of the largest thing in a slice that is not air."""
    small = _nearest(plane, (BODY_SIZE, BODY_SIZE)) > BODY_HU
    small = ndimage.binary_fill_holes(ndimage.binary_closing(small), np.ones((3, 3)))
    pieces, count = ndimage.label(ndimage.binary_erosion(small, iterations=2))
    if not count:
        return slice(0, plane.shape[0]), slice(0, plane.shape[1])
    largest = pieces == 1 + np.argmax(np.bincount(pieces.ravel())[1:])
    largest = ndimage.binary_dilation(largest, iterations=2)
    (found,) = ndimage.find_objects(largest.view(np.uint8))
    rows, columns = (
        slice(cut.start * n // BODY_SIZE, -(-cut.stop * n // BODY_SIZE))
        for cut, n in zip(found, plane.shape, strict=True)
    )
    return rows, columns


def _fitted(plane: NDArray[np.float32]) -> torch.Tensor:
    """A part of a slice as (1, 256, 256), by straight lines between its outermost voxels."""
    image = torch.from_numpy(np.ascontiguousarray(plane))[None, None]
    return F.interpolate(image, size=(SIZE, SIZE), mode="bilinear", align_corners=True)[0]


def _nearest(plane: NDArray, shape: tuple[int, int]) -> NDArray:
    rows, columns = (
        np.rint(np.linspace(0, n - 1, m)).astype(int)
        for n, m in zip(plane.shape, shape, strict=True)
    )
    return plane[np.ix_(rows, columns)]


def _spacing(boxes: list[Box], spacing: tuple[float, float, float]) -> tuple[float, float, float]:
    """Millimetres between the samples of the fitted slices, by and large."""
    y, x = np.median([[cut.stop - cut.start for cut in box] for box in boxes], axis=0) / SIZE
    return spacing[0], spacing[1] * float(y), spacing[2] * float(x)
