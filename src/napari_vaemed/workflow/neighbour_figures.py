"""Queries and their twins as a figure, from what the dock, the command line and the bench hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.nodule import NoduleRecord
from napari_vaemed.data.twin_wish import TwinWish
from napari_vaemed.data.volume import Volume
from napari_vaemed.io.neighbour_figure import (
    FigureImage,
    Tile,
    check_figure_path,
    neighbour_figure,
    score_colour,
    write_neighbour_figure,
)
from napari_vaemed.io.volumes import read_volume
from napari_vaemed.preprocessing.intensity import WINDOWS
from napari_vaemed.preprocessing.patch import cut_patch
from napari_vaemed.retrieval.neighbours import row_of_record
from napari_vaemed.retrieval.told import chance_text, percentile_text
from napari_vaemed.workflow.examine import Expert, decode
from napari_vaemed.workflow.neighbours import (
    Twins,
    find_twins,
    query_of_finding,
    query_of_row,
)

if TYPE_CHECKING:
    from napari_vaemed.workflow.report import Examination

NEAREST = 5
"""Twins a query has in a figure."""

QUERY_COLOUR = (230, 159, 0)
"""Frame of a query."""

Patch = NDArray[np.int16]
"""(32, 32, 32) HU at 1 mm."""


def crop_of(record: NoduleRecord, folder: Path | None) -> Path | None:
    """The file of a known nodule's CT, ``image/<id>.nii.gz`` in a folder of crops; None without."""
    path = None if folder is None else folder / "image" / f"{record.id}.nii.gz"
    return path if path is not None and path.is_file() else None


def known_patches(
    expert: Expert,
    rows: Sequence[int],
    folder: Path | None,
    decoded: Mapping[int, Patch] | None = None,
) -> tuple[tuple[Patch, bool], ...]:
    """Patches of nodules of the index, and whether each is true CT.

    Where there is no crop of it in ``folder`` a nodule is what the decoder makes of it;
    ``decoded`` are such patches by row, as far as they are there.
    """
    records = [expert.index.records[row] for row in rows]
    paths = [crop_of(record, folder) for record in records]
    drawn = dict(decoded or {})
    missing = [r for r, path in zip(rows, paths, strict=True) if path is None and r not in drawn]
    if missing:
        means = expert.index.posterior.mean[missing]
        drawn |= zip(missing, decode(expert, means), strict=True)
    return tuple(
        (drawn[row], False) if path is None else (cut(read_volume(path), record.centre_mm), True)
        for row, record, path in zip(rows, records, paths, strict=True)
    )


def cut(volume: Volume, centre_mm: tuple[float, float, float]) -> Patch:
    """The patch around a point, as whole HU."""
    return np.rint(cut_patch(volume, centre_mm).hu).astype(np.int16)


def twins_figure(
    expert: Expert,
    queries: Sequence[tuple[str, Patch, Twins]],
    *,
    folder: Path | None = None,
    limits: tuple[float, float] | None = None,
) -> FigureImage:
    """Each query beside its five nearest, in three planes.

    Parameters
    ----------
    queries : sequence of (name, patch, twins)
        What a query is called, how it looks, and what was found; its vote stands below it.
    folder : Path or None
        Of crops, see `known_patches`.
    limits : (low, high) or None
        HU window; default the lung window.
    """
    rows, decoded = [], False
    for name, patch, twins in queries:
        near = twins.neighbours[:NEAREST]
        patches = known_patches(expert, [one.row for one in near], folder)
        decoded |= not all(true for _, true in patches)
        vote = twins.vote
        said = str(vote.vote)
        if vote.chance is not None:
            said = f"malignant, by readers: {chance_text(vote.chance)}"
        row = [Tile(patch, QUERY_COLOUR, (name, said))]
        percentiles = twins.percentiles[:NEAREST]
        for one, percentile, (hu, true) in zip(near, percentiles, patches, strict=True):
            record = one.record
            alike = "" if percentile is None else f", alike over {percentile_text(percentile)}"
            told = f"d {one.distance:.2f}{alike}{'' if true else ', decoded'}"
            row.append(Tile(hu, score_colour(record.malignancy),
                            (f"{record.id}: {record.malignancy:g}", told)))  # fmt: skip
        rows.append(tuple(row))
    level, width = WINDOWS["lung"]
    distance = queries[0][2].distance if queries else ""
    pictures = "Those marked decoded are the decoder's, not CT. " if decoded else ""
    model = f"{expert.model.name} {expert.model.sha256[:8]}"
    return neighbour_figure(
        rows,
        f"Nearest known nodules by {distance} distance",
        limits=limits or (level - width / 2, level + width / 2),
        note=f"{pictures}Bar 10 mm; frame and number: malignancy 1 to 5 as readers scored it "
        f"(blue below 3, red above); alike over so many of random pairs. {model}, "
        f"{len(expert.index)} known nodules. Research only.",
    )


def queries_of_records(
    expert: Expert, ids: Sequence[str], folder: Path | None, distance: str | None = None
) -> list[tuple[str, Patch, Twins]]:
    """Nodules of the index as queries of a figure, twins of other patients.

    Raises
    ------
    LookupError
        The index holds no nodule of such an id.
    """
    rows = [row_of_record(expert.index, each) for each in ids]
    patches = known_patches(expert, rows, folder)
    wish = TwinWish(NEAREST, distance)
    return [
        (
            name if true else f"{name}, decoded",
            patch,
            find_twins(expert, query_of_row(expert.index, row), wish),
        )
        for name, row, (patch, true) in zip(ids, rows, patches, strict=True)
    ]


def query_of_examination(
    found: Examination, distance: str | None = None
) -> tuple[str, Patch, Twins]:
    """The nodule of an examination as the query of a figure; it must have been described."""
    said, marked = found.described, found.marked
    assert said is not None
    assert marked is not None
    assert found.expert is not None
    query = query_of_finding(said.posterior, found.volume, marked)
    twins = find_twins(found.expert, query, TwinWish(NEAREST, distance))
    return "Nodule", cut(found.volume, marked.measurement.centre_mm), twins


def vote_said(twins: Twins) -> str:
    """The vote and the ruler's in a line."""
    told = []
    for name, vote in ((f"by {twins.distance} distance", twins.vote), ("by volume", twins.ruler)):
        chance = "" if vote.chance is None else f"{chance_text(vote.chance)} malignant, "
        told.append(f"{name} {chance}{vote.vote}")
    n = "" if twins.calibration is None else f" (n = {twins.calibration.nodules} held out)"
    known = "; the model has learned from this patient" if twins.same_patient else ""
    return "; ".join(told) + n + known


def write_twins_figure(
    path: Path, expert: Expert, queries: Sequence[tuple[str, Patch, Twins]], **how: Any
) -> None:
    """Write `twins_figure` as PNG."""
    check_figure_path(path)
    write_neighbour_figure(path, twins_figure(expert, queries, **how))
