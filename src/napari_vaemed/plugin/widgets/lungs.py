"""Prepare a CT: lungs and the CLAHE view."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from qtpy.QtWidgets import QCheckBox, QComboBox

from napari_vaemed.data.labels import LUNG_NAMES
from napari_vaemed.plugin import work
from napari_vaemed.plugin.docks import NO_CT, Wiring, open_offers, strip_of, style_of
from napari_vaemed.plugin.files import ask_file, ask_save
from napari_vaemed.plugin.parts.panel import Panel, button, label
from napari_vaemed.plugin.parts.table import NumberTable
from napari_vaemed.plugin.scans import identity_source
from napari_vaemed.plugin.session import session_of
from napari_vaemed.plugin.theme import BLUE, MIDDLE, SKY
from napari_vaemed.workflow.lungs import LUNG_METHODS, NETWORK, R231, THRESHOLD

MASKS = "NIfTI (*.nii.gz);;NRRD (*.nrrd);;MetaImage (*.mha);;DICOM SEG (*.dcm)"

WEIGHTS = "lungmask's R231 (*.pth);;All files (*)"

HINTS = {
    "new": "Press Prepare to find the lungs.",
    "busy": "Working behind: the CT can be scrolled meanwhile.",
    "done": "Airways left out.",
}

METHODS = {
    THRESHOLD: "Threshold: lungs with air",
    NETWORK: "Threshold and network: dense lung too",
    R231: "R231 of lungmask, from a file…",
}


class LungsWidget(Panel):
    """One button that finds the lungs and makes the CLAHE view; their volumes; save."""

    def __init__(self, napari_viewer: object) -> None:
        self.session = session_of(napari_viewer)
        super().__init__("Lungs", strip_of(self.session), partial(style_of, self.session))
        self.prepare_button = button(
            "Prepare",
            "Find both lungs and the airways, and make the CLAHE view; the CT can be scrolled "
            "meanwhile",
            self.prepare,
            "main",
        )
        self.method = QComboBox()
        for method in LUNG_METHODS:
            self.method.addItem(METHODS[method], method)
        self.method.setToolTip(
            "Threshold and morphology follow the air: exact, but consolidation and effusion are "
            "left out. The network was trained to add them. R231 needs its own file."
        )
        self.method.activated.connect(self._on_method)
        self.add(self.method)
        self.add(self.prepare_button)
        self._build_results()
        self.body.addStretch(1)
        Wiring(self, self.session, "lungs")
        self.session.case_changed.connect(self._on_changed)
        self.session.lungs_changed.connect(self._on_changed)
        self.session.jobs.changed.connect(self._on_jobs_changed)
        self._on_changed()

    def prepare(self) -> None:
        """Find the lungs and make the CLAHE view."""
        self.session.prepare()

    def choose(self, method: str, weights: Path | None = None) -> None:
        """Find lungs by one of `LUNG_METHODS` from now on; R231 needs its file."""
        self.session.lung_method, self.session.lung_weights = method, weights
        self.method.setCurrentIndex(LUNG_METHODS.index(method))

    def save(self, path: str | Path) -> None:
        """Save the lung mask on the grid of the CT's file."""
        case = self.session.case
        if case is None or case.lungs is None:
            return
        try:
            identity = identity_source(path, case.volume)
        except ValueError as reason:
            self.session.say("lungs", f"Not saved: {reason}", "error")
            return
        task = partial(work.write_mask, Path(path), case.lungs, case.volume, LUNG_NAMES, identity)
        job = self.session.start(case, task, "Saving the lung mask", "save lungs", "read")
        job.returned.connect(self._on_saved)
        job.failed.connect(partial(self.session.fail, "lungs", "Not saved"))

    def _build_results(self) -> None:
        self.heading("Volume")
        self.table = NumberTable(("Lung", "ml"))
        self.table.setToolTip("Volume of the lung masks in millilitres. Ctrl+C copies the table.")
        self.hint = label("", "quiet")
        self.hint.setWordWrap(True)
        self.add(self.table)
        self.add(self.hint)
        self.heading("Show")
        self.show_lungs = QCheckBox("Lungs")
        self.show_lungs.setToolTip("Show or hide the coloured lungs: right blue, left sky, "
                                   "airways green")  # fmt: skip
        self.show_lungs.clicked.connect(lambda on: self._show("Lungs", on))
        self.show_clahe = QCheckBox("CLAHE view")
        self.show_clahe.setToolTip("Show the CT with its local contrast evened out. For looking "
                                   "only: its HU are not measured")  # fmt: skip
        self.show_clahe.clicked.connect(lambda on: self._show("CLAHE", on))
        self.add(self.show_lungs, self.show_clahe)
        self.heading("Save")
        self.save_button = button(
            "Save lung mask…",
            "Save on the grid of the CT's file: 1 right lung, 2 left lung, 3 airways",
            self._on_save,
        )
        self.add(self.save_button)

    def _show(self, what: str, on: bool) -> None:
        case = self.session.case
        if case is not None and what in case.made:
            case.made[what].visible = on

    def _on_changed(self) -> None:
        case = self.session.case
        if case is None:
            self.say_empty(NO_CT, *open_offers(self.session))
            return
        self.say_empty()
        if case.lung_ml is None:
            rows = [("Right", "–"), ("Left", "–"), ("Both", "–")]
        else:
            right, left = case.lung_ml["right"], case.lung_ml["left"]
            sides = (("Right", right), ("Left", left), ("Both", right + left))
            rows = [(name, f"{ml:.0f}") for name, ml in sides]
        self.table.fill(rows, colours=(BLUE, SKY, MIDDLE))
        self.save_button.setEnabled(case.lungs is not None)
        for what, box in (("Lungs", self.show_lungs), ("CLAHE", self.show_clahe)):
            layer = case.made.get(what)
            box.setEnabled(layer is not None)
            box.setChecked(layer is not None and layer.visible)
        self._on_jobs_changed()

    def _on_jobs_changed(self) -> None:
        case, jobs = self.session.case, self.session.jobs
        busy = case is not None and (jobs.has(("lungs", case)) or jobs.has(("clahe", case)))
        self.prepare_button.setEnabled(not busy)
        self.method.setEnabled(not busy)
        done = case is not None and case.lungs is not None
        hint = HINTS["busy" if busy else "done" if done else "new"]
        told = case.lungs_told if case is not None and done and not busy else ""
        self.hint.setText(f"{hint} {told}".strip())
        text = "Preparing…" if busy else "Prepare again" if done else "Prepare"
        self.prepare_button.setText(text)

    def _on_method(self) -> None:
        method = self.method.currentData()
        weights = ask_file(self, "Weights of R231", WEIGHTS) if method == R231 else None
        if method == R231 and weights is None:
            method = self.session.lung_method
            weights = self.session.lung_weights
        self.choose(method, weights)

    def _on_save(self) -> None:
        if path := ask_save(self, "Save the lung mask", "lungs.nii.gz", MASKS):
            self.save(path)

    def _on_saved(self, path: Path) -> None:
        self.session.say("lungs", f"Saved {path.name}.")
