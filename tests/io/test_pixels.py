"""Stored values come out as they went in, and lies about them are found out."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from pydicom.uid import JPEG2000Lossless, JPEGLosslessSV1, JPEGLSLossless, RLELossless

from napari_vaemed.data.progress import finish
from napari_vaemed.io.dicom import read_dicom
from napari_vaemed.io.errors import CTError
from napari_vaemed.io.headers import read_headers
from napari_vaemed.io.hounsfield import tally, to_hounsfield
from napari_vaemed.io.pixels import FrameReader, coded_size, frames_of
from napari_vaemed.io.sources import Source

PACKED = [JPEGLosslessSV1, JPEGLSLossless, JPEG2000Lossless, RLELossless]


def stored_of(path):
    return FrameReader().stored(read_headers(Source(path))[0])


@pytest.mark.parametrize("syntax", [None, *PACKED], ids=lambda uid: uid.name if uid else "plain")
def test_values_are_those_of_pydicom(tmp_path, write_series, syntax):
    hu = np.random.default_rng(5).integers(-3000, 30000, (1, 33, 47)).astype(np.int16)
    path = write_series(tmp_path, hu, syntax=syntax, intercept=0.0)[0]
    np.testing.assert_array_equal(stored_of(path), pydicom.dcmread(path).pixel_array)


@pytest.mark.parametrize(("allocated", "kind"), [(8, np.uint8), (32, np.uint32)])
def test_values_of_other_widths_are_read(tmp_path, hu, write_series, allocated, kind):
    values = (hu[0].astype(int) % 200 + (70000 if allocated == 32 else 0)).astype(kind)
    path = write_series(
        tmp_path, hu[:1], BitsAllocated=allocated, BitsStored=allocated, HighBit=allocated - 1,
        PixelRepresentation=0, PixelData=values.tobytes(),
    )[0]  # fmt: skip
    np.testing.assert_array_equal(stored_of(path), values)


def test_signed_values_of_12_bits_keep_their_sign(tmp_path, hu, write_series):
    values = np.arange(-2048, -2048 + 154, dtype=np.int16).reshape(14, 11)
    path = write_series(
        tmp_path, hu[:1], BitsStored=12, HighBit=11, PixelRepresentation=1,
        PixelData=(values & 0x0FFF).astype("<i2").tobytes(),
    )[0]  # fmt: skip
    np.testing.assert_array_equal(stored_of(path), values)


@pytest.mark.parametrize("syntax", PACKED, ids=lambda uid: uid.name)
def test_a_stream_cut_off_is_refused(tmp_path, write_series, syntax):
    hu = np.random.default_rng(5).integers(0, 3000, (1, 60, 50)).astype(np.int16)
    path = write_series(tmp_path, hu, syntax=syntax)[0]
    file = pydicom.dcmread(path)
    packed = file.PixelData
    half = len(packed) // 4 * 2
    file.PixelData = packed[: half - 8] + b"\xfe\xff\xdd\xe0\0\0\0\0"
    file.save_as(path)
    with pytest.raises(CTError, match=path.name):
        stored_of(path)


@pytest.mark.parametrize("syntax", PACKED[:3], ids=lambda uid: uid.name)
def test_a_stream_tells_its_size_before_it_is_decoded(tmp_path, hu, write_series, syntax):
    path = write_series(tmp_path, hu[:1], syntax=syntax)[0]
    frame = next(
        pydicom.encaps.generate_frames(pydicom.dcmread(path).PixelData, number_of_frames=1)
    )
    assert coded_size(frame) == (14, 11)


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({"Rows": 15}, "cut off"),
        ({"Rows": 60000, "Columns": 60000}, "more than any CT slice"),
        ({"BitsStored": 20}, "cannot be"),
        ({"BitsAllocated": 12}, "no image of one whole number"),
        ({"SamplesPerPixel": 3}, "no image of one whole number"),
    ],
)
def test_headers_that_promise_what_is_not_there_are_refused(
    tmp_path, hu, write_series, tags, words
):
    path = write_series(tmp_path, hu[:1], **tags)[0]
    with pytest.raises(CTError, match=words):
        stored_of(path)


def test_frames_in_several_fragments_are_put_together():
    def fragments(*parts):
        items = [b"\xfe\xff\x00\xe0" + len(p).to_bytes(4, "little") + p for p in parts]
        return b"".join(items) + b"\xfe\xff\xdd\xe0" + bytes(4)

    parts = (b"aa", b"bbbb", b"cc", b"dddd")
    assert frames_of(fragments(b"", *parts), 1) == [b"aabbbbccdddd"]
    assert frames_of(fragments(b"", *parts), 4) == list(parts)
    table = (0).to_bytes(4, "little") + (22).to_bytes(4, "little")
    assert frames_of(fragments(table, *parts), 2) == [b"aabbbb", b"ccdddd"]
    with pytest.raises(ValueError, match="where its frames begin"):
        frames_of(fragments(b"", *parts), 3)
    with pytest.raises(ValueError, match="cut off"):
        frames_of(fragments(b"", *parts)[:-12], 4)


def test_a_packed_slice_of_another_size_than_its_header_is_refused(tmp_path, hu, write_series):
    path = write_series(tmp_path, hu[:1], syntax=JPEGLSLossless)[0]
    file = pydicom.dcmread(path)
    file.Rows = 13
    file.save_as(path)
    with pytest.raises(CTError, match="14 × 11 pixels, its header promises 13 × 11"):
        stored_of(path)


def test_an_image_of_one_value_is_no_ct(tmp_path, write_series):
    write_series(tmp_path, np.full((9, 8, 8), 40, np.int16))
    with pytest.raises(CTError, match="no image in it"):
        finish(read_dicom(tmp_path))


@pytest.mark.parametrize("kind", [np.int16, np.uint16, np.int32])
@pytest.mark.parametrize(("slope", "intercept"), [(1, -1024), (1, 0), (2, -1000.5), (0.37, 12)])
def test_hounsfield_units_are_rounded_and_held_within_range(kind, slope, intercept):
    ends = np.iinfo(kind)
    stored = np.array([[ends.min, -3, 0, 1, 777, 40000, ends.max]]).clip(ends.min, ends.max)
    out = np.empty(stored.shape, np.int16)
    to_hounsfield(stored.astype(kind), slope, intercept, out)
    exact = np.rint(stored.astype(kind).astype(float) * slope + intercept)
    np.testing.assert_array_equal(out, np.clip(exact, -32768, 32767))


def test_tallies_add_up():
    parts = [
        np.array([[3, 1, 1]], np.int16),
        np.array([[5, 1]], np.int16),
        np.array([[2]], np.int16),
    ]
    whole = tally(np.concatenate(parts, axis=1))
    assert sum(map(tally, parts[1:]), tally(parts[0])) == whole
    assert (whole.lowest, whole.count, whole.size) == (1, 3, 6)
