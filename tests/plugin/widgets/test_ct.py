import numpy as np

from napari_vaemed.plugin.theme import WINDOWS
from napari_vaemed.plugin.widgets.ct import CTWidget


def dock(window, qtbot):
    made = CTWidget(window.viewer)
    qtbot.addWidget(made)
    return made


def test_without_a_ct_it_says_what_to_do_and_offers_it(window, qtbot):
    widget = dock(window, qtbot)
    assert widget.is_empty
    assert [b.text() for b in widget.empty.buttons] == [
        "Open folder…", "Open file…", "Open sample chest",
    ]  # fmt: skip
    assert all(b.toolTip() for b in widget.empty.buttons)


def test_it_tells_what_was_read(chest, qtbot, idle, small_phantom):
    widget = dock(chest, qtbot)
    idle(chest)
    z, y, x = small_phantom.volume.shape
    assert not widget.is_empty
    assert widget.shape.text() == f"{x} × {y} × {z} slices"
    assert "3 mm" in widget.spacing.text()
    low, high = small_phantom.volume.measured_range()
    assert widget.hu.text() == f"{low} to {high}"


def test_a_window_button_sets_the_contrast_of_the_ct(chest, qtbot):
    widget = dock(chest, qtbot)
    bone = next(w for w in WINDOWS if w.name == "Bone")
    widget.windows[bone].click()
    assert tuple(chest.case.layer.contrast_limits) == (-500.0, 1300.0)
    assert [w.name for w, b in widget.windows.items() if b.isChecked()] == ["Bone"]


def test_it_asks_for_the_spacing_a_layer_does_not_have(window, qtbot):
    widget = dock(window, qtbot)
    hu = np.random.default_rng(0).integers(-1000, 300, (10, 20, 20)).astype(np.int16)
    window.viewer.add_image(hu)
    assert widget.ask.isVisibleTo(widget)
    for box, mm in zip(widget.mm, (2.5, 0.7, 0.8), strict=True):
        box.setValue(mm)
    widget._on_spacing_given()
    assert window.case.volume.spacing == (2.5, 0.7, 0.8)
    assert not widget.ask.isVisibleTo(widget)


def test_every_control_has_a_tooltip(chest, qtbot):
    from qtpy.QtWidgets import QAbstractButton, QAbstractSpinBox

    widget = dock(chest, qtbot)
    controls = widget.findChildren(QAbstractButton) + widget.findChildren(QAbstractSpinBox)
    own = [c for c in controls if c.objectName() not in ("qt_spinbox_lineedit",)]
    assert [c for c in own if not c.toolTip()] == []
