"""Look at all known nodules at once: a map, the findings on it, and what lies together."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer
from qtpy.QtGui import QCursor, QShowEvent
from qtpy.QtWidgets import QComboBox, QToolTip

from napari_vaemed.data.latent_map import METHODS
from napari_vaemed.plugin.docks import Wiring, strip_of, style_of
from napari_vaemed.plugin.latent_map import TOPIC
from napari_vaemed.plugin.map_colours import (
    GROUND,
    LASSO,
    colours_of,
    key_of,
    marks_of,
    order_of,
    signs_of,
)
from napari_vaemed.plugin.map_folds import ClusterFold, NodulePart, SelectionPart
from napari_vaemed.plugin.parts.colour_key import ColourKey
from napari_vaemed.plugin.parts.panel import Panel, beside, button, label
from napari_vaemed.plugin.parts.point_cloud import PointCloud
from napari_vaemed.plugin.session import session_of

if TYPE_CHECKING:
    from napari_vaemed.plugin.map_work import Mapped

HIGH = 280
DRAWN_MS = 100
"""The dock is drawn first: its canvas takes 50 ms to open, and a model seconds."""
WAYS = {
    "PCA": "Principal components: a straight view, quick; new nodules land exactly",
    "UMAP": "Keeps neighbourhoods; takes longer, distances between groups mean little",
    "t-SNE": "Keeps the nearest; takes longer, distances between groups mean little",
}
NOTHING = (
    "The latent map shows every known nodule as a point: alike ones lie together. Findings of the "
    "CT appear among them."
)
LOADING = "The map is being made…"
HANDS = (
    "Left drag moves the map, the wheel zooms, a double click (Home) shows all. Click a nodule to "
    "look at it, a finding to go there. L: lasso; Shift adds to the selection; Esc ends it. "
    "Arrows, + and − work too"
)


class LatentMapWidget(Panel):
    """The map with its colours, the nodule looked at, the selection, clusters."""

    def __init__(self, napari_viewer: object) -> None:
        self.session = session_of(napari_viewer)
        super().__init__("Latent map", strip_of(self.session), partial(style_of, self.session))
        self.maps = self.session.latent_map
        self._shown: Mapped | None = None
        self._making: bool | None = None
        self._drawn = False
        Wiring(self, self.session, TOPIC)
        self.say_empty(LOADING)
        self._begin = QTimer(self, singleShot=True, interval=DRAWN_MS)
        self._begin.timeout.connect(self._on_drawn)

    def showEvent(self, event: QShowEvent) -> None:
        """Begin, the first time, once the dock has been drawn."""
        super().showEvent(event)
        if not self._drawn:
            self._begin.start()

    def _on_drawn(self) -> None:
        """The dock is on the screen: what takes longer may begin."""
        self._drawn = True
        self.maps.changed.connect(self._on_changed)
        self.session.jobs.changed.connect(self._on_jobs)
        self.destroyed.connect(self.maps.stand_up)
        self.maps.sit_down()
        self._on_changed()

    def _build(self) -> None:
        """The body, once there is a map."""
        self._build_boxes()
        self._build_canvas()
        self.nodule = NodulePart(self.maps)
        self.chosen = SelectionPart(self.maps)
        self.clusters = ClusterFold(self.session, self.maps)
        self.told = label("", "quiet")
        self.told.setWordWrap(True)
        for part in (self.chosen, self.nodule, self.clusters, self.told):
            self.add(part)
        for signal, slot in (
            (self.maps.coloured, self._on_coloured),
            (self.maps.placed, self._on_placed),
            (self.maps.chosen_changed, self._on_chosen),
            (self.maps.selected, self._on_selected),
            (self.maps.highlighted_changed, self._on_highlighted),
            (self.maps.lasso_asked, self._on_lasso_asked),
        ):
            signal.connect(slot)

    def _build_boxes(self) -> None:
        self.method_box, self.colour_box = QComboBox(), QComboBox()
        for method in METHODS:
            self.method_box.addItem(method)
        self.method_box.setToolTip("\n".join(f"{name}: {what}" for name, what in WAYS.items()))
        self.method_box.setAccessibleName("How the map is made")
        self.method_box.activated.connect(self._on_method)
        self.colour_box.setToolTip("What the colours of the nodules tell")
        self.colour_box.setAccessibleName("Colour by")
        self.colour_box.activated.connect(self._on_colour)
        row = beside(label("Map", "quiet"), self.method_box, label("Colour", "quiet"),
                     self.colour_box)  # fmt: skip
        row.setStretch(3, 1)
        self.body.addLayout(row)

    def _build_canvas(self) -> None:
        self.cloud = PointCloud(GROUND, LASSO)
        self.cloud.setMinimumHeight(HIGH)
        self.cloud.setToolTip(HANDS)
        self.key = ColourKey(GROUND)
        for signal, slot in (
            (self.cloud.hovered, self._on_hovered),
            (self.cloud.picked, self._on_picked),
            (self.cloud.mark_picked, self.maps.choose_finding),
            (self.cloud.lassoed, self._on_lassoed),
            (self.cloud.lasso_switched, self._on_lasso_switched),
        ):
            signal.connect(slot)
        self.lasso_button = button("Lasso", "Draw around nodules to select them; Shift adds "
                                   "(L on the map, Shift+M anywhere)", self._on_lasso_button,
                                   holds=True)  # fmt: skip
        self.all_button = button("Show all", "Bring all nodules into view (Home, double click)",
                                 self.cloud.show_all)  # fmt: skip
        self.body.addWidget(self.cloud, 1)
        self.add(self.key)
        self.add(self.lasso_button, self.all_button)

    # What the session says

    def _on_changed(self) -> None:
        maps, mapped = self.maps, self.maps.mapped
        if mapped is None:
            self._shown = self._making = None
            self._say_why_empty()
            return
        if self.body.isEmpty():
            self._build()
        self.say_empty()
        self.method_box.setCurrentText(maps.method)
        if self._shown is None or self._shown.latent_map is not mapped.latent_map:
            self._shown = mapped
            self.told.setText(mapped.latent_map.told)
            self._on_coloured()
            self._on_placed()
        self.clusters.tell()

    def _say_why_empty(self) -> None:
        if self.maps.making == self._making:
            return
        self._making = self.maps.making
        if self._making:
            self.say_empty(LOADING)
        else:
            self.say_empty(NOTHING, ("Show the map", "Load the nodule model and lay its known "
                                     "nodules out", self.maps.make))  # fmt: skip

    def _on_jobs(self) -> None:
        if self.maps.mapped is None:
            self._say_why_empty()

    def _on_coloured(self) -> None:
        mapped, colouring = self.maps.mapped, self.maps.colouring
        if mapped is None or colouring is None:
            return
        names = [each.name for each in mapped.colourings]
        if [self.colour_box.itemText(at) for at in range(self.colour_box.count())] != names:
            self.colour_box.clear()
            self.colour_box.addItems(names)
        self.colour_box.setCurrentText(colouring.name)
        self._paint()
        self._tell_key()
        self.clusters.tell()
        self.nodule.tell()

    def _paint(self) -> None:
        colours = colours_of(self.maps)
        self.cloud.show_points(self.maps.places, colours, order_of(colours))

    def _tell_key(self) -> None:
        colouring = self.maps.colouring
        if colouring is not None:
            told = f"{colouring.name}: {colouring.told}"
            self.key.tell(key_of(colouring), signs_of(self.maps), told)

    def _on_placed(self) -> None:
        if self.maps.mapped is not None:
            self.cloud.show_marks(marks_of(self.maps))
            self._tell_key()

    def _on_chosen(self) -> None:
        self.nodule.tell()
        self._on_placed()
        if self.maps.chosen is not None:
            self.cloud.bring_into_view(self.maps.places[self.maps.chosen])

    def _on_selected(self) -> None:
        self.chosen.tell()
        if self.maps.mapped is not None:
            self._paint()
            self._on_placed()

    def _on_highlighted(self) -> None:
        self.chosen.tell_highlighted()
        self._on_placed()

    # What the hand does

    def _on_method(self) -> None:
        self.maps.make(self.method_box.currentText())

    def _on_colour(self, place: int) -> None:
        if self.maps.mapped is not None:
            self.maps.colour(self.maps.mapped.colourings[place])

    def _on_picked(self, row: int) -> None:
        if row >= 0 or self.maps.chosen is not None:
            self.maps.choose(row)

    def _on_lassoed(self, outline: Any, adds: bool) -> None:
        self.maps.lasso(outline, adds=adds)
        self.cloud.set_lasso(False)

    def _on_lasso_button(self) -> None:
        self.cloud.set_lasso(self.lasso_button.isChecked())
        self.cloud.setFocus()

    def _on_lasso_asked(self) -> None:
        if self.maps.mapped is not None and self.isVisible():
            self.cloud.set_lasso(not self.cloud.lasso_on)

    def _on_lasso_switched(self, on: bool) -> None:
        self.lasso_button.setChecked(on)

    def _on_hovered(self, row: int, label: int | None) -> None:
        QToolTip.showText(QCursor.pos(), self.maps.told_of(row, label), self.cloud)
