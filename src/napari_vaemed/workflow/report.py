"""From a path to a report: open, lungs, CLAHE, slices; click, posterior, nearest nodules."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.finding import ErrorBars
from napari_vaemed.data.guideline import Context
from napari_vaemed.data.intended_use import NOT_A_DEVICE
from napari_vaemed.data.progress import Progress, Work
from napari_vaemed.data.volume import Volume
from napari_vaemed.decision.follow_up import follow_up
from napari_vaemed.io.annotations import annotations_beside
from napari_vaemed.io.checkpoints import Model
from napari_vaemed.io.ct import read_ct
from napari_vaemed.preprocessing.clahe import clahe
from napari_vaemed.retrieval.neighbours import Neighbour
from napari_vaemed.segmentation.lungs import NoLungs, lung_ml, segment_lungs
from napari_vaemed.segmentation.nodules import NoNodule
from napari_vaemed.workflow.classify import Classified, classify, slice_values, subject_values
from napari_vaemed.workflow.examine import (
    Described,
    Expert,
    Marked,
    describe,
    mark,
    shipped_expert,
)
from napari_vaemed.workflow.measured import error_bars, guidance_values, measured_values
from napari_vaemed.workflow.suggest import suggest

STEPS = ("read", "lungs", "clahe", "nodule", "error_bars", "encode", "neighbours", "classify")


@dataclass(eq=False)
class Examination:
    """What has been found of one CT so far; what was not asked for is None."""

    volume: Volume
    lungs: NDArray[np.uint8] | None = None
    enhanced: NDArray[np.int16] | None = None
    marked: Marked | None = None
    bars: ErrorBars | None = None
    context: Context = field(default_factory=Context)
    described: Described | None = None
    expert: Expert | None = None
    classified: Classified | None = None
    reasons: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, step: str) -> Generator[None]:
        """Note the wall time of one step."""
        start = time.perf_counter()
        yield
        self.seconds[step] = time.perf_counter() - start


def voxel_at(volume: Volume, world: tuple[float, float, float]) -> tuple[float, float, float]:
    """Voxel (z, y, x) of a patient position (x, y, z) in LPS mm.

    Raises
    ------
    ValueError
        When it lies outside the scan; the message says what the scan covers.
    """
    voxel = volume.to_voxel(world)
    if not volume.contains(voxel):
        corners = np.array(
            [volume.to_world((z, y, x)) for z in (0, volume.shape[0] - 1)
             for y in (0, volume.shape[1] - 1) for x in (0, volume.shape[2] - 1)]
        )  # fmt: skip
        covers = ", ".join(
            f"{name} {low:.0f} to {high:.0f}"
            for name, low, high in zip("xyz", corners.min(0), corners.max(0), strict=True)
        )
        raise ValueError(
            f"The point {tuple(round(float(v), 1) for v in world)} lies outside this scan, which "
            f"covers {covers} mm (patient coordinates, LPS). Give a point inside it."
        )
    z, y, x = (float(v) for v in voxel)
    return z, y, x


def where_to_click(
    path: Path | None, volume: Volume, lungs: NDArray[np.uint8]
) -> Work[tuple[float, float, float] | None]:
    """First annotation beside a scan, else the surest suggestion, as a voxel (z, y, x)."""
    for centre in annotations_beside(path, volume) if path else ():
        voxel = volume.to_voxel(centre)
        if volume.contains(voxel):
            z, y, x = (float(v) for v in voxel)
            return z, y, x
    found = yield from suggest(volume, lungs)
    return found[0].voxel if found else None


def prepare(found: Examination, *, enhance: bool) -> Work[None]:
    """Fill in lungs and, when asked, the CLAHE view."""
    with found.timed("lungs"):
        try:
            found.lungs = yield from segment_lungs(found.volume)
        except NoLungs as reason:
            found.reasons.append(str(reason))
    if enhance:
        with found.timed("clahe"):
            found.enhanced = yield from clahe(found.volume)


def examine(
    path: Path,
    *,
    world: tuple[float, float, float] | None = None,
    voxel: tuple[float, float, float] | None = None,
    k: int = 10,
    device: str = "auto",
    expert: Expert | None = None,
    enhance: bool = False,
    context: Context | None = None,
) -> Work[Examination]:
    """The main job on one CT, without a window.

    Parameters
    ----------
    path : Path
        A DICOM folder or a volume file.
    world : (x, y, z), optional
        Where to click, in patient LPS mm.
    voxel : (z, y, x), optional
        Where to click, as an index into the volume as read (axes towards head, back and left).
    k : int
        Number of neighbours.
    enhance : bool
        Whether to make the CLAHE view as well.
    context : Context, optional
        What guidelines ask beyond the picture.
    """
    yield Progress(f"Reading {path.name}")
    start = time.perf_counter()
    volume = yield from read_ct(path)
    found = Examination(
        volume, seconds={"read": time.perf_counter() - start}, context=context or Context()
    )
    if world is not None:
        voxel = voxel_at(volume, world)
    elif voxel is not None and not volume.contains(voxel):
        raise ValueError(f"Voxel {voxel} (z, y, x) lies outside this scan of shape {volume.shape}.")
    yield from prepare(found, enhance=enhance)
    if voxel is None and found.lungs is not None:
        voxel = yield from where_to_click(path, volume, found.lungs)
    if voxel is None:
        found.reasons.append("No nodule-like spot was found inside the lungs.")
        return found
    yield Progress("Marking the nodule")
    yield from answer(found, voxel, k=k, expert=expert or shipped_expert(device))
    return found


def examine_slices(path: Path, model: Model, *, batch: int = 16) -> Work[Examination]:
    """Open a CT, find its lungs and score its slices; ``batch`` as in `classify.classify`."""
    yield Progress(f"Reading {path.name}")
    start = time.perf_counter()
    volume = yield from read_ct(path)
    found = Examination(volume, seconds={"read": time.perf_counter() - start})
    yield from prepare(found, enhance=False)
    found.classified = yield from classify(volume, found.lungs, model, batch=batch)
    return found


def answer(
    found: Examination, voxel: tuple[float, float, float], *, k: int, expert: Expert
) -> Work[None]:
    """Fill in what a click at a voxel (z, y, x) gives."""
    found.expert = expert
    try:
        found.marked = mark(found.volume, voxel, found.lungs)
    except NoNodule as reason:
        found.reasons.append(str(reason))
        return
    with found.timed("error_bars"):
        found.bars = yield from error_bars(found.volume, found.marked, found.lungs)
    yield Progress("Comparing it with known nodules")
    found.described = describe(expert, found.volume, found.marked, k)


def report(found: Examination) -> dict[str, Any]:
    """The examination as JSON-able values; keys that do not apply are None."""
    volume, lungs, marked, described, classified = (
        found.volume, found.lungs, found.marked, found.described, found.classified,
    )  # fmt: skip
    sizes = None if lungs is None else lung_ml(lungs, volume.spacing)
    return {
        "description": volume.description,
        "shape": list(volume.shape),
        "spacing_mm": [round(s, 6) for s in volume.spacing],
        "hu_range": list(volume.measured_range()),
        "lung_ml": None if sizes is None else {side: round(ml, 1) for side, ml in sizes.items()},
        "nodule": None if marked is None else measured_values(marked.measurement, found.bars),
        "follow_up": None if marked is None else guidance_values(
            follow_up(marked.measurement, found.bars, found.context)),
        "neighbours": described and [near_values(n) for n in described.neighbours],
        "slices": None if classified is None else slice_values(classified),
        "subject": None if classified is None else subject_values(classified),
        "seconds": _seconds(found),
        "models": _models(found) or None,
        "notes": list(volume.notes),
        "reasons": found.reasons,
        "warning": NOT_A_DEVICE,
    }  # fmt: skip


def _seconds(found: Examination) -> dict[str, float | None]:
    taken: dict[str, float | None] = dict(found.seconds)
    if found.marked is not None:
        taken["nodule"] = found.marked.seconds
    if found.described is not None:
        taken.update(found.described.seconds)
    if found.classified is not None:
        taken["classify"] = found.classified.seconds
    return {step: None if (s := taken.get(step)) is None else round(s, 4) for step in STEPS}


def _models(found: Examination) -> list[dict[str, str]]:
    used = []
    if found.marked is not None and found.marked.model is not None:
        used.append((found.marked.model.name, found.marked.model.sha256))
    if found.expert is not None:
        used.append((found.expert.model.name, found.expert.model.sha256))
    if found.classified is not None:
        used.append((found.classified.model, found.classified.sha256))
    return [{"name": name, "sha256": sha256} for name, sha256 in used]


def near_values(neighbour: Neighbour) -> dict[str, Any]:
    """One neighbour as JSON-able values."""
    return {
        "id": neighbour.record.id,
        "patient": neighbour.record.patient,
        "same_patient": neighbour.same_patient,
        "malignancy": neighbour.record.malignancy,
        "distance": round(neighbour.distance, 4),
    }
