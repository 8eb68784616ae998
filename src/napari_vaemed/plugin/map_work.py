"""What the latent map's jobs run, each in a job's thread; heavy imports happen here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.progress import Progress, Work
from napari_vaemed.plugin import expert as experts
from napari_vaemed.plugin.twins import Picture, twin_pictures

if TYPE_CHECKING:
    from napari_vaemed.data.latent_map import Colouring, LatentMap
    from napari_vaemed.data.posterior import AnyPosterior
    from napari_vaemed.data.volume import Volume
    from napari_vaemed.workflow.examine import Expert, Marked

AT_ONCE = 8
"""Pictures drawn between two steps."""


@dataclass(frozen=True, eq=False)
class Mapped:
    """The nodules of a model's index as points of a plane.

    Parameters
    ----------
    expert : Expert
    latent_map : LatentMap
    colourings : tuple of Colouring
        What they can be coloured by; clusters that were found come first.
    """

    expert: Expert
    latent_map: LatentMap
    colourings: tuple[Colouring, ...]


def make(expert: Expert, method: str) -> Work[Mapped]:
    """Lay the nodules of the model's index out."""
    yield Progress(f"Map by {method}")
    workflow = experts.latent_map()
    latent_map = yield from workflow.project(expert.index, method)
    yield Progress("Reading what is known of the nodules")
    return Mapped(expert, latent_map, workflow.colourings(expert.index))


def find_clusters(expert: Expert, method: str, k: int) -> Work[Colouring]:
    """Sort the nodules into classes."""
    yield Progress("Finding clusters")
    workflow = experts.latent_map()
    found: Colouring = yield from workflow.clusters(expert.index, method, k, expert.model)
    return found


def place(
    mapped: Mapped, volume: Volume, findings: Sequence[tuple[Marked, AnyPosterior | None]]
) -> Work[dict[Marked, NDArray[np.float32]]]:
    """Where marked nodules lie on the map; those without a posterior are read first."""
    places = {}
    for number, (marked, posterior) in enumerate(findings):
        yield Progress("Finding places on the map", number, len(findings))
        if posterior is None:
            said = experts.examine().describe(mapped.expert, volume, marked, 1)
            posterior = said.posterior
        places[marked] = experts.latent_map().place(
            mapped.latent_map, mapped.expert.index, posterior
        )
    return places


def pictures(expert: Expert, rows: Sequence[int], folder: Path | None) -> Work[tuple[Picture, ...]]:
    """Pictures of known nodules: CT where its crops are at hand, else decoded."""
    drawn: list[Picture] = []
    for start in range(0, len(rows), AT_ONCE):
        yield Progress("Drawing nodules", start, len(rows))
        drawn += twin_pictures(expert, rows[start : start + AT_ONCE], folder)
    return tuple(drawn)


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """Save one line a nodule."""
    from napari_vaemed.io.reports import write_measurements_csv

    write_measurements_csv(path, rows)
    return path
