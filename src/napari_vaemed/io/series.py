"""Which DICOM series a folder or archive holds, and which of them can be opened as CT."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np

from napari_vaemed.data.progress import Progress, Work
from napari_vaemed.io.errors import CTError
from napari_vaemed.io.headers import Slice, looks_like_dicom, read_headers
from napari_vaemed.io.sources import Source, read_bytes, sources_below
from napari_vaemed.io.stack import Stack, stack_slices

SAME_ORIENTATION = 0.005
SAME_SPACING_MM = 1e-3
SCREENSHOTS = "1.2.840.10008.5.1.4.1.1.7"
"""Secondary capture, of all kinds: a picture of a screen, as dose pages are."""
DOSE_REPORTS = ("1.2.840.10008.5.1.4.1.1.88.67", "1.2.840.10008.5.1.4.1.1.88.68")
KINDS = {
    "CR": "an X-ray image",
    "DX": "an X-ray image",
    "RF": "an X-ray fluoroscopy",
    "XA": "an X-ray angiography",
    "MG": "a mammography",
    "MR": "an MR scan",
    "PT": "a PET scan",
    "NM": "a nuclear medicine image",
    "US": "an ultrasound image",
    "OT": "an image of unnamed kind",
    "SC": "a screenshot",
    "SR": "a report",
    "DOC": "a document",
    "PR": "display settings",
    "KO": "a list of chosen images",
    "REG": "a registration",
    "RTDOSE": "a dose map",
    "RTPLAN": "a treatment plan",
    "RTSTRUCT": "contours",
    "SEG": "a segmentation",
}
MASKS = ("RTSTRUCT", "SEG")
CHEST_WORDS = ("CHEST", "THORA", "LUNG", "TAP", "BODY", "TORSO", "TRUNK")
FEW_SLICES = 8


@dataclass(frozen=True)
class Series:
    """Objects of one DICOM series with one size, orientation and pixel spacing, as found.

    Parameters
    ----------
    slices : tuple of Slice
        Images, or headers of objects without an image; not yet sorted.
    patient_number, study_number : int
        Which patient and which of the patient's studies, counted from 1 in the order found:
        they tell scans apart without a name.
    damaged : int
        Files found beside it whose header could not be read.
    """

    slices: tuple[Slice, ...] = field(repr=False)
    patient_number: int = 1
    study_number: int = 1
    damaged: int = 0

    @property
    def first(self) -> Slice:
        """Any one slice, for what all share."""
        return self.slices[0]

    @property
    def description(self) -> str:
        """What the scanner calls the series; empty when it says nothing, or a name."""
        return self.first.description

    @property
    def modality(self) -> str:
        """DICOM's two or more letters; empty when not named."""
        return self.first.modality

    @property
    def kernel(self) -> str:
        """Reconstruction kernel; empty when not named."""
        return self.first.kernel

    @property
    def date(self) -> str:
        """Day of the series as YYYY-MM-DD; empty when not named."""
        day = self.first.date
        return f"{day[:4]}-{day[4:6]}-{day[6:]}" if day else ""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of slices, rows and columns."""
        return (len(self.slices), *self.first.shape)

    @property
    def voxels(self) -> int:
        """Number of pixels over all slices."""
        return int(np.prod(self.shape))

    @property
    def spacing(self) -> tuple[float, float, float] | None:
        """Millimetres (z, y, x) the volume will have; None when `why_not` says why."""
        if self.why_not or isinstance(self._stacked, str) or not self.first.pixel_spacing:
            return None
        return (self._stacked.step_mm, *self.first.pixel_spacing)

    @property
    def why_not(self) -> str:
        """Why this cannot be opened as CT, in plain words; empty when it can."""
        return self._unlike_ct() or (self._stacked if isinstance(self._stacked, str) else "")

    @property
    def remarks(self) -> tuple[str, ...]:
        """What will be said of the volume: gaps, tilt, repeats, few slices, another body part."""
        if self.why_not or isinstance(self._stacked, str):
            return ()
        return (*self._stacked.notes, *self._doubts(len(self._stacked.slices)))

    def stack(self) -> Stack:
        """The slices in order, on their grid.

        Raises
        ------
        CTError
            This is no CT that can be opened; `why_not` says why.
        """
        if self.why_not or isinstance(self._stacked, str):
            raise CTError(self.why_not)
        return self._stacked

    def words(self) -> str:
        """Modality, description and number of slices: no names, no dates."""
        name = f" “{self.description}”" if self.description else ""
        noun = "scout" if self.first.localizer else "slice" if self.first.pixels else "object"
        count = f"{len(self.slices)} {noun}" + "s" * (len(self.slices) > 1)
        return f"{self.modality or 'unnamed modality'}{name}, {count}"

    @cached_property
    def _stacked(self) -> Stack | str:
        """The slices on their grid, or why they lie on none."""
        try:
            return stack_slices(self.slices)
        except CTError as reason:
            return str(reason)

    def _doubts(self, count: int) -> Iterator[str]:
        first = self.first
        if 1 < count < FEW_SLICES:
            yield f"Only {count} slices: no whole chest."
        if first.body_part and not is_chest(first.body_part):
            yield f"The file says it shows {first.body_part.lower()}, not the chest."
        if not first.scaled:
            yield "The file names no rescale intercept: stored values were taken for HU."
        if first.pixels is not None and first.pixels.photometric == "MONOCHROME1":
            yield "The file asks to be shown inverted (MONOCHROME1); its values are HU as ever."
        if first.lossy:
            yield "The images were compressed with loss: values are not exactly the scanner's."

    def _unlike_ct(self) -> str:
        first = self.first
        if first.sop_class in DOSE_REPORTS:
            return "A dose report, no image."
        aside = " Open it as a mask beside its CT." if first.modality in MASKS else ""
        if first.pixels is None:
            kind = KINDS.get(first.modality, "an object without an image")
            return f"This is {kind}, no CT image.{aside}"
        if first.sop_class.startswith(SCREENSHOTS) or first.pixels.samples != 1:
            return "A screenshot or dose page, no slice in Hounsfield units."
        if first.modality != "CT":
            kind = KINDS.get(first.modality, f"of modality {first.modality or 'not named'}")
            return f"This is {kind}; Hounsfield units come from a CT only.{aside}"
        if first.localizer:
            return "A scout (localizer): a projection, no slices."
        if first.frames > 1 and first.position is None:
            return (
                "A multi-frame file that does not say where its frames lie. Export the series "
                "as enhanced CT or one file a slice."
            )
        return ""


def is_chest(body_part: str) -> bool:
    """Whether a body part as DICOM names it includes the chest."""
    return any(word in body_part.upper() for word in CHEST_WORDS)


def holds_dicom(path: Path, most: int = 64) -> bool:
    """Whether one of the first ``most`` files in a folder or zip archive looks like DICOM."""
    try:
        return any(_begins_as_dicom(source) for source in islice(sources_below(path), most))
    except CTError:
        return False


def is_dicom(path: Path) -> bool:
    """Whether the first bytes of a file are DICOM's; costs one small read."""
    return _begins_as_dicom(Source(path))


