"""How two masks are shown against each other, and several readers' masks of one finding."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_vaemed.plugin import mask_work
from napari_vaemed.plugin.cases import MADE
from napari_vaemed.plugin.layers import LayerData
from napari_vaemed.plugin.mask_layers import beside_layers, consensus_layer, difference_layer

if TYPE_CHECKING:
    from napari.layers import Labels, Layer

    from napari_vaemed.plugin.jobs import Job
    from napari_vaemed.plugin.mask_desk import MaskDesk
    from napari_vaemed.plugin.session import Session

DIFFERENCE, BESIDE = "Difference", "Beside"
ALL_PAIRS, MAJORITY, STAPLE = "all pairs", "majority", "staple"


class MaskViews(QObject):
    """The difference of the two masks on the desk, and the second one beside the first."""

    def __init__(self, desk: MaskDesk, session: Session) -> None:
        super().__init__(desk)
        self._desk, self._session = desk, session
        self._layers: dict[str, list[Layer]] = {}

    def made(self, layer: Layer) -> bool:
        """Whether a layer only shows what others hold."""
        return layer.metadata.get(MADE) in (DIFFERENCE, BESIDE)

    def shown(self, what: str) -> bool:
        """Whether `DIFFERENCE` or `BESIDE` is shown."""
        return any(layer in self._session.viewer.layers for layer in self._layers.get(what, ()))

    def show(self, what: str, on: bool) -> None:
        """Show the difference, or the second mask beside the first; or take it away."""
        first, second = self._desk.first, self._desk.second
        if not on or first is None or second is None:
            self._drop(what)
        elif what == BESIDE:
            case = self._desk.case
            self._put(what, beside_layers(None if case is None else case.layer, first, second))
            second.visible = False
            self._session.viewer.reset_view()
        elif first.data.shape != second.data.shape:
            self._session.say("masks", "The masks lie on different grids.", "warning")
        else:
            task = partial(mask_work.difference, first.data, second.data)
            job = self._desk.start(task, "Comparing the masks", "difference")
            job.returned.connect(partial(self._on_difference, first))
        self._desk.changed.emit()

    def refresh(self) -> None:
        """The masks were checked again: show their difference as it is now."""
        if self.shown(DIFFERENCE):
            self.show(DIFFERENCE, True)

    def clear(self) -> None:
        """Take everything away: other masks lie on the desk."""
        for what in list(self._layers):
            self._drop(what)

    def _on_difference(self, first: Labels, voxels: Any) -> None:
        if first is self._desk.first:
            self._put(DIFFERENCE, [difference_layer(voxels, first)])
            self._desk.changed.emit()

    def _put(self, what: str, layers: list[LayerData]) -> None:
        self._drop(what)
        active = self._session.viewer.layers.selection.active
        self._layers[what] = [self._session.add(layer) for layer in layers]
        self._session.viewer.layers.selection.active = active

    def _drop(self, what: str) -> None:
        layers, viewer = self._layers.pop(what, []), self._session.viewer
        for layer in [layer for layer in layers if layer in viewer.layers]:
            viewer.layers.remove(layer)
        if what == BESIDE and layers:
            if self._desk.second is not None:
                self._desk.second.visible = True
            viewer.reset_view()


class MaskReaders(QObject):
    """Several readers' masks of one finding: the Labels layers selected in the layer list.

    Signals
    -------
    told : str; what was found out about them, in lines
    """

    told = Signal(str)

    def __init__(self, desk: MaskDesk, session: Session) -> None:
        super().__init__(desk)
        self._desk, self._session = desk, session

    @property
    def chosen(self) -> list[Labels]:
        """The selected masks, from the lowest layer up."""
        selected = self._session.viewer.layers.selection
        return [layer for layer in reversed(self._desk.masks) if layer in selected]

    def compare(self, how: str) -> Job | None:
        """`ALL_PAIRS`: Dice of each with each; `MAJORITY`, `STAPLE`: a layer of the consensus."""
        layers = self.chosen
        if len(layers) < 2 or len({layer.data.shape for layer in layers}) > 1:
            text = "Select two or more masks of one grid in the layer list with Ctrl+click."
            self._session.say("masks", text, "warning")
            return None
        self._session.say("masks")
        masks = [np.asarray(layer.data) > 0 for layer in layers]
        if how == ALL_PAIRS:
            job = self._desk.start(partial(mask_work.all_pairs, masks), "All pairs", "readers")
            job.returned.connect(partial(self._on_pairs, [layer.name for layer in layers]))
        else:
            task = partial(mask_work.consensus, masks, how)
            job = self._desk.start(task, "Finding the consensus", "readers")
            job.returned.connect(partial(self._on_consensus, layers[0], how))
        job.failed.connect(partial(self._session.fail, "masks", "No consensus"))
        return job

    def _on_pairs(self, names: list[str], table: Any) -> None:
        lines = [
            f"{names[i]} – {names[j]}: Dice {table[i, j]:.3f}"
            for i in range(len(names))
            for j in range(i + 1, len(names))
        ]
        pairs = table[np.triu_indices(len(names), 1)]
        self.told.emit("\n".join([*lines, f"Mean of {len(pairs)}: {np.nanmean(pairs):.3f}"]))

    def _on_consensus(self, like: Labels, how: str, found: tuple[Any, str]) -> None:
        voxels, said = found
        if like in self._session.viewer.layers:
            name = "Majority" if how == MAJORITY else "STAPLE"
            self._session.add(consensus_layer(voxels, like, name))
            self.told.emit(said)
