"""Colours and marks of the latent map as the window shows them, on a dark ground in any theme."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.plugin.parts.colour_key import Key, Sign
from napari_vaemed.plugin.parts.point_drawing import Marks
from napari_vaemed.plugin.theme import MAGENTA, VERMILION, YELLOW, finding_colour

if TYPE_CHECKING:
    from napari_vaemed.data.latent_map import Colouring
    from napari_vaemed.plugin.latent_map import LatentMaps

GROUND = "#111418"
"""Behind the map: as behind CT, it is dark in the light theme too, so colours mean the same."""
LASSO = YELLOW
WHITE = "#FFFFFF"
DARKEST = 0.25
"""Where on the scale of other numbers than malignancy colours begin: lower ones are too dark."""
KNOWN, UNKNOWN, LEFT_OUT = 255, 120, 45
"""Opacity of a nodule, of one without a value, and of one that is not in the selection."""
FINDING_PX, CHOSEN_FINDING_PX, TWIN_PX, CHOSEN_PX, HIGHLIGHT_PX = 15.0, 23.0, 17.0, 21.0, 15.0
MOST_HIGHLIGHTED = 5000
MOST_CLASSES = 8

Colours = NDArray[np.uint8]


def colours_of(maps: LatentMaps) -> Colours:
    """Colour (n, 4) of every nodule."""
    colouring, n = maps.colouring, len(maps.records)
    if colouring is None:
        return np.full((n, 4), KNOWN, np.uint8)
    from napari_vaemed.retrieval import map_colours

    known = colouring.known
    rgb = map_colours.colours_of(_brighter(colouring))
    opacity = np.where(known, KNOWN, UNKNOWN).astype(np.uint8)
    if len(maps.selection):
        inside = np.zeros(n, bool)
        inside[maps.selection] = True
        opacity[~inside] = LEFT_OUT
    return np.concatenate([rgb, opacity[:, None]], axis=1)


def order_of(colours: Colours) -> NDArray[np.intp]:
    """In which order nodules are drawn: the faint below, else by chance, always the same."""
    chance = np.random.default_rng(0).permutation(len(colours))
    return np.lexsort((chance, colours[:, 3]))


def key_of(colouring: Colouring) -> Key:
    """What the colours mean."""
    from napari_vaemed.retrieval import map_colours

    missing = int((~colouring.known).sum())
    unknown = (colouring.unknown, _hex(map_colours.UNKNOWN)) if missing else None
    if colouring.labels is not None:
        shown = replace(colouring, labels=np.arange(len(colouring.names), dtype=np.int32))
        classes = tuple(
            (name, _hex(colour))
            for name, colour in zip(colouring.names, map_colours.colours_of(shown), strict=True)
        )
        more = max(len(classes) - MOST_CLASSES, 0)
        return Key(colouring.name, classes=classes[:MOST_CLASSES], more=more, unknown=unknown)
    low, high = colouring.ends
    values = np.linspace(low, high, 9)
    stops = tuple(map(_hex, map_colours.scale_colours(_brighter(colouring), values)))
    ends = f"{low:.3g}", f"{high:.3g} {colouring.unit}".strip()
    return Key(colouring.name, stops=stops, ends=ends, unknown=unknown)


def marks_of(maps: LatentMaps) -> Marks:
    """Rings around twins, rows that stand out and the chosen nodule; then the findings."""
    places: list[NDArray[np.floating]] = []
    told: list[tuple[float, str, str, int | None]] = []

    def add(rows: tuple[int, ...], size: float, edge: str) -> None:
        places.extend(maps.places[list(rows)])
        told.extend((size, "", edge, None) for _ in rows)

    add(maps.highlighted[:MOST_HIGHLIGHTED], HIGHLIGHT_PX, YELLOW)
    add(maps.twin_rows, TWIN_PX, WHITE)
    add(() if maps.chosen is None else (maps.chosen,), CHOSEN_PX, MAGENTA)
    for label, place in maps.finding_places.items():
        chosen = label == maps.chosen_finding
        places.append(place)
        size = CHOSEN_FINDING_PX if chosen else FINDING_PX
        told.append((size, finding_colour(label), WHITE, label))
    if not told:
        return Marks()
    sizes, fills, edges, keys = zip(*told, strict=True)
    return Marks(
        np.array(places, np.float64), np.array(sizes), _rgba(fills), _rgba(edges), tuple(keys)
    )


def signs_of(maps: LatentMaps) -> tuple[Sign, ...]:
    """What the marks that are there mean."""
    there = {
        Sign("findings", WHITE, VERMILION): bool(maps.finding_places),
        Sign("twins", WHITE): bool(maps.twin_rows),
        Sign("looked at", MAGENTA): maps.chosen is not None,
        Sign("chosen in the table", YELLOW): bool(maps.highlighted),
    }
    return tuple(sign for sign, shown in there.items() if shown)


def _brighter(colouring: Colouring) -> Colouring:
    """The same scale of numbers without its darkest quarter, which is lost on a dark ground."""
    if colouring.values is None or colouring.name == "malignancy":
        return colouring
    low, high = colouring.ends
    wider = low - (high - low) * DARKEST / (1 - DARKEST), high
    return replace(colouring, values=np.clip(colouring.values, low, high), ends=wider)


def _rgba(colours: tuple[str, ...]) -> Colours:
    """Colours (m, 4) of texts ``"#rrggbb"``; an empty one is transparent."""
    return np.array(
        [[*bytes.fromhex(text[1:]), 255] if text else [0, 0, 0, 0] for text in colours], np.uint8
    )


def _hex(colour: object) -> str:
    red, green, blue = np.asarray(colour, int)
    return f"#{red:02X}{green:02X}{blue:02X}"
