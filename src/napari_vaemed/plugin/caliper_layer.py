"""Calipers as a Shapes layer the user can edit, and what was edited as calipers again.

The layer shows the calipers of one orientation, that of the canvas: napari would show a coronal
line that runs level on an axial slice too. In the plane shown its units are square, so that lines
are equally thick and turn without shear where voxels are not; along the slices its unit is a
slice, by which napari tells what lies on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.caliper import POINTS, Caliper, MeasuredCaliper, Reading
from napari_vaemed.plugin.cases import Case, free_label
from napari_vaemed.plugin.layers import LayerData, carrying
from napari_vaemed.plugin.theme import MAGENTA
from napari_vaemed.preprocessing.calipers import (
    NoCaliper,
    across,
    ellipse_corners,
    ellipse_in_corners,
    foot_on,
    measure_caliper,
)

if TYPE_CHECKING:
    from napari.layers import Shapes

CALIPERS = "Calipers"
SHAPES = {"line": "line", "bidirectional": "line", "ellipse": "ellipse", "angle": "path"}
"""napari's shape for each kind; a bidirectional one is two of them, the long line first."""
ADOPTED = {("line", 2): "line", ("ellipse", 4): "ellipse", ("path", 3): "angle"}
"""What becomes of a shape that napari's own tools have drawn, by its name and its vertices."""
TEXT_SIZE, TEXT_PX, LINE_PX = 12, 24, 2
"""Points; then the height of a line of text and the width of lines, in pixels of the screen."""
NEW = {"caliper": 0, "part": 0, "kind": "", "value": np.nan, "unit": "", "plane": "", "slice": 0,
       "text": ""}  # fmt: skip
"""Features of a shape that napari's own tools have added: it has no number yet."""
SAME = 1e-3
"""Vertices nearer than this, in units of the layer, are the same: napari keeps 32 bits."""

Vertices = NDArray[np.float64]


def caliper_layer(case: Case, axis: int) -> LayerData:
    """An empty layer for the calipers of a CT on slices along an axis."""
    attributes = {
        "name": CALIPERS,
        "ndim": 3,
        "scale": scale_of(case, axis),
        "translate": case.layer.translate,
        "units": case.layer.units,
        "edge_color": MAGENTA,
        "face_color": "transparent",
        "opacity": 1.0,
        "features": _features([]),
        "text": {"string": "{text}", "color": MAGENTA, "size": TEXT_SIZE, "anchor": "lower_left"},
        "metadata": {**carrying(case.volume), "axis": axis},
    }
    return None, attributes, "shapes"


def scale_of(case: Case, axis: int) -> NDArray[np.float64]:
    """Millimetres of a unit of the layer along (z, y, x)."""
    spacing = np.abs(np.asarray(case.layer.scale, float))
    scale = np.full(3, np.delete(spacing, axis).max())
    scale[axis] = spacing[axis]
    return scale


def put_calipers(
    layer: Shapes,
    case: Case,
    axis: int,
    shown: Sequence[MeasuredCaliper],
    zoom: float,
    *,
    upwards: bool,
    drawing: bool = False,
) -> None:
    """Make a layer show calipers, all of them on slices along an axis.

    Parameters
    ----------
    zoom : float
        Pixels of the screen per mm.
    upwards : bool
        Whether rows run up the screen.
    drawing : bool
        Whether it is one of many such calls while the mouse moves: nobody but the canvas is told.
    """
    chosen = {layer.features["caliper"].iloc[row] for row in layer.selected_data}
    layer.selected_data = set()
    if layer.metadata["axis"] != axis:
        layer.data = []
        layer.scale, layer.metadata["axis"] = scale_of(case, axis), axis
    shapes = [
        (part, SHAPES[each.caliper.kind]) for each in shown for part in parts_of(each.caliper, case)
    ]
    with ExitStack() as quiet:
        if drawing:
            quiet.enter_context(layer.block_thumbnail_update())
            quiet.enter_context(layer.events.blocker_all())
        layer.data = shapes
        if shapes:
            layer.edge_color, layer.face_color = MAGENTA, "transparent"
        layer.features = _features(shown)
        layer.feature_defaults = NEW
        fit_to_zoom(layer, zoom, upwards=upwards)
    labels = list(layer.features["caliper"])
    layer.selected_data = {row for row, label in enumerate(labels) if label in chosen}
    layer.refresh(thumbnail=not drawing, extent=not drawing, highlight=not drawing)


