"""Folds of the Twins dock: which twins, why one is near, and what every distance says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QCheckBox, QComboBox, QSpinBox

from napari_vaemed.plugin.parts.fold import LateFold
from napari_vaemed.plugin.parts.panel import beside, button, label
from napari_vaemed.plugin.parts.table import NumberTable
from napari_vaemed.plugin.twin_text import agreement_text, why_lines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_vaemed.data.nodule import NoduleRecord
    from napari_vaemed.plugin.session import Session
    from napari_vaemed.workflow.neighbours import DistanceVote

SIZE_BAND = 25
"""Percent of the diameter, until it is changed."""

READ = "What the model's rating head reads of the finding, and what readers said of the twin"
ABBREVIATIONS = {
    "wasserstein2": "W2", "fisher_rao": "FR", "hellinger": "H", "bhattacharyya": "BD",
    "jeffreys": "J", "jensen_shannon": "JS", "geometric_jensen_shannon": "gJS", "mmd": "MM",
    "kl": "KL", "reverse_kl": "rKL", "euclidean": "L2", "cosine": "cos",
}  # fmt: skip
"""Names of distances where there is little room."""


class FilterFold(LateFold):
    """Whose twins, of what size and texture, by what distance."""

    def __init__(self, session: Session) -> None:
        super().__init__(session, "Which twins", "Filters and distance; votes never heed filters")

    def _build(self) -> None:
        search = self._session.twins
        self.others = QCheckBox("Other patients only")
        self.others.setToolTip("Leave nodules of the finding's own patient out, as the votes do")
        self.size = QCheckBox("Diameter within")
        self.size.setToolTip("Only nodules of about the finding's size: of balls of their volumes")
        self.band = QSpinBox()
        self.band.setRange(5, 100)
        self.band.setSingleStep(5)
        self.band.setPrefix("± ")
        self.band.setSuffix(" %")
        self.band.setValue(SIZE_BAND)
        self.band.setToolTip("By how much of its diameter a twin may be larger or smaller")
        self.texture = QCheckBox("Same texture")
        self.texture.setToolTip(
            "Only nodules that readers called as the finding measures: solid, part-solid, "
            "ground glass or calcified"
        )
        self.distance = QComboBox()
        self.distance.setToolTip("By which distance between posteriors twins are near, and vote")
        self.reset_button = button("Reset", "Back to other patients of any size and texture, by "
                                   "the default distance", self._on_reset)  # fmt: skip
        for box in (self.others, self.size, self.texture):
            box.toggled.connect(self._on_changed)
        self.band.valueChanged.connect(self._on_changed)
        self.distance.activated.connect(
            lambda place: search.wants(distance=self.distance.itemData(place))
        )
        self.body.addWidget(self.others)
        self.body.addLayout(beside(self.size, self.band))
        self.body.addWidget(self.texture)
        self._row("Distance", self.distance)
        self.body.addWidget(self.reset_button)

    def _tell(self) -> None:
        wish, found = self._session.twins.wish, self._session.twins.found
        widgets = (self.others, self.size, self.band, self.texture, self.distance)
        for widget in widgets:
            widget.blockSignals(True)
        self.others.setChecked(wish.others_only)
        self.size.setChecked(wish.size_within is not None)
        if wish.size_within is not None:
            self.band.setValue(round(100 * wish.size_within))
        self.texture.setChecked(wish.same_texture)
        density = "" if found is None else found.twins.query.density
        self.texture.setText(f"Same texture ({density})" if density else "Same texture")
        if found is not None:
            self._fill_distances(found.twins.distances)
        place = self.distance.findData(wish.distance)
        self.distance.setCurrentIndex(max(place, 0))
        for widget in widgets:
            widget.blockSignals(False)

    def _fill_distances(self, titles: Mapping[str, str]) -> None:
        names = list(titles)
        if [self.distance.itemData(place) for place in range(1, self.distance.count())] != names[
            1:
        ]:
            self.distance.clear()
            for place, (name, title) in enumerate(titles.items()):
                self.distance.addItem(title, None if place == 0 else name)

    def _on_changed(self) -> None:
        self._session.twins.wants(
            others_only=self.others.isChecked(),
            size_within=self.band.value() / 100 if self.size.isChecked() else None,
            same_texture=self.texture.isChecked(),
        )

    def _on_reset(self) -> None:
        self.band.setValue(SIZE_BAND)
        self._session.twins.wants(
            others_only=True, size_within=None, same_texture=False, distance=None
        )


class WhyFold(LateFold):
    """Which latents of the chosen twin agree with the finding's and which differ."""

    def __init__(self, session: Session) -> None:
        super().__init__(session, "Why near", "What the chosen twin has in common with the finding")

    def _build(self) -> None:
        self.of, self.lines = label("", "key"), [label("") for _ in range(3)]
        self.table = NumberTable(("Rating", "Finding, read", "Twin, readers"), most=9)
        self.table.setToolTip(f"{READ}. Copy with Ctrl+C")
        for widget in (self.of, *self.lines, self.table):
            self.body.addWidget(widget)
        for line in self.lines:
            line.setWordWrap(True)
        self.lines[0].setToolTip("The most informative latents less than half a standard deviation "
                                 "of the known nodules apart, twin less finding")  # fmt: skip
        self.lines[1].setToolTip("The latents that make up most of the squared 2-Wasserstein "
                                 "distance; names: Spearman over the known nodules")  # fmt: skip

    def _tell(self) -> None:
        found, place = self._session.twins.found, self._session.twins.chosen
        if found is None or place >= len(found.why):
            for text in (self.of, *self.lines):
                text.setText("")
            self.table.fill([])
            return
        why = found.why[place]
        self.of.setText(f"Twin {place + 1}: {found.twins.neighbours[place].record.id}")
        for text, line in zip(self.lines, why_lines(why, place), strict=True):
            text.setText(line)
        self.table.setVisible(bool(why.ratings))
        self.table.fill(
            [(name.replace("_", " "), f"{read:.1f}", f"{said:g}")
             for name, (read, said) in why.ratings.items()],
            tooltips=[READ] * len(why.ratings),
        )  # fmt: skip


