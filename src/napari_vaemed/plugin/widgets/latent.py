"""One slider for each informative latent; the nodule follows the hand."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtWidgets import QCheckBox, QGridLayout, QWidget

from napari_vaemed.plugin.docks import Wiring, chosen_finding_of, strip_of, style_of
from napari_vaemed.plugin.model_box import ModelBox
from napari_vaemed.plugin.parts.panel import Panel, button, label
from napari_vaemed.plugin.parts.picture import Picture
from napari_vaemed.plugin.parts.sliders import ValueSlider
from napari_vaemed.plugin.session import session_of
from napari_vaemed.plugin.theme import LUNG_WINDOW

if TYPE_CHECKING:
    from napari_vaemed.workflow.examine import Described, Expert, LatentAxis


REACH = 84
"""Least way that a slider has in a narrow dock, pixels; its name takes two lines then."""


class LatentWidget(Panel):
    """Pictures, sliders ordered by KL, reset and traversal for the chosen finding."""

    def __init__(self, napari_viewer: object) -> None:
        self.session = session_of(napari_viewer)
        super().__init__("Latent", strip_of(self.session), partial(style_of, self.session))
        self._expert: Expert | None = None
        self._latents: NDArray[np.float32] | None = None
        self._said: Described | None = None
        self.sliders: dict[int, ValueSlider] = {}
        self.model_box = ModelBox(self.session.answers)
        self.add(label("Model"), self.model_box)
        self._build_pictures()
        self._build_sliders()
        self.body.addStretch(1)
        Wiring(self, self.session, "latent")
        answers = self.session.answers
        self.session.findings_changed.connect(self._on_changed)
        self.session.case_changed.connect(self._on_changed)
        answers.described.connect(self._on_changed)
        answers.decoded.connect(self._on_decoded)
        self._on_changed()

    def set_latent(self, dim: int, value: float) -> None:
        """Move one latent, as its slider does."""
        self.sliders[dim].set_value(value)
        self._on_moved(dim, value)

    def reset(self) -> None:
        """Go back to the nodule as the model reads it."""
        if self._said is not None:
            self._latents = np.array(self._said.posterior.mean, np.float32)
            self._set_sliders(self._latents)
            self.session.answers.decode(self._latents)

    def traverse(self, dim: int) -> None:
        """Show the walk along one latent as a layer below the nodule."""
        if self._expert is not None and self._latents is not None:
            axis = next(a for a in self._expert.axes if a.dim == dim)
            self.session.answers.traverse(axis, self._latents)

    def _build_pictures(self) -> None:
        self.pictures = {
            "CT": Picture("CT", "The finding in the CT: middle slice, lung window"),
            "Read": Picture("as read", "What the model makes of it: its posterior mean, decoded"),
            "Now": Picture("now", "What the sliders say, decoded: not CT"),
        }
        self.add(*self.pictures.values())
        self.reset_button = button(
            "Reset", "Put all sliders back to the nodule as the model reads it", self.reset
        )
        self.difference = QCheckBox("Difference")
        self.difference.setToolTip("Also show decoded minus CT as a layer: blue below, white at, "
                                   "vermilion above 0 HU (±600)")  # fmt: skip
        self.difference.toggled.connect(self.session.patches.show_difference)
        self.add(self.reset_button, self.difference)

    def _build_sliders(self) -> None:
        self.heading("Latents, most informative first").setToolTip(
            "Ordered by what they tell of the known nodules; those that tell nothing are left "
            "out. Named after the reader attribute that goes with them most. Where latents are "
            "shares, moving one scales the others."
        )
        self._rows = QWidget()
        self._grid = QGridLayout(self._rows)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setVerticalSpacing(2)
        self._grid.setColumnStretch(1, 1)
        self.add(self._rows)

    def _fill_sliders(self, expert: Expert) -> None:
        for old in self._rows.findChildren(QWidget):
            old.deleteLater()
        self._expert, self.sliders = expert, {}
        if not expert.axes:
            self._grid.addWidget(label("No latent of this model tells anything.", "quiet"), 0, 0)
        for row, axis in enumerate(expert.axes):
            slider = ValueSlider(axis.low, axis.high, _written(axis))
            slider.slider.setMinimumWidth(REACH)
            slider.moved.connect(partial(self._on_moved, axis.dim))
            name = label(_name(axis))
            name.setWordWrap(True)
            for widget in (name, slider):
                widget.setToolTip(_about(axis))
            walk = button("↔", f"Show the walk along {_name(axis)} as a strip of eleven nodules "
                          "below the finding", partial(self.traverse, axis.dim))  # fmt: skip
            walk.setFixedWidth(28)
            walk.setAccessibleName(f"Traverse {_name(axis)}")
            for column, widget in enumerate((name, slider, walk)):
                self._grid.addWidget(widget, row, column)
            self.sliders[axis.dim] = slider

    def _on_changed(self) -> None:
        case = chosen_finding_of(self, self.session, "its latents")
        if case is None:
            return
        said, expert = case.description_of(case.finding), self.session.answers.expert
        pictures = case.pictures_of(case.finding)
        self._rows.setEnabled(said is not None)
        if said is None or pictures is None or expert is None:
            self._said = self._latents = None
            for picture in self.pictures.values():
                picture.show_slice(None, LUNG_WINDOW.limits, 32.0)
        elif said is not self._said:
            self._said = said
            if expert is not self._expert:
                self._fill_sliders(expert)
            self._show("CT", pictures.query.hu)
            self._show("Read", said.reconstruction)
            self._show("Now", said.reconstruction)
            self._latents = np.array(said.posterior.mean, np.float32)
            self._set_sliders(self._latents)

    def _set_sliders(self, latents: NDArray[np.float32], but: int | None = None) -> None:
        for dim, slider in self.sliders.items():
            if dim != but:
                slider.set_value(float(latents[dim]))

    def _on_moved(self, dim: int, value: float) -> None:
        if self._latents is not None and self._expert is not None:
            axis = next(a for a in self._expert.axes if a.dim == dim)
            self._latents = axis.moved(self._latents, value)
            if axis.corner:  # the other shares have given way
                self._set_sliders(self._latents, but=dim)
            self.session.answers.decode(self._latents)

    def _on_decoded(self, hu: Any) -> None:
        self._show("Now", hu)

    def _show(self, which: str, hu: NDArray[np.int16]) -> None:
        self.pictures[which].show_slice(hu[len(hu) // 2], LUNG_WINDOW.limits, float(hu.shape[2]))


def _name(axis: LatentAxis) -> str:
    return f"z{axis.dim} · {axis.name}"


def _written(axis: LatentAxis) -> str:
    return "{:.3f}" if axis.corner else "{:+.2f}"


def _about(axis: LatentAxis) -> str:
    if axis.among:
        return (
            f"Latent {axis.dim}: {axis.kl:.2f} nats told of a nodule.\n"
            f"The {axis.name} in the model's own classes, from 0 to 1; the others share the rest."
        )
    low, high = (_written(axis).format(end) for end in (axis.low, axis.high))
    tells = "told of a nodule" if axis.corner else "from the prior on average"
    goes = (
        f"Goes most with {axis.name}"
        if axis.named
        else "Goes with none of the readers' ratings and not with volume"
    )
    share = ", as far as there are shares" if axis.corner else ""
    return (
        f"Latent {axis.dim}: {axis.kl:.2f} nats {tells}.\n"
        f"{goes} (Spearman over the known nodules).\n"
        f"From {low} to {high}: the known nodules' mean ± 3 SD{share}."
    )
