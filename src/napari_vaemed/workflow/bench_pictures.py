"""Pictures of a bench: the latent map, queries beside their nearest, and the table as bars."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from napari_vaemed.data.bench import BenchRow, Codes
from napari_vaemed.workflow.bench_cases import UNDECIDED, BenchSet
from napari_vaemed.workflow.bench_codes import Rows

Picture = NDArray[np.uint8]
"""(y, x, 3)."""

QUERIES, NEAREST = 20, 5
BENIGN, BETWEEN, MALIGNANT = (0, 114, 178), (150, 150, 150), (213, 94, 0)
"""Colours that colour-blind readers tell apart (Okabe and Ito)."""

_INK, _PAPER, _FAINT = (30, 30, 30), (255, 255, 255), (200, 200, 200)


def bench_pictures(
    data: BenchSet, name: str, codes: Codes, known: Rows, held_out: Rows
) -> dict[str, Picture]:
    """Latent map and neighbours of one encoder on one fold, by file name."""
    return {
        "latent_map": latent_map(data, name, codes, held_out),
        "neighbours": neighbour_sheet(data, name, codes, known, held_out),
    }


def latent_map(data: BenchSet, name: str, codes: Codes, held_out: Rows) -> Picture:
    """The means along their two main axes: held-out nodules large, those learned from small."""
    means = codes.clicked.mean - codes.clicked.mean.mean(axis=0)
    _, sizes, axes = np.linalg.svd(means, full_matrices=False)
    flat = means @ axes[:2].T
    share = np.square(sizes[:2]).sum() / max(np.square(sizes).sum(), 1e-12)
    low, high = np.percentile(flat, (0.5, 99.5), axis=0)
    at = 60 + 780 * np.clip((flat - low) / np.maximum(high - low, 1e-9), 0, 1)
    image = Image.new("RGB", (900, 960), _PAPER)
    draw = ImageDraw.Draw(image)
    large = np.isin(np.arange(len(at)), held_out)
    for row in np.argsort(large, kind="stable").tolist():
        x, y = at[row]
        radius = 5 if large[row] else 2
        colour = _colour(data.nodules.records[row].malignancy)
        draw.ellipse((x - radius, 900 - y - radius, x + radius, 900 - y + radius), fill=colour)
    _text(draw, (20, 12), f"{name}: two main axes of the codes, {share:.0%} of their variance")
    for place, (word, colour) in enumerate(
        (("malignancy 1, 2", BENIGN), ("3", BETWEEN), ("4, 5", MALIGNANT))
    ):
        _text(draw, (20 + 190 * place, 925), word, colour)
    _text(draw, (560, 925), "large: held out")
    return np.asarray(image)


def neighbour_sheet(
    data: BenchSet, name: str, codes: Codes, known: Rows, held_out: Rows
) -> Picture:
    """Held-out nodules, as evenly from all of them as can be, each with its nearest known ones."""
    from napari_vaemed.distances import euclidean, wasserstein2

    distance = wasserstein2 if codes.clicked.sd.any() else euclidean
    picked = held_out[np.linspace(0, len(held_out) - 1, min(QUERIES, len(held_out))).astype(int)]
    apart = distance(codes.clicked[picked], codes.clicked[known])
    nearest = known[np.argsort(apart, axis=1, kind="stable")[:, :NEAREST]]
    tile, gap, top = 96, 8, 40
    half = -(-len(picked) // 2)
    wide = (tile + gap) * (NEAREST + 1) + 24
    image = Image.new("RGB", (2 * wide, top + half * (tile + gap)), _PAPER)
    draw = ImageDraw.Draw(image)
    _text(draw, (8, 8), f"{name}: held-out nodules, right of each the nearest known")
    for place, (query, others) in enumerate(zip(picked, nearest, strict=True)):
        left, y = (place // half) * wide, top + (place % half) * (tile + gap)
        for column, row in enumerate((query, *others)):
            x = left + column * (tile + gap) + (16 if column else 4)
            image.paste(_tile(data, int(row), tile), (x, y))
    return np.asarray(image)


def table_picture(rows: Sequence[BenchRow], most: int = 30) -> Picture:
    """The rows as bars with their intervals, the highest AUC on top."""
    told = [row for row in rows if row.auc is not None][:most]
    line, left, width = 26, 420, 460
    image = Image.new("RGB", (left + width + 170, 60 + line * len(told)), _PAPER)
    draw = ImageDraw.Draw(image)
    _text(draw, (10, 10), "AUC, 95 % interval over patients")

    def x(value: float) -> float:
        return left + width * (np.clip(value, 0.5, 1.0) - 0.5) / 0.5

    for mark in (0.5, 0.6, 0.7, 0.8, 0.9, 1.0):
        draw.line((x(mark), 40, x(mark), 46 + line * len(told)), fill=_FAINT)
        _text(draw, (int(x(mark)) - 10, 22), f"{mark:.1f}", size=13)
    for place, row in enumerate(told):
        y = 46 + line * place
        area = row.auc
        assert area is not None
        draw.rectangle((left, y + 5, x(area.value), y + 17), fill=BENIGN)
        draw.line((x(area.low), y + 11, x(area.high), y + 11), fill=_INK, width=3)
        _text(draw, (10, y), f"{row.entrant}, {row.distance}", size=14)
        _text(
            draw,
            (left + width + 12, y),
            f"{area.value:.3f} [{area.low:.3f}, {area.high:.3f}]",
            size=14,
        )
    return np.asarray(image)


def _tile(data: BenchSet, row: int, size: int) -> Image.Image:
    """A nodule's middle plane, framed in the colour of its score."""
    from napari_vaemed.models.networks import HU_RANGE

    low, high = HU_RANGE
    plane = data.patches[row][data.patches.shape[1] // 2].astype(float)
    grey = (255 * np.clip((plane - low) / (high - low), 0, 1)).astype(np.uint8)
    framed = Image.new("RGB", (size, size), _colour(data.nodules.records[row].malignancy))
    inside = size - 8
    framed.paste(Image.fromarray(grey).resize((inside, inside), Image.Resampling.BICUBIC), (4, 4))
    return framed


def _colour(score: float) -> tuple[int, int, int]:
    return BETWEEN if score == UNDECIDED else MALIGNANT if score > UNDECIDED else BENIGN


def _text(
    draw: ImageDraw.ImageDraw,
    at: tuple[int, int],
    text: str,
    colour: tuple[int, int, int] = _INK,
    size: int = 18,
) -> None:
    plain = text.replace("–", "-")  # the font that comes with Pillow has no dash
    draw.text(at, plain, fill=colour, font=ImageFont.load_default(size))
