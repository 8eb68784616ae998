"""The latent map as a file: a table, or a picture of it with the meaning of its colours."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from napari_vaemed.data.intended_use import NOT_A_DEVICE
from napari_vaemed.data.latent_map import PCA, Colouring, LatentMap
from napari_vaemed.io.neighbour_figure import (
    FAINT,
    INK,
    PAPER,
    FigureImage,
    write_at,
    write_neighbour_figure,
)
from napari_vaemed.io.reports import write_measurements_csv, write_report
from napari_vaemed.retrieval.map_colours import UNKNOWN, colours_of, scale_colours

ENDINGS = (".csv", ".json", ".png")
MAP_SIDE, EDGE, LEGEND, LINE = 800, 40, 300, 20
MOST_CLASSES = 16
"""Classes that a legend names."""

_FINE = 3  # points are drawn so much larger, then made smaller, which rounds them
_LETTERS = 150  # of a line below the map


def check_map_path(path: str | os.PathLike[str]) -> None:
    """Refuse where no map can be written, before one is made.

    Raises
    ------
    ValueError
        The name ends in none of `ENDINGS`.
    FileNotFoundError
        The folder does not exist.
    """
    if Path(path).suffix.lower() not in ENDINGS:
        raise ValueError(f"A map is written as {', '.join(ENDINGS)}; got {Path(path).name}.")
    if not Path(path).absolute().parent.is_dir():
        raise FileNotFoundError(f"There is no folder {Path(path).parent}. Make it first.")


def write_map(
    path: str | os.PathLike[str],
    latent_map: LatentMap,
    colouring: Colouring,
    rows: Sequence[Mapping[str, Any]],
    evidence: Mapping[str, Any],
) -> None:
    """Write a map by the ending of its name: rows (.csv), evidence and rows (.json), or a picture.

    The path as in `check_map_path`.
    """
    check_map_path(path)
    ending = Path(path).suffix.lower()
    if ending == ".csv":
        write_measurements_csv(path, rows)
    elif ending == ".json":
        write_report(path, {**evidence, "warning": NOT_A_DEVICE, "places": list(rows)})
    else:
        write_neighbour_figure(path, map_figure(latent_map, colouring, evidence["source"]))


def map_figure(latent_map: LatentMap, colouring: Colouring, source: str = "") -> FigureImage:
    """Draw a map as points, both axes to one scale, with what its colours mean.

    Points lie over each other in no order that tells anything; those without a value lie below.

    Parameters
    ----------
    source : str
        Where the nodules come from, with its citation.
    """
    told = [
        f"{colouring.name}: {colouring.told}", latent_map.told, _axes_text(latent_map), source,
    ]  # fmt: skip
    lines = [line for text in told for line in wrap(text, _LETTERS)]
    height = MAP_SIDE + 2 * EDGE + LINE * (len(lines) + 2)
    image = Image.new("RGB", (MAP_SIDE + 2 * EDGE + LEGEND, height), PAPER)
    image.paste(_points(latent_map, colouring), (EDGE, EDGE))
    draw = ImageDraw.Draw(image)
    draw.rectangle((EDGE - 1, EDGE - 1, EDGE + MAP_SIDE, EDGE + MAP_SIDE), outline=FAINT)
    write_at(draw, (EDGE, 10), f"{len(latent_map)} nodules by {latent_map.method}")
    _legend(draw, colouring, MAP_SIDE + 2 * EDGE)
    for number, line in enumerate([*lines, NOT_A_DEVICE]):
        write_at(draw, (EDGE, MAP_SIDE + EDGE + 12 + LINE * number), line, size=13)
    return np.asarray(image)


def _points(latent_map: LatentMap, colouring: Colouring) -> Image.Image:
    side = MAP_SIDE * _FINE
    places, colours = latent_map.places.astype(float), colours_of(colouring)
    radius = _FINE * float(np.clip(120.0 / np.sqrt(len(places)), 1.0, 5.0))
    low, high = places.min(axis=0), places.max(axis=0)
    scale = (side - 4 * radius) / max(float((high - low).max()), 1e-12)
    at = side / 2 + (places - (low + high) / 2) * scale * (1.0, -1.0)  # up is more
    image = Image.new("RGB", (side, side), PAPER)
    draw = ImageDraw.Draw(image)
    chance = np.random.default_rng(0).permutation(len(places))
    for row in np.lexsort((chance, colouring.known)).tolist():
        x, y = at[row]
        draw.ellipse(
            (x - radius, y - radius, x + radius, y + radius), fill=tuple(colours[row].tolist())
        )
    return image.resize((MAP_SIDE, MAP_SIDE), Image.Resampling.BOX)


def _legend(draw: ImageDraw.ImageDraw, colouring: Colouring, left: int) -> None:
    """The meaning of the colours, right of the map."""
    unit = f", {colouring.unit}" if colouring.unit else ""
    top = EDGE
    for line in wrap(f"{colouring.name}{unit}", 30):
        write_at(draw, (left, top), line)
        top += LINE + 4
    top = (_bar if colouring.labels is None else _classes)(draw, colouring, left, top + 8)
    unknown = int((~colouring.known).sum())
    if unknown:
        _spot(draw, left, top + LINE, UNKNOWN, f"{colouring.unknown} (n = {unknown})")


def _bar(draw: ImageDraw.ImageDraw, colouring: Colouring, left: int, top: int) -> int:
    """The scale of numbers, the highest on top; where it ends."""
    height = 200
    low, high = colouring.ends
    values = np.linspace(high, low, height)
    for row, colour in enumerate(scale_colours(colouring, values).tolist()):
        draw.line((left, top + row, left + 24, top + row), fill=tuple(colour))
    for share in (0.0, 0.5, 1.0):
        value = f"{high + share * (low - high):.3g}"
        write_at(draw, (left + 34, top + int(share * height) - 9), value, size=15)
    return top + height


def _classes(draw: ImageDraw.ImageDraw, colouring: Colouring, left: int, top: int) -> int:
    assert colouring.labels is not None
    counts = np.bincount(colouring.labels[colouring.known], minlength=len(colouring.names))
    used = np.flatnonzero(counts)
    shown = Colouring("", "class", "", labels=used.astype(np.int32), names=colouring.names)
    for place, colour in zip(used[:MOST_CLASSES], colours_of(shown).tolist(), strict=False):
        _spot(draw, left, top, tuple(colour), f"{colouring.names[place]} (n = {counts[place]})")
        top += LINE
    if len(used) > MOST_CLASSES:
        write_at(draw, (left, top), f"and {len(used) - MOST_CLASSES} more; colours repeat", size=15)
        top += LINE
    return top


def _spot(
    draw: ImageDraw.ImageDraw, left: int, top: int, colour: tuple[int, ...], text: str
) -> None:
    draw.ellipse((left + 4, top + 4, left + 16, top + 16), fill=colour)
    write_at(draw, (left + 28, top + 1), text, INK, 15)


def _axes_text(latent_map: LatentMap) -> str:
    if latent_map.method == PCA:
        return "Across the first, upwards the second principal component, on one scale."
    return "Only who lies beside whom means something: not the axes, nor distances between groups."
