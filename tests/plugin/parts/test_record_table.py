import pytest
from qtpy.QtCore import QItemSelectionModel, Qt

from napari_vaemed.plugin.parts.record_table import RecordTable

ROWS = [("b", 2.0, None), ("a", 10.0, "x"), ("c", 1.25, "y")]


@pytest.fixture
def table(qtbot):
    made = RecordTable(("Name", "Size", "Word"))
    qtbot.addWidget(made)
    made.fill(ROWS)
    return made


def choose(table, place, *, also=False):
    """Select a row whatever keys other tests have left pressed, which `selectRow` heeds."""
    flags = QItemSelectionModel.SelectionFlag
    how = flags.Select if also else flags.ClearAndSelect
    table.selectionModel().select(table.model().index(place, 0), how | flags.Rows)


def test_headings_sort_numbers_as_numbers_and_rows_keep_their_own_number(table):
    said = []
    table.highlighted.connect(said.append)
    table.sortByColumn(1, Qt.SortOrder.AscendingOrder)
    assert table.as_text().split("\n") == ["Name\tSize\tWord", "c\t1.25\ty", "b\t2.0\t",
                                           "a\t10.0\tx"]  # fmt: skip
    choose(table, 0)
    assert said[-1] == [2]
    table.sortByColumn(2, Qt.SortOrder.DescendingOrder)
    assert table.as_text().split("\n")[-1].startswith("b")  # what is not known comes last
    chosen = table.selectionModel().selectedRows()
    assert [index.data() for index in chosen] == ["c"]


def test_rows_are_shown_as_chosen_without_saying_so(table):
    said = []
    table.highlighted.connect(said.append)
    table.sortByColumn(0, Qt.SortOrder.AscendingOrder)
    table.highlight([0, 2])
    assert sorted(i.data() for i in table.selectionModel().selectedRows()) == ["b", "c"]
    assert said == []
    table.highlight([])
    assert not table.selectionModel().hasSelection()


def test_several_rows_can_be_chosen_and_one_opened(table, qtbot):
    said, opened = [], []
    table.highlighted.connect(said.append)
    table.opened.connect(opened.append)
    choose(table, 0)
    choose(table, 2, also=True)
    assert sorted(said[-1]) == [0, 2]
    table.activated.emit(table.model().index(1, 0))
    assert opened == [1]


def test_a_hundred_thousand_rows_are_there_at_once(table):
    table.fill([(str(row), float(row), None) for row in range(100_000)])
    assert table.model().rowCount() == 100_000
    table.sortByColumn(1, Qt.SortOrder.DescendingOrder)
    assert table.model().index(0, 0).data() == "99999"
