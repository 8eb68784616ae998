"""Nodule patches in the viewer: beside the finding they belong to, at the same mm scale."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, QTimer

from napari_vaemed.plugin.theme import BLUE, VERMILION

if TYPE_CHECKING:
    from napari_vaemed.data.nodule import NoduleRecord
    from napari_vaemed.plugin.cases import Case, Finding
    from napari_vaemed.plugin.session import Session
    from napari_vaemed.workflow.examine import LatentAxis

PITCH_MM = 36.0
"""From the middle of one patch to the next."""
SHOWN_MM = 190.0
"""Height of what the camera shows when it turns to a finding's patches."""
DIFFERENCE_HU = 600.0
DECODED, DIFFERENCE, TRAVERSAL, TWIN = "Decoded", "Difference", "Traversal", "Twin"
KNOWN = "Known nodule"
OF_SLICES = (DECODED, DIFFERENCE)
"""They come by themselves: in 3-D they would stand beside the finding as grey blocks."""
TWINS_A_ROW = 5
BESIDE = (-1, 1)
"""Row and column of the one twin that is looked at: in the finding's row, next to it."""


class Patches(QObject):
    """Shows decoded nodules, traversals and twins as layers of the CT spoken of."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self._finding: Finding | None = None
        self.difference = False
        self.adding = False
        session.findings_changed.connect(self._on_findings_changed)
        session.answers.decoded.connect(self._on_decoded)
        session.answers.traversed.connect(self._on_traversed)

    def show_twins(self, number: int | None = None) -> None:
        """Put the twins of the chosen finding above it, in rows of five.

        With a number, 0 for the nearest, that one alone, on the finding's left side.
        """
        case, finding, found = self._session.case, self._finding, self._session.twins.found
        if case is None or finding is None or found is None:
            return
        pairs = list(enumerate(zip(found.twins.neighbours, found.pictures, strict=True)))
        waiting = [
            (each, *pair, divmod(each, TWINS_A_ROW) if number is None else BESIDE)
            for each, pair in pairs
            if number in (None, each)
        ]
        shown = {f"{TWIN} {each + 1}" for each, *_ in waiting}
        for what, layer in case.made.items():
            if what.startswith(TWIN) and what not in shown:
                self._session.views.hide(layer)
        self.hide_known()
        self.adding = True
        self._add_twin(case, finding, waiting)
        self.look_at(case, finding)

    def hide_twins(self) -> None:
        """Take the twins out of sight."""
        self._hide(TWIN)

    def show_known(self, record: NoduleRecord, hu: NDArray[np.int16]) -> None:
        """Put a nodule of the index on the chosen finding's left side, in a twin's place."""
        case, finding = self._session.case, self._finding
        if case is not None and finding is not None:
            self.hide_twins()
            score = record.ratings.get("malignancy", math.nan)
            name = f"{KNOWN} (mal {score:.1f}, {record.diameter_mm:.0f} mm)"
            self._put(case, KNOWN, _layer(case, finding, hu, name, _above(*BESIDE)))
            self.look_at(case, finding)

    def hide_known(self) -> None:
        """Take the nodule of the index out of sight."""
        self._hide(KNOWN)

    def showing(self, what: str) -> bool:
        """Whether layers of a kind are in sight."""
        return any(layer.visible for layer in self._layers(what))

    def show_difference(self, on: bool) -> None:
        """Show or hide decoded minus CT, in HU."""
        self.difference = on
        case = self._session.case
        decoded = case.made.get(DECODED) if case is not None else None
        if not on:
            self._hide(DIFFERENCE)
        elif decoded is not None and decoded.visible:
            self._on_decoded(np.asarray(decoded.data))

    def hide_traversal(self) -> None:
        """Take the strip out of sight."""
        self._hide(TRAVERSAL)

    def follow_window(self) -> None:
        """Show twins and decoded nodules in the window of the CT."""
        case = self._session.case
        for what in (TWIN, KNOWN, DECODED, TRAVERSAL):
            for layer in self._layers(what):
                if case is not None:
                    layer.contrast_limits = case.layer.contrast_limits

    def clear(self) -> None:
        """Remove all that a model has made: another one answers from now on."""
        for case in self._session.cases.values():
            for what in list(case.made):
                if what.startswith((TWIN, KNOWN, DECODED, DIFFERENCE, TRAVERSAL)):
                    self._session.drop_made(case, what)

    def look_at(self, case: Case, finding: Finding) -> None:
        """Turn the camera to a finding."""
        viewer = self._session.viewer
        centre = _centre(case, finding)
        viewer.dims.set_point(range(3), tuple(centre))
        if viewer.dims.ndisplay == 2:
            viewer.scene.camera.center = tuple(centre[list(viewer.dims.displayed)])
            viewer.scene.camera.zoom = viewer.canvas.size[0] / SHOWN_MM

    def _add_twin(self, case: Case, finding: Finding, waiting: list[Any]) -> None:
        """Add one twin, and the next when the window has had time to draw."""
        if not waiting or case is not self._session.case or finding is not self._finding:
            self.adding = False
            return
        number, neighbour, picture, (row, column) = waiting.pop(0)
        score, distance = neighbour.record.malignancy, neighbour.distance
        name = f"{TWIN} {number + 1} (mal {score:.1f}, d {distance:.2f})"
        made = _layer(case, finding, picture.hu, name, _above(row, column))
        self._put(case, f"{TWIN} {number + 1}", made)
        QTimer.singleShot(0, partial(self._add_twin, case, finding, waiting))

    def _on_decoded(self, hu: NDArray[np.int16]) -> None:
        case, finding = self._session.case, self._finding
        if case is None or finding is None:
            return
        self._put(case, DECODED, _layer(case, finding, hu, DECODED, (0, 1)))
        pictures = case.pictures_of(finding)
        if self.difference and pictures is not None:
            apart = hu.astype(np.int16) - pictures.query.hu
            data, attributes, kind = _layer(case, finding, apart, DIFFERENCE, (0, 2))
            limits = (-DIFFERENCE_HU, DIFFERENCE_HU)
            colours = {"colormap": diverging(), "contrast_limits": limits}
            self._put(case, DIFFERENCE, (data, {**attributes, **colours}, kind))

    def _on_traversed(self, axis: LatentAxis, strip: NDArray[np.int16]) -> None:
        case, finding = self._session.case, self._finding
        if case is not None and finding is not None:
            # The patches of a walk side by side, low to high from left to right.
            side_by_side = np.concatenate(list(strip), axis=2)
            name = f"{TRAVERSAL} {axis.dim} ({axis.name})"
            self._put(case, TRAVERSAL, _layer(case, finding, side_by_side, name, (1, 0)))
            viewer = self._session.viewer
            whole = viewer.canvas.size[1] / (side_by_side.shape[2] + PITCH_MM)
            viewer.scene.camera.zoom = min(viewer.scene.camera.zoom, whole)

    def _put(self, case: Case, what: str, layer_data: Any) -> None:
        """Write into the layer that is there: quicker than a new one, and than removing an old."""
        layer, (data, attributes, kind) = case.made.get(what), layer_data
        solid = what in OF_SLICES and self._session.viewer.dims.ndisplay == 3
        if layer is None or layer.data.shape != data.shape:
            made = data, {**attributes, "visible": not solid}, kind
            layer = self._session.put_made(case, what, made)
            if solid:
                self._session.views.show_in_slices(layer)
            return
        layer.data[...] = data
        if tuple(layer.contrast_limits) != attributes["contrast_limits"]:
            layer.contrast_limits = attributes["contrast_limits"]
        if layer.name != attributes["name"]:
            layer.name = attributes["name"]
        if tuple(layer.translate) != attributes["translate"]:
            layer.translate = attributes["translate"]
        if what in OF_SLICES:
            self._session.views.show_in_slices(layer)
        elif not layer.visible:
            layer.visible = True
        layer.refresh(extent=False)

    def _layers(self, what: str) -> list[Any]:
        case = self._session.case
        made = case.made if case is not None else {}
        return [layer for name, layer in made.items() if name.startswith(what)]

    def _hide(self, what: str) -> None:
        for layer in self._layers(what):
            self._session.views.hide(layer)

    def _on_findings_changed(self) -> None:
        case = self._session.case
        finding = None if case is None else case.finding
        if finding is not self._finding:
            self._finding = finding
            for what in (TWIN, KNOWN, DECODED, DIFFERENCE, TRAVERSAL):
                self._hide(what)


def diverging() -> Any:
    """Blue below, white at, vermilion above zero."""
    from napari.utils.colormaps import Colormap

    return Colormap([BLUE, "#FFFFFF", VERMILION], name="vaemed difference")


def _centre(case: Case, finding: Finding) -> NDArray[np.float64]:
    return case.world(case.volume.to_voxel(finding.marked.measurement.centre_mm))


def _above(row: int, column: int) -> tuple[int, int]:
    """Rows below and columns to the left of a finding, of a place in the rows of twins above it."""
    return -1 - row, column - TWINS_A_ROW // 2


def _layer(
    case: Case, finding: Finding, hu: NDArray[np.int16], name: str, place: tuple[int, int]
) -> Any:
    """A patch so many rows below and columns to the left of the patient from its finding."""
    row, column = place
    shift = np.array([0.0, row * PITCH_MM, column * PITCH_MM])
    corner = _centre(case, finding) + shift - (np.array(hu.shape) - 1) / 2
    attributes = {
        "name": name,
        "colormap": "gray",
        "contrast_limits": tuple(case.layer.contrast_limits),
        "scale": (1.0, 1.0, 1.0),
        "translate": tuple(corner),
        "units": "mm",
    }
    return np.array(hu), attributes, "image"