class DistancesFold(LateFold):
    """The rank of every twin by every distance, and each distance's chance."""

    def __init__(self, session: Session) -> None:
        super().__init__(session, "Every distance", "Where distances agree and where they do not")
        session.twins.compared.connect(self.tell)

    def _build(self) -> None:
        self.text = label("", "quiet")
        self.text.setWordWrap(True)
        self.table = NumberTable((), most=12)
        self.table.setToolTip(
            "Rank of a nodule by each distance; +: no twin by the first. The last row: probability "
            "of malignancy, calibrated for that distance. Copy with Ctrl+C"
        )
        self.body.addWidget(self.text)
        self.body.addWidget(self.table)
        self.head.toggled.connect(lambda on: self.tell() if on else None)

    def _tell(self) -> None:
        search, expert = self._session.twins, self._session.answers.expert
        answers = search.distances
        if answers is None or expert is None:
            self.text.setText("Asking every distance…" if search.found is not None else "")
            self.table.fill([])
            if self.head.isChecked():
                search.compare()
            return
        records = expert.index.records
        self.text.setText(agreement_text(answers, [record.id for record in records]))
        names = [answer.ranking.name for answer in answers]
        self.table.setColumnCount(len(names) + 1)
        self.table.setHorizontalHeaderLabels(["", *(ABBREVIATIONS.get(n, n) for n in names)])
        for place, answer in enumerate(answers, 1):
            self.table.horizontalHeaderItem(place).setToolTip(answer.title)
        rows = _by_first_rank(answers)
        told = [
            (
                f"{number}" if row in answers[0].ranking.rows else "+",
                *(str(answer.ranking.ranks[row]) for answer in answers),
            )
            for number, row in enumerate(rows, 1)
        ]
        chances = [answer.vote.chance for answer in answers]
        last = ("%", *("–" if chance is None else f"{100 * chance:.0f}" for chance in chances))
        self.table.fill(
            [*told, last],
            tooltips=[*(_about(records[row]) for row in rows), "Probability of malignancy, %"],
        )


def _by_first_rank(answers: Sequence[DistanceVote]) -> list[int]:
    """Every row that some distance names, as the first distance ranks them."""
    first = answers[0].ranking.ranks
    return sorted(first, key=lambda row: first[row])


def _about(record: NoduleRecord) -> str:
    return f"{record.id}: malignancy {record.malignancy:g}, {record.diameter_mm:.1f} mm"
