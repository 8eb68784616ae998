"""Curves of losses."""

import math

import numpy as np
import pytest
from qtpy.QtGui import QImage

from napari_vaemed.plugin.parts.curves import HELD_OUT, LEARNED, Curves, curves_of

LOSSES = [{"pixels": 4.0 / n, "kl": 1.0 - n} for n in range(1, 6)]


def pixels(widget):
    widget.resize(360, widget.sizeHint().height())
    image = widget.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    data = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.width(), 4)
    return data[..., 2::-1].astype(int)


def test_the_first_curve_is_the_sum_of_the_terms():
    whole, *terms = curves_of(LOSSES, [{}, {}, {"pixels": 2.0, "kl": 1.0}])
    assert [curve.name for curve in terms] == ["pixels", "kl"]
    assert whole.values[LEARNED] == pytest.approx([sum(each.values()) for each in LOSSES])
    assert whole.values[HELD_OUT] == [3.0]


def test_only_positive_curves_of_a_wide_span_are_logarithmic():
    wide = [{"a": 1000.0, "b": -1.0, "c": 3.0}, {"a": 1.0, "b": -900.0, "c": 2.0}]
    curves = {curve.name: curve for curve in curves_of(wide, [])}
    assert [name for name, curve in curves.items() if curve.logarithmic] == ["a"]


def test_what_is_held_out_is_drawn_in_orange_and_absent_without_any(qtbot):
    widget = Curves()
    qtbot.addWidget(widget)
    widget.show_curves(curves_of(LOSSES, []), 10)
    red, _, blue = np.moveaxis(pixels(widget), -1, 0)
    assert not (red - blue > 100).any()
    assert (blue - red > 100).any()
    widget.show_curves(curves_of(LOSSES, LOSSES), 10)
    red, _, blue = np.moveaxis(pixels(widget), -1, 0)
    assert (red - blue > 100).any()


def test_one_epoch_and_a_number_that_is_none_are_drawn_too(qtbot):
    widget = Curves()
    qtbot.addWidget(widget)
    widget.show_curves([], 5)
    pixels(widget)
    widget.show_curves(curves_of([{"kl": math.nan}], []), 1)
    pixels(widget)
