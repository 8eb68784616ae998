"""Open a CT, see what was read, choose how to look at it."""

from __future__ import annotations

from functools import partial

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDoubleSpinBox, QFormLayout, QLabel, QPushButton, QWidget

from napari_vaemed.plugin import work
from napari_vaemed.plugin.cases import Case
from napari_vaemed.plugin.docks import (
    NO_CT,
    Wiring,
    open_file,
    open_folder,
    open_offers,
    strip_of,
    style_of,
)
from napari_vaemed.plugin.parts.panel import Panel, button, in_grid, label
from napari_vaemed.plugin.session import session_of
from napari_vaemed.plugin.theme import WINDOWS, Window

AXES = ("z (slices)", "y (rows)", "x (columns)")


class CTWidget(Panel):
    """Open a folder, a file or the sample; facts about it; HU windows and 3-D."""

    def __init__(self, napari_viewer: object) -> None:
        self.session = session_of(napari_viewer)
        super().__init__("CT", strip_of(self.session), partial(style_of, self.session))
        self._build_open()
        self._build_facts()
        self._build_windows()
        self._build_spacing()
        self.body.addStretch(1)
        Wiring(self, self.session, "ct")
        self.session.case_changed.connect(self._on_case_changed)
        self.session.views.window_changed.connect(self._on_window_changed)
        self.session.viewer.dims.events.ndisplay.connect(self._on_ndisplay)
        self._on_case_changed()

    def _build_open(self) -> None:
        session = self.session
        self.add(
            button("Folder…", "Open a folder of DICOM slices", lambda: open_folder(session)),
            button("File…", "Open a NIfTI, NRRD, MHA or DICOM file", lambda: open_file(session)),
            button("Sample", "Make a synthetic chest CT", session.open_sample),
        )

    def _build_facts(self) -> None:
        self.heading("What was read")
        facts = QWidget()
        self._facts = QFormLayout(facts)
        self._facts.setContentsMargins(0, 0, 0, 0)
        self._facts.setVerticalSpacing(3)
        self.shape, self.spacing, self.extent, self.hu = (QLabel() for _ in range(4))
        self.axes = QLabel()
        for name, value, tip in (
            ("Voxels", self.shape, "Number of voxels along x, y and z"),
            ("Spacing", self.spacing, "Millimetres between voxel centres along x, y and z"),
            ("Covers", self.extent, "Size of the scanned box in mm along x, y and z"),
            ("HU", self.hu, "Lowest and highest Hounsfield units, padding left out"),
            ("Stored as", self.axes, "Where the axes of the file point: L left, R right, "
             "P back, A front, S head, I feet. Here every scan is turned the same way."),
        ):  # fmt: skip
            value.setToolTip(tip)
            value.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            self._facts.addRow(label(name, "quiet"), value)
        self.add(facts)
        self.notes = label("", "quiet")
        self.notes.setWordWrap(True)
        self.notes.setToolTip("What the reader found worth saying of this scan")
        self.add(self.notes)

    def _build_windows(self) -> None:
        self.heading("Window (HU)")
        self.windows: dict[Window, QPushButton] = {}
        for window in WINDOWS:
            low, high = window.limits
            tip = f"{low:.0f} to {high:.0f} HU (level {window.level:.0f}, width {window.width:.0f})"
            made = button(
                window.name,
                f"{tip}\nKey: {window.key.replace('-', '+')}",
                partial(self.session.views.set_window, window),
                holds=True,
            )
            self.windows[window] = made
        row = QWidget()
        row.setLayout(in_grid(list(self.windows.values()), 3))
        self.add(row)
        self.heading("3-D")
        self.in_3d = button(
            "Show in 3-D",
            "Show a small copy in 3-D; once the lungs are found, only their vessels and nodules. "
            "(The full scan would take seconds to draw.)",
            self._on_3d,
            holds=True,
        )
        self.add(self.in_3d)

    def _build_spacing(self) -> None:
        """What is asked of a layer that does not know its millimetres."""
        self.ask = QWidget()
        form = QFormLayout(self.ask)
        form.setContentsMargins(0, 8, 0, 0)
        form.addRow(label("How large are its voxels?", "heading"))
        self.mm = []
        for axis in AXES:
            box = QDoubleSpinBox()
            box.setRange(0.01, 50.0)
            box.setDecimals(3)
            box.setValue(1.0)
            box.setSuffix(" mm")
            box.setToolTip(f"Millimetres between voxels along {axis}")
            form.addRow(axis, box)
            self.mm.append(box)
        form.addRow(
            button("Use this spacing", "Take the layer as a CT with these voxels",
                   self._on_spacing_given, "main")
        )  # fmt: skip
        self.add(self.ask)

    def _on_case_changed(self) -> None:
        case, waiting = self.session.case, self.session.waiting
        self.ask.setVisible(waiting is not None)
        if case is None and waiting is None:
            self.say_empty(
                f"{NO_CT}\n\nOpen one here, by File ▸ Open, or drop its folder on the window.",
                *open_offers(self.session),
            )
            return
        self.say_empty()
        if case is None:
            return
        volume = case.volume
        z, y, x = volume.shape
        dz, dy, dx = volume.spacing
        self.shape.setText(f"{x} × {y} × {z} slices")
        self.spacing.setText(f"{dx:.3g} × {dy:.3g} × {dz:.3g} mm")
        self.extent.setText(f"{x * dx:.0f} × {y * dy:.0f} × {z * dz:.0f} mm")
        self._ask_range(case)
        self.axes.setText(volume.stored_axes)
        self.notes.setText("\n".join(f"• {note}" for note in volume.notes))
        self.notes.setVisible(bool(volume.notes))
        self._on_window_changed()

    def _ask_range(self, case: Case) -> None:
        self.hu.setText("…")
        job = self.session.start(
            case, partial(work.hu_range, case.volume), "Measuring HU", "range", "click", quiet=True
        )
        job.returned.connect(partial(self._on_range, case))
        job.failed.connect(lambda failure: self.hu.setText(failure.text))

    def _on_range(self, case: Case, found: tuple[int, int]) -> None:
        if case is self.session.case:
            self.hu.setText("{} to {}".format(*found))

    def _on_window_changed(self) -> None:
        case = self.session.case
        shown = None if case is None else tuple(case.layer.contrast_limits)
        for window, made in self.windows.items():
            made.setChecked(shown == window.limits)

    def _on_ndisplay(self, event: object = None) -> None:
        self.in_3d.setChecked(self.session.viewer.dims.ndisplay == 3)

    def _on_3d(self) -> None:
        if self.in_3d.isChecked():
            self.session.views.show_3d()
        else:
            self.session.views.show_2d()

    def _on_spacing_given(self) -> None:
        z, y, x = (box.value() for box in self.mm)
        self.session.give_spacing((z, y, x))
