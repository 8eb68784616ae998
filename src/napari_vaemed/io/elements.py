"""Walk the elements of a DICOM data set: a few tags out of many, fast, and safe on damaged bytes.

pydicom reads a header in about a millisecond; a folder of slices is opened before the user has
looked up, so the few tags needed here are picked from the bytes (DICOM PS3.5, chapter 7).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

EXPLICIT_BIG_ENDIAN = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
IMPLICIT = "1.2.840.10008.1.2"
PIXEL_DATA = 0x7FE00010
FIRST_PIXELS = 0x7FE00008
"""Float and double pixel data come before it; no CT has them."""
SEQUENCES = frozenset((0x00189314, 0x00189329, 0x00209111, 0x00209113, 0x00209116, 0x00289110,
                       0x00289145, 0x52009229, 0x52009230))  # fmt: skip
"""Those that a multi-frame CT's geometry stands in: some writers leave the type out."""
TRANSFER_SYNTAX = 0x00020010
ITEM_GROUP = 0xFFFE
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
UNDEFINED = 0xFFFFFFFF
LONG_FORMS = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN",
                        b"UR", b"UT", b"UV"))  # fmt: skip
DEEPEST = 16
MOST_NESTED, TOP_LEVEL = 2_000_000, 100
"""Elements within sequences, as many a multi-frame header may have; one outside counts for 100.

More are no header: zeros, for one, read as elements without end.
"""

Values = dict[int, "bytes | list[Values]"]


class NotEnough(Exception):
    """The bytes end before the pixels begin; more may help."""


class Damaged(Exception):
    """The bytes follow no DICOM encoding."""


@dataclass(frozen=True)
class Encoding:
    """How elements are written: with their type or without, and in which byte order."""

    explicit: bool = True
    order: str = "<"


@dataclass(frozen=True)
class DataSet:
    """The wanted elements of a file and where its pixels lie.

    Parameters
    ----------
    values : dict
        Tag → raw bytes, or for a sequence the values of its items.
    syntax : str
        Transfer syntax UID; empty when the file names none.
    encoding : Encoding
    pixels : (int, int or None) or None
        Offset and length of the pixel data, length None when encapsulated; counted in the
        unpacked bytes of a deflated file. None without pixels.
    """

    values: Values
    syntax: str
    encoding: Encoding
    pixels: tuple[int, int | None] | None


class _Walk:
    """A place in the bytes, and how the elements from there on are written."""

    def __init__(
        self, data: bytes, wanted: frozenset[int], encoding: Encoding, at: int, *, whole: bool
    ) -> None:
        self.data, self.wanted, self.at, self.whole = data, wanted, at, whole
        self.pixels: tuple[int, int | None] | None = None
        self.passed = 0
        self._write_as(encoding)

    def _write_as(self, encoding: Encoding) -> None:
        self.encoding = encoding
        self.typed = struct.Struct(encoding.order + "HH2sH").unpack_from
        self.plain = struct.Struct(encoding.order + "HHI").unpack_from
        self.long = struct.Struct(encoding.order + "I").unpack_from

    def head(self) -> tuple[int, bytes, int]:
        """Tag, type and length of the element here; moves on to its value."""
        at = self.at
        try:
            if self.encoding.explicit:
                group, element, kind, length = self.typed(self.data, at)
                if group != ITEM_GROUP:
                    if kind in LONG_FORMS:
                        self.at = at + 12
                        return group << 16 | element, kind, self.long(self.data, at + 8)[0]
                    self.at = at + 8
                    return group << 16 | element, kind, length
            group, element, length = self.plain(self.data, at)
        except struct.error as error:
            raise NotEnough from error
        self.at = at + 8
        return group << 16 | element, b"", length

    def elements(self, end: int | None, depth: int = 0) -> Values:
        """Wanted values up to ``end``, an item's end, or the pixels."""
        values: Values = {}
        if depth > DEEPEST:
            raise Damaged
        wanted, data, size = self.wanted, self.data, len(self.data)
        while end is None or self.at < end:
            if depth == 0 and self.at == size and self.whole:
                break  # a report or a directory: no pixels follow
            tag, kind, length = self.head()
            self.passed += 1 if depth else TOP_LEVEL
            if self.passed > MOST_NESTED:
                raise Damaged
            if tag == ITEM_END:
                break
            if tag in wanted:
                if length == UNDEFINED or self._is_sequence(tag, kind):
                    values[tag] = self._sequence(length, kind, depth, keep=True)
                    continue
                if self.at + length > size:
                    raise NotEnough
                values[tag] = data[self.at : self.at + length]
            elif tag >= FIRST_PIXELS and depth == 0:
                if tag == PIXEL_DATA:
                    self.pixels = self.at, None if length == UNDEFINED else length
                break
            elif length == UNDEFINED:
                self._sequence(length, kind, depth, keep=False)
                continue
            self.at += length
        return values

    def _is_sequence(self, tag: int, kind: bytes) -> bool:
        return kind == b"SQ" or (tag in SEQUENCES and kind in (b"", b"UN"))

    def _sequence(self, length: int, kind: bytes, depth: int, *, keep: bool) -> list[Values]:
        """Values of the items; of unwanted ones only what it takes to find their end."""
        end = None if length == UNDEFINED else self.at + length
        if end is not None and end > len(self.data):
            raise NotEnough
        outer = self.encoding
        if kind == b"UN":  # a sequence of unknown type is written without types inside
            self._write_as(Encoding(explicit=False, order="<"))
        items = []
        while end is None or self.at < end:
            tag, _, size = self.head()
            if tag == SEQUENCE_END:
                break
            if tag != ITEM:
                raise Damaged
            inside = None if size == UNDEFINED else self.at + size
            if inside is not None and inside > len(self.data):
                raise NotEnough
            if keep or inside is None:
                items.append(self.elements(inside, depth + 1))
            if inside is not None:
                self.at = inside
        self._write_as(outer)
        return items


def first_element(data: bytes) -> int:
    """Where the elements begin: behind the preamble, or at the start without one."""
    return 132 if data[128:132] == b"DICM" else 0


def transfer_syntax(data: bytes) -> tuple[str, int]:
    """UID the file names (empty: none), and where its data set begins."""
    walk = _Walk(data, frozenset(), Encoding(), first_element(data), whole=False)
    syntax = ""
    while data[walk.at : walk.at + 2] == b"\x02\x00":
        tag, _, length = walk.head()
        if tag == TRANSFER_SYNTAX:
            syntax = data[walk.at : walk.at + length].decode("latin-1").strip("\0 ")
        walk.at += length
    if walk.at > len(data):
        raise NotEnough
    return syntax, walk.at


def read_elements(
    data: bytes, start: int, syntax: str, wanted: frozenset[int], *, whole: bool
) -> DataSet:
    """Wanted elements from ``start`` up to the pixels; ``whole`` when no more bytes follow.

    Raises
    ------
    NotEnough
        The bytes end too soon; come again with more.
    Damaged
        No DICOM.
    """
    encoding = _encoding(data, start, syntax)
    walk = _Walk(data, wanted, encoding, start, whole=whole)
    values = walk.elements(None)
    return DataSet(values, syntax, encoding, walk.pixels)


def _encoding(data: bytes, start: int, syntax: str) -> Encoding:
    """What the first element shows; some writers name another syntax than they use."""
    if start + 8 > len(data):
        raise NotEnough
    kind = data[start + 4 : start + 6]
    explicit = kind.isalpha() and kind.isupper()
    return Encoding(explicit, ">" if syntax == EXPLICIT_BIG_ENDIAN else "<")
