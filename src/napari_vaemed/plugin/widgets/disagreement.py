"""Go through what looks wrong with labelled nodules, with the evidence, and decide by keyboard."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import QCheckBox, QComboBox, QHeaderView

from napari_vaemed.data.anomaly import KINDS, Anomaly, label_of
from napari_vaemed.plugin.disagreement import TOPIC
from napari_vaemed.plugin.disagreement_folds import KEYS, DecisionPart, LabelNextFold, PairPart
from napari_vaemed.plugin.docks import Wiring, strip_of, style_of
from napari_vaemed.plugin.files import ask_folder
from napari_vaemed.plugin.parts.panel import Panel, beside, button, label
from napari_vaemed.plugin.parts.table import NumberTable
from napari_vaemed.plugin.session import Session, session_of
from napari_vaemed.plugin.theme import malignancy_colour

HEADINGS = ("Nodule", "Label", "Doubt", "Why", "Said")
LETTERS = dict(zip(KINDS, "SNCTRO", strict=True))
EXPLAINED = (
    "Doubt: mean rank of neighbours and confident learning, 0 to 1. Why: "
    + ", ".join(f"{letter} {kind}" for kind, letter in LETTERS.items())
    + ".\nCtrl+C copies the table."
)
NOTHING = (
    "Nothing is on the desk.\n\nLook through a folder of labelled nodules, laid out as LIDC-IDRI's "
    "crops (nodules.csv, image/, mask/), or through the nodules that ship with the plugin."
)
FOLDER_TIP = "Look through a folder of labelled nodules: nodules.csv, image/, mask/"
SHIPPED_TIP = "Look through the nodules that ship with the plugin; in sample"
WIDEST = ("Label", "Doubt", "S N C T R O", "same patient")
"""A text as wide as any under each heading but the first."""
BEFORE, AFTER = "Shift+PgUp", "Shift+PgDown"


class DisagreementWidget(Panel):
    """The queue, both nodules of an entry, its evidence, and the decision."""

    def __init__(self, napari_viewer: object) -> None:
        self.session = session_of(napari_viewer)
        super().__init__("Disagreement", strip_of(self.session), partial(style_of, self.session))
        self.desk = self.session.disagreement
        self._built = False
        Wiring(self, self.session, TOPIC, _compared_by)
        self.desk.changed.connect(self._on_changed)
        self.desk.moved.connect(self._on_moved)
        self.destroyed.connect(self.desk.stand_up)
        self.desk.sit_down()
        self._on_changed()
        self._on_moved()

    def _build(self) -> None:
        """Make what shows a queue; it takes a tenth of a second, so not before there is one."""
        if self._built:
            return
        self._built = True
        self._build_queue()
        self.pair = PairPart(self.desk)
        self.add(self.pair)
        self.why = label("")
        self.why.setWordWrap(True)
        self.why.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.add(self.why)
        self.heading("Decision")
        self.decision = DecisionPart(self.desk)
        self.following = LabelNextFold(self.session, self.desk)
        for part in (self.decision, self.following):
            self.add(part)
        self.body.addStretch(1)
        self._bind_keys()

    def _build_queue(self) -> None:
        self.folder_button = button("Folder…", FOLDER_TIP, self._on_folder)
        self.index_button = button("Shipped nodules", SHIPPED_TIP, self.desk.open_index)
        self.kind_box = QComboBox()
        self.kind_box.setToolTip("Show entries with one kind of evidence, the worst by it first")
        self.kind_box.activated.connect(self._on_kind)
        self.open_box = QCheckBox("Undecided only")
        self.open_box.setToolTip("Leave out what was decided")
        self.open_box.clicked.connect(self.desk.show_only_open)
        self.layers_box = QCheckBox("As layers")
        self.layers_box.setToolTip("Both nodules on the canvas too, side by side at one mm scale")
        self.layers_box.clicked.connect(self.desk.layers.show)
        self.table = NumberTable(HEADINGS, most=7)
        self.table.setToolTip(EXPLAINED)
        header = self.table.horizontalHeader()
        for column, text in enumerate(WIDEST, 1):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Fixed)
            header.resizeSection(column, self.table.fontMetrics().horizontalAdvance(text) + 12)
        self._cells: list[tuple[str, ...]] = []
        self.table.chosen.connect(self.desk.go_to)
        self._listed: object = None
        self.place = label("", "quiet")
        self.add(self.folder_button, self.index_button)
        row = beside(self.kind_box, self.open_box)
        row.setStretch(0, 1)
        self.body.addLayout(row)
        self.add(self.table)
        self.notes = label("", "warning")
        self.notes.setWordWrap(True)
        self.add(self.place, self.layers_box)
        self.add(self.notes)

    def _bind_keys(self) -> None:
        """The desk's keys again, for when the dock and not the canvas has the focus."""
        acts: dict[str, Callable[[], object]] = {
            key: partial(self.desk.decide, verdict) for verdict, key in KEYS.items()
        }
        acts |= {BEFORE: partial(self.desk.step, -1), AFTER: partial(self.desk.step, 1)}
        acts |= {"Ctrl+Z": self.desk.undo, "Ctrl+Shift+Z": self.desk.redo}
        for keys, act in acts.items():
            shortcut = QShortcut(QKeySequence(keys), self)
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.activated.connect(act)

    def _on_changed(self) -> None:
        desk = self.desk
        if desk.opened is None:
            self.say_empty(
                NOTHING,
                ("Folder of nodules…", FOLDER_TIP, self._on_folder),
                ("Shipped nodules", SHIPPED_TIP, desk.open_index),
            )
            return
        self.say_empty()
        self._build()
        self._fill_kinds()
        self._fill_table()
        notes = desk.opened.searched.anomalies.notes
        self.notes.setText(" ".join(notes))
        self.notes.setVisible(bool(notes))
        self.strip.tell(*_compared_by(self.session))
        self.following.tell()

    def _on_moved(self) -> None:
        desk = self.desk
        if desk.opened is None:
            return
        self.table.choose(desk.at)
        if desk.at is not None:
            self.table.scrollToItem(self.table.item(desk.at, 0))
        at = "" if desk.at is None else f"{desk.at + 1} of {len(desk.entries)} · "
        self.place.setText(f"{at}{len(desk.said)} decided")
        self.pair.tell()
        entry = desk.entry
        lines = [] if entry is None else [_why(e.kind, e.text, e.n) for e in entry.evidence]
        self.why.setText("\n\n".join(lines))
        self.why.setToolTip("" if entry is None else f"By {entry.evidence[0].by}")
        self.decision.tell()

    def _fill_table(self) -> None:
        """Where only decisions changed, only their cells: a whole table takes 0.1 s."""
        desk = self.desk
        cells = [self._cells_of(entry) for entry in desk.entries]
        if [row[:-1] for row in cells] == [row[:-1] for row in self._cells]:
            for number, (new, old) in enumerate(zip(cells, self._cells, strict=True)):
                if new != old:
                    self.table.item(number, len(new) - 1).setText(new[-1])
        else:
            colours = [malignancy_colour(desk.records[e.row].malignancy) for e in desk.entries]
            self.table.fill(cells, colours=colours)
        self._cells = cells

    def _fill_kinds(self) -> None:
        opened = self.desk.opened
        if opened is not self._listed and opened is not None:
            self._listed, anomalies = opened, opened.searched.anomalies
            counts = {"": len(anomalies.queue), **anomalies.counts()}
            self.kind_box.clear()
            for kind in ("", *KINDS):
                name = kind.capitalize() or "All evidence"
                self.kind_box.addItem(f"{name} ({counts.get(kind, 0)})", kind)
        self.kind_box.setCurrentIndex(("", *KINDS).index(self.desk.kind))

    def _cells_of(self, entry: Anomaly) -> tuple[str, ...]:
        record = self.desk.records[entry.row]
        why = " ".join(LETTERS[kind] for kind in entry.kinds)
        said = self.desk.said.get(entry.row, "")
        return (record.id, label_of(record)[:3], f"{entry.score:.2f}", why, said)

    def _on_kind(self) -> None:
        self.desk.choose_kind(self.kind_box.currentData())

    def _on_folder(self) -> None:
        if folder := ask_folder(self, "A folder of labelled nodules"):
            self.desk.open_folder(folder)


def _why(kind: str, text: str, n: int) -> str:
    return f"{kind.capitalize()}: {text} (n = {n})"


def _compared_by(session: Session) -> tuple[str, str]:
    """By what the nodules on the desk were compared, and what must be known of that."""
    opened = session.disagreement.opened
    if opened is None:
        return "No model: mask features and principal components", ""
    found = opened.searched.anomalies
    return f"By {found.by}", "\n".join((found.source, *found.notes))
