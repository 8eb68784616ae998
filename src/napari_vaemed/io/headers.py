"""The header of one DICOM image: what it is, where it lies, how its pixels are stored."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from napari_vaemed.io.elements import (
    DEFLATED,
    Damaged,
    DataSet,
    Encoding,
    NotEnough,
    Values,
    read_elements,
    transfer_syntax,
)
from napari_vaemed.io.fields import WANTED, Fields
from napari_vaemed.io.privacy import NAMING, names_patient
from napari_vaemed.io.sources import Source, inflate, read_bytes

FIRST_READ = 1 << 15
LARGEST_HEADER = 1 << 26
NO_PREAMBLE = (b"\x08\x00", b"\x02\x00")
"""First group of a DICOM file written without its 128-byte preamble, little endian."""
LOSSY_SYNTAXES = ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.81")


@dataclass(frozen=True)
class Pixels:
    """Where and how the stored values of a file lie.

    Parameters
    ----------
    offset : int
        First byte of the pixel data, counted in the unpacked bytes of a deflated file.
    length : int or None
        Bytes; None when encapsulated (compressed fragments).
    syntax : str
        Transfer syntax UID; empty when the file names none.
    order : str
        ``"<"`` or ``">"``, the byte order.
    """

    offset: int
    length: int | None
    syntax: str
    order: str
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool
    samples: int
    photometric: str


@dataclass(frozen=True)
class Slice:
    """The header of one image: a classic file, or one frame of a multi-frame file.

    Parameters
    ----------
    source : Source
    frame : int
        Index of the frame in its file.
    frames : int
        Number of frames in the file.
    orientation : six floats
        Direction of growing column index, then of growing row index, in patient LPS.
    position : (x, y, z)
        LPS mm of the first pixel's centre.
    pixel_spacing : (row step, column step)
        Millimetres, in DICOM's order.
    slope, intercept : float
        Stored value → HU.
    scaled : bool
        Whether the file names slope or intercept.
    lossy : bool
        Whether it was compressed with loss, now or before.
    padding : int or None
        Stored value outside the field of view, when the file names one.
    pixels : Pixels or None
        None for objects without an image.
    """

    source: Source = field(repr=False)
    series_uid: str
    study_uid: str
    frame_of_reference_uid: str
    sop_class: str
    instance_uid: str
    modality: str
    description: str
    body_part: str
    kernel: str
    date: str
    patient: str = field(repr=False)
    image_type: tuple[str, ...]
    shape: tuple[int, int]
    frame: int
    frames: int
    orientation: tuple[float, ...]
    position: tuple[float, float, float] | None
    pixel_spacing: tuple[float, float] | None
    thickness: float | None
    tilt: float
    slope: float
    intercept: float
    scaled: bool
    lossy: bool
    padding: int | None
    acquisition: int
    instance: int
    pixels: Pixels | None

    @property
    def localizer(self) -> bool:
        """Whether this is a scout: a projection and no slice."""
        return "LOCALIZER" in self.image_type


def looks_like_dicom(head: bytes) -> bool:
    """Whether the first 132 bytes of a file are DICOM's."""
    return head[128:132] == b"DICM" or (
        head[:2] in NO_PREAMBLE and head[3:4] == b"\x00" and len(head) >= 132
    )


def read_headers(source: Source) -> tuple[Slice, ...]:
    """The images of a file: one, or one a frame; empty for anything that is no DICOM.

    Raises
    ------
    ValueError
        It begins as DICOM, but its header is damaged.
    """
    data = read_bytes(source, 0, FIRST_READ)
    if not looks_like_dicom(data[:132]):
        return ()
    try:
        found = _parse(source, data)
        first = _slice_of(source, found)
        if first.pixels is None and not first.sop_class:
            return ()  # a DICOMDIR
        return tuple(_frames_of(first, found.values, found.encoding))
    except (Damaged, NotEnough, IndexError, KeyError, OverflowError) as error:
        raise ValueError(f"The header of {source.name} is damaged.") from error


def _parse(source: Source, data: bytes) -> DataSet:
    """Read on until the pixels begin: private elements may be long."""
    size = FIRST_READ
    while True:
        whole = len(data) < size
        try:
            syntax, start = transfer_syntax(data)
            body, whole_body = data, whole
            if syntax == DEFLATED:
                body = inflate(data[start:], 0, size)
                start, whole_body = 0, whole or len(body) < size
            return read_elements(body, start, syntax, WANTED, whole=whole_body)
        except NotEnough:
            if whole or size >= LARGEST_HEADER:
                raise
            size *= 8
            data = read_bytes(source, 0, size)


