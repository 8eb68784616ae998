"""What a slice classifier says of a CT, slice by slice, and where it looks."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from qtpy.QtWidgets import QCheckBox

from napari_vaemed.plugin import work
from napari_vaemed.plugin.cases import Case
from napari_vaemed.plugin.docks import (
    NO_CT,
    Wiring,
    card_text,
    open_offers,
    slice_model,
    strip_of,
    style_of,
)
from napari_vaemed.plugin.files import ask_save
from napari_vaemed.plugin.parts.message import MessageLine
from napari_vaemed.plugin.parts.panel import Panel, button, label
from napari_vaemed.plugin.parts.scale import ColourScale
from napari_vaemed.plugin.parts.table import NumberTable
from napari_vaemed.plugin.session import session_of
from napari_vaemed.plugin.slice_view import about_slice, model_name, percent
from napari_vaemed.plugin.slices import Scored
from napari_vaemed.plugin.theme import probability_colour

HEADINGS = ("Slice", "z mm", "COVID-19", "Unlike")
EXPLAINED = (
    "Slice: as counted by the CT, 0 at the feet. z: patient coordinate (LPS). COVID-19: "
    "probability against anything else. Unlike: distance to the training pictures over its 99th "
    "percentile; above 1 (▼) the model has not seen anything of the kind.\n"
    "Click a row to go there. Ctrl+C copies the table."
)
CAUTION = "Research only: learned from figures in papers. No diagnostic value."
HINT = (
    "Every slice that shows enough lung gets a probability of COVID-19 against anything else, and "
    "the scan a value where the model can be believed."
)


class ClassifyWidget(Panel):
    """Scores of the slices of a CT, the value of the scan or why there is none, Grad-CAM."""

    def __init__(self, napari_viewer: object) -> None:
        self.session = session_of(napari_viewer)
        super().__init__("Classify", strip_of(self.session), partial(style_of, self.session))
        self._shown: Scored | None = None
        self._order: list[int] = []
        self._build_answer()
        self._build_show()
        self._build_table()
        self.body.addStretch(1)
        Wiring(self, self.session, "classify", slice_model)
        self.session.case_changed.connect(self._on_changed)
        self.session.slices.changed.connect(self._on_changed)
        self.session.slice_view.moved.connect(self._on_moved)
        self.session.where.switched.connect(self.where_box.setChecked)
        self._on_changed()

    def score(self) -> None:
        """Score every slice of the CT that shows enough lung."""
        self.session.slices.score()

    def save_csv(self, path: str | Path) -> None:
        """Save one line a scored slice."""
        case = self.session.case
        if case is None or case.scored is None:
            return
        task = partial(work.write_slices, Path(path), case.scored.said, case.volume)
        job = self.session.start(case, task, "Saving the scores", "save slices", "read")
        job.returned.connect(lambda path: self.session.say("classify", f"Saved {path.name}."))
        job.failed.connect(partial(self.session.fail, "classify", "Not saved"))

    def _build_answer(self) -> None:
        self.score_button = button(
            "Score slices",
            "Score every slice that shows enough lung; finds the lungs first when they are not "
            "known. The CT can be scrolled meanwhile",
            self.score,
            "main",
        )
        self.hint = label(HINT, "quiet")
        self.value, self.rule = label("", "big"), label("", "quiet")
        self.reason = MessageLine()
        self.reason.close_button.hide()
        self.source, self.caution = label("", "quiet"), label(CAUTION, "quiet")
        for text in (self.hint, self.value, self.rule, self.source, self.caution):
            text.setWordWrap(True)
        self.add(self.score_button)
        self.add(self.hint)
        for widget in (self.value, self.reason, self.rule, self.source, self.caution):
            self.add(widget)

    def _build_show(self) -> None:
        view = self.session.slice_view
        self._results = [self.heading("Show")]
        self.strip_box = QCheckBox("Strip")
        self.strip_box.setToolTip("Every slice in its colour beneath the slice slider; click one "
                                  "to go there")  # fmt: skip
        self.strip_box.setChecked(view.strip_on)
        self.strip_box.clicked.connect(view.show_strip)
        self.text_box = QCheckBox("On the slice")
        self.text_box.setToolTip("Write the score of the slice into its corner")
        self.text_box.setChecked(view.text_on)
        self.text_box.clicked.connect(view.show_text)
        self.where_box = QCheckBox("Where (Grad-CAM)")
        self.where_box.setToolTip("Colour what in the slice spoke for COVID-19, in a layer "
                                  "that follows the slice; coarse, no outline. Key: G")  # fmt: skip
        self.where_box.setChecked(self.session.where.on)
        self.where_box.clicked.connect(self.session.where.set_on)
        self.add(self.strip_box, self.text_box, self.where_box)
        self._results += [self.strip_box, self.text_box, self.where_box]

    def _build_table(self) -> None:
        self.table_heading = self.heading("Slices by score")
        self.scale = ColourScale(probability_colour, ("0 %", "100 %"), "not scored", "unlike")
        self.table = NumberTable(HEADINGS, most=10)
        self.table.setToolTip(EXPLAINED)
        self.table.chosen.connect(self._on_row_chosen)
        self.copy_button = button("Copy", "Copy the table (Ctrl+C)", self.table.copy)
        self.save_button = button("Save CSV…", "Save one line a scored slice, with model and "
                                  "checksum", self._on_save)  # fmt: skip
        self.add(self.scale)
        self.add(self.table)
        self.add(self.copy_button, self.save_button)
        self._results += [self.table_heading, self.scale, self.table]
        self._results += [self.copy_button, self.save_button]

    def _on_changed(self) -> None:
        case = self.session.case
        if case is None:
            self.say_empty(NO_CT, *open_offers(self.session))
            return
        self.say_empty()
        scored = case.scored
        self._show_button(case)
        self._show_answer(scored)
        if scored is not self._shown:
            self._shown = scored
            self._fill_table(case, scored)
        for widget in self._results:
            widget.setVisible(bool(self._order))

    def _show_button(self, case: Case) -> None:
        busy = self.session.slices.busy(case)
        finding = self.session.jobs.has(("lungs", case))
        ready = "Score slices" if case.scored is None else "Score again"
        self.score_button.setEnabled(not busy)
        self.score_button.setText(
            ready if not busy else "Finding the lungs…" if finding else "Scoring…"
        )

    def _show_answer(self, scored: Scored | None) -> None:
        self.hint.setVisible(scored is None)
        for widget in (self.value, self.rule, self.source):
            widget.setVisible(scored is not None)
        if scored is None:
            self.reason.say("")
            return
        said, model = scored.said, self.session.slices.model
        probability = said.subject.covid_probability
        if probability is None:
            self.value.setText("No value for the scan")
            self.reason.say(said.subject.reason, "warning")
            self.rule.hide()
        else:
            self.value.setText(f"COVID-19 against other: {percent(probability)}")
            self.reason.say("")
            self.rule.setText(said.subject.reason)
        self.source.setText(source_of(scored))
        card = "" if model is None else card_text(model)
        for widget in (self.value, self.source):
            widget.setToolTip(card)

    def _fill_table(self, case: Case, scored: Scored | None) -> None:
        if scored is None:
            self._order = []
            self.table.fill([])
            self.table_heading.setText("Slices by score")
            return
        scores = scored.said.scores
        places = sorted(range(len(scores)), key=lambda n: (-scores.covid[n], n))
        self._order = [int(scores.indices[n]) for n in places]
        self.table.fill(
            [_row(case, scored, n) for n in places],
            tooltips=[about_slice(scored, index) for index in self._order],
            colours=[probability_colour(float(scores.covid[n])) for n in places],
        )
        unlike = int((scores.unlike > 1).sum())
        self.table_heading.setText(
            f"Slices by score: {len(scores)} of {case.volume.shape[0]}, {unlike} unlike"
        )
        self._on_moved()

    def _on_moved(self) -> None:
        index = self.session.slice_view.current()
        self.table.choose(self._order.index(index) if index in self._order else None)

    def _on_row_chosen(self, row: int) -> None:
        self.session.slice_view.go_to(self._order[row])

    def _on_save(self) -> None:
        if path := ask_save(self, "Save the scores", "slices.csv", "CSV (*.csv)"):
            self.save_csv(path)


def source_of(scored: Scored) -> str:
    """Which model said it, what it learned from, and how well it did on held-out slices."""
    card = scored.said.card
    split, auc = card.get("split", {}), card.get("figures", {}).get("auc")
    data = str(card.get("data", "unnamed data")).split(". ")[0]
    text = f"{model_name(scored)}, learned from {split.get('train', '?')} slices of {data}."
    if auc is not None:
        text += (
            f" AUC {auc[0]:.2f} ({auc[1]:.2f}–{auc[2]:.2f}) on {split.get('test', '?')} slices "
            f"held out, split {split.get('how', '?')}."
        )
    return text


def _row(case: Case, scored: Scored, place: int) -> tuple[str, ...]:
    scores = scored.said.scores
    index, unlike = int(scores.indices[place]), float(scores.unlike[place])
    return (
        str(index),
        f"{case.volume.slice_mm(index):.0f}",
        percent(float(scores.covid[place])),
        f"{'▼ ' if unlike > 1 else ''}{unlike:.2f}",
    )
