"""The figure of queries beside their nearest known nodules: one row a query, as a PNG."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from napari_vaemed.data.nodule import UNDECIDED
from napari_vaemed.io.atomic import replacing
from napari_vaemed.preprocessing.patch import PATCH_SPACING, middle_planes

FigureImage = NDArray[np.uint8]
"""(y, x, 3)."""

BENIGN, BETWEEN, MALIGNANT = (0, 114, 178), (150, 150, 150), (213, 94, 0)
"""Colours that colour-blind readers tell apart (Okabe and Ito)."""

INK, PAPER, FAINT = (30, 30, 30), (255, 255, 255), (200, 200, 200)
BAR_MM = 10
SIDE, FRAME, GAP, LINE, AISLE = 88, 4, 8, 15, 14

RGB = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class Tile:
    """One nodule of a figure.

    Parameters
    ----------
    hu : (z, y, x)
        A patch in HU.
    colour : (r, g, b)
        Of its frame.
    lines : texts
        Below it.
    """

    hu: NDArray
    colour: RGB
    lines: tuple[str, ...] = ()


def neighbour_figure(
    rows: Sequence[Sequence[Tile]],
    title: str,
    *,
    limits: tuple[float, float],
    planes: int = 3,
    columns: int = 1,
    note: str = "",
) -> FigureImage:
    """Draw rows of nodules, the query first, all at one mm scale and in one HU window.

    Parameters
    ----------
    rows : sequence of sequences of Tile
        A query and its nearest each; patches of one shape.
    limits : (low, high)
        HU that are black and white.
    planes : 1 or 3
        The axial plane, or coronal and sagittal too.
    columns : int
        The rows are dealt to so many columns.
    note : str
        Below the figure.
    """
    lines = max((len(tile.lines) for row in rows for tile in row), default=0)
    wide, high = planes * SIDE + 2 * FRAME, SIDE + 2 * FRAME + lines * LINE
    across = max(map(len, rows), default=0) * (wide + GAP) + AISLE + 2 * GAP
    down = -(-len(rows) // columns) if rows else 0
    top, foot = 40, 30 if note else GAP
    image = Image.new("RGB", (max(columns * across, 400), top + down * (high + GAP) + foot), PAPER)
    draw = ImageDraw.Draw(image)
    write_at(draw, (GAP, GAP), title)
    for place, row in enumerate(rows):
        left, y = (place // down) * across + GAP, top + (place % down) * (high + GAP)
        for number, tile in enumerate(row):
            x = left + number * (wide + GAP) + (AISLE if number else 0)
            image.paste(_planes(tile, limits, planes), (x, y))
            for line, text in enumerate(tile.lines):
                write_at(draw, (x, y + SIDE + 2 * FRAME + line * LINE), text, size=12)
    if note:
        write_at(draw, (GAP, image.height - foot + 6), note, size=13)
    return np.asarray(image)


def write_neighbour_figure(path: str | os.PathLike[str], figure: FigureImage) -> None:
    """Write a figure as PNG, whole or not at all; the path as in `check_figure_path`."""
    check_figure_path(path)
    with replacing(path) as beside:
        Image.fromarray(figure).save(beside)


def check_figure_path(path: str | os.PathLike[str]) -> None:
    """Refuse where no figure can be written, before anything is drawn.

    Raises
    ------
    ValueError
        The name does not end in .png.
    FileNotFoundError
        The folder does not exist.
    """
    if Path(path).suffix.lower() != ".png":
        raise ValueError(f"The figure is a PNG file; give a name that ends in .png, not {path}.")
    if not Path(path).absolute().parent.is_dir():
        raise FileNotFoundError(f"There is no folder {Path(path).parent}. Make it first.")


def score_colour(score: float) -> RGB:
    """Of a malignancy score: benign, undecided or malignant."""
    return BETWEEN if score == UNDECIDED else MALIGNANT if score > UNDECIDED else BENIGN


def write_at(
    draw: ImageDraw.ImageDraw,
    at: tuple[int, int],
    text: str,
    colour: RGB = INK,
    size: int = 18,
) -> None:
    """Write a line into a picture."""
    plain = text.replace("–", "-").replace("³", "3")  # the font that comes with Pillow has neither
    draw.text(at, plain, fill=colour, font=ImageFont.load_default(size))


def _planes(tile: Tile, limits: tuple[float, float], planes: int) -> Image.Image:
    """The planes side by side in the tile's frame, the first with its scale bar."""
    low, high = limits
    framed = Image.new("RGB", (planes * SIDE + 2 * FRAME, SIDE + 2 * FRAME), tile.colour)
    for number, plane in enumerate(middle_planes(tile.hu)[:planes]):
        shades = 255 * np.clip((plane.astype(float) - low) / (high - low), 0, 1)
        grey = Image.fromarray(shades.astype(np.uint8))
        framed.paste(
            grey.resize((SIDE, SIDE), Image.Resampling.BICUBIC), (FRAME + number * SIDE, FRAME)
        )
    draw, length = ImageDraw.Draw(framed), SIDE * BAR_MM / (tile.hu.shape[2] * PATCH_SPACING)
    right, foot = FRAME + SIDE - 5, FRAME + SIDE - 6
    for ink, thick in (((0, 0, 0), 4), ((255, 255, 255), 2)):
        draw.line((right - length, foot, right, foot), fill=ink, width=thick)
    return framed
