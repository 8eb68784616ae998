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
    assert widget.table.item(1, 1).text() == f"{sizes.longest_mm:.1f}"
    assert widget.table.item(1, 3).text() == f"{sizes.volume_mm3:.0f}"
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
    assert chest.case.unsaved() == ()


def test_the_button_and_the_key_switch_the_tool(widget, chest):
    widget.tool_button.click()
    assert chest.tool.on
    assert widget.tool_button.isChecked()
    chest.tool.toggle()
    assert not widget.tool_button.isChecked()
