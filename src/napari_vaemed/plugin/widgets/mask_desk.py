"""Check a mask: scores, flags, differences, edits in mm, and a verdict into a journal."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import QCheckBox, QComboBox

from napari_vaemed.data.labels import LUNG_NAMES
from napari_vaemed.data.mask_check import KINDS, LUNGS, Flag, LabelScores
from napari_vaemed.plugin.docks import Wiring, strip_of, style_of
from napari_vaemed.plugin.files import ask_folder
from napari_vaemed.plugin.mask_folds import KEYS, EditFold, ReadersFold, VerdictPart
from napari_vaemed.plugin.mask_views import BESIDE, DIFFERENCE
from napari_vaemed.plugin.parts.panel import Panel, beside, button, label
from napari_vaemed.plugin.parts.table import NumberTable
from napari_vaemed.plugin.session import session_of
from napari_vaemed.plugin.theme import GREEN, LUNG_COLOURS, VERMILION, finding_colour

if TYPE_CHECKING:
    from napari.layers import Labels

SCORES = ("Label", "Dice", "IoU", "S 1", "S 3", "H 95")
VOLUMES = ("Label", "Mask ml", "Ref. ml", "Δ %")
EXPLAINED = (
    "Dice, IoU: overlap of mask and reference. S 1, S 3: surface Dice, the share of both surfaces "
    "that lies within 1 and 3 mm of the other. H 95: Hausdorff distance in mm, 95th percentile.\n"
    "Ctrl+C copies the table."
)
NO_MASK = (
    "No mask is open.\n\nOpen a mask or find the lungs, or go through a folder of CTs with masks."
)
NONE, GUESS = "none", "by its size"


class MaskDeskWidget(Panel):
    """One mask and its reference: what is known of them, and what is done with them."""

    def __init__(self, napari_viewer: object) -> None:
        self.session = session_of(napari_viewer)
        super().__init__("Mask desk", strip_of(self.session), partial(style_of, self.session))
        self.desk = self.session.mask_desk
        self._layers: list[Labels] = []
        self._build_choice()
        self._build_scores()
        self._build_flags()
        self.heading("Verdict")
        self.verdict = VerdictPart(self.desk)
        self.edits, self.readers = EditFold(self.desk), ReadersFold(self.desk)
        for part in (self.verdict, self.edits, self.readers):
            self.add(part)
        self.body.addStretch(1)
        self._bind_keys()
        Wiring(self, self.session, "masks", lambda _: ("By rules: no model", ""))
        self.desk.changed.connect(self._on_changed)
        self.desk.label_changed.connect(self.edits.tell)
        self.desk.queue.changed.connect(self._on_changed)
        self.session.case_changed.connect(self._on_changed)
        self.destroyed.connect(self.desk.stand_up)
        self.desk.sit_down()
        self._on_changed()

    def _build_choice(self) -> None:
        self.folder_button = button(
            "Folder of pairs…",
            "Go through a folder of CTs with masks: image/7.nii.gz and mask/7.nii.gz, or "
            "7.nii.gz and 7_mask.nii.gz, or 7/ct.nii.gz and 7/mask.nii.gz",
            self._on_folder,
        )
        self.back_button = button("◀", "The pair before. Key: Shift+J", partial(self._step, -1))
        self.next_button = button("▶", "The next pair. Key: Shift+K", partial(self._step, 1))
        self.place = label("", "quiet")
        self.first_box, self.second_box, self.kind_box = QComboBox(), QComboBox(), QComboBox()
        self.first_box.setToolTip("The mask that is checked and changed")
        self.second_box.setToolTip("A mask to compare it with: a reference, another reader")
        self.kind_box.setToolTip("What the mask is of: lungs and nodules have flags of their own")
        for name, kind in ((GUESS, None), *((kind, kind) for kind in KINDS)):
            self.kind_box.addItem(name, kind)
        self.first_box.activated.connect(self._on_chosen)
        self.second_box.activated.connect(self._on_chosen)
        self.kind_box.activated.connect(
            lambda _: self.desk.choose_kind(self.kind_box.currentData())
        )
        self.check_button = button(
            "Check", "Look for what is wrong with the mask, and compare it with the reference",
            self.desk.run_check, "main",
        )  # fmt: skip
        self.add(self.folder_button, self.back_button, self.next_button)
        self.add(self.place)
        for text, box in (("Mask", self.first_box), ("Reference", self.second_box),
                          ("It is of", self.kind_box)):  # fmt: skip
            row = beside(label(text, "quiet"), box)
            row.setStretch(1, 1)
            self.body.addLayout(row)
        self.add(self.check_button)

    def _build_scores(self) -> None:
        self.heading("Scores")
        self.table, self.volumes = NumberTable(SCORES, most=4), NumberTable(VOLUMES, most=4)
        self.table.setToolTip(EXPLAINED)
        self.volumes.setToolTip("Volumes in millilitres, and how much more the mask holds than "
                                "the reference. Ctrl+C copies the table")  # fmt: skip
        self.worst_button = button("Worst slice", "Go to the slice of lowest Dice",
                                   self.desk.go_to_worst)  # fmt: skip
        self.far_button = button("Farthest apart", "Go to where the surfaces lie farthest apart",
                                 self.desk.go_to_farthest)  # fmt: skip
        self.difference_box = QCheckBox("Difference")
        self.difference_box.setToolTip("Vermilion: only in the mask. Sky blue: only in the "
                                       "reference")  # fmt: skip
        self.difference_box.clicked.connect(lambda on: self.desk.views.show(DIFFERENCE, on))
        self.beside_box = QCheckBox("Side by side")
        self.beside_box.setToolTip("The CT with the reference once more, to the right")
        self.beside_box.clicked.connect(lambda on: self.desk.views.show(BESIDE, on))
        self.add(self.table)
        self.add(self.volumes)
        self.add(self.worst_button, self.far_button)
        self.add(self.difference_box, self.beside_box)

    def _build_flags(self) -> None:
        self.heading("Flags")
        self.flags = NumberTable(("Flag", "Slice"), most=5)
        self.flags.setToolTip("What looks wrong. Click a row to go there")
        self.flags.chosen.connect(self._on_flag)
        self.flag_text = label("", "quiet")
        self.flag_text.setWordWrap(True)
        self.add(self.flags)
        self.add(self.flag_text)

    def _bind_keys(self) -> None:
        """The desk's keys again, for when the dock and not the canvas has the focus."""
        acts: dict[str, Callable[[], object]] = {
            key: partial(self.desk.queue.judge, verdict) for verdict, key in KEYS.items()
        }
        acts |= {"Shift+J": partial(self._step, -1), "Shift+K": partial(self._step, 1)}
        acts |= {"Ctrl+Z": self.desk.undo, "Ctrl+Shift+Z": self.desk.redo}
        for keys, act in acts.items():
            shortcut = QShortcut(QKeySequence(keys), self)
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.activated.connect(act)

    def _on_changed(self) -> None:
        queue = self.desk.queue
        if self.desk.first is None and not queue.pairs:
            offer = ("Folder of pairs…", self.folder_button.toolTip(), self._on_folder)
            self.say_empty(NO_MASK, offer)
            return
        self.say_empty()
        at = "" if queue.at is None else f"Pair {queue.at + 1} of {len(queue.pairs)}"
        judged = f" · {len(queue.said)} judged" if queue.pairs else ""
        self.place.setText(f"{at}{judged}")
        self.place.setVisible(bool(queue.pairs))
        self.back_button.setEnabled(bool(queue.at))
        self.next_button.setEnabled(queue.at is not None and queue.at + 1 < len(queue.pairs))
        self._fill_choice()
        self._fill_scores()
        self._fill_flags()
        self.edits.tell()
        for each in (*self.edits.buttons.values(), *self.verdict.buttons.values(),
                     self.check_button):  # fmt: skip
            each.setEnabled(self.desk.first is not None)

    def _fill_choice(self) -> None:
        self._layers = self.desk.masks
        for box, chosen, names in (
            (self.first_box, self.desk.first, []),
            (self.second_box, self.desk.second, [NONE]),
        ):
            box.clear()
            box.addItems([*names, *(layer.name for layer in self._layers)])
            if chosen in self._layers:
                box.setCurrentIndex(self._layers.index(chosen) + len(names))
        self.check_button.setText("Check again" if self.desk.stale else "Check")

    def _fill_scores(self) -> None:
        check = self.desk.check
        scores = {} if check is None else {score.label: score for score in check.scores}
        volumes = {} if check is None else check.volumes_ml
        labels = sorted({*scores, *volumes})
        lungs = check is not None and check.of == LUNGS
        names = [LUNG_NAMES.get(n, f"Label {n}") if lungs else f"Nodule {n}" for n in labels]
        colours = [(LUNG_COLOURS.get(n) if lungs else None) or finding_colour(n) for n in labels]
        rows = [_scored(n, scores.get(n)) for n in labels]
        self.table.fill(rows, tooltips=[f"{name}. {EXPLAINED}" for name in names], colours=colours)
        rows = [_sized(n, volumes.get(n, 0.0), scores.get(n)) for n in labels]
        self.volumes.fill(rows, tooltips=names, colours=colours)
        self.table.setVisible(bool(scores))
        for each in (self.worst_button, self.far_button):
            each.setEnabled(bool(scores))
        for box, what in ((self.difference_box, DIFFERENCE), (self.beside_box, BESIDE)):
            box.setEnabled(self.desk.second is not None)
            box.setChecked(self.desk.views.shown(what))

    def _fill_flags(self) -> None:
        check = self.desk.check
        flags = () if check is None else check.flags
        rows = [(flag.kind, _slice(flag)) for flag in flags]
        nothing = [("none" if check else "not checked", "–")]
        self.flags.fill(
            rows or nothing,
            tooltips=[flag.text for flag in flags] or [""],
            colours=[VERMILION] * len(flags) or [GREEN if check else "transparent"],
        )
        stale = "The mask has changed since: check again. " if self.desk.stale else ""
        self.flag_text.setText(stale + " ".join(flag.text for flag in flags))

    def _on_flag(self, row: int) -> None:
        check = self.desk.check
        if check is not None and row < len(check.flags):
            self.flag_text.setText(check.flags[row].text)
            self.desk.go_to_flag(check.flags[row])

    def _on_chosen(self) -> None:
        first, second = self.first_box.currentIndex(), self.second_box.currentIndex() - 1
        self.desk.choose(self._layers[first], self._layers[second] if second >= 0 else None)

    def _on_folder(self) -> None:
        if folder := ask_folder(self, "A folder of CTs with masks"):
            self.desk.queue.open_folder(folder)

    def _step(self, by: int) -> None:
        self.desk.queue.step(by)


def _slice(flag: Flag) -> str:
    return "–" if flag.slice_index is None else str(flag.slice_index)


def _scored(label: int, score: LabelScores | None) -> tuple[str, ...]:
    if score is None:
        return (str(label), *["–"] * 5)
    shares = (score.dice, score.iou, score.surface_dice_1mm, score.surface_dice_3mm)
    figures = ["–" if math.isnan(share) else f"{share:.3f}" for share in shares]
    far = score.hausdorff95_mm
    return (str(label), *figures, "–" if math.isnan(far) else f"{far:.1f}")


def _sized(label: int, ml: float, score: LabelScores | None) -> tuple[str, ...]:
    if score is None:
        return (str(label), f"{ml:.4g}", "–", "–")
    other = score.second_ml
    more = f"{100 * (ml / other - 1):+.1f}" if other else "–"
    return (str(label), f"{ml:.4g}", f"{other:.4g}", more)
