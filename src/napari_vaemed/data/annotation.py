"""What others have marked on a scan: labels on a grid, or points, and what is known of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.volume import Volume


@dataclass(frozen=True, eq=False)
class LabelMap:
    """Labelled voxels, and a table of the labels.

    Parameters
    ----------
    name : str
        What a person may call it; never a patient's name.
    labels : (z, y, x) uint8 or uint16
        0 where nothing is marked.
    volume : Volume
        Whose grid the labels lie on.
    columns : mapping of str to sequence
        One entry a label; the column ``"index"`` holds the label itself.
    notes : tuple of str
        What was done to place it, in plain words.
    """

    name: str
    labels: NDArray[np.integer]
    volume: Volume
    columns: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.labels.shape != self.volume.shape:
            raise ValueError(
                f"The labels have shape {self.labels.shape}, their grid {self.volume.shape} "
                "(z, y, x); they must be the same."
            )


@dataclass(frozen=True, eq=False)
class PointMarks:
    """Points in the patient, and a table of them.

    Parameters
    ----------
    name : str
    positions_mm : (n, 3)
        x, y, z in LPS mm.
    volume : Volume or None
        The scan they lie on.
    columns : mapping of str to sequence
        One entry a point; ``"diameter_mm"`` is drawn.
    notes : tuple of str
    """

    name: str
    positions_mm: NDArray[np.float64]
    volume: Volume | None = None
    columns: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.positions_mm.ndim != 2 or self.positions_mm.shape[1] != 3:
            raise ValueError(
                "Points need positions (n, 3) as x, y, z in mm; "
                f"got an array of shape {self.positions_mm.shape}."
            )
        for column, values in self.columns.items():
            if len(values) != len(self.positions_mm):
                raise ValueError(
                    f"Column {column!r} has {len(values)} entries for "
                    f"{len(self.positions_mm)} points."
                )


Annotation = LabelMap | PointMarks
