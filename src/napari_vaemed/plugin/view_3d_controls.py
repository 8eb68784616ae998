"""The choice of what is shown in 3-D: slices again, all, the lungs, or the chosen finding."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from napari_vaemed.plugin.parts.panel import button, in_grid
from napari_vaemed.plugin.views import CHEST, FINDING, LUNGS

if TYPE_CHECKING:
    from napari_vaemed.plugin.session import Session

SMALL = "\n(Shown is a small copy; the full scan would take seconds to draw.)"


class View3DControls(QWidget):
    """Shows and sets what 3-D shows of the CT spoken of."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.cuts: dict[str, QPushButton] = {}
        for cut, name, tip in (
            (CHEST, "Chest", "Everything, bones in front"),
            (LUNGS, "Lungs", "Vessels and nodules of the lungs; they are found first if need be"),
            (FINDING, "Finding", "The chosen finding and 15 mm around it, as fine as it is"),
        ):
            pressed = partial(self._on_pressed, cut)
            self.cuts[cut] = button(name, f"{tip}{SMALL}", pressed, holds=True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(in_grid(list(self.cuts.values()), 3))
        session.views.cut_changed.connect(self.tell)
        session.case_changed.connect(self.tell)
        session.findings_changed.connect(self.tell)
        self.tell()

    def tell(self) -> None:
        """Show what is shown."""
        solid, cut = self._session.viewer.dims.ndisplay == 3, self._session.views.cut
        for name, made in self.cuts.items():
            made.setChecked(solid and cut is not None and cut.name == name)
        case = self._session.case
        self.cuts[FINDING].setEnabled(case is not None and case.finding is not None)

    def _on_pressed(self, cut: str) -> None:
        if self.cuts[cut].isChecked():
            self._session.views.show_3d(cut)
        else:
            self._session.views.show_2d()  # pressed again, the button comes up
        self.tell()
