"""What was done to a scan between its files and the voxels on screen."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Intake:
    """How a volume was read; holds no name, date or path.

    Parameters
    ----------
    format : str
        ``"DICOM"``, ``"NIfTI"``, …
    series : str
        Which series was taken, in words; empty when the file holds only one image.
    left_out : tuple of str
        Other series and objects found beside it, in words.
    sort_key : str
        By what the slices were ordered.
    slices : int
        Slices that were read.
    missing, repeated, others, damaged : int
        Places without a slice (filled); slices left out because their place was taken, or as
        another reconstruction; files whose header could not be read.
    uneven : bool
        Whether the slices lay at uneven distances.
    tilt_deg : float
        Gantry tilt that was straightened.
    spacing_mm : (z, y, x)
        Of the volume.
    thickness_mm : float or None
        Of a slice; more than the spacing means overlapping slices.
    stored_axes, axes : str
        ITK's orientation code of the file and of the volume.
    oblique_deg : float
        Angle that remains between the volume's axes and the patient's.
    hu_range : (low, high)
        Padding left out.
    scale : tuple of (slope, intercept)
        Stored value → HU; several when it varies from slice to slice.
    stored_bits : str
        How the values were stored, for example ``"12 of 16 bits, unsigned"``.
    padding : int or None
        HU at or below which voxels lie outside the field of view.
    compression : str
        Transfer syntax in words, or the file's own compression.
    findings : tuple of str
        What is worth a look: gaps, repeats, tilt, doubtful values; full sentences.
    resampled : str
        What was resampled and how; empty when every voxel is as stored.
    restores : str
        What a saved mask or image will lie on.
    """

    format: str
    series: str = ""
    left_out: tuple[str, ...] = ()
    sort_key: str = ""
    slices: int = 0
    missing: int = 0
    repeated: int = 0
    others: int = 0
    damaged: int = 0
    uneven: bool = False
    tilt_deg: float = 0.0
    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0)
    thickness_mm: float | None = None
    stored_axes: str = "LPS"
    axes: str = "LPS"
    oblique_deg: float = 0.0
    hu_range: tuple[int, int] = (0, 0)
    scale: tuple[tuple[float, float], ...] = ()
    stored_bits: str = ""
    padding: int | None = None
    compression: str = ""
    findings: tuple[str, ...] = ()
    resampled: str = ""
    restores: str = ""

    def as_dict(self) -> dict[str, Any]:
        """All fields as JSON has them."""
        return {key: _listed(value) for key, value in asdict(self).items()}

    def lines(self) -> tuple[str, ...]:
        """The report in words, one fact a line; first what was read, last what is restored."""
        said = [
            f"Read from {self.format}{': ' + self.series if self.series else ''}.",
            *(f"Left out: {words}." for words in self.left_out),
            f"{_counted(self.slices, 'slice')} sorted by {self.sort_key}." if self.sort_key else "",
            _gaps(self) if self.sort_key else "",
            f"Voxels of {_times(self.spacing_mm)} mm (z, y, x){_overlap(self)}.",
            _orientation(self),
            _values(self),
            _outside(self.padding),
            f"{_counted(self.damaged, 'file')} could not be read." if self.damaged else "",
            *self.findings,
            self.resampled or "Nothing was resampled: every voxel is as stored.",
            self.restores,
        ]
        return tuple(line for line in dict.fromkeys(said) if line)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _times(numbers: tuple[float, ...]) -> str:
    return " × ".join(f"{n:.4g}" for n in numbers)


def _gaps(intake: Intake) -> str:
    counts = {
        "missing and filled": intake.missing,
        "repeated and dropped": intake.repeated,
        "of another reconstruction and left out": intake.others,
    }
    told = [f"{count} {what}" for what, count in counts.items() if count]
    return f"Slices: {', '.join(told)}." if told else "No slice is missing or repeated."


def _overlap(intake: Intake) -> str:
    thick, step = intake.thickness_mm, intake.spacing_mm[0]
    if thick is None:
        return ""
    if thick > 1.01 * step:
        return f"; slices are {thick:.4g} mm thick and overlap"
    if thick < 0.99 * step:
        return f"; slices are {thick:.4g} mm thick, with gaps between them"
    return ""


def _orientation(intake: Intake) -> str:
    turned = (
        f"Axes turned from {intake.stored_axes} to {intake.axes}"
        if intake.stored_axes != intake.axes
        else f"Axes as stored, {intake.axes}"
    )
    oblique = f", {intake.oblique_deg:.1f}° oblique" if intake.oblique_deg >= 0.05 else ""
    return f"{turned}{oblique}."


def _values(intake: Intake) -> str:
    low, high = intake.hu_range
    stored = f", stored in {intake.stored_bits}" if intake.stored_bits else ""
    packed = f" ({intake.compression})" if intake.compression else ""
    if not intake.scale:
        scale = ""
    elif len(intake.scale) == 1:
        slope, intercept = intake.scale[0]
        scale = f", slope {slope:g}, intercept {intercept:g}"
    else:
        scale = f", {len(intake.scale)} different slopes or intercepts, each slice by its own"
    return f"{low} to {high} HU{stored}{packed}{scale}."


def _outside(padding: int | None) -> str:
    return "" if padding is None else f"Voxels of {padding} HU or less were never measured."


def _listed(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_listed(part) for part in value]
    return round(value, 6) if isinstance(value, float) else value
