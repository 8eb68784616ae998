"""A layer made before it is needed: an answer should not wait until napari has built one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer

from napari_vaemed.plugin.masks import NEXT, empty_layer, fill

if TYPE_CHECKING:
    from napari.layers import Labels

    from napari_vaemed.plugin.cases import Case, Finding
    from napari_vaemed.plugin.session import Session

PAUSE_MS = 200
"""After the last job, so that the layer is built while nothing else goes on."""


class NextFinding(QObject):
    """Keeps an empty layer of the CT spoken of while the Nodule tool is on and slices are shown.

    To build a layer with its controls, and its shaders when it is first drawn, takes napari a
    third of a second; to write a mask into one that is there, a few milliseconds.
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(PAUSE_MS)
        self._soon.timeout.connect(self._make)
        session.tool.toggled.connect(self._on_changed)
        session.case_changed.connect(self._on_changed)
        session.jobs.changed.connect(self._on_changed)
        session.viewer.dims.events.ndisplay.connect(self._on_changed)

    @property
    def waiting(self) -> bool:
        """Whether a layer is still to be made."""
        return self._soon.isActive()

    def take(self, case: Case, finding: Finding) -> Labels | None:
        """The empty layer with a finding's mask in it, on top; None where there is none."""
        layer = case.made.get(NEXT)
        if layer is None or self._session.viewer.dims.ndisplay == 3:
            return None
        del case.made[NEXT]
        fill(layer, case, finding)
        return layer

    @property
    def _wanted(self) -> bool:
        return self._session.tool.on and self._session.viewer.dims.ndisplay == 2

    def _on_changed(self, *_: object) -> None:
        session = self._session
        for case in session.cases.values():
            if NEXT in case.made and not (session.tool.on and case is session.case):
                session.drop_made(case, NEXT)
        missing = session.case is not None and NEXT not in session.case.made
        if missing and self._wanted and not session.jobs.running:
            self._soon.start()
        else:
            self._soon.stop()

    def _make(self) -> None:
        case = self._session.case
        if case is not None:
            layer = case.made[NEXT] = empty_layer(case, case.history.next_label())
            self._session.insert(case, layer, above_all=True)
