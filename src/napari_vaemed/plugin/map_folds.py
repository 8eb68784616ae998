"""Parts of the latent map's dock: the nodule looked at, the selection, clusters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox, QComboBox, QSpinBox, QVBoxLayout, QWidget

from napari_vaemed.plugin.files import ask_save
from napari_vaemed.plugin.map_text import HEADINGS, exhibit
from napari_vaemed.plugin.parts.fold import LateFold
from napari_vaemed.plugin.parts.gallery import Gallery
from napari_vaemed.plugin.parts.panel import beside, button, label
from napari_vaemed.plugin.parts.record_table import RecordTable

if TYPE_CHECKING:
    from napari_vaemed.plugin.latent_map import LatentMaps
    from napari_vaemed.plugin.session import Session

CSV = "map-selection.csv"
WAYS = {
    "k-means": "Each nodule to the nearest of k middles",
    "mixture": "k Gaussians, diagonal or full by BIC",
    "model": "The classes the model itself has found; only of models that find some",
}
"""Ways to sort nodules, as `workflow.latent_map.clusters` names them."""
MOST_CLUSTERS = 20
NO_SCAN = (
    "Its scan is not at hand: open it, or choose the folder of crops the index was made of in the "
    "Twins dock (LIDC folder…)"
)


class NodulePart(QWidget):
    """The card of the known nodule that is looked at."""

    def __init__(self, maps: LatentMaps) -> None:
        super().__init__()
        self._maps = maps
        self.card = Gallery(maps.layers.limits)
        self.scan_button = button("Go to its scan", NO_SCAN, maps.go_to_scan)
        self.close_button = button("Put away", "Look at no nodule", self._on_close)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.card)
        layout.addLayout(beside(self.scan_button, self.close_button))
        self.tell()

    def tell(self) -> None:
        """Show what is looked at now."""
        maps = self._maps
        row, picture = maps.chosen, maps.picture
        self.setVisible(row is not None)
        if row is None:
            self.card.exhibit([])
            return
        if picture is not None:
            self.card.exhibit([exhibit(maps.records[row], picture, maps.colouring, row)])
            self.card.show_window(maps.layers.limits)
        there = maps.scan_at_hand
        self.scan_button.setEnabled(there)
        self.scan_button.setToolTip("Show the nodule in its own CT" if there else NO_SCAN)

    def _on_close(self) -> None:
        self._maps.choose(-1)


class SelectionPart(QWidget):
    """The selected nodules as a table to sort, save and copy."""

    def __init__(self, maps: LatentMaps) -> None:
        super().__init__()
        self._maps = maps
        self.head = label("", "heading")
        self.told = label("", "quiet")
        self.told.setWordWrap(True)
        self.table = RecordTable(HEADINGS, most=5)
        self.table.setToolTip(
            "Chosen rows stand out on the map and in the layer; Enter looks at one. A heading "
            "sorts, Ctrl+C copies. Ratings: readers' consensus"
        )
        self.save_button = button("Save CSV…", "Save the table, one line a nodule", self._on_save)
        self.clear_button = button("Clear", "Select nothing", self._on_clear)
        self.layers_box = QCheckBox("As layers")
        self.layers_box.setToolTip(
            "Pictures of the nodules beside the CT, 64 at most, and a points layer that carries "
            "this table as features"
        )
        self.layers_box.setChecked(maps.layers.on)
        self.layers_box.clicked.connect(maps.layers.show)
        maps.layers.shown.connect(self._on_shown)
        self.table.highlighted.connect(self._on_rows)
        self.table.opened.connect(self._on_opened)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.head, self.table):
            layout.addWidget(widget)
        layout.addLayout(beside(self.save_button, self.clear_button, self.layers_box))
        layout.addWidget(self.told)
        self.tell()

    def tell(self) -> None:
        """Show the selection."""
        table = self._maps.table()
        self.setVisible(bool(table))
        self._on_shown()
        self.head.setText(f"Selection: {len(table)} nodule{'s' if len(table) != 1 else ''}")
        self.table.fill([tuple(row.values()) for row in table])
        self.table.setColumnHidden(len(HEADINGS) - 1, self._maps.clusters is None)

    def tell_highlighted(self) -> None:
        """Show which rows stand out."""
        wanted = set(self._maps.highlighted)
        places = [at for at, row in enumerate(self._maps.selection) if int(row) in wanted]
        self.table.highlight(places)

    def _on_shown(self) -> None:
        self.told.setText(self._maps.layers.told)
        self.told.setVisible(bool(self.told.text()))

    def _on_rows(self, places: list[int]) -> None:
        self._maps.highlight([int(self._maps.selection[at]) for at in places])

    def _on_opened(self, place: int) -> None:
        self._maps.choose(int(self._maps.selection[place]))

    def _on_clear(self) -> None:
        self._maps.select(())

    def _on_save(self) -> None:
        if path := ask_save(self, "Save the selection", CSV, "CSV (*.csv)"):
            self._maps.save_csv(path)


class ClusterFold(LateFold):
    """Sorts the nodules into classes that nobody named, and colours the map by them."""

    def __init__(self, session: Session, maps: LatentMaps) -> None:
        super().__init__(session, "Clusters", "Sort the nodules into classes by their codes")
        self._maps = maps

    def _build(self) -> None:
        self.way_box, self.count = QComboBox(), QSpinBox()
        for way, meaning in WAYS.items():
            self.way_box.addItem(way)
            place = self.way_box.count() - 1
            self.way_box.setItemData(place, meaning, Qt.ItemDataRole.ToolTipRole)
        self.way_box.setToolTip("\n".join(f"{way}: {what}" for way, what in WAYS.items()))
        self.way_box.currentTextChanged.connect(self._on_way)
        self.count.setRange(2, MOST_CLUSTERS)
        self.count.setToolTip("How many classes; a model knows itself")
        self.find_button = button("Find clusters", "Sort the nodules and colour the map by it",
                                  self._on_find)  # fmt: skip
        self.told = label("", "quiet")
        self.told.setWordWrap(True)
        self._row("Method", self.way_box)
        self._row("How many", self.count)
        self.body.addWidget(self.find_button)
        self.body.addWidget(self.told)

    def _tell(self) -> None:
        found = self._maps.clusters
        self.told.setText("" if found is None else found.told)
        self.find_button.setEnabled(self._maps.mapped is not None)

    def _on_way(self, way: str) -> None:
        self.count.setEnabled(way != "model")

    def _on_find(self) -> None:
        self._maps.find_clusters(self.way_box.currentText(), self.count.value())
