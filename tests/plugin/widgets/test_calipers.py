import csv

import pytest
from qtpy.QtCore import Qt

from napari_vaemed.plugin import work
from napari_vaemed.plugin.keys import KEYS
from napari_vaemed.plugin.layers import volume_to_layer
from napari_vaemed.plugin.widgets.calipers import TOOLS, CalipersWidget


@pytest.fixture
def widget(chest, qtbot):
    made = CalipersWidget(chest.viewer)
    qtbot.addWidget(made)
    made.show()
    return made


def draw(session, kind, *drags, index=40):
    session.calipers.choose(kind)
    for start, end in drags:
        start, end = (session.case.world((index, *p)) for p in (start, end))
        session.calipers.drag(start, end, 0, done=True)


def cells(widget, row):
    return [widget.table.item(row, c).text() for c in range(widget.table.columnCount())]


def test_without_a_ct_the_dock_offers_to_open_one(window, qtbot):
    widget = CalipersWidget(window.viewer)
    qtbot.addWidget(widget)
    assert widget.is_empty
    assert widget.empty.text.text() == "No CT is open."


def test_the_table_tells_what_each_caliper_reads(widget, chest):
    draw(chest, "line", ((40, 40), (40, 60)))
    draw(chest, "bidirectional", ((60, 40), (60, 60)), ((55, 50), (65, 50)))
    draw(chest, "ellipse", ((80, 40), (90, 60)))
    draw(chest, "angle", ((100, 40), (100, 60)), ((100, 60), (110, 60)))
    assert cells(widget, 0) == ["1  Line", "44.0 mm", "axial 40"]
    assert cells(widget, 1) == ["2  Bidirectional", "44.0 × 22.0 mm", "axial 40"]
    assert cells(widget, 3) == ["4  Angle", "90.0°", "axial 40"]
    reading = chest.calipers.shown[2].reading
    assert cells(widget, 2)[1] == (
        f"{reading.mean_hu:.0f} HU, SD {reading.sd_hu:.0f}, {reading.area_mm2:.0f} mm²"
    )
    assert f"{reading.voxels} voxels" in widget.table.item(2, 1).toolTip()
    assert widget.table.selectionModel().selectedRows()[0].row() == 3  # the newest


def test_a_row_leads_to_its_slice(widget, chest):
    draw(chest, "line", ((40, 40), (40, 60)), index=30)
    draw(chest, "line", ((40, 40), (40, 60)), index=50)
    widget.table.selectRow(0)
    assert chest.calipers.chosen.label == 1
    assert chest.viewer.dims.point[0] == pytest.approx(chest.case.world((30, 0, 0))[0])


def test_remove_undo_and_redo_by_button_and_key(widget, chest, qtbot):
    assert not widget.undo_button.isEnabled()
    draw(chest, "line", ((40, 40), (40, 60)))
    widget.remove_button.click()
    assert widget.table.rowCount() == 0
    assert not widget.save_button.isEnabled()
    widget.undo_button.click()
    assert widget.table.rowCount() == 1
    widget.redo_button.click()
    assert widget.table.rowCount() == 0
    widget.activateWindow()
    widget.table.setFocus()
    qtbot.waitUntil(lambda: widget.table.hasFocus())
    qtbot.keyClick(widget.table, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert widget.table.rowCount() == 1
    both = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    qtbot.keyClick(widget.table, Qt.Key.Key_Z, both)
    assert widget.table.rowCount() == 0


def test_the_buttons_follow_the_tool_and_the_hint_what_it_waits_for(widget, chest):
    widget.tool_buttons["bidirectional"].click()
    assert chest.calipers.kind == "bidirectional"
    assert "then across it" in widget.hint.text()
    draw(chest, "bidirectional", ((60, 40), (60, 60)))
    assert widget.hint.text().startswith("Now drag across")
    widget.tool_buttons["line"].click()
    assert [kind for kind, b in widget.tool_buttons.items() if b.isChecked()] == ["line"]
    chest.calipers.toggle("line")
    assert not any(b.isChecked() for b in widget.tool_buttons.values())


def test_edit_hands_the_layer_to_naparis_tools_and_takes_it_back(widget, chest):
    draw(chest, "line", ((40, 40), (40, 60)))
    widget.edit_button.click()
    assert chest.viewer.layers.selection.active is chest.calipers.layer
    assert chest.calipers.layer.mode == "direct"
    assert set(chest.calipers.layer.selected_data) == {0}
    chest.viewer.layers.selection.active = chest.case.layer
    assert not widget.edit_button.isChecked()


def test_calipers_are_saved_without_a_name(widget, chest, idle, tmp_path):
    draw(chest, "line", ((40, 40), (40, 60)))
    draw(chest, "ellipse", ((80, 40), (90, 60)))
    widget.save_csv(tmp_path / "calipers.csv")
    idle(chest)
    assert chest.messages["calipers"].text == "Saved calipers.csv."
    with (tmp_path / "calipers.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert [row["kind"] for row in rows] == ["line", "ellipse"]
    assert float(rows[0]["length_mm"]) == 44
    assert not any("patient" in name or "uid" in name for name in rows[0])


def test_every_tool_has_its_key(widget, chest):
    by_key = {key.key: key for key in KEYS}
    for kind, (text, _) in TOOLS.items():
        key = text.split("(")[1].rstrip(")").replace("+", "-")
        by_key[key].act(chest)
        assert chest.calipers.kind == kind
        by_key[key].act(chest)
        assert chest.calipers.kind is None


def test_unsaved_calipers_outlast_their_ct_and_are_saved_then(widget, chest, idle, qtbot, tmp_path):
    draw(chest, "line", ((40, 40), (40, 60)))
    draw(chest, "angle", ((100, 40), (100, 60)), ((100, 60), (110, 60)))
    assert widget.left_text.isHidden()
    expected = tmp_path / "open.csv"
    work.write_calipers(expected, chest.calipers.shown, chest.case.volume)
    qtbot.wait(10)
    chest.viewer.layers.clear()  # the calipers' layer goes first
    qtbot.waitUntil(lambda: "ct" in chest.messages)
    assert widget.is_empty
    assert "2 calipers of" in widget.empty.text.text()
    assert "not saved" in chest.messages["ct"].text
    saved = tmp_path / "closed.csv"
    chest.caliper_leftovers.save_left(widget.leftover, saved)
    qtbot.waitUntil(lambda: widget.leftover is None)
    assert saved.read_text() == expected.read_text()
    assert "2 calipers" not in widget.empty.text.text()


def test_beside_another_ct_they_stand_in_the_dock_and_can_be_discarded(
    widget, chest, idle, qtbot, small_phantom
):
    first = chest.case.layer
    draw(chest, "line", ((40, 40), (40, 60)))
    chest.add(volume_to_layer(small_phantom.volume))
    idle(chest)
    chest.viewer.layers.remove(first)
    qtbot.waitUntil(lambda: "ct" in chest.messages)
    assert not widget.is_empty
    assert widget.left_text.text().startswith("Not saved: 1 caliper of")
    widget.give_up_button.click()
    assert widget.leftover is None
    assert widget.left_text.isHidden()


def test_saved_calipers_leave_nothing_behind(widget, chest, idle, qtbot, tmp_path):
    draw(chest, "line", ((40, 40), (40, 60)))
    widget.save_csv(tmp_path / "calipers.csv")
    idle(chest)
    chest.viewer.layers.remove(chest.case.layer)
    qtbot.wait(50)
    assert widget.leftover is None
    assert "ct" not in chest.messages
