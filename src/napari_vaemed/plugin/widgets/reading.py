"""Read a CT: three views with a crosshair, and thick slices."""

from __future__ import annotations

from functools import partial

from qtpy.QtWidgets import QComboBox, QDoubleSpinBox

from napari_vaemed.plugin.docks import NO_CT, Wiring, open_offers, strip_of, style_of
from napari_vaemed.plugin.parts.panel import Panel, button, label
from napari_vaemed.plugin.session import session_of
from napari_vaemed.plugin.slab import KINDS

THICKEST_MM = 200.0
PLANES = ("axial", "coronal", "sagittal")


class ReadingWidget(Panel):
    """Switches for three views, crosshair and slabs."""

    def __init__(self, napari_viewer: object) -> None:
        self.session = session_of(napari_viewer)
        super().__init__("Views", strip_of(self.session), partial(style_of, self.session))
        views = self.session.three_views
        self.three_views = button(
            "Three views  (Shift+T)",
            "Show the two other planes beside the canvas; what is scrolled, zoomed or painted in "
            "one is seen in all",
            views.toggle,
            holds=True,
        )
        self.crosshair = button(
            "Crosshair  (Shift+X)",
            "Lines where the planes meet. Hold Shift and move the mouse to carry them",
            views.toggle_crosshair,
            holds=True,
        )
        self.heading("Planes")
        self.add(self.three_views)
        self.add(self.crosshair)
        self._build_slab()
        self.body.addStretch(1)
        Wiring(self, self.session, "views")
        self.session.case_changed.connect(self._on_changed)
        views.switched.connect(self._on_changed)
        self.session.slab.changed.connect(self._on_changed)
        self._on_changed()

    def _build_slab(self) -> None:
        self.heading("Thick slices")
        self.kind = QComboBox()
        self.kind.addItems(list(KINDS))
        self.kind.setToolTip(
            "Brightest voxel along the slab (MIP, for nodules and vessels), darkest (MinIP, for "
            "airways and emphysema), or mean (less noise)"
        )
        self.thickness = QDoubleSpinBox()
        self.thickness.setRange(0.0, THICKEST_MM)
        self.thickness.setDecimals(1)
        self.thickness.setSuffix(" mm")
        self.thickness.setSpecialValueText("Single slices")
        self.thickness.setKeyboardTracking(False)
        self.thickness.setToolTip("Thickness of the slab shown, in millimetres; 0 for one slice")
        self.holds = label("", "quiet")
        self.holds.setWordWrap(True)
        self.kind.currentTextChanged.connect(self._on_slab)
        self.thickness.valueChanged.connect(self._on_slab)
        self.add(self.kind, self.thickness)
        self.add(self.holds)

    def _on_slab(self) -> None:
        self.session.slab.set(self.kind.currentText(), self.thickness.value())

    def _on_changed(self) -> None:
        if self.session.case is None:
            self.say_empty(NO_CT, *open_offers(self.session))
            return
        self.say_empty()
        views, slab = self.session.three_views, self.session.slab
        self.three_views.setChecked(views.on)
        self.crosshair.setChecked(views.crosshair_on)
        for box, set_to, value in (
            (self.kind, self.kind.setCurrentText, slab.kind),
            (self.thickness, self.thickness.setValue, slab.thickness_mm),
        ):
            box.blockSignals(True)
            set_to(value)
            box.blockSignals(False)
        counts = [f"{1 + 2 * slab.beyond(axis)} {name}" for axis, name in enumerate(PLANES)]
        self.holds.setText(f"Slices in a slab: {', '.join(counts)}.")
        self.holds.setVisible(slab.thickness_mm > 0)
