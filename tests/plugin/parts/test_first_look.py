import numpy as np
import pytest
from qtpy.QtWidgets import QWidget

from napari_vaemed.plugin.parts.first_look import FirstLook

HU = np.zeros((40, 80), np.int16)
HU[:20] = -1000
HU[:, :8] = 400


@pytest.fixture
def canvas(qtbot):
    made = QWidget()
    qtbot.addWidget(made)
    made.resize(400, 400)
    made.show()
    return made


def greys(look):
    image = look.grab().toImage()
    return lambda x, y: image.pixelColor(int(x), int(y)).red()


def test_the_slice_is_to_scale_windowed_and_in_the_middle(canvas):
    look = FirstLook(canvas, HU, (-1000.0, 400.0), (1.0, 0.5))  # 40 mm by 40 mm
    grey = greys(look)
    assert grey(200, 100) == 0
    assert grey(200, 300) == pytest.approx(255 * 1000 / 1400, abs=2)
    left = next(x for x in range(400) if grey(x, 300) > 250)
    right = next(x for x in range(399, 0, -1) if grey(x, 300) > 100)
    assert (left, right) == (pytest.approx(10, abs=1.5), pytest.approx(390, abs=1.5))
    top = next(y for y in range(30, 400) if grey(200, y) > 100)
    assert top == pytest.approx(200, abs=2)


def test_it_covers_the_canvas_whatever_its_size_until_it_is_put_away(canvas, qtbot):
    look = FirstLook(canvas, HU, (-1000.0, 400.0), (1.0, 1.0))
    canvas.resize(300, 200)
    qtbot.waitUntil(lambda: look.size() == canvas.size())
    look.put_away()
    qtbot.waitUntil(lambda: canvas.findChildren(FirstLook) == [])
    look.put_away()  # as when the window has gone first
