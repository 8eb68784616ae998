"""What the list of findings runs in its jobs' threads; heavy imports happen here, not before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.caliper import Caliper
from napari_vaemed.data.finding import ErrorBars, Measurement
from napari_vaemed.data.kept_finding import KeptFinding
from napari_vaemed.data.progress import Progress, Work
from napari_vaemed.data.volume import Volume
from napari_vaemed.plugin.work import examine

if TYPE_CHECKING:
    from napari_vaemed.io.finding_store import ImageKey, KeptFindings
    from napari_vaemed.workflow.examine import Marked

Lungs = NDArray[np.uint8] | None


@dataclass(frozen=True, eq=False)
class Looked:
    """What was kept of a CT, and under what; ``marked`` are its findings in their order."""

    key: ImageKey
    kept: KeptFindings
    marked: tuple[Marked, ...]


def look(volume: Volume) -> Work[Looked | None]:
    """Findings of an earlier sitting; None where there cannot be any.

    Only then are torch and the voxels left alone.
    """
    yield Progress("Looking for kept findings")
    from napari_vaemed.io.finding_store import image_key, may_hold, read_findings
    from napari_vaemed.io.user_data import user_data_folder

    folder = user_data_folder()
    if not may_hold(folder, volume):
        return None
    key = image_key(volume)
    kept = read_findings(folder, key)
    if not kept.findings:
        return Looked(key, kept, ())
    made = examine().Marked
    marked = tuple(made(f.voxel, f.mask, f.measurement, method=f.method) for f in kept.findings)
    return Looked(key, kept, marked)


def keep(
    volume: Volume,
    key: ImageKey | None,
    before: Sequence[KeptFinding],
    now: Sequence[KeptFinding],
) -> ImageKey:
    """Write what came and what went; gives what they are kept under."""
    from napari_vaemed.io.finding_store import image_key, keep_findings
    from napari_vaemed.io.user_data import user_data_folder

    key = key or image_key(volume)
    keep_findings(user_data_folder(), key, before, now)
    return key


def take_labels(volume: Volume, drawn: Volume, label: int | None, lungs: Lungs) -> Work[Any]:
    """Pieces of a label, or of all, as measured nodules."""
    yield Progress("Looking for pieces")
    examine()  # torch comes in by its one door
    from napari_vaemed.workflow.take import take_labels as take

    return (yield from take(volume, drawn, label, lungs))


def take_points(volume: Volume, voxels: Sequence[Any], lungs: Lungs) -> Work[Any]:
    """The nodules at places (z, y, x)."""
    yield Progress("Outlining")
    examine()
    from napari_vaemed.workflow.take import take_points as take

    return (yield from take(volume, voxels, lungs))


def take_caliper(volume: Volume, caliper: Caliper, lungs: Lungs) -> tuple[Marked, ...]:
    """A nodule as large as a caliper says."""
    examine()
    from napari_vaemed.workflow.take import take_caliper as take

    return (take(volume, caliper, lungs),)


def write_csv(
    path: Path, rows: Sequence[tuple[Mapping[str, Any], Measurement, ErrorBars | None, Any]]
) -> Path:
    """Save one line a finding: what it is called, its numbers, what is said of it, its model.

    Parameters
    ----------
    rows : list of (first columns, measurement, error bars, last columns)
    """
    examine()
    from napari_vaemed.io.reports import write_measurements_csv
    from napari_vaemed.workflow.measured import measured_values

    write_measurements_csv(
        path,
        [{**first, **measured_values(sizes, bars), **last} for first, sizes, bars, last in rows],
    )
    return path
