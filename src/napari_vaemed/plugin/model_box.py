"""Choose which of the shipped models of nodules answers."""

from __future__ import annotations

from qtpy.QtWidgets import QComboBox

from napari_vaemed.io.weights import ShippedModel, shipped_nodule_models
from napari_vaemed.plugin.answers import Answers
from napari_vaemed.plugin.expert import OtherModel


class ModelBox(QComboBox):
    """Lists the shipped models, and the user's own while it answers; a choice is for all docks."""

    def __init__(self, answers: Answers) -> None:
        super().__init__()
        self.setToolTip(
            "Which model answers in all docks. The small ones are there to explore their latents; "
            "each model's card is under the status line below"
        )
        self.setAccessibleName("Model that answers")
        self._answers = answers
        self._shipped = shipped_nodule_models()
        for shipped in self._shipped:
            self.addItem(shipped.title, shipped)
        self.activated.connect(self._on_chosen)
        answers.expert_changed.connect(self._on_changed)
        self._on_changed()

    def choose(self, name: str) -> None:
        """Let the shipped model of this name answer, as a choice in the box does."""
        names = [shipped.name for shipped in self._shipped]
        self.setCurrentIndex(names.index(name))
        self._on_chosen()

    def _on_chosen(self) -> None:
        wanted = other_of(self.currentData())
        if self.currentData() is not None and wanted != self._answers.other:
            self._answers.switch(wanted)

    def _on_changed(self) -> None:
        known = [other_of(shipped) for shipped in self._shipped]
        own = self._answers.other not in known
        if not own and self.count() > len(known):
            self.removeItem(len(known))
        elif own and self.count() == len(known):
            self.addItem("Own model")
        self.setCurrentIndex(len(known) if own else known.index(self._answers.other))


def other_of(shipped: ShippedModel) -> OtherModel | None:
    """What `Answers.switch` takes for a shipped model: None for the first."""
    if shipped == shipped_nodule_models()[0]:
        return None
    return OtherModel(shipped.model, shipped.index)
