"""What people decided, one line each, in a file that is only ever added to.

A CSV that a spreadsheet opens and that every desk of the window can write to at once. Each entry
is a single write of a whole line to a file opened for appending, followed by ``fsync``; its last
column is a checksum of the rest, so that a line torn by a crash is known for one and set aside,
and the next entry begins on a line of its own. Nothing is ever changed: taking an entry back is
another entry.

No name of a file or patient is written unless the caller puts it into ``case``. What a verdict is
about is known by its contents: SHA-256 of the file's bytes and of the mask's voxels. A hash of a
file's *name* would not do, since whoever has a list of patients can try every name.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import uuid
import zlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

CHUNK = 1 << 22
UNIT_SEPARATOR = "\x1f"
WITHDRAWN = "withdrawn"


@dataclass(frozen=True)
class Entry:
    """One line of a journal; all of it text.

    Parameters
    ----------
    desk : str
        Which widget it comes from, for example ``"masks"``.
    verdict : str
        What was decided, for example ``"accept"``.
    comment : str
        In the person's own words; line breaks become spaces.
    case : str
        What the person wants the case to be called; empty by default.
    file_sha256, mask_sha256 : str
        What it is about; see `file_sha256` and `mask_sha256`.
    withdraws : str
        Number of the entry that this one takes back.
    number : str
        Twelve hexadecimal digits of its own.
    time : str
        UTC, ISO 8601.
    """

    desk: str
    verdict: str
    comment: str = ""
    case: str = ""
    file_sha256: str = ""
    mask_sha256: str = ""
    withdraws: str = ""
    number: str = ""
    time: str = ""


COLUMNS = ("time", "number", "desk", "case", "file_sha256", "mask_sha256", "verdict", "comment",
           "withdraws")  # fmt: skip
CHECK = "check"
assert sorted(COLUMNS) == sorted(field.name for field in fields(Entry))


@dataclass(frozen=True)
class Journal:
    """All that a journal holds.

    Parameters
    ----------
    entries : tuple of Entry
        In the order they were written, withdrawn ones included.
    torn : tuple of str
        Lines that were not written whole, as they stand in the file.
    """

    entries: tuple[Entry, ...] = ()
    torn: tuple[str, ...] = ()

    @property
    def standing(self) -> tuple[Entry, ...]:
        """The entries that count: neither taken back, nor taking one back.

        Taking back a withdrawal brings its entry back.
        """
        taken_back: set[str] = set()
        for entry in reversed(self.entries):
            if entry.withdraws and entry.number not in taken_back:
                taken_back.add(entry.withdraws)
        return tuple(e for e in self.entries if not e.withdraws and e.number not in taken_back)


def append_entry(path: str | os.PathLike[str], entry: Entry) -> Entry:
    """Add an entry to the end of a journal, which is made when it is not there.

    Returns
    -------
    Entry
        As written: with its number and time, on the disk.

    Raises
    ------
    FileNotFoundError
        The folder does not exist.
    OSError
        The line could not be written whole (a full disk); reading will set it aside.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {path.parent} for the journal. Make it first.")
    entry = replace(
        entry,
        comment=" ".join(entry.comment.split()),
        number=uuid.uuid4().hex[:12],
        time=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
    file = os.open(path, flags, 0o644)
    try:
        line = _beginning(file) + _line(entry)
        if os.write(file, line) != len(line):
            raise OSError(f"The disk of {path.name} is full: the last entry was not written whole.")
        os.fsync(file)
    finally:
        os.close(file)
    _sync_folder(path.parent)
    return entry


def withdraw(path: str | os.PathLike[str], entry: Entry) -> Entry:
    """Take an entry back by adding one that says so; of a withdrawal, the entry comes back."""
    back = Entry(
        entry.desk,
        WITHDRAWN,
        case=entry.case,
        file_sha256=entry.file_sha256,
        mask_sha256=entry.mask_sha256,
        withdraws=entry.number,
    )
    return append_entry(path, back)


def read_journal(path: str | os.PathLike[str]) -> Journal:
    """Read a journal; one that is not there is empty.

    Raises
    ------
    ValueError
        The file is no journal.
    """
    path = Path(path)
    if not path.exists():
        return Journal()
    lines = path.read_bytes().split(b"\n")
    if lines[0] and not (_HEADER + b"\n").startswith(lines[0]):
        raise ValueError(
            f"{path.name} is no journal: its first line is not {_HEADER.decode()!r}. "
            "Choose another file."
        )
    entries, torn = [], []
    for line in lines:
        if line and line != _HEADER:
            entry = _entry(line)
            if entry is None:
                torn.append(line.decode("utf-8", "replace"))
            else:
                entries.append(entry)
    return Journal(tuple(entries), tuple(torn))


def file_sha256(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file's bytes, or of a folder: of the sorted SHA-256 of the files in it.

    A folder's does not change when its files are renamed.
    """
    path = Path(path)
    if path.is_dir():
        inside = sorted(file_sha256(file) for file in path.rglob("*") if file.is_file())
        return hashlib.sha256("\n".join(inside).encode()).hexdigest()
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def mask_sha256(labels: NDArray[np.integer | np.bool_]) -> str:
    """SHA-256 of a mask as it was judged: its shape, and its voxels as 16-bit (z, y, x).

    Whatever the file format, its compression or its integer type, equal masks have equal hashes.
    """
    digest = hashlib.sha256("×".join(map(str, labels.shape)).encode())
    for plane in labels:
        digest.update(np.ascontiguousarray(plane, "<u2").tobytes())
    return digest.hexdigest()


def _beginning(file: int) -> bytes:
    """What has to come before the next line: the header, or the end of a line torn off."""
    size = os.fstat(file).st_size
    if size == 0:
        return _HEADER + b"\n"
    os.lseek(file, size - 1, os.SEEK_SET)
    return b"" if os.read(file, 1) == b"\n" else b"\n"


def _line(entry: Entry) -> bytes:
    cells = [getattr(entry, name) for name in COLUMNS]
    return _csv([*cells, _check(cells)]) + b"\n"


def _entry(line: bytes) -> Entry | None:
    """The entry of a line; None when it was not written whole."""
    try:
        rows = list(csv.reader([line.decode("utf-8")], strict=True))
    except (UnicodeDecodeError, csv.Error):
        return None
    *cells, check = rows[0] if rows else [""]
    if len(cells) != len(COLUMNS) or check != _check(cells):
        return None
    return Entry(**_named(cells))


def _named(cells: Iterable[str]) -> Mapping[str, str]:
    return dict(zip(COLUMNS, cells, strict=True))


def _check(cells: Iterable[str]) -> str:
    joined = UNIT_SEPARATOR.join(cells)
    return f"{zlib.crc32(joined.encode()):08x}"


def _csv(cells: Iterable[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue().encode()


_HEADER = _csv([*COLUMNS, CHECK])


def _sync_folder(folder: Path) -> None:
    """Make a new file's name last too, where the system can."""
    with suppress(OSError):  # not on Windows
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
