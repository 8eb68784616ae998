"""Which elements of a DICOM header are read, and their raw values as numbers and text."""

from __future__ import annotations

from typing import NamedTuple

from pydicom.charset import convert_encodings, decode_bytes

from napari_vaemed.io.elements import Encoding, Values

LARGEST_NUMBER = 1e7
"""No millimetre, scale or count in a header is larger."""

TAGS = {
    "CharacterSet": 0x00080005,
    "ImageType": 0x00080008,
    "SOPClassUID": 0x00080016,
    "SOPInstanceUID": 0x00080018,
    "StudyDate": 0x00080020,
    "SeriesDate": 0x00080021,
    "AcquisitionDate": 0x00080022,
    "AccessionNumber": 0x00080050,
    "Modality": 0x00080060,
    "SeriesDescription": 0x0008103E,
    "FrameType": 0x00089007,
    "PatientName": 0x00100010,
    "PatientID": 0x00100020,
    "PatientBirthDate": 0x00100030,
    "OtherPatientNames": 0x00101001,
    "BodyPartExamined": 0x00180015,
    "SliceThickness": 0x00180050,
    "GantryTilt": 0x00181120,
    "ConvolutionKernel": 0x00181210,
    "CTReconstruction": 0x00189314,
    "CTImageFrameType": 0x00189329,
    "StudyInstanceUID": 0x0020000D,
    "SeriesInstanceUID": 0x0020000E,
    "AcquisitionNumber": 0x00200012,
    "InstanceNumber": 0x00200013,
    "ImagePosition": 0x00200032,
    "ImageOrientation": 0x00200037,
    "FrameOfReferenceUID": 0x00200052,
    "FrameContent": 0x00209111,
    "PlanePosition": 0x00209113,
    "PlaneOrientation": 0x00209116,
    "FrameAcquisitionNumber": 0x00209156,
    "SamplesPerPixel": 0x00280002,
    "Photometric": 0x00280004,
    "NumberOfFrames": 0x00280008,
    "Rows": 0x00280010,
    "Columns": 0x00280011,
    "PixelSpacing": 0x00280030,
    "BitsAllocated": 0x00280100,
    "BitsStored": 0x00280101,
    "HighBit": 0x00280102,
    "PixelRepresentation": 0x00280103,
    "PixelPadding": 0x00280120,
    "RescaleIntercept": 0x00281052,
    "RescaleSlope": 0x00281053,
    "LossyCompression": 0x00282110,
    "PixelMeasures": 0x00289110,
    "PixelValueTransformation": 0x00289145,
    "SharedGroups": 0x52009229,
    "PerFrameGroups": 0x52009230,
}
WANTED = frozenset(TAGS.values())


class Fields(NamedTuple):
    """Typed access to raw values by name."""

    values: Values
    encoding: Encoding
    characters: bytes = b""

    def raw(self, name: str) -> bytes:
        """Bytes of an element; empty when absent or a sequence."""
        value = self.values.get(TAGS[name], b"")
        return value if isinstance(value, bytes) else b""

    def items(self, name: str) -> list[Values]:
        """Items of a sequence; empty when absent."""
        value = self.values.get(TAGS[name], [])
        return value if isinstance(value, list) else []

    def group(self, name: str) -> Fields:
        """The only item of a sequence; empty without one."""
        items = self.items(name)
        return Fields(items[0] if items else {}, self.encoding, self.characters)

    def code(self, name: str) -> str:
        """Text in the default characters, as codes and UIDs are."""
        return self.raw(name).decode("latin-1").strip("\0 ")

    def text(self, name: str) -> str:
        """Text in the file's own characters."""
        raw = self.raw(name).strip(b"\0 ")
        if raw.isascii():
            return raw.decode("ascii")
        try:
            terms = [t.strip() for t in self.characters.decode("latin-1").split("\\")]
            return str(decode_bytes(raw, convert_encodings(terms), set()))
        except (LookupError, UnicodeError):
            return raw.decode("latin-1")

    def floats(self, name: str, count: int) -> tuple[float, ...] | None:
        """``count`` decimal numbers; None when absent, not as many, or beyond all measure."""
        raw = self.raw(name).strip(b"\0 ")
        if not raw:
            return None
        try:
            numbers = tuple(float(part) for part in raw.split(b"\\"))
        except ValueError:
            return None
        sane = all(abs(number) < LARGEST_NUMBER for number in numbers)  # no NaN is
        return numbers if sane and len(numbers) == count else None

    def float_or(self, name: str, default: float) -> float:
        """One decimal number."""
        found = self.floats(name, 1)
        return default if found is None else found[0]

    def integer(self, name: str) -> int:
        """A number written as text (IS); 0 when absent."""
        return int(self.float_or(name, 0))

    def unsigned(self, name: str) -> int:
        """A binary number of 16 bits (US); 0 when absent."""
        raw = self.raw(name)[:2]
        return int.from_bytes(raw, "little" if self.encoding.order == "<" else "big")
