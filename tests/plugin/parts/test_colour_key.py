import numpy as np
import pytest

from napari_vaemed.plugin.parts.colour_key import ColourKey, Key, Sign


@pytest.fixture
def key(qtbot):
    made = ColourKey("#101010")
    qtbot.addWidget(made)
    return made


def colours(widget):
    image = widget.grab().toImage()
    found = {image.pixelColor(x, y).name() for x in range(image.width())
             for y in range(image.height())}  # fmt: skip
    return {name.upper() for name in found}


def test_a_scale_runs_through_its_colours_from_end_to_end(key):
    key.resize(400, key.heightForWidth(400))
    key.tell(Key("size", ("#FF0000", "#00FF00"), ("1", "9 mm")), (), "size: of something")
    seen = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in colours(key)])
    for wanted in ((255, 0, 0), (0, 255, 0), (128, 128, 0)):
        assert np.abs(seen - wanted).sum(axis=1).min() < 12
    assert key.toolTip() == "size: of something"


def test_classes_and_marks_take_as_many_lines_as_they_need(key):
    classes = tuple((f"class {n}", "#0072B2") for n in range(6))
    key.tell(Key("density", classes=classes, more=3, unknown=("no other", "#A0A0A0")),
             (Sign("twins", "#FFFFFF"),), "")  # fmt: skip
    wide, narrow = key.heightForWidth(2000), key.heightForWidth(200)
    assert wide < narrow
    key.resize(200, narrow)
    assert {"#0072B2", "#A0A0A0"} <= colours(key)
