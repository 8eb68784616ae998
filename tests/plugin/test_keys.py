"""The table of keys: bound, listed, and never napari's own."""

import pytest
from napari.utils.key_bindings import coerce_keybinding
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QPushButton, QWidget

from napari_vaemed.plugin.keys import GESTURES, KEYS
from napari_vaemed.plugin.keys_page import NAME, grouped, spelled
from napari_vaemed.plugin.theme import WINDOWS
from napari_vaemed.plugin.workspace import canvas_of


def page_of(session):
    found = session.viewer.window._qt_window.findChildren(QWidget, NAME)
    return next((page for page in found if page.isVisibleTo(page.parent())), None)


def test_no_key_is_taken_twice():
    keys = [coerce_keybinding(key.key) for key in KEYS]
    assert len(set(keys)) == len(keys)


def test_no_key_is_napari_s_own_in_any_mode_of_any_layer_nor_in_a_menu(window):
    from napari import layers
    from napari._app_model import get_app_model
    from napari.settings import get_settings
    from napari.utils.action_manager import action_manager
    from napari.utils.shortcuts import default_shortcuts

    ours = {coerce_keybinding(key.key) for key in KEYS}
    bound = {
        "defaults": default_shortcuts.values(),
        "settings": get_settings().shortcuts.shortcuts.values(),
        "actions": action_manager._shortcuts.values(),
    }
    for where, shortcuts in bound.items():
        taken = {coerce_keybinding(key) for keys in shortcuts for key in keys}
        assert taken, where
        assert not ours & taken, where
    kinds = [getattr(layers, name) for name in layers.__all__]
    for kind in (*kinds, type(window.viewer).__mro__[1]):
        assert not ours & {k for k in getattr(kind, "class_keymap", {}) if k is not Ellipsis}
    in_menus = {str(rule.keybinding) for rule in get_app_model().keybindings}
    assert in_menus
    assert not {str(key) for key in ours} & in_menus


def test_every_bound_key_is_on_the_page_and_nothing_else_is_bound(window, qtbot):
    assert set(window.viewer.keymap) == {coerce_keybinding(key.key) for key in KEYS}
    qtbot.keyClick(canvas_of(window.viewer), Qt.Key.Key_F1)
    page = page_of(window)
    texts = [each.text() for each in page.findChildren(QLabel)]
    for key in KEYS:
        assert texts[texts.index(spelled(key.key)) + 1] == key.what
    for gesture in GESTURES:
        assert gesture.hand in texts
        assert gesture.what in texts
    assert not page.isModal()
    assert page.width() <= 1000
    assert page.height() <= 900
    qtbot.keyClick(canvas_of(window.viewer), Qt.Key.Key_F1)
    qtbot.waitUntil(lambda: page_of(window) is None)


def test_the_page_opens_from_a_dock_too_and_closes_with_escape(window, qtbot):
    from napari_vaemed.plugin.widgets.ct import CTWidget

    _, dock = window.viewer.window.add_plugin_dock_widget("napari-vaemed", "CT")
    assert isinstance(dock, CTWidget)
    keys = next(b for b in dock.findChildren(QPushButton) if b.text() == "Keys and mouse")
    keys.click()
    qtbot.keyClick(page_of(window), Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: page_of(window) is None)


def test_every_key_does_something_without_a_ct_and_with_one(chest, idle):
    press = {key.key: chest.viewer.keymap[coerce_keybinding(key.key)] for key in KEYS}
    for window in WINDOWS:
        press[window.key](chest.viewer)
        assert tuple(chest.case.layer.contrast_limits) == window.limits
    press["Alt-0"](chest.viewer)
    assert chest.windowing.now == (-600.0, 1500.0)
    press["N"](chest.viewer)
    assert chest.tool.on
    press["End"](chest.viewer)
    assert chest.slice_view.current() == chest.case.volume.shape[0] - 1
    press["Home"](chest.viewer)
    assert chest.slice_view.current() == 0
    press["Shift-Space"](chest.viewer)
    assert chest.scrolling.on
    chest.viewer.layers.remove(chest.case.layer)
    for act in press.values():
        act(chest.viewer)
    idle(chest)


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.key)
def test_a_row_says_what_it_does_under_a_heading(key):
    assert key.what
    assert (spelled(key.key), key.what) in grouped(KEYS, ())[key.about]
