import csv

import numpy as np
import pytest

from napari_vaemed.io.volumes import read_mask
from napari_vaemed.plugin.widgets.nodule import NoduleWidget


@pytest.fixture
def widget(chest, qtbot):
    made = NoduleWidget(chest.viewer)
    qtbot.addWidget(made)
    return made


def test_the_table_tells_the_sizes_of_each_finding(widget, chest, idle, voxels):
    for voxel in voxels[:2]:
        chest.click(voxel)
        idle(chest)
    assert widget.table.rowCount() == 2
    sizes = chest.case.findings[1].marked.measurement
    bars = chest.case.bars_of(chest.case.findings[1])
    longest = f"{sizes.longest_mm:.1f}±{bars.longest_mm.half_width:.1f}"
    assert widget.table.item(1, 1).text() == longest
    volume = f"{sizes.partial_volume_mm3:.0f}±{bars.volume_mm3.half_width:.0f}"
    assert widget.table.item(1, 3).text() == volume
    assert f"Longest {sizes.longest_mm:.1f} mm, 95 %:" in widget.table.item(1, 0).toolTip()
    assert widget.short.text().startswith(f"{sizes.rounded_mm} mm mean · {sizes.density}")
    outliner = chest.case.findings[1].marked.model
    assert widget.outliner.text() == f"Outlined by {outliner.name} {outliner.sha256[:8]}"
    assert outliner.card["data"] in widget.outliner.toolTip()
    widget.table.selectRow(0)
    assert chest.case.selected == 1
    shown = chest.viewer.dims.point[0]
    assert shown == pytest.approx(chest.case.findings[0].marked.measurement.centre_mm[2], abs=3)


def test_remove_undo_and_redo_by_their_buttons(widget, chest, idle, voxels):
    chest.click(voxels[0])
    idle(chest)
    widget.remove_button.click()
    assert widget.table.rowCount() == 0
    assert not widget.remove_button.isEnabled()
    widget.undo_button.click()
    assert widget.table.rowCount() == 1
    widget.redo_button.click()
    assert widget.table.rowCount() == 0


def test_masks_and_measurements_are_saved(widget, chest, idle, voxels, tmp_path):
    for voxel in voxels[:2]:
        chest.click(voxel)
        idle(chest)
    widget.save_masks(tmp_path / "findings.nii.gz")
    widget.save_csv(tmp_path / "findings.csv")
    idle(chest)
    saved = read_mask(tmp_path / "findings.nii.gz", chest.case.volume)
    for finding in chest.case.findings:
        whole = finding.marked.mask.full(chest.case.volume.shape)
        assert np.array_equal(saved == finding.label, whole)
    with (tmp_path / "findings.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    assert [row["finding"] for row in rows] == ["1", "2"]
    longest = chest.case.findings[0].marked.measurement.longest_mm
    assert float(rows[0]["longest_mm"]) == pytest.approx(longest, abs=0.01)
    bar = chest.case.bars_of(chest.case.findings[0]).longest_mm
    assert float(rows[0]["longest_mm_low"]) == pytest.approx(bar.low, abs=0.01)
    assert float(rows[0]["longest_mm_high"]) == pytest.approx(bar.high, abs=0.01)
    assert chest.case.unsaved() == ()


def test_the_button_and_the_key_switch_the_tool(widget, chest):
    widget.tool_button.click()
    assert chest.tool.on
    assert widget.tool_button.isChecked()
    chest.tool.toggle()
    assert not widget.tool_button.isChecked()


def choose(widget, key, words):
    """Answer a question as a user does."""
    box = widget.follow_up.questions[key]
    box.setCurrentText(words)
    box.activated.emit(box.currentIndex())


def test_the_guideline_asks_once_and_then_says_its_line_and_trace(widget, chest, idle, voxels):
    chest.click(voxels[0])
    idle(chest)
    assert list(widget.follow_up.questions) == ["setting"]
    choose(widget, "setting", "Another reason: the nodule is an incidental finding")
    for key, words in (("age_35", "Yes"), ("cancer", "No"), ("immune", "No"), ("several", "No")):
        choose(widget, key, words)
    if "risk" in widget.follow_up.questions:
        choose(widget, "risk", "Low")
    assert widget.follow_up.lines.text().count("Fleischner 2017") == 1
    trace = widget.follow_up.trace.text()
    assert "MacMahon" in trace
    assert "Mean diameter" in trace
    assert not widget.follow_up.questions
    chest.click(voxels[1])  # the patient is not asked again, and two findings are several
    idle(chest)
    asked = set(widget.follow_up.questions)
    assert not asked & {"setting", "age_35", "cancer", "immune", "several"}
    widget.follow_up.again_button.click()
    assert list(widget.follow_up.questions) == ["setting"]


def test_an_answer_about_one_nodule_stays_with_it(widget, chest, idle, voxels):
    chest.click(voxels[0])
    idle(chest)
    choose(widget, "setting", "Lung cancer screening")
    for key, words in (("scan", "The first one (baseline)"), ("complete", "Yes"),
                       ("infection", "No"), ("lesion", "In an airway")):  # fmt: skip
        choose(widget, key, words)
    assert "not covered" in widget.follow_up.lines.text()
    chest.findings.remove(1)
    chest.click(voxels[1])  # takes the number that is free again
    idle(chest)
    assert "lesion" in widget.follow_up.questions
    assert "scan" not in widget.follow_up.questions


def test_the_mode_buttons_correct_the_chosen_finding(widget, chest, idle, voxels):
    assert widget.modes.buttons["new"].isChecked()
    assert not widget.modes.buttons["add"].isEnabled()
    chest.click(voxels[0])
    idle(chest)
    widget.modes.buttons["add"].click()
    assert chest.tool.on
    assert chest.tool.mode == "add"
    assert "lacks" in widget.hint.text()
    chest.tool.turn_to("box")
    assert widget.modes.buttons["box"].isChecked()
    assert not widget.modes.buttons["add"].isChecked()
    rim = (
        np.argwhere(chest.case.finding.marked.mask.voxels)[0] + chest.case.finding.marked.mask.start
    )
    chest.findings.hint(outside=[rim])
    idle(chest)
    assert widget.outliner.text().endswith(", corrected")
    widget.undo_button.click()
    assert not widget.outliner.text().endswith(", corrected")
    idle(chest)
    assert chest.case.bars_of(chest.case.finding) is not None
