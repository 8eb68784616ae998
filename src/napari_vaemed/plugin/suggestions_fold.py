"""Part of the Findings dock: suggestions to go through, and how often they are right."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QSlider

from napari_vaemed.plugin.parts.fold import LateFold
from napari_vaemed.plugin.parts.panel import beside, button, label
from napari_vaemed.plugin.parts.table import NumberTable
from napari_vaemed.plugin.theme import MIDDLE

if TYPE_CHECKING:
    from napari_vaemed.plugin.session import Session

HEADINGS = ("Suggestion", "Score", "Ø mm", "Slice")
WHAT = (
    "Places in the lungs that look like nodules to the click network. Nobody has checked them, "
    "and it misses some. Research only."
)
NOT_CHECKED = "A suggestion, not checked. Take it to outline and measure it."


class SuggestionsFold(LateFold):
    """Ask for suggestions, show more or fewer, take or dismiss them."""

    def __init__(self, session: Session) -> None:
        super().__init__(
            session, "Suggestions", "Places that look like nodules; off until asked for"
        )
        self._suggestions = session.suggestions

    def _tell(self) -> None:
        now, shown = self._suggestions.now, self._suggestions.shown
        for part in (self.less, self.slider, self.more, self.count, self.figures, self.table,
                     *self.buttons, self.away_button):  # fmt: skip
            part.setVisible(now is not None)
        case = self._session.case
        self.run_button.setEnabled(not self._session.jobs.has(("suggest", case)))
        if now is None:
            return
        scores = now.figures.scores
        self.slider.blockSignals(True)
        self.slider.setRange(0, len(scores) - 1)
        self.slider.setValue(len(scores) - 1 - now.step)
        self.slider.blockSignals(False)
        dismissed = f", {len(now.dismissed)} dismissed" if now.dismissed else ""
        self.count.setText(f"{_counted(len(shown))} with a score from {scores[now.step]:.1f}, "
                           f"{len(now.found)} in all{dismissed}")  # fmt: skip
        self.figures.setText(
            "\n".join(
                ["Measured at this setting:", *(each.said(now.step) for each in now.figures.tried)]
            )
        )
        self.figures.setToolTip("\n".join(f"{t.name.capitalize()}: {t.note}."
                                          for t in now.figures.tried))  # fmt: skip
        rows = [
            (f"{n} ?", f"{s.score:.1f}", f"{s.diameter_mm:.0f}", f"{round(s.voxel[0])}")
            for n, s in enumerate(shown, 1)
        ]
        self.table.fill(
            rows,
            tooltips=[NOT_CHECKED] * len(rows),
            colours=[MIDDLE] * len(rows),
            selected=shown.index(now.chosen) if now.chosen in shown else None,
        )
        for each in (self.take_button, self.dismiss_button):
            each.setEnabled(now.chosen in shown)
        self.back_button.setEnabled(bool(now.dismissed))

    def _build(self) -> None:
        suggestions = self._suggestions
        what = label(WHAT, "quiet")
        self.run_button = button("Suggest nodules", "Look through both lungs; takes some seconds, "
                                 "the lungs are found first", suggestions.run)  # fmt: skip
        self.away_button = button("Put away", "Have no suggestions", suggestions.put_away)
        self.less, self.more = label("fewer", "quiet"), label("more", "quiet")
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setPageStep(2)
        self.slider.setToolTip("Further right more nodules are suggested, and more that are none")
        self.slider.valueChanged.connect(self._on_slid)
        self.count, self.figures = label(""), label("", "quiet")
        self.table = NumberTable(HEADINGS, most=7)
        self.table.setToolTip("Click a row to go there. None of these is a finding.")
        self.table.chosen.connect(self._on_row)
        self.previous_button = button("◀", "The suggestion before. Key: Alt+J",
                                      lambda: suggestions.step(-1))  # fmt: skip
        self.next_button = button("▶", "The next suggestion. Key: Alt+K",
                                  lambda: suggestions.step(1))  # fmt: skip
        self.take_button = button("Take", "Make it a finding, outlined as by a click; Undo above "
                                  "gives it back. Key: Alt+N", suggestions.take)  # fmt: skip
        self.dismiss_button = button("Dismiss", "It is none; go on to the next. Key: Alt+D",
                                     suggestions.dismiss)  # fmt: skip
        self.back_button = button("Bring back", "Undo the last dismissal", suggestions.bring_back)
        self.buttons = (self.previous_button, self.next_button, self.take_button,
                        self.dismiss_button, self.back_button)  # fmt: skip
        for text in (what, self.count, self.figures):
            text.setWordWrap(True)
        self.body.addWidget(what)
        self.body.addLayout(beside(self.run_button, self.away_button))
        self.body.addLayout(beside(self.less, self.slider, self.more))
        for widget in (self.count, self.figures, self.table):
            self.body.addWidget(widget)
        self.body.addLayout(beside(*self.buttons))

    def _on_slid(self, place: int) -> None:
        self._suggestions.show_from(self.slider.maximum() - place)

    def _on_row(self, row: int) -> None:
        self._suggestions.choose(self._suggestions.shown[row])


def _counted(count: int) -> str:
    return "1 suggestion" if count == 1 else f"{count} suggestions"
