"""A CT made easier to look at: even contrast, less noise; whole, or one slice at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.labels import in_lungs
from napari_vaemed.data.progress import Work
from napari_vaemed.data.volume import Volume
from napari_vaemed.preprocessing.body import body_mask
from napari_vaemed.preprocessing.clahe import (
    CLIP_LIMIT,
    TILE_MM,
    Clahe,
    EqualisedPlanes,
    Mask,
    Region,
    clahe,
)
from napari_vaemed.preprocessing.diffusion import Diffusion, diffuse, diffused_plane
from napari_vaemed.preprocessing.intensity import LEVELS, WINDOWS
from napari_vaemed.preprocessing.threads import working_threads

HE, CLAHE, HE_CLAHE, DIFFUSION = "he", "clahe", "he+clahe", "diffusion"
METHODS = {
    HE: "HE",
    CLAHE: "CLAHE",
    HE_CLAHE: "HE + CLAHE",
    DIFFUSION: "Diffusion",
}
"""What an enhancement is called, and what a person calls it."""
EVERYWHERE, BODY, LUNGS = WHERE = ("everywhere", "body", "lungs")


@dataclass(frozen=True)
class Enhancement:
    """What is done to a CT; what does not belong to the method is not looked at.

    Parameters
    ----------
    method : str
        One of `METHODS`.
    window : (centre, width) HU
        What HE and CLAHE even out.
    clip_limit, tile_mm, levels
        See `Clahe`.
    smoothing_mm, edge_hu_per_mm
        See `Diffusion`.
    three_d : bool
        In space; else every axial slice by itself.

    Raises
    ------
    ValueError
        If the method is unknown or a parameter out of range.
    """

    method: str = CLAHE
    window: tuple[float, float] = WINDOWS["lung"]
    clip_limit: float = CLIP_LIMIT
    tile_mm: float = TILE_MM
    levels: int = LEVELS
    smoothing_mm: float = Diffusion.smoothing_mm
    edge_hu_per_mm: float = Diffusion.edge_hu_per_mm
    three_d: bool = False

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"An enhancement is one of {', '.join(METHODS)}, not {self.method!r}.")
        _ = self.diffusion if self.method == DIFFUSION else self.clahe  # which look at the numbers

    @property
    def clahe(self) -> Clahe:
        """How histograms are evened out."""
        if self.method == HE:
            return Clahe.equalisation(self.window, three_d=self.three_d, levels=self.levels)
        return Clahe(
            self.window,
            self.clip_limit,
            self.tile_mm,
            self.three_d,
            self.levels,
            equalise_first=self.method == HE_CLAHE,
        )

    @property
    def diffusion(self) -> Diffusion:
        """How noise is smoothed away."""
        return Diffusion(self.smoothing_mm, self.edge_hu_per_mm, self.three_d)


def enhance(
    volume: Volume, how: Enhancement, *, inside: Mask | Region | None = None
) -> Work[NDArray[np.int16]]:
    """Enhance a CT.

    Parameters
    ----------
    volume : Volume
    how : Enhancement
    inside : (z, y, x) bool or labels, or Region, optional
        Where; the rest keeps its HU, which HE and CLAHE clamp to their window. By default
        everywhere.

    Returns
    -------
    (z, y, x) int16
        HU; after HE and CLAHE within the window, and for looking only.

    Raises
    ------
    ValueError
        If the mask has another shape.
    """
    region = Region.of(volume, inside)
    if how.method != DIFFUSION:
        return (yield from clahe(volume, how.clahe, inside=region))
    smooth = yield from diffuse(volume, how.diffusion)
    if region.kept.size:
        np.copyto(smooth, volume.hu, where=region.kept == 0)
    return smooth


def region_where(volume: Volume, where: str, lungs: NDArray[np.integer] | None = None) -> Region:
    """The region that one of `WHERE` names.

    Parameters
    ----------
    lungs : (z, y, x) labels of `data.labels`, or None
        Asked for by `LUNGS` only.

    Raises
    ------
    ValueError
        If the name is unknown, or the lungs are wanted and not known.
    """
    if where == EVERYWHERE:
        return Region.of(volume, None)
    if where == BODY:
        return Region.of(volume, body_mask(volume))
    if where != LUNGS:
        raise ValueError(f"Where is one of {', '.join(WHERE)}, not {where!r}.")
    if lungs is None:
        raise ValueError("The lungs of this CT are not known yet; find them first.")
    return Region.of(volume, in_lungs(lungs))


class EnhancedPlanes:
    """Single axial planes as `enhance` gives them, each made when it is asked for."""

    def __init__(self, volume: Volume, how: Enhancement, region: Region) -> None:
        self._volume, self._how, self._region = volume, how, region
        self._equalised = None
        if how.method != DIFFUSION:
            self._equalised = EqualisedPlanes(volume, how.clahe, region)

    def prepare(self) -> Work[None]:
        """Do what all planes share, once; nothing but for HE and CLAHE in space."""
        if self._equalised is not None:
            with working_threads() as pool:
                yield from self._equalised.prepare(pool)

    def plane(self, index: int) -> NDArray[np.int16]:
        """The plane (y, x) of that index."""
        hu = self._volume.hu[index]
        if self._equalised is not None:
            made = np.empty(hu.shape, np.int16)
            self._equalised.fill(index, made)
            return made
        smooth = diffused_plane(self._volume, self._how.diffusion, index)
        kept = self._region.kept
        return np.where(kept[index], smooth, hu) if kept.size else smooth
