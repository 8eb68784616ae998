"""What lies in a folder or archive is told apart, in words and without names."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from napari_vaemed.data.progress import finish
from napari_vaemed.io.ct import read_ct
from napari_vaemed.io.dicom import read_dicom, read_series, read_thumbnail
from napari_vaemed.io.errors import CTError
from napari_vaemed.io.series import find_series

DOSE_REPORT = "1.2.840.10008.5.1.4.1.1.88.67"
SCREENSHOT = "1.2.840.10008.5.1.4.1.1.7"
CONTOURS = "1.2.840.10008.5.1.4.1.1.481.3"
DIRECTORY = "1.2.840.10008.1.3.10"


def series_of(path):
    return finish(find_series(path))


def write_object(path, sop_class, **tags):
    """A DICOM object without an image."""
    file = Dataset()
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file.file_meta.MediaStorageSOPClassUID = sop_class
    file.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    for tag, value in tags.items():
        setattr(file, tag, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    file.save_as(path, enforce_file_format=True)


def write_report(path, sop_class, modality):
    write_object(
        path, sop_class, SOPClassUID=sop_class, Modality=modality, PatientID="case-17",
        SeriesInstanceUID=generate_uid(),
    )  # fmt: skip


@pytest.fixture
def disc(tmp_path, hu, write_series):
    """A disc as hospitals hand them out."""
    write_series(
        tmp_path / "A" / "1", hu, ConvolutionKernel="B60f", SeriesDate="20240312",
        SeriesDescription="Lung 2.5 B60f", name=lambda k: f"I{k}",
    )  # fmt: skip
    write_series(tmp_path / "A" / "2", hu[:4], SeriesDescription="Lung thick")
    scout = np.tile(hu[0], (1, 3, 3))
    write_series(tmp_path / "A" / "3", scout, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    write_series(tmp_path / "B" / "1", hu, Modality="MR", PatientID="case-18")
    write_series(tmp_path / "B" / "2", scout[:, :9], Modality="DX", PatientID="case-18")
    write_series(tmp_path / "B" / "3", scout[:, :8], SOPClassUID=SCREENSHOT, PatientID="case-18")
    write_report(tmp_path / "A" / "dose", DOSE_REPORT, "SR")
    write_report(tmp_path / "A" / "rt", CONTOURS, "RTSTRUCT")
    write_object(tmp_path / "DICOMDIR", DIRECTORY, FileSetID="DISC", DirectoryRecordSequence=[])
    (tmp_path / "autorun.inf").write_text("[autorun]")
    return tmp_path


def zipped(folder, path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in folder.rglob("*"):
            archive.write(file, file.relative_to(folder))
    return path


def test_a_disc_is_told_apart(disc):
    found = series_of(disc)
    words = {s.words(): s for s in found}
    assert set(words) == {
        "CT “Lung 2.5 B60f”, 9 slices", "CT “Lung thick”, 4 slices", "CT “Thorax 2.5”, 1 scout",
        "MR “Thorax 2.5”, 9 slices", "DX “Thorax 2.5”, 1 slice", "CT “Thorax 2.5”, 1 slice",
        "SR, 1 object", "RTSTRUCT, 1 object",
    }  # fmt: skip
    assert [s.words() for s in found if not s.why_not] == list(words)[:2]
    first = found[0]
    assert (first.modality, first.kernel, first.date) == ("CT", "B60f", "2024-03-12")
    assert (first.shape, first.spacing) == ((9, 14, 11), (2.5, 0.8, 0.7))
    assert found[1].remarks == ("Only 4 slices: no whole chest.",)


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("CT “Thorax 2.5”, 1 scout", "scout"),
        ("MR “Thorax 2.5”, 9 slices", "an MR scan"),
        ("DX “Thorax 2.5”, 1 slice", "an X-ray image"),
        ("CT “Thorax 2.5”, 1 slice", "screenshot or dose page"),
        ("SR, 1 object", "A dose report"),
        ("RTSTRUCT, 1 object", "This is contours, no CT image. Open it as a mask"),
    ],
)
def test_what_cannot_be_opened_says_why(disc, what, words):
    series = next(s for s in series_of(disc) if s.words() == what)
    assert words in series.why_not
    assert series.spacing is None
    with pytest.raises(CTError, match=words):
        finish(read_series(series))


def test_patients_and_studies_are_numbered_not_named(disc, hu, write_series):
    write_series(disc / "A" / "4", hu[:5], StudyInstanceUID=generate_uid())
    found = series_of(disc)
    numbers = {
        (s.first.patient, s.first.study_uid): (s.patient_number, s.study_number) for s in found
    }
    assert {n for n, _ in numbers.values()} == {1, 2}
    assert all(p == (1 if patient == "case-17" else 2) for (patient, _), (p, _) in numbers.items())
    assert max(study for _, study in numbers.values()) > 1


def test_a_zip_is_read_in_place(disc, tmp_path_factory):
    folder = tmp_path_factory.mktemp("zip")
    path = zipped(disc, folder / "disc.zip")
    assert [s.words() for s in series_of(path)] == [s.words() for s in series_of(disc)]
    np.testing.assert_array_equal(finish(read_ct(path)).hu, finish(read_dicom(disc)).hu)
    assert [p.name for p in folder.iterdir()] == ["disc.zip"]


def test_a_stored_zip_and_an_enhanced_ct_in_one(tmp_path, hu, write_enhanced):
    path = write_enhanced(tmp_path / "all.dcm", hu)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(path, "deep/all.dcm")
        archive.write(path, "__MACOSX/._all.dcm")
    np.testing.assert_array_equal(finish(read_ct(tmp_path / "a.zip")).hu, hu)


def test_damaged_archives_are_refused(tmp_path, hu, write_series):
    write_series(tmp_path / "scan", hu)
    data = zipped(tmp_path / "scan", tmp_path / "a.zip").read_bytes()
    (tmp_path / "cut.zip").write_bytes(data[:-100])
    with pytest.raises(CTError, match="no zip archive that can be read"):
        finish(read_ct(tmp_path / "cut.zip"))
    (tmp_path / "holes.zip").write_bytes(data[:40] + bytes(2000) + data[2040:])
    holed = finish(read_ct(tmp_path / "holes.zip"))
    assert holed.intake.damaged > 0
    assert holed.intake.slices + holed.intake.damaged <= 9


def test_a_dicomdir_stands_for_its_folder(disc):
    np.testing.assert_array_equal(
        finish(read_ct(disc / "DICOMDIR")).hu, finish(read_dicom(disc)).hu
    )


def test_thumbnails_show_the_middle_slice(tmp_path, write_series):
    slices = np.full((5, 300, 260), -1400, np.int16)
    slices[2, 100:200, 100:200] = 200
    write_series(tmp_path, slices, intercept=-2048.0)
    (series,) = series_of(tmp_path)
    picture = read_thumbnail(series)
    assert (picture.dtype, picture.shape) == (np.uint8, (100, 87))
    assert picture[50, 50] == 255
    assert picture[5, 5] == 0
    assert max(read_thumbnail(series, most=64).shape) <= 64


def test_scouts_and_other_images_have_thumbnails_and_reports_none(disc):
    for series in series_of(disc):
        if series.first.pixels is None:
            with pytest.raises(CTError, match="no image"):
                read_thumbnail(series)
        else:
            assert np.ptp(read_thumbnail(series)) > 20


def test_a_description_that_names_the_patient_is_not_shown(tmp_path, hu, write_series):
    write_series(tmp_path, hu, SeriesDescription="THORAX MURNAU 1888")
    (series,) = series_of(tmp_path)
    assert series.description == ""
    assert "murnau" not in str(finish(read_series(series)).intake.as_dict()).lower()


def test_descriptions_in_other_characters_are_read(tmp_path, hu, write_series):
    write_series(tmp_path, hu, SpecificCharacterSet="ISO_IR 192", SeriesDescription="Lunge größer")
    assert series_of(tmp_path)[0].description == "Lunge größer"


def test_small_differences_of_direction_are_one_stack(tmp_path, hu, write_series):
    uid = generate_uid()
    for k in range(9):
        others = tuple(n for n in range(9) if n != k)
        axes = [1, 0, 1e-4 * (-1) ** k, 0, 1, 0]
        write_series(tmp_path, hu, uid=uid, leave_out=others, ImageOrientationPatient=axes)
    (series,) = series_of(tmp_path)
    assert series.shape == (9, 14, 11)


def test_nothing_but_padding_is_no_ct(tmp_path, write_series):
    slices = np.full((9, 8, 8), -1100, np.int16)
    slices[:, 4:] = -1000
    write_series(tmp_path, slices, PixelPaddingValue=24)  # -1000 HU
    with pytest.raises(CTError, match="nothing to measure"):
        finish(read_dicom(tmp_path))
