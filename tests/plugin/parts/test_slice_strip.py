import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QScrollBar, QStyle, QStyleOptionSlider, QVBoxLayout, QWidget

from napari_vaemed.plugin.parts.slice_strip import SliceStrip
from napari_vaemed.plugin.theme import probability_colour


@pytest.fixture
def strip(qtbot):
    made = SliceStrip(probability_colour, ("F", "H"))
    qtbot.addWidget(made)
    made.resize(628, made.sizeHint().height())
    return made


def show(strip, values, marked=()):
    values = np.array(values, np.float32)
    marks = np.isin(np.arange(len(values)), marked)
    strip.show_slices(values, marks, lambda index: f"Slice {index}")


def colour_at(strip, x):
    ratio = strip.devicePixelRatioF()
    picture = strip.grab().toImage()
    return picture.pixelColor(int(x * ratio), int(12 * ratio)).name().upper()


def test_each_slice_is_drawn_in_the_colour_of_its_value(strip):
    show(strip, [0.0, 0.3, np.nan, 0.8, 1.0])
    for index in (0, 1, 3, 4):
        wanted = probability_colour(float(strip.values[index]))
        assert colour_at(strip, strip.centre_of(index)) == wanted
    known = {probability_colour(share / 100) for share in range(101)}
    assert colour_at(strip, strip.centre_of(2)) not in known


def test_a_high_slice_among_hundreds_narrower_than_a_pixel_is_not_lost(strip):
    values = np.full(3000, 0.1)
    values[1234] = 1.0
    show(strip, values)
    drawn = {colour_at(strip, strip.centre_of(1234) + shift) for shift in (-1, 0, 1)}
    assert probability_colour(1.0) in drawn


def test_a_click_or_drag_goes_to_the_slice_under_the_mouse(strip, qtbot):
    show(strip, np.linspace(0, 1, 30))
    gone = []
    strip.chosen.connect(gone.append)
    for index in (7, 21):
        at = QPoint(round(strip.centre_of(index)), 12)
        qtbot.mouseClick(strip, Qt.MouseButton.LeftButton, pos=at)
    assert gone == [7, 21]
    qtbot.mouseClick(strip, Qt.MouseButton.LeftButton, pos=QPoint(1, 12))
    qtbot.mouseClick(strip, Qt.MouseButton.LeftButton, pos=QPoint(627, 12))
    assert gone == [7, 21, 0, 29]


def test_arrow_keys_go_slice_by_slice_and_stop_at_the_ends(strip, qtbot):
    show(strip, [0.1, 0.2, 0.3])
    strip.set_current(1)
    gone = []
    strip.chosen.connect(gone.append)
    for key in (Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Home, Qt.Key.Key_End):
        qtbot.keyClick(strip, key)
    assert gone == [0, 2, 0, 2]
    strip.set_current(2)
    qtbot.keyClick(strip, Qt.Key.Key_Right)
    assert gone == [0, 2, 0, 2]


def test_one_slice_alone_and_none_at_all_are_drawn(strip):
    assert strip.index_at(300) is None
    strip.grab()
    show(strip, [0.7], marked=[0])
    assert strip.index_at(300) == 0
    assert colour_at(strip, 314) == probability_colour(float(np.float32(0.7)))


@pytest.mark.parametrize("first", [0, 20])
def test_the_columns_lie_below_the_handle_of_the_slider(qtbot, first):
    """Of 60 steps of the slider, slices stand for 40 from the given one on."""
    around = QWidget()
    layout = QVBoxLayout(around)
    layout.setContentsMargins(31, 0, 17, 0)
    slider, strip = QScrollBar(Qt.Orientation.Horizontal), SliceStrip(probability_colour, ("", ""))
    layout.addWidget(slider)
    layout.addWidget(strip)
    qtbot.addWidget(around)
    around.resize(700, 60)
    slider.setRange(0, 59)
    show(strip, np.linspace(0, 1, 40))
    strip.set_span(first / 59, (first + 39) / 59)
    strip.lie_under(slider)
    around.show()
    for index in (0, 13, 39):
        slider.setValue(first + index)
        option = QStyleOptionSlider()
        slider.initStyleOption(option)
        handle = slider.style().subControlRect(
            QStyle.ComplexControl.CC_ScrollBar,
            option,
            QStyle.SubControl.SC_ScrollBarSlider,
            slider,
        )
        middle = slider.mapTo(around, handle.topLeft()).x() + handle.width() / 2
        drawn = strip.mapTo(around, QPoint(0, 0)).x() + strip.centre_of(index)
        assert drawn == pytest.approx(middle, abs=1.0)
        assert strip.index_at(strip.centre_of(index)) == index