def _begins_as_dicom(source: Source) -> bool:
    try:
        return looks_like_dicom(read_bytes(source, 0, 132))
    except OSError:
        return False


def find_series(path: Path) -> Work[tuple[Series, ...]]:
    """Read the headers of all DICOM objects in a folder or zip archive and group them.

    Objects are grouped by series UID, modality, size, orientation, pixel spacing and by being a
    scout, so one `Series` is one stack at most. Other files are passed over.

    Parameters
    ----------
    path : Path
        A folder (subfolders included), or a ``.zip``, which is read in place.

    Returns
    -------
    tuple of Series
        What can be opened first, largest first; patients and studies numbered as found.

    Raises
    ------
    CTError
        Nothing there is DICOM, or the archive cannot be read.
    """
    sources = list(sources_below(path))
    found: list[Slice] = []
    damaged = 0
    for count, source in enumerate(sources):
        if count % 16 == 0:
            yield Progress("Reading headers", count, len(sources))
        try:
            found.extend(read_headers(source))
        except (ValueError, OSError):
            damaged += 1
    if not found:
        where = "an archive" if path.is_file() else "a folder"
        unread = f" ({damaged} are damaged)" if damaged else ""
        raise CTError(
            f"Wanted {where} with DICOM images; none of the {len(sources)} files in "
            f"{path.name!r} is one{unread}. Choose the folder of the scan, or open a "
            ".nii.gz, .nrrd or .mha file."
        )
    series = _numbered(_grouped(found), damaged)
    return tuple(sorted(series, key=lambda s: (bool(s.why_not), -s.voxels, s.first.series_uid)))


def choose_ct(series: tuple[Series, ...], series_uid: str | None = None) -> Series:
    """The CT series with the most voxels, or the one asked for.

    Raises
    ------
    CTError
        There is no CT that can be opened, or not the one asked for; says what there is, and
        why the likeliest cannot be opened.
    """
    wanted = [s for s in series if series_uid in (None, s.first.series_uid)]
    ready = [s for s in wanted if not s.why_not]
    if ready:
        return max(ready, key=lambda s: (s.voxels, s.first.series_uid))
    found = " ".join(f"{s.words()}: {s.why_not}" for s in wanted) or "nothing of that series."
    raise CTError(f"Wanted a CT that can be opened; what is there: {found}")


def _grouped(slices: list[Slice]) -> list[tuple[Slice, ...]]:
    """Stacks in the order found; small differences of direction cosines are rounding."""
    groups: dict[tuple[object, ...], list[list[Slice]]] = defaultdict(list)
    for item in slices:
        uid = item.series_uid or item.study_uid
        key = (item.patient, uid, item.modality, item.sop_class, item.localizer, item.shape,
               item.position is None)  # fmt: skip
        for group in groups[key]:
            if _same_plane(group[0], item):
                group.append(item)
                break
        else:
            groups[key].append([item])
    return [tuple(group) for found in groups.values() for group in found]


def _same_plane(one: Slice, other: Slice) -> bool:
    if one.orientation == other.orientation and one.pixel_spacing == other.pixel_spacing:
        return True
    if len(one.orientation) != len(other.orientation):
        return False
    if one.pixel_spacing is None or other.pixel_spacing is None:
        return one.pixel_spacing is other.pixel_spacing
    turned = max((abs(a - b) for a, b in zip(one.orientation, other.orientation, strict=True)),
                 default=0.0)  # fmt: skip
    wider = max(abs(a - b) for a, b in zip(one.pixel_spacing, other.pixel_spacing, strict=True))
    return turned <= SAME_ORIENTATION and wider <= SAME_SPACING_MM


def _numbered(groups: list[tuple[Slice, ...]], damaged: int) -> list[Series]:
    """Number patients, and each one's studies, in the order found."""
    studies: dict[str, dict[str, int]] = {}
    series = []
    for group in groups:
        of_patient = studies.setdefault(group[0].patient, {})
        study = of_patient.setdefault(group[0].study_uid, len(of_patient) + 1)
        patient = list(studies).index(group[0].patient) + 1
        series.append(Series(group, patient, study, damaged))
    return series
