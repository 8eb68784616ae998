"""Headers are read as pydicom reads them, and damaged ones end in words."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from pydicom import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from napari_vaemed.data.progress import finish
from napari_vaemed.io.ct import read_ct
from napari_vaemed.io.errors import CTError
from napari_vaemed.io.headers import read_headers
from napari_vaemed.io.sources import Source

ENCODINGS = [None, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]


def said_of(path):
    """The intake of what opened, or the reason why it did not."""
    try:
        return " ".join(finish(read_ct(path)).intake.lines())
    except CTError as error:
        return str(error)


def nested():
    """A sequence that holds tags wanted elsewhere, and a picture of its own."""
    inner, icon = Dataset(), Dataset()
    inner.Rows, inner.PatientID, inner.ImagePositionPatient = 7, "not this one", [9, 9, 9]
    icon.Rows, icon.Columns, icon.PixelData = 2, 2, b"\1\2\3\4"
    icon["PixelData"].VR = "OW"
    inner.IconImageSequence = Sequence([icon])
    return Sequence([inner, inner])


@pytest.mark.parametrize("syntax", ENCODINGS, ids=lambda uid: uid.name if uid else "explicit")
def test_a_header_says_what_pydicom_says(tmp_path, hu, write_series, syntax):
    tags = {
        "ReferencedImageSequence": nested(), "PixelPaddingValue": -2000,
        "ConvolutionKernel": ["Br40d", "3"], "GantryDetectorTilt": 3.5,
    }  # fmt: skip
    path = write_series(tmp_path, hu[:1], syntax=syntax, intercept=0.0, **tags)[0]
    (header,) = read_headers(Source(path))
    file = pydicom.dcmread(path)
    assert header.series_uid == file.SeriesInstanceUID
    assert header.instance_uid == file.SOPInstanceUID
    assert header.frame_of_reference_uid == file.FrameOfReferenceUID
    assert header.patient == file.PatientID
    assert header.position == tuple(file.ImagePositionPatient)
    assert header.orientation == tuple(file.ImageOrientationPatient)
    assert header.pixel_spacing == tuple(file.PixelSpacing)
    assert header.shape == (file.Rows, file.Columns)
    assert (header.kernel, header.tilt, header.padding) == ("Br40d 3", 3.5, -2000)
    assert header.image_type == tuple(file.ImageType)
    assert (header.slope, header.intercept, header.scaled) == (1.0, 0.0, True)


@pytest.mark.parametrize("undefined", [True, False])
def test_sequences_with_and_without_a_length_are_passed_over(tmp_path, hu, write_series, undefined):
    path = write_series(tmp_path, hu[:1], ReferencedImageSequence=nested())[0]
    file = pydicom.dcmread(path)
    for sequence in (
        file.ReferencedImageSequence,
        file.ReferencedImageSequence[0].IconImageSequence,
    ):
        for item in sequence:
            item.is_undefined_length_sequence_item = undefined
    file["ReferencedImageSequence"].is_undefined_length = undefined
    file.save_as(path)
    (header,) = read_headers(Source(path))
    assert header.patient == "case-17"
    assert header.shape == (14, 11)


def test_a_file_without_preamble_is_read(tmp_path, hu, write_series):
    path = write_series(tmp_path, hu)[0]
    for each in tmp_path.iterdir():
        file = pydicom.dcmread(each)
        meta, file.file_meta = file.file_meta, None
        pydicom.dcmwrite(each, Dataset(file), implicit_vr=True, little_endian=True)
        assert meta is not None
    (header,) = read_headers(Source(path))
    assert header.pixels.syntax == ""
    np.testing.assert_array_equal(finish(read_ct(tmp_path)).hu, hu)


def test_long_private_elements_before_the_geometry_are_passed_over(tmp_path, hu, write_series):
    path = write_series(tmp_path, hu[:1])[0]
    file = pydicom.dcmread(path)
    block = file.private_block(0x0009, "LONG", create=True)
    block.add_new(0x10, "OB", bytes(3_000_000))
    file.save_as(path)
    (header,) = read_headers(Source(path))
    assert header.position == (-40.0, 30.5, -120.0)
    assert header.pixels.offset > 3_000_000


@pytest.mark.parametrize("value", ["1e308", "nan", "a", "1\\2", "", "-"])
def test_numbers_that_are_none_leave_the_slice_without_place(tmp_path, hu, write_series, value):
    path = write_series(tmp_path, hu[:1])[0]
    data = path.read_bytes()
    file = pydicom.dcmread(path)
    written = "\\".join(str(v) for v in file.ImagePositionPatient).encode()
    assert written in data
    path.write_bytes(data.replace(written, value.encode().ljust(len(written))))
    assert read_headers(Source(path))[0].position is None


def test_other_files_are_no_headers(tmp_path):
    for name, data in {"a": b"", "b": b"hello" * 99, "c": bytes(400)}.items():
        (tmp_path / name).write_bytes(data)
        assert read_headers(Source(tmp_path / name)) == ()


def test_frames_that_do_not_match_their_groups_are_damage(tmp_path, hu, write_enhanced):
    path = write_enhanced(tmp_path / "a.dcm", hu, NumberOfFrames=10**6)
    with pytest.raises(ValueError, match="damaged"):
        read_headers(Source(path))


@pytest.mark.parametrize("kind", ["classic", "enhanced", "nifti", "nrrd"])
def test_a_file_cut_anywhere_opens_rightly_or_is_refused_in_words(
    tmp_path, hu, write_series, write_enhanced, kind
):
    import SimpleITK as sitk

    path = tmp_path / {"nifti": "a.nii.gz", "nrrd": "a.nrrd"}.get(kind, "a.dcm")
    if kind == "classic":
        path = write_series(tmp_path, hu[:1])[0]
    elif kind == "enhanced":
        write_enhanced(path, hu)
    else:
        sitk.WriteImage(sitk.GetImageFromArray(hu), str(path), useCompression=True)
    data = path.read_bytes()
    for length in np.linspace(0, len(data) - 1, 40).astype(int):
        path.write_bytes(data[:length])
        assert len(said_of(path)) > 20