def put_readings(layer: Shapes, shown: Sequence[MeasuredCaliper]) -> None:
    """Write what calipers read beside the shapes that a layer has of them."""
    features = _features(shown)
    if len(features["caliper"]) == layer.nshapes:
        layer.features = features


def fit_to_zoom(layer: Shapes, zoom: float, *, upwards: bool) -> None:
    """Draw lines as thick on the screen as ever, and texts right beneath them."""
    axis = layer.metadata["axis"]
    rows, columns = (a for a in range(3) if a != axis)
    unit_px = zoom * float(layer.scale[columns])
    layer.edge_width = LINE_PX / unit_px
    beneath = np.zeros(3)
    beneath[rows] = -TEXT_PX / unit_px if upwards else 0.0
    layer.text.anchor = "upper_left" if upwards else "lower_left"
    layer.text.translation = beneath


def parts_of(caliper: Caliper, case: Case) -> list[Vertices]:
    """The vertices (n, 3) of a caliper's shapes, in units of the layer."""
    points = np.array(caliper.points) * _units(case, caliper.axis)
    if caliper.kind == "ellipse":
        return [ellipse_corners(points)]
    return [points[:2], points[2:]] if caliper.kind == "bidirectional" else [points]


def caliper_of(
    kind: str, parts: Sequence[Vertices], axis: int, case: Case, before: Caliper | None = None
) -> Caliper:
    """The caliper that shapes of the layer make.

    Parameters
    ----------
    parts : sequence of (n, 3)
    before : Caliper or None
        What they made before they were edited.

    Raises
    ------
    NoCaliper
        Vertices were added or taken away.
    """
    spacing = case.volume.spacing
    points = np.concatenate(parts).astype(float) / _units(case, axis)
    points[:, axis] = np.rint(points[:, axis])
    if len(points) != POINTS[kind]:
        raise NoCaliper(
            f"A caliper of the kind {kind} has {POINTS[kind]} points. The change was taken back."
        )
    if kind == "ellipse":
        points = ellipse_in_corners(points, spacing)
    elif kind == "bidirectional" and before is not None:
        points = _square(points, np.array(before.points), spacing)
    return Caliper(kind, axis, tuple((float(z), float(y), float(x)) for z, y, x in points))


@dataclass
class Edits:
    """What was done to a layer with napari's own tools.

    Parameters
    ----------
    changed : calipers by their number
    added : calipers without one
    removed : numbers
    refused : what could not be taken, in words
    """

    changed: dict[int, Caliper] = field(default_factory=dict)
    added: list[Caliper] = field(default_factory=list)
    removed: set[int] = field(default_factory=set)
    refused: str = ""


def edits_of(layer: Shapes, case: Case) -> Edits:
    """Compare a layer with the calipers it was made to show."""
    axis, edits = layer.metadata["axis"], Edits()
    known: dict[tuple[int, int], Vertices] = {}
    for label, part, shape, vertices in zip(
        layer.features["caliper"],
        layer.features["part"],
        layer.shape_type,
        layer.data,
        strict=True,
    ):
        if label and (label, part) not in known:
            known[label, part] = vertices
            continue
        try:
            kind = ADOPTED[shape, len(vertices)]
            edits.added.append(caliper_of(kind, [vertices], axis, case))
        except (KeyError, ValueError):
            edits.refused = (
                "Calipers are lines, ellipses, and paths of three points (angles), on one slice."
            )
    for label, before in ((m.label, m.caliper) for m in case.calipers.now):
        if before.axis != axis:
            continue
        parts = parts_of(before, case)
        now = [known[label, n] for n in range(len(parts)) if (label, n) in known]
        if len(now) < len(parts):
            edits.removed.add(label)
        elif not all(map(_same, now, parts)):
            try:
                edits.changed[label] = caliper_of(before.kind, now, axis, case, before)
            except NoCaliper as reason:
                edits.refused = str(reason)
    return edits


