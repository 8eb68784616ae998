import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_vaemed.data.progress import finish
from napari_vaemed.io.series import find_series
from napari_vaemed.plugin.chooser import Chooser, head_of, rows_of
from napari_vaemed.plugin.parts.series_table import Row

PLANES = np.random.default_rng(5).integers(-1000, 400, (10, 20, 18)).astype(np.int16)


@pytest.fixture(scope="module")
def found(tmp_path_factory, write_dicom, write_dose_report):
    """Two patients: two CTs, a scout, a dose report and an MR."""
    folder = tmp_path_factory.mktemp("found")
    day = {"SeriesDate": "20240305"}
    write_dicom(folder / "1", PLANES, SeriesDescription="Lung", ConvolutionKernel="B70f", **day)
    write_dicom(folder / "2", PLANES[:1], SeriesDescription="Topogram",
                ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])  # fmt: skip
    write_dose_report(folder / "3", SeriesDescription="Murnau Friedrich dose")
    other = {"PatientID": "case-18", "StudyInstanceUID": "1.2.840.2", "SeriesDate": "20231120"}
    write_dicom(folder / "4", PLANES, SeriesDescription="Chest", leave_out=(4,), **other)
    write_dicom(folder / "5", PLANES, SeriesDescription="Ax T1", Modality="MR", **other)
    return finish(find_series(folder))


def test_rows_tell_the_series_apart_without_a_name(found):
    rows = rows_of(found)
    said = {row.title: row for row in rows}
    assert said["Lung"].group == "Patient 1 · Study 2024-03-05"
    assert said["Chest"].group == "Patient 2 · Study 2023-11-20"
    kind, slices, spacing, kernel, date = said["Lung"].facts
    assert (kind, slices, kernel, date) == ("CT", "10", "B70f", "2024-03-05")
    assert "".join(spacing.split()) == "0.70×0.80×2.5"
    assert "1 slice is missing" in said["Chest"].remark
    assert "Murnau" not in str(rows)


def test_rows_say_why_a_series_cannot_be_opened(found):
    said = {row.title: row.reason for row in rows_of(found)}
    assert said["Lung"] == ""
    assert "scout" in said["Topogram"]
    assert "MR" in said["Ax T1"]
    assert "dose report" in said["Series without a description"]
    assert head_of(found) == "5 series of 2 patients; 2 can be opened."


@pytest.fixture
def chooser(qtbot):
    made = Chooser()
    qtbot.addWidget(made)
    rows = [
        Row("Patient 1", "Lung", ("CT", "9", "1", "B", "d")),
        Row("Patient 1", "Dose", ("SR",) * 5, "no"),
    ]
    made.offer("2 series", rows, 0)
    return made


def test_the_keyboard_opens_and_puts_away(chooser, qtbot):
    opened, away = [], []
    chooser.opened.connect(opened.append)
    chooser.put_away.connect(lambda: away.append(True))
    qtbot.keyClick(chooser.table, Qt.Key.Key_Enter)
    qtbot.keyClick(chooser.table, Qt.Key.Key_Escape)
    assert (opened, away) == ([0], [True])


def test_open_waits_for_something_that_can_be_opened(chooser):
    assert chooser.open_button.isEnabled()
    chooser.offer("1 series", [Row("Patient 1", "Dose", ("SR",) * 5, "A dose report")], None)
    assert not chooser.open_button.isEnabled()
    chooser.show_picture(0, np.zeros((20, 30), np.uint8))
