"""The keys of the workspace; none of them is napari's own."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from napari_vaemed.plugin.theme import WINDOWS

if TYPE_CHECKING:
    from napari_vaemed.plugin.session import Session


def bind_keys(session: Session) -> None:
    """Bind the keys in the session's viewer."""
    bound: list[tuple[str, Callable[[], object]]] = [
        ("N", session.tool.toggle),
        ("J", partial(session.findings.step, -1)),
        ("K", partial(session.findings.step, 1)),
        ("G", session.where.toggle),
    ]
    bound += [(window.key, partial(session.views.set_window, window)) for window in WINDOWS]
    for key, act in bound:
        session.viewer.bind_key(key, _on_press(act), overwrite=True)


def _on_press(act: Callable[[], object]) -> Callable[[Any], None]:
    def pressed(viewer: Any) -> None:
        act()

    return pressed
