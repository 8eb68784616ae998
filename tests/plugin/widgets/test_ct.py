import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtGui import QGuiApplication

from napari_vaemed.plugin.theme import WINDOWS
from napari_vaemed.plugin.widgets.ct import CTWidget


def dock(window, qtbot):
    made = CTWidget(window.viewer)
    qtbot.addWidget(made)
    return made


def test_without_a_ct_it_says_what_to_do_and_offers_it(window, qtbot):
    widget = dock(window, qtbot)
    assert widget.is_empty
    assert [b.text() for b in widget.empty.buttons] == ["Open…", "Open sample chest"]
    offered = widget.empty.buttons[0].menu().actions()
    assert [action.text() for action in offered] == ["Folder…", "File or zip…"]
    assert all(each.toolTip() for each in (*widget.empty.buttons, *offered))


def test_it_tells_what_was_read(chest, qtbot, idle, small_phantom):
    widget = dock(chest, qtbot)
    idle(chest)
    z, y, x = small_phantom.volume.shape
    assert not widget.is_empty
    assert widget.shape.text() == f"{x} × {y} × {z} slices"
    assert "3 mm" in widget.spacing.text()
    low, high = small_phantom.volume.measured_range()
    assert widget.hu.text() == f"{low} to {high}"


def test_a_window_button_sets_the_contrast_of_the_ct(chest, qtbot):
    widget = dock(chest, qtbot)
    bone = next(w for w in WINDOWS if w.name == "Bone")
    widget.windows.presets[bone].click()
    assert tuple(chest.case.layer.contrast_limits) == (-500.0, 1300.0)
    assert [w.name for w, b in widget.windows.presets.items() if b.isChecked()] == ["Bone"]


def test_level_and_width_are_shown_and_can_be_typed(chest, qtbot):
    windows = dock(chest, qtbot).windows
    assert (windows.level.text(), windows.width_.text()) == ("-600 HU", "1500 HU")
    windows.level.setValue(-450)
    windows.width_.setValue(900)
    assert tuple(chest.case.layer.contrast_limits) == (-900.0, 0.0)
    assert not any(made.isChecked() for made in windows.presets.values())
    chest.case.layer.contrast_limits = (-160, 240)  # as napari's layer controls do
    assert (windows.level.value(), windows.width_.value()) == (40, 400)
    assert [w.name for w, made in windows.presets.items() if made.isChecked()] == ["Mediastinum"]
    windows.back.click()
    assert windows.level.value() == -600


def test_slices_are_played_until_stopped(chest, qtbot):
    widget = dock(chest, qtbot)
    widget.play.click()
    assert chest.scrolling.on
    assert (widget.play.text(), widget.play.isChecked()) == ("Stop", True)
    chest.scrolling.first()  # as a scroll of the mouse
    assert not chest.scrolling.on
    assert (widget.play.text(), widget.play.isChecked()) == ("Play", False)


def test_it_asks_for_the_spacing_a_layer_does_not_have(window, qtbot):
    widget = dock(window, qtbot)
    hu = np.random.default_rng(0).integers(-1000, 300, (10, 20, 20)).astype(np.int16)
    window.viewer.add_image(hu)
    assert widget.ask.isVisibleTo(widget)
    for box, mm in zip(widget.mm, (2.5, 0.7, 0.8), strict=True):
        box.setValue(mm)
    widget._on_spacing_given()
    assert window.case.volume.spacing == (2.5, 0.7, 0.8)
    assert not widget.ask.isVisibleTo(widget)


def test_every_control_has_a_tooltip(chest, qtbot):
    from qtpy.QtWidgets import QAbstractButton, QAbstractSpinBox

    widget = dock(chest, qtbot)
    controls = widget.findChildren(QAbstractButton) + widget.findChildren(QAbstractSpinBox)
    own = [c for c in controls if c.objectName() not in ("qt_spinbox_lineedit",)]
    assert [c for c in own if not c.toolTip()] == []


PLANES = np.random.default_rng(5).integers(-1000, 400, (12, 20, 18)).astype(np.int16)


@pytest.fixture(scope="module")
def scans(tmp_path_factory, write_dicom, write_dose_report):
    """A CT with a missing slice, a shorter one, and a dose report."""
    folder = tmp_path_factory.mktemp("scans") / "Murnau"
    write_dicom(folder / "1", PLANES, SeriesDescription="Gap", leave_out=(4,))
    write_dicom(folder / "2", PLANES[:9], SeriesDescription="Short")
    write_dose_report(folder / "3")
    return folder


def docked(window):
    """The CT dock as the plugin menu opens it."""
    _, made = window.viewer.window.add_plugin_dock_widget("napari-vaemed", "CT")
    return made


def test_several_series_are_chosen_from_in_the_dock_by_keyboard(window, qtbot, idle, scans):
    widget = docked(window)
    window.opening.choose(scans)
    idle(window)
    table = widget.chooser.table
    assert widget.chooser.isVisibleTo(widget)
    assert table.row == 0
    assert not table._items[0].icon(0).isNull()
    qtbot.keyClick(table, Qt.Key.Key_Down)
    qtbot.keyClick(table, Qt.Key.Key_Return)
    idle(window)
    assert not widget.chooser.isVisibleTo(widget)
    assert not widget.is_empty
    assert window.case.volume.shape[0] == 9
    assert widget.others.isVisibleTo(widget)
    widget.others.click()
    idle(window)
    assert widget.chooser.isVisibleTo(widget)
    qtbot.keyClick(table, Qt.Key.Key_Escape)
    assert not widget.chooser.isVisibleTo(widget)
    assert window.case.volume.shape[0] == 9


def test_the_dock_opens_by_itself_when_another_one_asked_and_there_is_a_choice(window, idle, scans):
    docks = window.viewer.window.dock_widgets
    window.viewer.window.add_plugin_dock_widget("napari-vaemed", "Lungs")
    window.opening.choose(scans / "1")
    idle(window)
    assert set(docks) == {"Lungs (napari-vaemed)"}
    for _ in range(2):
        window.opening.choose(scans)
        idle(window)
        assert set(docks) == {"Lungs (napari-vaemed)", "CT (napari-vaemed)"}


def test_the_report_stands_in_a_fold_and_warnings_beside_the_numbers(window, qtbot, idle, scans):
    widget = docked(window)
    window.open(scans / "1")
    idle(window)
    intake = window.case.volume.intake
    assert intake.missing == 1
    assert "1 slice is missing" in widget.warnings.text()
    assert widget.warnings.isVisibleTo(widget)
    assert not widget.others.isVisibleTo(widget)
    assert not widget.intake.text.isVisibleTo(widget)
    widget.intake.head.click()
    assert widget.intake.text.isVisibleTo(widget)
    widget.intake.copy_button.click()
    assert QGuiApplication.clipboard().text() == "\n".join(intake.lines())
    kept = window.case.layer.metadata["napari_vaemed"]["intake"]
    assert kept == intake.as_dict()
    assert type(kept) is dict


def test_a_scan_without_a_report_shows_no_fold(chest, qtbot):
    widget = dock(chest, qtbot)
    assert not widget.intake.isVisibleTo(widget)
    assert not widget.warnings.isVisibleTo(widget)
