"""Stored values of DICOM images, whatever they are compressed with."""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Callable
from contextlib import suppress

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID

from napari_vaemed.io.elements import DEFLATED, EXPLICIT_BIG_ENDIAN, IMPLICIT, transfer_syntax
from napari_vaemed.io.errors import CTError
from napari_vaemed.io.headers import Pixels, Slice, size_of
from napari_vaemed.io.sources import Source, inflate, read_bytes

EXPLICIT = "1.2.840.10008.1.2.1"
COMPRESSIONS = {
    "": "uncompressed",
    IMPLICIT: "uncompressed",
    EXPLICIT: "uncompressed",
    EXPLICIT_BIG_ENDIAN: "uncompressed, big endian",
    DEFLATED: "deflated",
    "1.2.840.10008.1.2.4.50": "JPEG baseline, with loss",
    "1.2.840.10008.1.2.4.51": "JPEG extended, with loss",
    "1.2.840.10008.1.2.4.57": "JPEG lossless",
    "1.2.840.10008.1.2.4.70": "JPEG lossless",
    "1.2.840.10008.1.2.4.80": "JPEG-LS lossless",
    "1.2.840.10008.1.2.4.81": "JPEG-LS, near-lossless",
    "1.2.840.10008.1.2.4.90": "JPEG 2000 lossless",
    "1.2.840.10008.1.2.4.91": "JPEG 2000, possibly with loss",
    "1.2.840.10008.1.2.4.201": "HTJ2K lossless",
    "1.2.840.10008.1.2.4.202": "HTJ2K lossless",
    "1.2.840.10008.1.2.4.203": "HTJ2K, possibly with loss",
    "1.2.840.10008.1.2.5": "RLE",
}
JPEG_LOSSLESS = ("1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70")
STORED_BITS = (8, 16, 32)
SIZE_MARKERS = frozenset((*range(0xC0, 0xD0), 0xF7)) - {0xC4, 0xC8, 0xCC}
"""JPEG's start of frame, of every process, and JPEG-LS's."""
MOST_PIXELS = 1 << 26
"""8192 × 8192; no CT slice has more."""
ITEM = b"\xfe\xff\x00\xe0"


class FrameReader:
    """Reads the stored values of slices.

    Of a multi-frame file whose frames cannot be found one by one (compressed, or inside an
    archive) the pixel data are read once and kept.
    """

    def __init__(self) -> None:
        self._frames: dict[Source, list[bytes]] = {}

    def stored(self, item: Slice, room: NDArray[np.int16] | None = None) -> NDArray[np.integer]:
        """Stored values (rows, columns) of a slice: sign and unused bits seen to.

        ``room`` of the slice's shape may be decoded into: fresh memory costs a fifth of the time.

        Raises
        ------
        CTError
            The pixels cannot be decoded, or are not what the header promises.
        """
        try:
            return self._stored(item, room)
        except CTError:
            raise
        except Exception as error:
            # every decoder has exceptions of its own; the user needs the file and the reason
            raise CTError(
                f"The pixels of {item.source.name} cannot be decoded ({_brief(error)}). "
                "The file is damaged or compressed in a way not supported; export it again."
            ) from error

    def _stored(self, item: Slice, room: NDArray[np.int16] | None) -> NDArray[np.integer]:
        pixels = item.pixels
        if pixels is None or pixels.bits_allocated not in STORED_BITS or pixels.samples != 1:
            raise CTError(
                f"{item.source.name} holds no image of one whole number a pixel; a CT does. "
                "Choose another series."
            )
        if item.shape[0] * item.shape[1] > MOST_PIXELS:
            raise CTError(
                f"{item.source.name} claims {item.shape[0]} × {item.shape[1]} pixels, more than "
                "any CT slice has. The file is damaged; export it again."
            )
        if not 1 <= pixels.bits_stored <= pixels.high_bit + 1 <= pixels.bits_allocated:
            raise CTError(
                f"{item.source.name} says that its values take bits up to {pixels.high_bit} of "
                f"{pixels.bits_allocated}; that cannot be. The file is damaged; export it again."
            )
        frame = self._frame(item, pixels)
        if pixels.length is None:
            stored = decompress(frame, pixels, item.shape, room)
        else:
            stored = np.frombuffer(frame, f"{pixels.order}u{pixels.bits_allocated // 8}")
            stored = stored.reshape(item.shape)
        if stored.shape != item.shape:
            raise CTError(
                f"{item.source.name} holds pixels of shape {stored.shape}; its header promises "
                f"{item.shape}. The file is damaged; export it again."
            )
        return _as_numbers(stored, pixels)

    def _frame(self, item: Slice, pixels: Pixels) -> bytes:
        """Bytes of one frame, as stored."""
        packed = pixels.syntax == DEFLATED or item.source.deflated
        if pixels.length is not None and not packed:
            size = _frame_size(item, pixels)
            data = read_bytes(item.source, pixels.offset + item.frame * size, size)
            return _of_length(item, size, data)
        if item.frames == 1:
            return _all_frames(item, pixels)[0]
        if item.source not in self._frames:
            self._frames[item.source] = _all_frames(item, pixels)
        return self._frames[item.source][item.frame]


