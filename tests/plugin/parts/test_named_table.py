import pytest
from qtpy.QtCore import Qt

from napari_vaemed.plugin.parts.named_table import NamedTable


@pytest.fixture
def table(qtbot):
    made = NamedTable(("Name", "mm"), ("123.4",))
    qtbot.addWidget(made)
    made.fill([("one", "1"), ("two", "2")])
    made.tick([True, False])
    return made


def test_a_new_name_is_told_once_and_ticks_are_left_alone(table, qtbot):
    said, ticks = [], []
    table.renamed.connect(lambda row, name: said.append((row, name)))
    table.ticked.connect(lambda row, on: ticks.append((row, on)))
    table.item(1, 0).setText("apex")
    assert said == [(1, "apex")]
    assert ticks == []


def test_a_tick_is_told_with_its_row(table):
    said = []
    table.ticked.connect(lambda row, on: said.append((row, on)))
    table.item(0, 0).setCheckState(Qt.CheckState.Unchecked)
    table.item(1, 0).setCheckState(Qt.CheckState.Checked)
    assert said == [(0, False), (1, True)]


def test_filling_and_ticking_by_program_says_nothing(table):
    said = []
    table.renamed.connect(lambda *args: said.append(args))
    table.ticked.connect(lambda *args: said.append(args))
    table.fill([("three", "3")])
    table.tick([False])
    assert said == []


def test_numbers_cannot_be_edited(table):
    assert table.item(0, 0).flags() & Qt.ItemFlag.ItemIsEditable
    assert not table.item(0, 1).flags() & Qt.ItemFlag.ItemIsEditable


def test_a_heading_asks_for_an_order(table, qtbot):
    with qtbot.waitSignal(table.sorted_by) as asked:
        table.horizontalHeader().sectionClicked.emit(1)
    assert asked.args == [1]
