"""The CT volume: voxels in Hounsfield units and where they lie in the patient."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_vaemed.data.intake import Intake
from napari_vaemed.data.source import DicomSource
from napari_vaemed.data.stored import StoredSlices


@dataclass(frozen=True, eq=False)
class Volume:
    """A CT on its voxel grid.

    Readers turn every scan so that its axes run as nearly as possible along the patient's:
    z up to the head, y to the back, x to the patient's left. ``stored_axes`` remembers how the
    file had them, so that a mask can be written back on the grid it came from.

    Parameters
    ----------
    hu : (z, y, x) int16
        Hounsfield units.
    spacing : (z, y, x)
        Millimetres between voxel centres.
    origin : (x, y, z)
        Patient position (LPS, mm) of the centre of voxel (0, 0, 0).
    direction : (3, 3)
        Columns are the unit steps along x, y and z in patient coordinates, as in ITK.
    padding : int or None
        Voxels at or below this value lie outside the scanner's field of view.
    description : str
        What a person may call the scan; never a patient's name.
    stored_axes : str
        Three letters, ITK's orientation code of the file, for example ``"LPS"`` or ``"RAI"``.
    patient, series_uid : str or None
        Identifiers as stored, used only to recognise the same patient; never shown or logged.
    notes : tuple of str
        What the reader found worth saying (a gap, a series left out), in plain words.
    source : DicomSource or None
        What its DICOM files are called; None when it came from another format.
    stored : StoredSlices or None
        The slices it was resampled from; None when each of its planes is a stored slice, or a
        missing one's place.
    intake : Intake or None
        What was done to the data on the way in; None when it was not read from a file.
    """

    hu: NDArray[np.int16]
    spacing: tuple[float, float, float]
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)
    direction: NDArray[np.float64] = field(default_factory=lambda: np.eye(3))
    padding: int | None = None
    description: str = "CT"
    stored_axes: str = "LPS"
    patient: str | None = field(default=None, repr=False)
    series_uid: str | None = None
    notes: tuple[str, ...] = ()
    source: DicomSource | None = None
    stored: StoredSlices | None = None
    intake: Intake | None = None

    def __post_init__(self) -> None:
        if self.hu.ndim != 3:
            raise ValueError(
                f"A volume needs three axes (z, y, x); this array has shape {self.hu.shape}. "
                "Pass one slice as shape (1, y, x)."
            )
        if len(self.spacing) != 3 or not all(np.isfinite(s) and s > 0 for s in self.spacing):
            raise ValueError(
                f"Spacing must be three positive numbers in mm (z, y, x); got {self.spacing}."
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of voxels along z, y and x."""
        return self.hu.shape

    @property
    def voxel_mm3(self) -> float:
        """Volume of one voxel in mm³."""
        return float(np.prod(self.spacing))

    def to_world(self, voxel: ArrayLike) -> NDArray[np.float64]:
        """Patient position (..., 3) as x, y, z in LPS mm of voxel indices (..., 3) as z, y, x."""
        steps = (np.asarray(voxel, float) * self.spacing)[..., ::-1]
        return steps @ self.direction.T + self.origin

    def to_voxel(self, world: ArrayLike) -> NDArray[np.float64]:
        """Fractional voxel index (..., 3) as z, y, x of patient positions (..., 3) as x, y, z."""
        steps = (np.asarray(world, float) - self.origin) @ np.linalg.inv(self.direction).T
        return steps[..., ::-1] / self.spacing

    def slice_mm(self, index: int) -> float:
        """Patient coordinate z in mm of the middle of an axial slice."""
        _, rows, columns = self.shape
        return float(self.to_world((index, (rows - 1) / 2, (columns - 1) / 2))[2])

    def contains(self, voxel: ArrayLike) -> bool:
        """Whether a fractional voxel index (z, y, x) lies on the grid."""
        index = np.asarray(voxel, float)
        return bool(np.all(index > -0.5) and np.all(index < np.array(self.shape) - 0.5))

    def measured_range(self) -> tuple[int, int]:
        """Lowest and highest HU, padding left out."""
        if self.padding is None:
            return int(self.hu.min()), int(self.hu.max())
        above = np.int16(self.padding + 1)
        # counted from just above the padding, what lies below wraps to the far end of uint16
        low = min(int((plane - above).view(np.uint16).min()) for plane in self.hu) + int(above)
        high = int(self.hu.max())
        if high <= self.padding:
            raise ValueError("Every voxel of this volume is padding; there is nothing to measure.")
        return low, high
