"""The findings of a CT as a list to work through: order, names, colours, features, taking."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from napari_vaemed.plugin import finding_work
from napari_vaemed.plugin.cases import Case, Finding, free_label
from napari_vaemed.plugin.finding_rows import (
    NUMBER,
    ORDERS,
    FindingRow,
    colour_of,
    feature_values,
    said_values,
)
from napari_vaemed.plugin.mask_layers import grid_of
from napari_vaemed.plugin.redrawing import FRAME_MS
from napari_vaemed.plugin.scans import shown_mm

if TYPE_CHECKING:
    from napari.layers import Labels, Layer, Points

    from napari_vaemed.plugin.jobs import Job
    from napari_vaemed.plugin.session import Session

TOPIC, LANE = "findings", "click"
FEATURES = "Findings"
"""The Points layer with a feature a column, for whoever reads layers."""


class FindingList(QObject):
    """What the Findings dock shows and does; the findings themselves are the session's.

    Signals
    -------
    changed : nothing; rows, their order, their colours or what is shown of them
    """

    changed = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self.colour_by = NUMBER
        self.sorted_by, self.descending = 0, False
        self.open = False
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(FRAME_MS)
        self._soon.timeout.connect(self._on_soon)
        session.findings_changed.connect(self._on_changed)
        session.prior.changed.connect(self._on_changed)
        session.lungs_changed.connect(self.changed)

    @property
    def waiting(self) -> bool:
        """Whether the features are still to follow the findings."""
        return self._soon.isActive()

    @property
    def rows(self) -> list[FindingRow]:
        """The findings of the CT spoken of, in the list's order."""
        case = self._session.case
        if case is None:
            return []
        prior = self._session.prior
        followed = {each.pair.current: each for each in prior.followed}
        rows = [
            FindingRow.of(case, f, followed.get(f.label), prior.before(f.label))
            for f in case.findings
        ]
        rows.sort(key=ORDERS[0])
        rows.sort(key=ORDERS[self.sorted_by], reverse=self.descending)
        return rows

    def sit_down(self) -> None:
        """A dock is open: findings stand in a layer's features from now on."""
        self.open = True
        self._on_changed()

    def sort(self, column: int) -> None:
        """Order by a column; by the same once more the other way round."""
        self.descending = column == self.sorted_by and not self.descending
        self.sorted_by = column
        self.changed.emit()

    def colour(self, by: str) -> None:
        """Let the outlines' colours tell something of `finding_rows.COLOURS_BY`."""
        self.colour_by = by
        self._on_changed()

    def step(self, by: int) -> None:
        """Select the finding ``by`` rows further down."""
        case, labels = self._session.case, [row.finding.label for row in self.rows]
        if case is not None and labels:
            at = labels.index(case.selected) if case.selected in labels else -by
            self._session.findings.select(labels[(at + by) % len(labels)])

    def rename(self, label: int, title: str) -> None:
        """Call a finding something; an empty title leaves it its number. Undo takes it back."""
        case = self._session.case
        finding = None if case is None else _of(case, label)
        title = " ".join(title.split())
        if case is None or finding is None or title in (finding.title, finding.name):
            self.changed.emit()
            return
        renamed = replace(finding, title=title)
        if label in case.masks:
            case.masks[label].name = renamed.name
        everyone = tuple(renamed if f is finding else f for f in case.findings)
        self._session.findings.put(case, everyone)

    def show(self, label: int, shown: bool) -> None:
        """Show a finding's outline, or hide it."""
        case = self._session.case
        if case is not None and label in case.masks:
            case.masks[label].visible = shown
            self.changed.emit()

    def is_shown(self, label: int) -> bool:
        """Whether a finding's outline is shown."""
        case = self._session.case
        layer = None if case is None else case.masks.get(label)
        return layer is not None and bool(layer.visible)

    def toggle_shown(self) -> None:
        """Show or hide the chosen finding's outline."""
        case = self._session.case
        if case is not None and case.selected is not None:
            self.show(case.selected, not self.is_shown(case.selected))

    # Taking what is drawn

    def take_active(self) -> Job | None:
        """Take the selected label, or points, of the active layer."""
        layer = self._session.viewer.layers.selection.active
        if layer is None or layer not in self.takeable():
            text = "Make the layer active that holds the mask, and choose its label."
            self._session.say(TOPIC, text, "warning")
            return None
        return self.take(layer)

    def take(self, layer: Layer, *, everything: bool = False) -> Job | None:
        """Take what another layer marks as findings.

        Of a Labels layer the selected label, each piece a finding, or with ``everything`` all
        labels; of a Points layer the nodules at the selected points, or at all.
        """
        case, kind = self._session.case, type(layer).__name__
        if case is None or layer.ndim != 3:
            return None
        if kind == "Labels":
            label = None if everything else int(layer.selected_label)
            task = partial(finding_work.take_labels, case.volume, grid_of(layer), label, case.lungs)
        elif kind == "Points":
            voxels = self._voxels_of(case, layer, everything)
            task = partial(finding_work.take_points, case.volume, voxels, case.lungs)
        else:
            return None
        return self._start(case, task)

    def take_place(self, voxel: Any) -> Job | None:
        """Make a finding of the nodule at a voxel (z, y, x), as if it were clicked."""
        case = self._session.case
        if case is None:
            return None
        task = partial(finding_work.take_points, case.volume, [voxel], case.lungs)
        return self._start(case, task)

    def take_caliper(self) -> Job | None:
        """Make the chosen caliper, or the last one, a finding with its diameters."""
        case = self._session.case
        if case is None or not case.calipers.now:
            self._session.say(TOPIC, "Draw a line or a bidirectional caliper first.", "warning")
            return None
        drawn = {each.label: each for each in case.calipers.now}
        chosen = drawn.get(case.chosen_caliper or 0, case.calipers.now[-1])
        task = partial(finding_work.take_caliper, case.volume, chosen.caliper, case.lungs)
        return self._start(case, task)

    def takeable(self) -> list[Layer]:
        """Layers that may be taken, the active one first, the topmost next."""
        session, case = self._session, self._session.case
        if case is None:
            return []
        own = {*case.made.values(), *(m for c in session.cases.values() for m in c.masks.values())}
        kinds = ("Labels", "Points")
        found = [
            layer
            for layer in reversed(session.viewer.layers)
            if type(layer).__name__ in kinds and layer.ndim == 3 and layer not in own
        ]
        return sorted(found, key=lambda layer: layer is not session.viewer.layers.selection.active)

    def _voxels_of(self, case: Case, layer: Points, everything: bool) -> list[Any]:
        chosen = sorted(layer.selected_data) if layer.selected_data and not everything else ...
        world = [layer.data_to_world(point) for point in np.asarray(layer.data)[chosen]]
        return [case.voxel(point) for point in world]

    def _start(self, case: Case, task: Any) -> Job:
        session = self._session
        session.say(TOPIC)
        job = session.start(case, task, "Taking findings", "take", LANE)
        job.returned.connect(partial(self._on_taken, case))
        job.failed.connect(partial(session.fail, TOPIC, "Nothing was taken"))
        return job

    def _on_taken(self, case: Case, taken: tuple[Any, ...]) -> None:
        known = [f.marked.mask for f in case.findings]
        new: list[Finding] = []
        for marked in taken:
            if not any(mask.same_as(marked.mask) for mask in known):
                new.append(Finding(free_label((*case.findings, *new)), marked))
        if not new:
            self._session.say(TOPIC, "These are findings already.")
            return
        case.selected = new[0].label
        self._session.findings.put(case, (*case.findings, *new))
        self._session.findings.select(new[0].label)
        count = "1 finding was" if len(new) == 1 else f"{len(new)} findings were"
        self._session.say(TOPIC, f"{count} taken. Undo gives them back.")

    # What others see

    def save_csv(self, path: Path) -> Job | None:
        """Save one line a finding in the list's order: no patient, no file, no date."""
        case, rows = self._session.case, self.rows
        if case is None or not rows:
            return None
        lines = [
            (
                {"finding": row.finding.label, "name": row.finding.name},
                row.finding.marked.measurement,
                row.bars,
                {n: None if v != v else v for n, v in said_values(row).items()},  # NaN: no cell
            )
            for row in rows
        ]
        task = partial(finding_work.write_csv, path, lines)
        job = self._session.start(case, task, "Saving the findings", "save findings", "read")
        job.returned.connect(partial(self._on_saved, case, [row.finding.marked for row in rows]))
        job.failed.connect(partial(self._session.fail, TOPIC, "Not saved"))
        return job

    def _on_saved(self, case: Case, marked: list[Any], path: Path) -> None:
        case.saved.update(marked)
        self._session.say(TOPIC, f"Saved {path.name}.")

    def _on_changed(self) -> None:
        case, rows = self._session.case, self.rows
        if case is not None:
            for row in rows:
                _paint(case.masks.get(row.finding.label), colour_of(row, self.colour_by))
            if self.open:
                self._soon.start()
        self.changed.emit()

    def _on_soon(self) -> None:
        if self._session.case is not None:
            self._put_features(self._session.case, self.rows)

    def _put_features(self, case: Case, rows: list[FindingRow]) -> None:
        """Have a point a finding, its numbers as features; updated in place."""
        there = case.made.get(FEATURES)
        if there is None and not rows:
            return
        rows = sorted(rows, key=ORDERS[0])
        centres = np.array([r.finding.marked.measurement.centre_mm for r in rows]).reshape(-1, 3)
        shown = shown_mm(case.volume, centres) if rows else centres
        values = [feature_values(row) for row in rows]
        features = {name: [each[name] for each in values] for name in (values or [{}])[0]}
        colours = [colour_of(row, self.colour_by) for row in rows]
        if there is None:
            attributes = {
                "name": FEATURES,
                "symbol": "cross",
                "size": 3.0,
                "face_color": "transparent",
                "border_color": colours,
                "visible": False,
                "units": "mm",
                "features": features,
            }
            self._session.put_made(case, FEATURES, (shown, attributes, "points"))
            return
        if len(there.data) != len(shown) or not np.allclose(there.data, shown):
            there.data = shown
        there.features = features
        if rows:
            there.border_color = colours


def _of(case: Case, label: int) -> Finding | None:
    return next((f for f in case.findings if f.label == label), None)


def _paint(layer: Labels | None, colour: str) -> None:
    """Give a finding's layer a colour, unless it has it."""
    from napari.utils.colormaps import DirectLabelColormap
    from napari.utils.colormaps.standardize_color import transform_color

    if layer is None:
        return
    label, wanted = layer.metadata["label"], transform_color(colour)[0]
    if not np.allclose(layer.colormap.color_dict.get(label, np.zeros(4)), wanted):
        colours: dict[Any, Any] = {None: "transparent", label: colour}
        layer.colormap = DirectLabelColormap(color_dict=colours)