def after(edits: Edits, case: Case) -> tuple[MeasuredCaliper, ...]:
    """The calipers of a CT after edits, measured anew.

    Raises
    ------
    NoCaliper
        One of them measures nothing any more.
    """
    now = {each.label: each for each in case.calipers.now if each.label not in edits.removed}
    for label, caliper in edits.changed.items():
        now[label] = MeasuredCaliper(label, caliper, measure_caliper(caliper, case.volume))
    for caliper in edits.added:
        label = free_label(now.values())
        now[label] = MeasuredCaliper(label, caliper, measure_caliper(caliper, case.volume))
    return tuple(now.values())


def reading_text(reading: Reading) -> str:
    """What a caliper reads, as a person writes it."""
    if reading.area_mm2 is not None:
        area = f"{reading.area_mm2:.{0 if reading.area_mm2 >= 100 else 1}f} mm²"
        return f"{reading.mean_hu:.0f} HU, SD {reading.sd_hu:.0f}, {area}"
    if reading.angle_deg is not None:
        return f"{reading.angle_deg:.1f}°"
    if reading.short_mm is not None:
        return f"{reading.length_mm:.1f} × {reading.short_mm:.1f} mm"
    return "" if reading.length_mm is None else f"{reading.length_mm:.1f} mm"


def main_value(reading: Reading) -> tuple[float, str]:
    """The value a caliper was drawn for, and its unit."""
    for value, unit in (
        (reading.mean_hu, "HU"),
        (reading.angle_deg, "°"),
        (reading.length_mm, "mm"),
    ):
        if value is not None:
            return value, unit
    return np.nan, ""


def _features(shown: Sequence[MeasuredCaliper]) -> dict[str, Any]:
    """One row a shape; the text stands at the first shape of a caliper."""
    rows = []
    for each in shown:
        caliper, (value, unit) = each.caliper, main_value(each.reading)
        texts = [reading_text(each.reading), ""]
        for part in range(2 if caliper.kind == "bidirectional" else 1):
            row = (each.label, part, caliper.kind, value, unit, caliper.plane, caliper.slice_index)
            rows.append((*row, texts[part]))
    columns = list(zip(*rows, strict=True)) or [()] * len(NEW)
    return {
        name: np.array(column, object if isinstance(new, str) else type(new))
        for (name, new), column in zip(NEW.items(), columns, strict=True)
    }


def _units(case: Case, axis: int) -> NDArray[np.float64]:
    """Units of the layer per voxel."""
    units: NDArray[np.float64] = np.asarray(case.layer.scale, float) / scale_of(case, axis)
    return units


def _same(one: Vertices, other: Vertices) -> bool:
    return one.shape == other.shape and bool(np.abs(one - other).max() < SAME)


def _square(now: Vertices, before: Vertices, spacing: tuple[float, float, float]) -> Vertices:
    """The points of a bidirectional caliper, its lines at right angles again.

    An end that was moved stays where it was put, as nearly as that allows.
    """
    long, (one, other) = now[:2], now[2:]
    if not _same(one, before[2]):
        foot = foot_on(long, one, spacing)
    elif not _same(other, before[3]):
        foot = foot_on(long, other, spacing)
    else:
        foot = foot_on(before[:2], one, spacing)
    return np.vstack([long, across(long, foot, one, other, spacing)])
