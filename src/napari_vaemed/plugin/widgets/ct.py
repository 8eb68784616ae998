"""Open a CT, of several choose one, see what was read and done, choose how to look at it."""

from __future__ import annotations

from functools import partial

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDoubleSpinBox, QFormLayout, QLabel, QWidget

from napari_vaemed.plugin import work
from napari_vaemed.plugin.cases import Case
from napari_vaemed.plugin.chooser import Chooser, head_of, rows_of
from napari_vaemed.plugin.docks import (
    NO_CT,
    Wiring,
    open_offers,
    strip_of,
    style_of,
)
from napari_vaemed.plugin.intake_fold import IntakeFold, paragraphs
from napari_vaemed.plugin.keys import open_keys_page
from napari_vaemed.plugin.keys_page import spelled
from napari_vaemed.plugin.parts.panel import Panel, button, label
from napari_vaemed.plugin.session import session_of
from napari_vaemed.plugin.view_3d_controls import View3DControls
from napari_vaemed.plugin.window_controls import WindowControls

AXES = ("z (slices)", "y (rows)", "x (columns)")


class CTWidget(Panel):
    """Open a folder, a file or the sample; what was read and done to it; how it is looked at."""

    def __init__(self, napari_viewer: object) -> None:
        self.session = session_of(napari_viewer)
        super().__init__("CT", strip_of(self.session), partial(style_of, self.session))
        self._build_open()
        self._build_facts()
        self._build_intake()
        self._build_looks()
        self.ask, self.mm = QWidget(), list[QDoubleSpinBox]()
        self.add(self.ask)
        self.body.addStretch(1)
        self.chooser: Chooser | None = None
        Wiring(self, self.session, "ct")
        self.session.opening.choice_changed.connect(self._on_choice_changed)
        self.session.case_changed.connect(self._on_case_changed)
        self._on_case_changed()
        self._on_choice_changed()

    def _build_open(self) -> None:
        self.add(*(button(*offer) for offer in open_offers(self.session)))
        self.others = button(
            "Choose another series…",
            "Show the other series found where this CT was read from",
            self._on_others,
        )
        self.add(self.others)

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
        self.warnings = label("", "warning")
        self.warnings.setWordWrap(True)
        self.warnings.setToolTip("What the reader found worth a look before trusting the numbers")
        self.add(self.warnings)

    def _build_intake(self) -> None:
        self.intake = IntakeFold()
        self.add(self.intake)

    def _build_looks(self) -> None:
        self.heading("Window")
        self.windows = WindowControls(self.session)
        self.add(self.windows)
        self.heading("Slices")
        scrolling = self.session.scrolling
        self.play = button(
            "Play",
            "Slice after slice, until you scroll yourself. Preferences ▸ Application say how fast."
            f"\nKey: {spelled('Shift-Space')}",
            scrolling.toggle,
            holds=True,
        )
        self.add(
            button("First", f"The first slice\nKey: {spelled('Home')}", scrolling.first),
            self.play,
            button("Last", f"The last slice\nKey: {spelled('End')}", scrolling.last),
        )
        scrolling.played.connect(self._on_played)
        self._on_played(scrolling.on)
        self.heading("3-D")
        self.solid = View3DControls(self.session)
        self.add(self.solid)
        self.heading("Help")
        self.add(button("Keys and mouse", f"All on one page\nKey: {spelled('F1')}",
                        partial(open_keys_page, self.session)))  # fmt: skip

    def _build_spacing(self) -> None:
        """What is asked of a layer that does not know its millimetres; seldom needed."""
        form = QFormLayout(self.ask)
        form.setContentsMargins(0, 8, 0, 0)
        form.addRow(label("How large are its voxels?", "heading"))
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

    def _on_choice_changed(self) -> None:
        choice = self.session.opening.choice
        if choice is None:
            self.show_instead(None)
            return
        if self.chooser is None:
            self.chooser = self._make_chooser()
        selected = choice.usable[0] if choice.usable else None
        self.chooser.offer(head_of(choice.series), rows_of(choice.series), selected)
        self.show_instead(self.chooser)
        self.chooser.table.setFocus()

    def _make_chooser(self) -> Chooser:
        opening, made = self.session.opening, Chooser()
        made.opened.connect(opening.take)
        made.put_away.connect(opening.put_away)
        opening.pictured.connect(made.show_picture)
        return made

    def _on_others(self) -> None:
        if self.session.case is not None:
            self.session.opening.choose_another(self.session.case.layer)

    def _on_case_changed(self) -> None:
        case, waiting = self.session.case, self.session.waiting
        if waiting is not None and not self.mm:
            self._build_spacing()
        self.ask.setVisible(waiting is not None)
        if case is None and waiting is None:
            self.say_empty(
                f"{NO_CT}\n\nOpen one here, by File ▸ Open, or drop its folder on the window.",
                *open_offers(self.session),
            )
            return
        self.say_empty()
        if case is not None:
            self._tell(case)

    def _tell(self, case: Case) -> None:
        volume = case.volume
        z, y, x = volume.shape
        dz, dy, dx = volume.spacing
        self.shape.setText(f"{x} × {y} × {z} slices")
        self.spacing.setText(f"{dx:.3g} × {dy:.3g} × {dz:.3g} mm")
        self.extent.setText(f"{x * dx:.0f} × {y * dy:.0f} × {z * dz:.0f} mm")
        self.axes.setText(volume.stored_axes)
        intake = volume.intake
        warnings = volume.notes if intake is None else intake.findings
        self.warnings.setText(paragraphs(warnings))
        self.warnings.setVisible(bool(warnings))
        self.intake.tell(() if intake is None else intake.lines())
        several = intake is not None and bool(intake.left_out)
        self.others.setVisible(several and self.session.opening.came_from(case.layer) is not None)
        if intake is None:
            self._ask_range(case)
        else:
            self._on_range(case, intake.hu_range)

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

    def _on_played(self, on: bool) -> None:
        self.play.setChecked(on)
        self.play.setText("Stop" if on else "Play")

    def _on_spacing_given(self) -> None:
        z, y, x = (box.value() for box in self.mm)
        self.session.give_spacing((z, y, x))