def _slice_of(source: Source, found: DataSet) -> Slice:
    fields = Fields(found.values, found.encoding)
    fields = fields._replace(characters=fields.raw("CharacterSet"))
    first_date = (fields.code(f"{what}Date") for what in ("Series", "Acquisition", "Study"))
    slice_ = Slice(
        source=source,
        series_uid=fields.code("SeriesInstanceUID"),
        study_uid=fields.code("StudyInstanceUID"),
        frame_of_reference_uid=fields.code("FrameOfReferenceUID"),
        sop_class=fields.code("SOPClassUID"),
        instance_uid=fields.code("SOPInstanceUID"),
        modality=fields.code("Modality").upper(),
        description=_nameless(fields),
        body_part=fields.code("BodyPartExamined"),
        kernel=fields.code("ConvolutionKernel").replace("\\", " "),
        date=next((d for d in first_date if d.isdigit() and len(d) == 8), ""),
        patient=fields.code("PatientID"),
        image_type=tuple(part.strip() for part in fields.code("ImageType").split("\\")),
        shape=(fields.unsigned("Rows"), fields.unsigned("Columns")),
        frame=0,
        frames=max(1, fields.integer("NumberOfFrames")),
        orientation=(),
        position=None,
        pixel_spacing=None,
        thickness=None,
        tilt=fields.float_or("GantryTilt", 0.0),
        slope=1.0,
        intercept=0.0,
        scaled=False,
        lossy=fields.code("LossyCompression") == "01" or found.syntax in LOSSY_SYNTAXES,
        padding=_padding(fields),
        acquisition=fields.integer("AcquisitionNumber"),
        instance=fields.integer("InstanceNumber"),
        pixels=_pixels(fields, found),
    )
    return _placed(slice_, fields)


def _pixels(fields: Fields, found: DataSet) -> Pixels | None:
    if found.pixels is None or not fields.unsigned("Rows") or not fields.unsigned("Columns"):
        return None
    allocated = fields.unsigned("BitsAllocated")
    stored = fields.unsigned("BitsStored") or allocated
    return Pixels(
        offset=found.pixels[0],
        length=found.pixels[1],
        syntax=found.syntax,
        order=found.encoding.order,
        bits_allocated=allocated,
        bits_stored=stored,
        high_bit=fields.unsigned("HighBit") or stored - 1,
        signed=fields.unsigned("PixelRepresentation") == 1,
        samples=fields.unsigned("SamplesPerPixel") or 1,
        photometric=fields.code("Photometric") or "MONOCHROME2",
    )


def _placed(item: Slice, *sources: Fields) -> Slice:
    """The slice with what the fields say of its place and scale; later ones count more."""
    found = item
    for fields in sources:
        position = fields.floats("ImagePosition", 3)
        scaled = fields.raw("RescaleSlope") or fields.raw("RescaleIntercept")
        spacing = fields.floats("PixelSpacing", 2)
        found = replace(
            found,
            orientation=fields.floats("ImageOrientation", 6) or found.orientation,
            position=(position[0], position[1], position[2]) if position else found.position,
            pixel_spacing=(spacing[0], spacing[1]) if spacing else found.pixel_spacing,
            thickness=fields.float_or("SliceThickness", 0) or found.thickness,
            slope=fields.float_or("RescaleSlope", 0) or found.slope,
            intercept=fields.float_or("RescaleIntercept", found.intercept),
            scaled=found.scaled or bool(scaled),
        )
    return found


def _frames_of(first: Slice, values: Values, encoding: Encoding) -> Iterator[Slice]:
    """One slice a frame, each with its functional groups (DICOM PS3.3, C.7.6.16)."""
    whole = Fields(values, encoding)
    per_frame = whole.items("PerFrameGroups")
    if not per_frame:
        yield first if first.frames == 1 else replace(first, position=None)
        return
    if len(per_frame) != first.frames:
        raise Damaged
    shared = whole.group("SharedGroups")
    for frame, item in enumerate(per_frame):
        both = (shared, Fields(item, encoding))
        groups = [
            fields.group(name)
            for name in ("PixelMeasures", "PlaneOrientation", "PlanePosition",
                         "PixelValueTransformation")
            for fields in both
        ]  # fmt: skip
        kernel = [f.group("CTReconstruction").code("ConvolutionKernel") for f in both]
        kinds = [f.group("CTImageFrameType").code("FrameType") for f in both]
        kind = kinds[1] or kinds[0]
        yield replace(
            _placed(first, *groups),
            frame=frame,
            kernel=(kernel[1] or kernel[0] or first.kernel).replace("\\", " "),
            image_type=tuple(kind.split("\\")) if kind else first.image_type,
            acquisition=both[1].group("FrameContent").unsigned("FrameAcquisitionNumber"),
        )


def _padding(fields: Fields) -> int | None:
    """Pixel padding as a stored value; its tag is often typed unsigned for signed pixels."""
    if len(fields.raw("PixelPadding")) < 2:
        return None
    value = fields.unsigned("PixelPadding")
    return value - 65536 if fields.unsigned("PixelRepresentation") == 1 and value > 32767 else value


def _nameless(fields: Fields) -> str:
    """The series description, unless somebody wrote the patient into it."""
    description = fields.text("SeriesDescription")
    if description and names_patient(description, map(fields.text, NAMING)):
        return ""
    return description


def size_of(source: Source) -> int:
    """Bytes of a file."""
    return source.size if source.member else os.stat(source.path).st_size