def _all_frames(item: Slice, pixels: Pixels) -> list[bytes]:
    if pixels.length is None:
        data = read_bytes(item.source, pixels.offset, size_of(item.source) - pixels.offset)
        return frames_of(data, item.frames)
    size = _frame_size(item, pixels)
    if pixels.syntax == DEFLATED:
        packed = read_bytes(item.source, 0, size_of(item.source))
        packed = packed[transfer_syntax(packed)[1] :]
        data = inflate(packed, pixels.offset, size * item.frames)
    else:
        data = read_bytes(item.source, pixels.offset, size * item.frames)
    data = _of_length(item, size * item.frames, data)
    return [data[k * size : (k + 1) * size] for k in range(item.frames)]


def _frame_size(item: Slice, pixels: Pixels) -> int:
    """Bytes one uncompressed frame takes."""
    size = item.shape[0] * item.shape[1] * (pixels.bits_allocated // 8)
    if (pixels.length or 0) < size * item.frames:
        raise CTError(_cut_off(item))
    return size


def _of_length(item: Slice, length: int, data: bytes) -> bytes:
    if len(data) != length:
        raise CTError(_cut_off(item))
    return data


def _cut_off(item: Slice) -> str:
    return (
        f"{item.source.name} is shorter than its header promises: the file is cut off. "
        "Copy or export it again."
    )


def frames_of(data: bytes, frames: int) -> list[bytes]:
    """Compressed frames in encapsulated pixel data (DICOM PS3.5, A.4).

    Raises
    ------
    ValueError
        The fragments are cut off, or cannot be told apart into as many frames.
    """
    fragments: list[tuple[int, bytes]] = []
    at = 0
    while data[at : at + 4] == ITEM and at + 8 <= len(data):
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        fragments.append((at, data[at + 8 : at + 8 + length]))
        at += 8 + length
    if at > len(data) or len(fragments) < 1 + frames:
        raise ValueError("the compressed data are cut off")
    table, first = fragments[0][1], fragments[1][0]
    starts = [first + int.from_bytes(table[k : k + 4], "little") for k in range(0, len(table), 4)]
    if frames == 1:
        starts = [first]
    elif len(fragments) == 1 + frames:
        starts = [start for start, _ in fragments[1:]]
    elif len(starts) != frames:
        raise ValueError("it does not say where its frames begin")
    if starts != sorted(starts):
        raise ValueError("its frames overlap")
    parts: list[list[bytes]] = [[] for _ in starts]
    for begin, part in fragments[1:]:
        parts[max(0, bisect_right(starts, begin) - 1)].append(part)
    return [b"".join(found) for found in parts]


def decompress(
    frame: bytes,
    pixels: Pixels,
    shape: tuple[int, int],
    room: NDArray[np.int16] | None = None,
) -> NDArray[np.integer]:
    """Raw values (rows, columns) of one compressed frame, in ``room`` if that is possible."""
    claimed = coded_size(frame)
    if claimed is not None and claimed != shape:
        raise CTError(
            f"The image itself is {claimed[0]} × {claimed[1]} pixels, its header promises "
            f"{shape[0]} × {shape[1]}. The file is damaged; export it again."
        )
    if pixels.syntax in JPEG_LOSSLESS:
        return _jpeg_lossless(frame, pixels, room)
    decoder = DECODERS.get(pixels.syntax)
    if decoder is None:
        return _by_pydicom(frame, pixels, shape)
    decoded = decoder(frame, pixels)
    return decoded.reshape(shape) if decoded.size == shape[0] * shape[1] else decoded


def _as_numbers(stored: NDArray[np.integer], pixels: Pixels) -> NDArray[np.integer]:
    """Values without the bits that do not belong to them; overlays of old scanners live there."""
    native = stored.astype(stored.dtype.newbyteorder("="), copy=False)
    if native.dtype.itemsize == 1:
        native = native.astype(np.uint16)
    width = 8 * native.dtype.itemsize
    unsigned = native.view(f"u{width // 8}")
    spare = width - pixels.bits_stored
    low = pixels.high_bit + 1 - pixels.bits_stored if pixels.length is not None else 0
    if not spare:
        return unsigned.view(f"i{width // 8}") if pixels.signed else unsigned
    if pixels.signed:
        return (unsigned << (spare - low)).view(f"i{width // 8}") >> spare
    return (unsigned >> low if low else unsigned) & ((1 << pixels.bits_stored) - 1)


def coded_size(frame: bytes) -> tuple[int, int] | None:
    """Rows and columns that a JPEG, JPEG-LS or JPEG 2000 stream itself claims; None if unknown.

    Asked before decoding: a decoder takes as much memory as the stream claims.
    """
    if frame[:4] == b"\xff\x4f\xff\x51" and len(frame) >= 24:
        right, bottom, left, top = struct.unpack_from(">4I", frame, 8)
        return bottom - top, right - left
    at = 2
    while frame[at : at + 1] == b"\xff" and at + 9 <= len(frame):
        marker = frame[at + 1]
        if marker in SIZE_MARKERS:
            rows, columns = struct.unpack_from(">2H", frame, at + 5)
            return rows, columns
        at += 2 + int.from_bytes(frame[at + 2 : at + 4], "big")
    return None


def _jpeg_lossless(
    frame: bytes, pixels: Pixels, room: NDArray[np.int16] | None
) -> NDArray[np.integer]:
    from imagecodecs import jpeg8_decode

    decoded: NDArray[np.integer]
    if room is not None and pixels.bits_stored > 8:
        with suppress(ValueError):  # the stream has 8 bits a value, whatever the header says
            decoded = jpeg8_decode(_whole(frame), out=room.view(np.uint16))
            return decoded
    decoded = jpeg8_decode(_whole(frame))
    return decoded


def _jpeg_ls(frame: bytes, pixels: Pixels) -> NDArray[np.integer]:
    from imagecodecs import jpegls_decode

    decoded: NDArray[np.integer] = jpegls_decode(_whole(frame))
    return decoded


def _whole(frame: bytes) -> bytes:
    """The stream itself if its end is there: libjpeg fills what is missing with grey."""
    if not frame.rstrip(b"\0\xff").endswith(b"\xff\xd9"):
        raise ValueError("the stream is cut off")
    return frame


def _jpeg_2000(frame: bytes, pixels: Pixels) -> NDArray[np.integer]:
    from imagecodecs import jpeg2k_decode

    decoded: NDArray[np.integer] = jpeg2k_decode(frame)
    return decoded


def _rle(frame: bytes, pixels: Pixels) -> NDArray[np.integer]:
    from imagecodecs import dicomrle_decode

    kind = np.dtype(f"u{pixels.bits_allocated // 8}")
    return np.frombuffer(dicomrle_decode(frame, kind), kind)


def _by_pydicom(frame: bytes, pixels: Pixels, shape: tuple[int, int]) -> NDArray[np.integer]:
    """What remains (JPEG with loss), through pydicom and gdcm."""
    file = pydicom.Dataset()
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = UID(pixels.syntax)
    file.Rows, file.Columns = shape
    file.SamplesPerPixel, file.PhotometricInterpretation = 1, "MONOCHROME2"
    file.BitsAllocated, file.BitsStored = pixels.bits_allocated, pixels.bits_stored
    file.HighBit, file.PixelRepresentation = pixels.high_bit, int(pixels.signed)
    file.PixelData = encapsulate([frame])
    file["PixelData"].is_undefined_length = True
    decoded: NDArray[np.integer] = file.pixel_array
    return decoded


DECODERS: dict[str, Callable[[bytes, Pixels], NDArray[np.integer]]] = {
    "1.2.840.10008.1.2.4.80": _jpeg_ls,
    "1.2.840.10008.1.2.4.81": _jpeg_ls,
    "1.2.840.10008.1.2.4.90": _jpeg_2000,
    "1.2.840.10008.1.2.4.91": _jpeg_2000,
    "1.2.840.10008.1.2.4.201": _jpeg_2000,
    "1.2.840.10008.1.2.4.202": _jpeg_2000,
    "1.2.840.10008.1.2.4.203": _jpeg_2000,
    "1.2.840.10008.1.2.5": _rle,
}


def _brief(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return (text[0] if text else type(error).__name__)[:160]
