"""Pictures of a bench: the latent map, queries beside their nearest, and the table as bars."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from napari_vaemed.data.bench import BenchRow, Codes
from napari_vaemed.io.neighbour_figure import (
    BENIGN,
    BETWEEN,
    FAINT,
    INK,
    MALIGNANT,
    PAPER,
    Tile,
    neighbour_figure,
    score_colour,
    write_at,
)
from napari_vaemed.workflow.bench_cases import BenchSet
from napari_vaemed.workflow.bench_codes import Rows

Picture = NDArray[np.uint8]
"""(y, x, 3)."""

QUERIES, NEAREST = 20, 5


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
    image = Image.new("RGB", (900, 960), PAPER)
    draw = ImageDraw.Draw(image)
    large = np.isin(np.arange(len(at)), held_out)
    for row in np.argsort(large, kind="stable").tolist():
        x, y = at[row]
        radius = 5 if large[row] else 2
        colour = score_colour(data.nodules.records[row].malignancy)
        draw.ellipse((x - radius, 900 - y - radius, x + radius, 900 - y + radius), fill=colour)
    write_at(draw, (20, 12), f"{name}: two main axes of the codes, {share:.0%} of their variance")
    for place, (word, colour) in enumerate(
        (("malignancy 1, 2", BENIGN), ("3", BETWEEN), ("4, 5", MALIGNANT))
    ):
        write_at(draw, (20 + 190 * place, 925), word, colour)
    write_at(draw, (560, 925), "large: held out")
    return np.asarray(image)


def neighbour_sheet(
    data: BenchSet, name: str, codes: Codes, known: Rows, held_out: Rows
) -> Picture:
    """Held-out nodules, as evenly from all of them as can be, each with its nearest known ones."""
    from napari_vaemed.models.networks import HU_RANGE
    from napari_vaemed.retrieval.comparison import askable

    distance = askable(codes.clicked)[0]
    picked = held_out[np.linspace(0, len(held_out) - 1, min(QUERIES, len(held_out))).astype(int)]
    apart = distance(codes.clicked[picked], codes.clicked[known])
    nearest = known[np.argsort(apart, axis=1, kind="stable")[:, :NEAREST]]
    rows = [
        [_tile(data, row) for row in (query, *others)]
        for query, others in zip(picked.tolist(), nearest.tolist(), strict=True)
    ]
    title = f"{name}: held-out nodules, right of each the nearest known"
    return neighbour_figure(rows, title, limits=HU_RANGE, planes=1, columns=2)


def table_picture(rows: Sequence[BenchRow], most: int = 30) -> Picture:
    """The rows as bars with their intervals, the highest AUC on top."""
    told = [row for row in rows if row.auc is not None][:most]
    line, left, width = 26, 420, 460
    image = Image.new("RGB", (left + width + 170, 60 + line * len(told)), PAPER)
    draw = ImageDraw.Draw(image)
    write_at(draw, (10, 10), "AUC, 95 % interval over patients")

    def x(value: float) -> float:
        return left + width * (np.clip(value, 0.5, 1.0) - 0.5) / 0.5

    for mark in (0.5, 0.6, 0.7, 0.8, 0.9, 1.0):
        draw.line((x(mark), 40, x(mark), 46 + line * len(told)), fill=FAINT)
        write_at(draw, (int(x(mark)) - 10, 22), f"{mark:.1f}", size=13)
    for place, row in enumerate(told):
        y = 46 + line * place
        area = row.auc
        assert area is not None
        draw.rectangle((left, y + 5, x(area.value), y + 17), fill=BENIGN)
        draw.line((x(area.low), y + 11, x(area.high), y + 11), fill=INK, width=3)
        write_at(draw, (10, y), f"{row.entrant}, {row.distance}", size=14)
        write_at(
            draw,
            (left + width + 12, y),
            f"{area.value:.3f} [{area.low:.3f}, {area.high:.3f}]",
            size=14,
        )
    return np.asarray(image)


def _tile(data: BenchSet, row: int) -> Tile:
    return Tile(data.patches[row], score_colour(data.nodules.records[row].malignancy))
