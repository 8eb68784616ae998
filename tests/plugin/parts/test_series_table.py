import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtGui import QImage

from napari_vaemed.plugin.parts.series_table import Row, SeriesTable

ROWS = [
    Row("Patient 1", "Lung", ("CT", "120"), remark="1 slice is missing."),
    Row("Patient 1", "Dose", ("SR", "1"), reason="A dose report, no image."),
    Row("Patient 2", "Chest", ("CT", "96")),
]


@pytest.fixture
def table(qtbot):
    made = SeriesTable(("Kind", "Slices"), gives_way=1)
    qtbot.addWidget(made)
    made.resize(360, 300)
    made.fill(ROWS, selected=0)
    return made


def test_rows_stand_under_their_groups(table):
    assert [table.topLevelItem(n).text(0) for n in range(table.topLevelItemCount())] == [
        "Patient 1", "Patient 2",
    ]  # fmt: skip
    assert [table.topLevelItem(n).childCount() for n in range(2)] == [2, 1]
    assert table.row == 0


def test_the_arrow_keys_pass_over_what_cannot_be_opened_and_enter_opens(table, qtbot):
    opened = []
    table.opened.connect(opened.append)
    qtbot.keyClick(table, Qt.Key.Key_Down)
    assert table.row == 2
    qtbot.keyClick(table, Qt.Key.Key_Return)
    assert opened == [2]
    qtbot.keyClick(table, Qt.Key.Key_Up)
    assert table.row == 0


def test_a_double_click_opens_only_what_can_be_opened(table, qtbot):
    opened = []
    table.opened.connect(opened.append)
    table.show()
    for number in (1, 2):
        item = table._items[number]
        middle = table.visualItemRect(item).center()
        qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=middle)
        qtbot.mouseDClick(table.viewport(), Qt.MouseButton.LeftButton, pos=middle)
    assert opened == [2]


def test_everything_said_of_a_row_can_be_heard(table):
    role = Qt.ItemDataRole.AccessibleTextRole
    assert table._items[0].data(0, role) == "Lung, CT, 120, 1 slice is missing."
    assert table._items[1].data(0, role) == "Dose, SR, 1, A dose report, no image."


def test_a_picture_comes_before_its_row_and_keeps_its_shape(table):
    wide = QImage(np.full((20, 40), 200, np.uint8).data, 40, 20, QImage.Format.Format_Grayscale8)
    table.show_picture(2, wide)
    size = table._items[2].icon(0).availableSizes()[0]
    assert size.width() == 2 * size.height()
    assert table._items[0].icon(0).isNull()


def test_what_cannot_be_opened_is_drawn_fainter_than_what_can(table, qtbot):
    table.fill(ROWS, selected=2)
    table.show()
    qtbot.waitExposed(table)
    drawn = table.viewport().grab().toImage()
    paper = drawn.pixelColor(drawn.width() - 2, drawn.height() - 2).lightness()

    def strongest(number):
        where = table.visualItemRect(table._items[number])
        spots = [(x, y) for x in range(60, 200) for y in range(where.top() + 2, where.bottom() - 2)]
        return max(abs(drawn.pixelColor(x, y).lightness() - paper) for x, y in spots)

    assert 40 < strongest(1) < strongest(0) - 20
