"""Bytes of a file, or of a file inside a zip archive, without unpacking the archive."""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from napari_vaemed.io.errors import CTError

READABLE_IN_ZIP = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
ENCRYPTED = 0x1
LOCAL_HEADER = struct.Struct("<26xHH")
CHUNK = 1 << 18


@dataclass(frozen=True)
class Source:
    """Where the bytes of one DICOM file lie.

    Parameters
    ----------
    path : Path
        The file, or the archive it lies in.
    member : str
        Name inside the archive; empty for a plain file.
    header : int
        Offset of the member's local header in the archive.
    packed : int
        Bytes the member takes in the archive; 0 for a plain file.
    deflated : bool
        Whether the member is compressed.
    size : int
        Bytes of the file itself; -1 when not asked for yet.
    """

    path: Path
    member: str = ""
    header: int = 0
    packed: int = 0
    deflated: bool = False
    size: int = -1

    @property
    def name(self) -> str:
        """The file's own name, for a message."""
        return self.member.rsplit("/", 1)[-1] if self.member else self.path.name


def sources_below(path: Path) -> Iterator[Source]:
    """All files in a folder with its subfolders, or in a zip; hidden ones left out."""
    if path.is_dir():
        yield from (Source(file) for file in files_below(path))
    else:
        yield from _members(path)


def files_below(folder: Path) -> Iterator[Path]:
    """All files in a folder and its subfolders in a fixed order, hidden ones left out."""
    for here, folders, names in os.walk(folder):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        for name in sorted(names):
            if not name.startswith("."):
                yield Path(here) / name


def read_bytes(source: Source, start: int, length: int) -> bytes:
    """``length`` bytes from ``start``; fewer where the file ends sooner.

    Raises
    ------
    OSError
    CTError
        The archive is damaged.
    """
    with source.path.open("rb", buffering=0) as file:
        if not source.member:
            return _read_fully(file, start, length)
        local = _read_fully(file, source.header, LOCAL_HEADER.size)
        if len(local) < LOCAL_HEADER.size or not local.startswith(b"PK\x03\x04"):
            raise CTError(f"The archive {source.path.name} is damaged; download or pack it again.")
        name, extra = LOCAL_HEADER.unpack(local)
        first = source.header + LOCAL_HEADER.size + name + extra
        if source.deflated:
            return _inflated(file, first, source.packed, start, length)
        return _read_fully(file, first + start, min(length, max(0, source.packed - start)))


def inflate(data: bytes, start: int, length: int) -> bytes:
    """Bytes ``start`` to ``start + length`` of what raw-deflated ``data`` holds."""
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, start + length)[start:]
    except zlib.error as error:
        raise CTError(f"The compressed data are damaged ({error}).") from error


def _read_fully(file: FileIO, start: int, length: int) -> bytes:
    """One read may stop early, at 2 GiB for one; a file's end stops it for good."""
    file.seek(start)
    parts = []
    while length > 0 and (part := file.read(min(length, 1 << 30))):
        parts.append(part)
        length -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _inflated(file: FileIO, first: int, packed: int, start: int, length: int) -> bytes:
    """A stretch of a deflated member; what lies before it is unpacked and dropped."""
    unpack = zlib.decompressobj(-zlib.MAX_WBITS)
    parts, at, place = [], 0, 0
    while at < start + length and place < packed and not unpack.eof:
        data = _read_fully(file, first + place, min(CHUNK, packed - place))
        if not data:
            break
        place += len(data)
        while data and at < start + length:
            try:
                part = unpack.decompress(data, start + length - at)
            except zlib.error as error:
                raise CTError(f"The archive is damaged ({error}).") from error
            parts.append(part[max(0, start - at) :])
            at += len(part)
            data = unpack.unconsumed_tail
    return b"".join(parts)


def _members(path: Path) -> Iterator[Source]:
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise CTError(
            f"{path.name} is no zip archive that can be read ({error}). Pack or download it again."
        ) from error
    for info in sorted(infos, key=lambda info: info.filename):
        hidden = any(part.startswith((".", "__MACOSX")) for part in info.filename.split("/"))
        if info.is_dir() or hidden or info.compress_type not in READABLE_IN_ZIP:
            continue
        if info.flag_bits & ENCRYPTED:
            raise CTError(f"{path.name} is locked by a password. Unpack it, then open the folder.")
        yield Source(
            path=path,
            member=info.filename,
            header=info.header_offset,
            packed=info.compress_size,
            deflated=info.compress_type == zipfile.ZIP_DEFLATED,
            size=info.file_size,
        )
