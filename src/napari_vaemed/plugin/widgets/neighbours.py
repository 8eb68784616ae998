"""The nearest known nodules of a finding, and what they vote."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari_vaemed.plugin.docks import Wiring, chosen_finding_of, strip_of, style_of
from napari_vaemed.plugin.files import ask_folder, ask_save
from napari_vaemed.plugin.parts.gallery import Gallery
from napari_vaemed.plugin.parts.panel import Panel, button, label
from napari_vaemed.plugin.parts.share import ShareBar
from napari_vaemed.plugin.patches import TWIN
from napari_vaemed.plugin.preferences import keep_lidc_folder
from napari_vaemed.plugin.session import session_of
from napari_vaemed.plugin.theme import LUNG_WINDOW
from napari_vaemed.plugin.twin_folds import DistancesFold, FilterFold, WhyFold
from napari_vaemed.plugin.twin_text import (
    query_exhibit,
    ruler_text,
    shares,
    shown_text,
    twin_exhibit,
    vote_about,
    vote_source,
    vote_text,
    warning_text,
)

if TYPE_CHECKING:
    from napari_vaemed.plugin.cases import Case
    from napari_vaemed.plugin.twin_search import Found

RULER = (
    "What as many known nodules of the most similar volume vote: the answer of a ruler, to judge "
    "the model's by"
)
NO_SCAN = (
    "Its scan is not at hand: choose the folder of crops the index was made of (LIDC folder…). "
    "The shipped index holds no pixels"
)
FIGURE = "twins.png"


class NeighboursWidget(Panel):
    """Votes, filters and gallery of the twins of the chosen finding."""

    def __init__(self, napari_viewer: object) -> None:
        self.session = session_of(napari_viewer)
        super().__init__("Twins", strip_of(self.session), partial(style_of, self.session))
        self._shown: Found | None = None
        self._build_vote()
        self._build_gallery()
        self.body.addStretch(1)
        Wiring(self, self.session, "twins")
        search, session = self.session.twins, self.session
        for changed in (search.changed, session.findings_changed, session.case_changed,
                        session.answers.described):  # fmt: skip
            changed.connect(self._on_changed)
        session.windowing.window_changed.connect(self._on_window)
        search.figure_written.connect(self._on_figure_written)
        self._on_changed()

    def show_as_layers(self, on: bool = True) -> None:
        """Put the twins into the viewer beside the finding, or take them away."""
        self.layers_button.setChecked(on)
        if on:
            self.session.patches.show_twins()
        else:
            self.session.patches.hide_twins()

    def choose(self, place: int) -> None:
        """Show one twin next to the finding, and say why it is near."""
        self.session.twins.choose(place)
        self.session.patches.show_twins(place)
        self.layers_button.setChecked(True)

    def export(self, path: Path, *, every: bool) -> None:
        """Write the figure of this finding, or of all, beside five twins each."""
        self.session.twins.export(path, every=every)

    def _build_vote(self) -> None:
        self.vote, self.about = label("", "big"), label("", "quiet")
        self.ruler, self.warning = label("", "quiet"), label("", "warning")
        self.vote_bar, self.ruler_bar = ShareBar(), ShareBar()
        self.ruler.setToolTip(RULER)
        for text in (self.about, self.ruler, self.warning):
            text.setWordWrap(True)
        for bar in (self.vote_bar, self.ruler_bar):
            bar.setToolTip("Malignant (score 4–5), benign (1–2)")
        for widget in (self.vote, self.vote_bar, self.about, self.ruler, self.ruler_bar,
                       self.warning):  # fmt: skip
            self.add(widget)

    def _build_gallery(self) -> None:
        self.layers_button = button(
            "All as layers",
            "Put the twins into the viewer above the finding, at the same mm scale",
            lambda: self.show_as_layers(self.layers_button.isChecked()),
            holds=True,
        )
        self.scan_button = button("Open its scan", NO_SCAN, self.session.twins.open_scan)
        self.figure_button = button(
            "Figure…",
            "Write findings beside their five nearest twins as a PNG",
            (
                ("This finding…", "One row", partial(self._on_export, every=False)),
                ("All findings of this CT…", "One row each", partial(self._on_export, every=True)),
            ),
        )
        self.folder_button = button(
            "LIDC folder…",
            "Choose the folder of LIDC-IDRI crops (with image/<id>.nii.gz) to see the twins' true "
            "CT. Kept in Preferences",
            self._on_choose_folder,
        )
        self.filters = FilterFold(self.session)
        self.why, self.distances = WhyFold(self.session), DistancesFold(self.session)
        self.kind = label("", "quiet")
        self.kind.setWordWrap(True)
        self.query, self.gallery = Gallery(LUNG_WINDOW.limits), Gallery(LUNG_WINDOW.limits)
        self.gallery.chosen.connect(self.choose)
        self.add(self.layers_button, self.scan_button)
        self.add(self.figure_button, self.folder_button)
        for widget in (self.filters, self.why, self.distances, self.kind, self.query,
                       self.gallery):  # fmt: skip
            self.add(widget)

    def _on_changed(self) -> None:
        case = chosen_finding_of(self, self.session, "its nearest known nodules")
        if case is None:
            return
        found = self.session.twins.found
        for widget in (self.layers_button, self.figure_button):
            widget.setEnabled(found is not None)
        self.layers_button.setChecked(self.session.patches.showing(TWIN))
        if found is None:
            self._show_waiting()
        elif found is not self._shown:
            self._show(case, found)
        self._show_chosen(found)
        for fold in (self.filters, self.why, self.distances):
            fold.tell()

    def _show_waiting(self) -> None:
        self._shown = None
        failed = "twins" in self.session.messages
        self.vote.setText("–" if failed else "Comparing…")
        for text in (self.about, self.ruler, self.kind):
            text.setText("")
        self.warning.hide()
        for bar in (self.vote_bar, self.ruler_bar):
            bar.show_shares([])
        for gallery in (self.query, self.gallery):
            gallery.exhibit([])

    def _show(self, case: Case, found: Found) -> None:
        self._shown, twins = found, found.twins
        expert, pictures = self.session.answers.expert, case.pictures_of(case.finding)
        self.vote.setText(vote_text(twins.vote))
        self.about.setText(vote_about(twins))
        if expert is not None:
            for text in (self.vote, self.about):
                text.setToolTip(vote_source(twins, expert))
        self.vote_bar.show_shares(shares(twins.vote.vote))
        self.ruler.setText(ruler_text(twins.ruler))
        self.ruler_bar.show_shares(shares(twins.ruler.vote))
        self.warning.setText(warning_text(twins))
        self.warning.setVisible(bool(self.warning.text()))
        self.kind.setText(shown_text(twins, found.pictures))
        self._on_window()
        if pictures is not None and case.finding is not None:
            self.query.exhibit([query_exhibit(case.finding.name, twins, pictures.query)])
        self.gallery.exhibit(
            [twin_exhibit(place, twins, picture) for place, picture in enumerate(found.pictures)]
        )

    def _show_chosen(self, found: Found | None) -> None:
        place = self.session.twins.chosen
        self.gallery.mark(place)
        known = found is not None and place < len(found.pictures)
        picture = found.pictures[place] if found is not None and known else None
        there = picture is not None and picture.path is not None
        self.scan_button.setEnabled(there)
        self.scan_button.setToolTip(
            f"Open the CT of twin {place + 1} and go to the nodule" if there else NO_SCAN
        )

    def _on_window(self) -> None:
        """Draw the pictures in the window that the CT is shown in."""
        case = self.session.case
        if case is not None:
            low, high = case.layer.contrast_limits
            for gallery in (self.query, self.gallery):
                gallery.show_window((float(low), float(high)))

    def _on_export(self, *, every: bool) -> None:
        if path := ask_save(self, "Save the figure", FIGURE, "PNG (*.png)"):
            self.export(path.with_suffix(".png"), every=every)

    def _on_figure_written(self, name: str) -> None:
        self.session.say("twins", f"Written: {name}")

    def _on_choose_folder(self) -> None:
        if folder := ask_folder(self, "Folder of LIDC-IDRI nodule crops"):
            keep_lidc_folder(str(folder))
            self.session.answers.describe_again()
