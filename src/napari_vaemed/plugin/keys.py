"""The keys and the mouse of the workspace in one table; none of them is napari's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from napari_vaemed.plugin.keys_page import show_keys
from napari_vaemed.plugin.theme import WINDOWS, Window

if TYPE_CHECKING:
    from napari_vaemed.plugin.session import Session


@dataclass(frozen=True)
class Key:
    """A key, in napari's spelling (``"Alt-1"``), and what it does.

    Parameters
    ----------
    key, what, about : str
        ``about`` is the heading under which the page of keys lists it.
    act : function of the `Session`
    """

    key: str
    what: str
    about: str
    act: Callable[[Any], object]


@dataclass(frozen=True)
class Gesture:
    """Something the mouse does on a canvas."""

    hand: str
    what: str
    about: str


SLICES, WINDOW, FINDINGS, HELP = "Slices", "Window", "Findings and answers", "Help"
CALIPERS, MASKS, DOUBTS, MAP = "Calipers", "Mask desk", "Disagreement", "Latent map"
"""Headings of the page of keys."""


def _window_key(window: Window) -> Key:
    what = f"{window.title}: level {window.level:g}, width {window.width:g} HU"
    return Key(window.key, what, WINDOW, lambda session: session.windowing.set_window(window))


KEYS: tuple[Key, ...] = (
    Key("Home", "First slice", SLICES, lambda s: s.scrolling.first()),
    Key("End", "Last slice", SLICES, lambda s: s.scrolling.last()),
    Key("Shift-Space", "Play the slices, or stop", SLICES, lambda s: s.scrolling.toggle()),
    Key("Shift-T", "Three views or one", SLICES, lambda s: s.three_views.toggle()),
    Key("Shift-X", "Crosshair on or off", SLICES, lambda s: s.three_views.toggle_crosshair()),
    *(_window_key(window) for window in WINDOWS),
    Key("Alt-0", "The window the CT was opened in", WINDOW, lambda s: s.windowing.reset()),
    Key("N", "Nodule tool on or off", FINDINGS, lambda s: s.tool.toggle()),
    Key("J", "Previous finding of the list", FINDINGS, lambda s: s.finding_list.step(-1)),
    Key("K", "Next finding of the list", FINDINGS, lambda s: s.finding_list.step(1)),
    Key("Shift-N", "Take a label as a finding", FINDINGS, lambda s: s.finding_list.take_active()),
    Key("Shift-H", "Hide or show the finding", FINDINGS, lambda s: s.finding_list.toggle_shown()),
    Key("Alt-J", "Previous suggestion", FINDINGS, lambda s: s.suggestions.step(-1)),
    Key("Alt-K", "Next suggestion", FINDINGS, lambda s: s.suggestions.step(1)),
    Key("Alt-N", "Take the suggestion", FINDINGS, lambda s: s.suggestions.take()),
    Key("Alt-D", "Dismiss the suggestion", FINDINGS, lambda s: s.suggestions.dismiss()),
    Key("G", "Grad-CAM of the slice on or off", FINDINGS, lambda s: s.where.toggle()),
    Key("Shift-D", "Line (distance) on or off", CALIPERS, lambda s: s.calipers.toggle("line")),
    Key("Shift-B", "Bidirectional", CALIPERS, lambda s: s.calipers.toggle("bidirectional")),
    Key("Shift-E", "Ellipse: mean HU", CALIPERS, lambda s: s.calipers.toggle("ellipse")),
    Key("Shift-G", "Angle", CALIPERS, lambda s: s.calipers.toggle("angle")),
    Key("Shift-O", "Accept the mask", MASKS, lambda s: s.mask_desk.queue.judge("accept")),
    Key("Shift-F", "Fix the mask", MASKS, lambda s: s.mask_desk.queue.judge("fix")),
    Key("Shift-R", "Reject the mask", MASKS, lambda s: s.mask_desk.queue.judge("reject")),
    Key("Shift-J", "Previous pair", MASKS, lambda s: s.mask_desk.queue.step(-1)),
    Key("Shift-K", "Next pair", MASKS, lambda s: s.mask_desk.queue.step(1)),
    Key("Shift-Y", "Keep the label", DOUBTS, lambda s: s.disagreement.decide("keep")),
    Key("Shift-I", "Flip the label", DOUBTS, lambda s: s.disagreement.decide("flip")),
    Key("Shift-Q", "Exclude the nodule", DOUBTS, lambda s: s.disagreement.decide("exclude")),
    Key("Shift-S", "Both are one patient", DOUBTS, lambda s: s.disagreement.decide("same patient")),
    Key("Shift-U", "Unsure", DOUBTS, lambda s: s.disagreement.decide("unsure")),
    Key("Shift-PageUp", "Previous entry", DOUBTS, lambda s: s.disagreement.step(-1)),
    Key("Shift-PageDown", "Next entry", DOUBTS, lambda s: s.disagreement.step(1)),
    Key("Shift-M", "Lasso on or off", MAP, lambda s: s.latent_map.lasso_asked.emit()),
    Key("F1", "This page", HELP, lambda s: open_keys_page(s)),
)
"""Every key that is bound."""

GESTURES: tuple[Gesture, ...] = (
    Gesture("Right drag ↔", "Wider or narrower window", WINDOW),
    Gesture("Right drag ↕", "Higher or lower level; up is brighter", WINDOW),
    Gesture("Ctrl + wheel", "Slice by slice (napari)", SLICES),
    Gesture("Wheel", "Zoom (napari)", SLICES),
    Gesture("Shift + move", "With the crosshair: carry it, in any view", SLICES),
    Gesture("Left drag", "Move the picture; in 3-D turn it (napari)", SLICES),
    Gesture("Left drag", "With a caliper tool: measure, on slices", CALIPERS),
    Gesture("Left click", "With the Nodule tool: mark a nodule, in 2-D and 3-D", FINDINGS),
    Gesture("Shift/Ctrl-click", "With it: add to the finding, or take away", FINDINGS),
    Gesture("Left drag", "Over the map: move it; draw the lasso", MAP),
    Gesture("Wheel", "Over the map: zoom; a double click: all", MAP),
    Gesture("Ctrl+Z", "Undo clicks and strokes; with Shift redo", FINDINGS),
)
"""What the mouse does, napari's own where it belongs to reading."""


def open_keys_page(session: Session) -> None:
    """Open the page of keys and mouse, or close it when it is open."""
    show_keys(session, KEYS, GESTURES)


def bind_keys(session: Session) -> None:
    """Bind the keys in the session's viewer."""
    for key in KEYS:
        session.viewer.bind_key(key.key, _on_press(partial(key.act, session)), overwrite=True)


def _on_press(act: Callable[[], object]) -> Callable[[Any], None]:
    def pressed(viewer: Any) -> None:
        act()

    return pressed
