"""Folds of the Enhance dock: histograms; a CT on other voxels and thick slabs, as CTs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QComboBox, QDoubleSpinBox, QSpinBox

from napari_vaemed.plugin.parts.fold import LateFold
from napari_vaemed.plugin.parts.panel import beside, button, label
from napari_vaemed.preprocessing.geometry import Lattice, isotropic, with_slices
from napari_vaemed.preprocessing.intensity import WINDOWS
from napari_vaemed.preprocessing.slabs import KINDS, PLANES

if TYPE_CHECKING:
    from napari_vaemed.data.volume import Volume
    from napari_vaemed.plugin.session import Session

LEVELS = (256, 1024, 4096, 65536)
FINEST, COARSEST, CUBES, SLICES = (
    "cubes, finest axis",
    "cubes, coarsest axis",
    "cubes of",
    "slices, so many",
)
BY = {
    "linear": "Between the two voxels around a point, along each axis",
    "cubic": "On the smooth curve through all voxels (cubic spline): sharper, may overshoot",
    "nearest": "The voxel a point lies in: HU as measured, with steps",
    "area": "The mean over the new voxel: for fewer or larger voxels",
}
MASKS_BY = {
    "by distance to their surface": "distance",
    "by the nearest voxel": "nearest",
    "left out": "",
}


class HistogramFold(LateFold):
    """Window and levels of the histograms."""

    def __init__(self, session: Session) -> None:
        super().__init__(session, "Histograms", "Window and levels of the histograms")

    def _build(self) -> None:
        self.window_box = _chooser(list(WINDOWS), "The HU that HE and CLAHE even out; others "
                                   "become the window's lowest or highest")  # fmt: skip
        self.levels_box = _chooser([str(n) for n in LEVELS], "With more levels than a tile has "
                                   "voxels the limit on contrast no longer holds")  # fmt: skip
        for text, box in (("Window", self.window_box), ("Levels", self.levels_box)):
            box.activated.connect(self._on_chosen)
            self._row(text, box)

    def _tell(self) -> None:
        how = self._session.enhance.wanted.how
        named = {hu: name for name, hu in WINDOWS.items()}
        self.window_box.setCurrentText(named.get(how.window, ""))
        self.levels_box.setCurrentText(str(how.levels))

    def _on_chosen(self) -> None:
        wanted = self._session.enhance.wanted
        window = WINDOWS[self.window_box.currentText()]
        how = replace(wanted.how, window=window, levels=int(self.levels_box.currentText()))
        self._session.enhance.want(replace(wanted, how=how))


class ResampleFold(LateFold):
    """Opens the CT on other voxels."""

    def __init__(self, session: Session) -> None:
        super().__init__(session, "Other voxels", "Open the CT resampled, as a CT of its own")

    def _build(self) -> None:
        self.target = _chooser([FINEST, COARSEST, CUBES, SLICES],
                               "How large the new voxels are, or how many slices there will be "
                               "over the same stretch of the patient")  # fmt: skip
        self.mm = _millimetres(0.3, 20.0, 1.0, "Side of the new voxels")
        self.slices = QSpinBox()
        self.slices.setRange(1, 2000)
        self.slices.setValue(64)
        self.slices.setToolTip("Number of axial slices")
        self.by = _chooser(list(BY), "\n".join(f"{name}: {what}" for name, what in BY.items()))
        self.masks_by = _chooser(list(MASKS_BY), "Masks on the CT's voxels go with it; by distance "
                                 "to their surface they stay smooth")  # fmt: skip
        self.becomes = label("", "quiet")
        self.becomes.setWordWrap(True)
        self.go = button("Resample", "Open the CT on the new voxels; the one that is open stays",
                         self._on_go)  # fmt: skip
        self.body.addLayout(beside(self.target, self.mm, self.slices))
        self._row("By", self.by)
        self._row("Masks", self.masks_by)
        self.body.addWidget(self.becomes)
        self.body.addWidget(self.go)
        for changed in (self.target.currentTextChanged, self.mm.valueChanged,
                        self.slices.valueChanged):  # fmt: skip
            changed.connect(self.tell)

    def _tell(self) -> None:
        target, case = self.target.currentText(), self._session.case
        self.mm.setVisible(target == CUBES)
        self.slices.setVisible(target == SLICES)
        self.go.setEnabled(case is not None)
        if case is not None:
            made = self._lattice(case.volume)
            size = " × ".join(str(n) for n in made.shape)
            mm = " × ".join(f"{s:.3g}" for s in made.spacing)
            megabytes = 2e-6 * made.shape[0] * made.shape[1] * made.shape[2]
            self.becomes.setText(f"{size} voxels of {mm} mm, {megabytes:.0f} MB")

    def _lattice(self, volume: Volume) -> Lattice:
        target = self.target.currentText()
        if target == SLICES:
            return with_slices(volume, self.slices.value())
        named = {FINEST: "finest", COARSEST: "coarsest"}
        return isotropic(volume, named.get(target, self.mm.value()))

    def _on_go(self) -> None:
        case = self._session.case
        if case is not None:
            masks_by = MASKS_BY[self.masks_by.currentText()]
            lattice = self._lattice(case.volume)
            self._session.enhance.resample(lattice, self.by.currentText(), masks_by)


class SlabFold(LateFold):
    """Opens the CT's thick slabs."""

    def __init__(self, session: Session) -> None:
        super().__init__(session, "Thick slabs", "Open maximum, minimum or mean slabs as a CT of "
                         "its own; the Views dock shows them without a layer")  # fmt: skip

    def _build(self) -> None:
        self.kind = _chooser(list(KINDS), "Brightest voxel along the slab (MIP, for nodules and "
                             "vessels), darkest (MinIP, for airways and emphysema), or mean (less "
                             "noise)")  # fmt: skip
        self.plane = _chooser(list(PLANES), "The plane a slab lies in")
        self.thickness = _millimetres(0.1, 200.0, 10.0, "Of a slab: slices whose middles lie "
                                      "within")  # fmt: skip
        self.step = _millimetres(0.0, 200.0, 0.0, "From slab to slab; 0 for one a slice, so that "
                                 "they overlap")  # fmt: skip
        self.step.setSpecialValueText("every slice")
        self.go = button("Make slabs", "Open the slabs; the CT that is open stays", self._on_go)
        self.body.addLayout(beside(self.kind, self.plane))
        self._row("Thickness", self.thickness)
        self._row("Step", self.step)
        self.body.addWidget(self.go)

    def _tell(self) -> None:
        self.go.setEnabled(self._session.case is not None)

    def _on_go(self) -> None:
        self._session.enhance.make_slabs(
            self.kind.currentText(),
            self.thickness.value(),
            self.step.value() or None,
            self.plane.currentText(),
        )


def _chooser(names: list[str], tooltip: str) -> QComboBox:
    box = QComboBox()
    box.addItems(names)
    box.setToolTip(tooltip)
    return box


def _millimetres(low: float, high: float, value: float, tooltip: str) -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setRange(low, high)
    box.setValue(value)
    box.setDecimals(1)
    box.setSuffix(" mm")
    box.setToolTip(tooltip)
    return box
