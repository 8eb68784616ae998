"""A finding as it is kept between sittings, beside no image and by no name."""

from __future__ import annotations

from dataclasses import dataclass

from napari_vaemed.data.finding import ErrorBars, Measurement, NoduleMask


@dataclass(frozen=True, eq=False)
class KeptFinding:
    """One marked nodule with all that was measured of it.

    Parameters
    ----------
    label : int
        Its number, 1 for the first.
    voxel : (z, y, x)
        Where it was clicked, or its middle.
    mask : NoduleMask
    measurement : Measurement
    title : str
        What a person called it; empty for its number alone.
    method : str or None
        What outlined it; None for a hand.
    bars : ErrorBars or None
    """

    label: int
    voxel: tuple[float, float, float]
    mask: NoduleMask
    measurement: Measurement
    title: str = ""
    method: str | None = None
    bars: ErrorBars | None = None
