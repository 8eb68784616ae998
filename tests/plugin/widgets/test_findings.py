import pytest
from qtpy.QtCore import Qt

from napari_vaemed.plugin.widgets.findings import FindingsWidget


@pytest.fixture
def dock(chest, qtbot):
    widget = FindingsWidget(chest.viewer)
    qtbot.addWidget(widget)
    return widget


@pytest.fixture
def listed(dock, chest, idle, voxels):
    for voxel in voxels[:2]:
        chest.click(voxel)
        idle(chest)
    return dock


def test_without_a_ct_it_says_what_to_do(window, qtbot):
    widget = FindingsWidget(window.viewer)
    qtbot.addWidget(widget)
    assert widget.is_empty


def test_findings_are_listed_with_their_error_bars(listed):
    assert listed.table.rowCount() == 2
    assert listed.table.item(0, 0).text() == "Finding 1"
    assert "±" in listed.table.item(0, 1).text()
    assert listed.count.text().startswith("2 findings")
    assert "95" in listed.table.toolTip()


def test_a_row_goes_to_its_finding(listed, chest):
    listed.table.selectRow(0)
    assert chest.case.selected == 1
    measured = chest.case.finding.marked.measurement
    height = chest.case.volume.slice_mm(measured.slice_index)
    assert chest.viewer.dims.point[0] == pytest.approx(height)


def test_a_name_typed_in_the_table_is_the_finding_s(listed, chest):
    listed.table.item(1, 0).setText("lingula")
    assert chest.case.findings[1].name == "lingula"
    assert listed.table.item(1, 0).text() == "lingula"


def test_the_box_hides_the_outline(listed, chest):
    listed.table.item(0, 0).setCheckState(Qt.CheckState.Unchecked)
    assert not chest.case.masks[1].visible
    assert listed.table.item(0, 0).checkState() == Qt.CheckState.Unchecked
    assert listed.table.item(1, 0).checkState() == Qt.CheckState.Checked


def test_a_heading_sorts_and_once_more_the_other_way(listed, chest):
    header = listed.table.horizontalHeader()
    header.sectionClicked.emit(2)
    volumes = [row.finding.marked.measurement.partial_volume_mm3 for row in listed.list.rows]
    assert volumes == sorted(volumes)
    header.sectionClicked.emit(2)
    shown = [listed.table.item(r, 0).text() for r in range(2)]
    assert shown == [row.finding.name for row in listed.list.rows]
    assert "Vol. mm³ ▾" in listed.count.text()


def test_delete_and_undo(listed, chest):
    listed.delete_button.click()
    assert listed.table.rowCount() == 1
    listed.undo_button.click()
    assert listed.table.rowCount() == 2


def test_the_prior_s_part_is_built_when_it_is_opened(listed):
    assert not hasattr(listed.prior, "table")
    listed.prior.unfold()
    assert listed.prior.choose_button.text() == "Prior…"
    assert not listed.prior.table.isVisibleTo(listed)
