"""Part of the Findings dock: the prior, the pairs, and what a person says of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QComboBox, QHeaderView, QMenu, QSpinBox

from napari_vaemed.plugin.files import KINDS, ask_file, ask_folder
from napari_vaemed.plugin.parts.fold import LateFold
from napari_vaemed.plugin.parts.panel import beside, button, label
from napari_vaemed.plugin.parts.table import NumberTable
from napari_vaemed.plugin.theme import MIDDLE, finding_colour

if TYPE_CHECKING:
    from napari_vaemed.plugin.session import Session
    from napari_vaemed.workflow.prior import Followed

HEADINGS = ("Finding", "Prior", "Volume", "Since then")
EXPLAINED = (
    "Findings that lie at one place once the lungs lie on each other. A change that exceeds the "
    "error bars of both scans is grown or shrunk; else it is within them.\n"
    "Click a row to go there. Ctrl+C copies the table."
)
BY_PLACE, NOT_THERE = "By its place", "Not on the prior"


class PriorFold(LateFold):
    """Choose the prior, look on it, pair by hand."""

    def __init__(self, session: Session) -> None:
        super().__init__(session, "Prior", "An earlier scan of the same patient beside this one")
        self._prior = session.prior

    def tell(self) -> None:
        """Follow the session; a prior opens the fold."""
        if self._prior.link is not None and not self.head.isChecked():
            self.unfold()
        super().tell()

    def _tell(self) -> None:
        link = self._prior.link
        laid = link is not None and link.laid is not None
        for part in (self.away_button, self.look_button, self.days_box, self.table, self.text):
            part.setVisible(laid)
        self.look_button.setEnabled(any(each.before is None for each in self._prior.followed))
        chosen = self._chosen()
        for part in (self.detail, self.link_text, self.link_box):
            part.setVisible(laid and chosen is not None)
        self.detail.setText("\n".join(() if chosen is None else change_lines(chosen)))
        if link is None or not laid:
            return
        self.text.setText(f"{link.prior.layer.name}, at the right, on this CT's slices")
        self.days_box.blockSignals(True)
        self.days_box.setValue(max(0, round(link.days or 0)))
        self.days_box.blockSignals(False)
        self._fill()

    def _build(self) -> None:
        self.choose_button = button("Prior…", "Choose an earlier scan: one that is open, or a "
                                    "file or folder", self._on_choose)  # fmt: skip
        self.away_button = button("Put away", "Have no prior any more", self._prior.put_away)
        self.look_button = button("Look on the prior", "Outline on the prior what lies where this "
                                  "CT has findings that the prior has none for",
                                  self._prior.look_for_all)  # fmt: skip
        self.days_box = QSpinBox()
        self.days_box.setRange(0, 20_000)
        self.days_box.setSpecialValueText("days not known")
        self.days_box.setSuffix(" days apart")
        self.days_box.setToolTip("Days between the two scans; from the DICOM files when they "
                                 "tell. Doubling times need it")  # fmt: skip
        self.days_box.editingFinished.connect(self._on_days)
        self.text = label("", "quiet")
        self.text.setWordWrap(True)
        self.table = NumberTable(HEADINGS, most=8)
        self.table.setToolTip(EXPLAINED)
        self.table.setWordWrap(False)
        for fitted in (2, 3):
            self.table.horizontalHeader().setSectionResizeMode(
                fitted, QHeaderView.ResizeMode.ResizeToContents
            )
        self.table.chosen.connect(self._on_row)
        self.detail = label("", "quiet")
        self.detail.setWordWrap(True)
        self.link_text = label("", "quiet")
        self.link_box = QComboBox()
        self.link_box.setToolTip("Say which finding of the prior is this one")
        self.link_box.activated.connect(self._on_link)
        self.body.addLayout(beside(self.choose_button, self.look_button, self.away_button))
        self.body.addWidget(self.text)
        self.body.addWidget(self.days_box)
        self.body.addWidget(self.table)
        self.body.addWidget(self.detail)
        self.body.addLayout(beside(self.link_text, self.link_box))

    def _fill(self) -> None:
        followed, case = self._prior.followed, self._session.case
        if case is None:
            return
        chosen = [n for n, e in enumerate(followed) if e.pair.current == case.selected
                  and e.pair.current is not None]  # fmt: skip
        colours = [MIDDLE if e.pair.current is None else finding_colour(e.pair.current)
                   for e in followed]  # fmt: skip
        self.table.fill(
            [pair_cells(each) for each in followed],
            tooltips=["\n".join(change_lines(each)) for each in followed],
            colours=colours,
            selected=chosen[0] if chosen else None,
        )
        self._fill_links()

    def _fill_links(self) -> None:
        link, chosen = self._prior.link, self._chosen()
        self.link_box.clear()
        if link is None or chosen is None:
            return
        self.link_text.setText(f"{chosen.now.name if chosen.now else ''} is on the prior")
        self.link_box.addItem(BY_PLACE)
        self.link_box.addItem(NOT_THERE)
        for finding in link.prior.findings:
            self.link_box.addItem(finding.name, finding.label)
        at = 0
        if chosen.pair.by_hand:
            at = 1 if chosen.pair.prior is None else self.link_box.findData(chosen.pair.prior)
        self.link_box.setCurrentIndex(at)

    def _chosen(self) -> Followed | None:
        case = self._session.case
        if case is None or case.selected is None:
            return None
        return next((e for e in self._prior.followed if e.pair.current == case.selected), None)

    def _on_choose(self) -> None:
        menu = QMenu(self)
        for case in self._prior.others():
            menu.addAction(case.layer.name).triggered.connect(
                lambda _=False, case=case: self._prior.choose(case)
            )
        menu.addSeparator()
        menu.addAction("Open a folder…").triggered.connect(lambda _=False: self._on_open(True))
        menu.addAction("Open a file or zip…").triggered.connect(
            lambda _=False: self._on_open(False)
        )
        menu.exec(self.choose_button.mapToGlobal(self.choose_button.rect().bottomLeft()))
        menu.deleteLater()

    def _on_open(self, folder: bool) -> None:
        asked = "Open the prior"
        path = ask_folder(None, asked) if folder else ask_file(None, asked, KINDS)
        if path is not None:
            self._prior.open(path)

    def _on_days(self) -> None:
        self._prior.say_days(float(self.days_box.value()) or None)

    def _on_row(self, row: int) -> None:
        self._prior.go_to(self._prior.followed[row])

    def _on_link(self, index: int) -> None:
        chosen = self._chosen()
        if chosen is None or chosen.pair.current is None:
            return
        if index == 0:
            self._prior.unpair(chosen.pair.current)
        else:
            self._prior.pair(chosen.pair.current, self.link_box.itemData(index))


def pair_cells(each: Followed) -> tuple[str, ...]:
    """A nodule's comparison under `HEADINGS`."""
    names = tuple("–" if one is None else one.name for one in (each.now, each.before))
    ratio = None if each.change is None else each.change.ratio
    return (*names, "" if ratio is None else f"{_percent(ratio.value)} %", each.verdict)


def change_lines(each: Followed) -> tuple[str, ...]:
    """What became of a nodule, in lines, each number with the ends of its interval."""
    lines, change = [], each.change
    if each.pair.apart_mm is not None:
        how = ", paired by hand" if each.pair.by_hand else ""
        lines.append(f"The places lie {each.pair.apart_mm:.0f} mm apart{how}.")
    if change is not None:
        mean, ratio, growth = change.mean_mm, change.ratio, change.growth
        lines.append(f"Mean {mean.value:+.1f} mm ({mean.low:+.1f} to {mean.high:+.1f})")
        if ratio is not None:
            ends = f"{_percent(ratio.low)} to {_percent(ratio.high)} %"
            lines.append(f"Volume {_percent(ratio.value)} % ({ends})")
        if growth is not None and growth.doubling_days is not None:
            shortest = growth.shortest_days or growth.doubling_days
            longest = "no end" if growth.longest_days is None else f"{growth.longest_days:.0f}"
            lines.append(
                f"Doubles in {growth.doubling_days:.0f} days ({shortest:.0f} to {longest})"
            )
    return tuple(lines)


def _percent(ratio: float) -> str:
    return f"{100 * (ratio - 1):+.0f}"
