"""Where the patient is: the body without room, table and clothes, and a CT with nothing else."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_vaemed.data.volume import Volume
from napari_vaemed.preprocessing.threads import working_threads

TISSUE_HU = -250
GRID_MM = 4.0
BACKGROUND_HU = -1000
"""Air: what `remove_background` puts where the patient is not."""

SURROUNDED_SHARE = 0.6
"""Air in a slice belongs to the body when this share of it has body on three sides."""

Factors = tuple[int, int, int]


def body_mask(volume: Volume) -> NDArray[np.bool_]:
    """Find the patient: skin and all within it, lungs and bowel gas too.

    Which pieces belong to the patient is decided on a grid of about 4 mm, where table, sheets and
    clothes are too thin to last; the edge is then drawn on the voxels.

    Parameters
    ----------
    volume : Volume
        A canonical CT, of any resolution.

    Returns
    -------
    (z, y, x) bool
        All False where no body is seen.
    """
    steps = _steps(volume.spacing)
    filled = _filled(_coarse_body(volume.hu, steps))
    plane = ndimage.generate_binary_structure(2, 1)[None]
    core = ndimage.binary_erosion(filled, plane, border_value=1)
    reach = ndimage.binary_dilation(filled, plane)
    body = np.empty(volume.shape, bool)

    def draw(layer: int) -> None:
        z = slice(layer * steps[0], (layer + 1) * steps[0])
        here = body[z]
        np.greater(volume.hu[z], TISSUE_HU, out=here)
        here &= _on_voxels(reach[layer], steps[1:], volume.shape[1:])
        here |= _on_voxels(core[layer], steps[1:], volume.shape[1:])

    with working_threads() as pool:
        list(pool.map(draw, range(len(filled))))
    return body


def remove_background(
    hu: NDArray[np.int16], inside: NDArray[np.bool_], fill_hu: int = BACKGROUND_HU
) -> NDArray[np.int16]:
    """A copy of a CT with everything outside a mask at air.

    Parameters
    ----------
    hu : (z, y, x) int16
        Left as it is.
    inside : (z, y, x) bool, or labels
        What is kept: the body, or the lungs (0 is outside).
    fill_hu : int
        What the rest becomes.

    Raises
    ------
    ValueError
        When the mask was made on another grid.
    """
    if inside.shape != hu.shape:
        raise ValueError(
            f"The mask has shape {inside.shape} but the CT {hu.shape}; use a mask made on this CT."
        )
    kept = np.empty_like(hu)

    def copy(z: int) -> None:
        kept[z] = np.where(inside[z], hu[z], np.int16(fill_hu))

    with working_threads() as pool:
        list(pool.map(copy, range(len(hu))))
    return kept


def surrounded_by_body(
    hu: NDArray[np.int16], spacing: tuple[float, float, float], *, cut_by_view: bool = False
) -> NDArray[np.bool_]:
    """Mark voxels with body on at least three of their four sides in the axial plane.

    Three, because the field of view may cut the body on one side. Edges are true to about 4 mm.

    Parameters
    ----------
    hu : (z, y, x) int16
        A canonical CT, of any resolution.
    spacing : (z, y, x) mm
    cut_by_view : bool
        The field of view lies within the body, so that its outside is not seen: body to the
        right or to the left is enough.

    Returns
    -------
    (z, y, x) bool
        All False where no body is seen.
    """
    steps = _steps(spacing)
    body = _coarse_body(hu, steps)
    inside = _sides(body, (2,)) >= 1 if cut_by_view else _sides(body, (1, 2)) >= 3
    return _on_voxels(inside, steps, hu.shape)


def _steps(spacing: tuple[float, float, float]) -> Factors:
    """Voxels between the samples of the coarse grid."""
    z, y, x = (max(1, round(GRID_MM / s)) for s in spacing)
    return z, y, x


def _coarse_body(hu: NDArray[np.int16], steps: Factors) -> NDArray[np.bool_]:
    """The largest piece of tissue on the coarse grid.

    An opening takes off the table and other thin things.
    """
    tissue = hu[:: steps[0], :: steps[1], :: steps[2]] > TISSUE_HU
    cross = ndimage.generate_binary_structure(3, 1)
    opened = ndimage.binary_erosion(tissue, cross, border_value=1)
    pieces, count = ndimage.label(ndimage.binary_dilation(opened, cross))
    if not count:
        return np.zeros(tissue.shape, bool)
    return pieces == np.bincount(pieces.ravel())[1:].argmax() + 1


def _sides(body: NDArray[np.bool_], axes: tuple[int, ...]) -> NDArray[np.uint8]:
    """On how many sides along some axes each voxel has body."""
    sides = np.zeros(body.shape, np.uint8)
    for axis in axes:
        sides += np.logical_or.accumulate(body, axis=axis)
        sides += np.flip(np.logical_or.accumulate(np.flip(body, axis), axis=axis), axis)
    return sides


def _filled(body: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """With the air it holds, slice by slice; on one side it may be open to the view's edge."""
    in_plane = np.zeros((3, 3, 3), bool)
    in_plane[1] = ndimage.generate_binary_structure(2, 1)
    air, count = ndimage.label(~body, in_plane)
    size = np.bincount(air.ravel(), minlength=count + 1)
    within = np.bincount(air[_sides(body, (1, 2)) >= 3], minlength=count + 1)
    return (within > SURROUNDED_SHARE * size)[air] | body


def _on_voxels(
    coarse: NDArray[np.bool_], steps: tuple[int, ...], shape: tuple[int, ...]
) -> NDArray[np.bool_]:
    """A coarse mask on the voxels it was sampled from; any number of axes."""
    for axis, step in enumerate(steps):
        coarse = np.repeat(coarse, step, axis=axis) if step > 1 else coarse
    return coarse[tuple(slice(n) for n in shape)]
