"""What a slice classifier says of a CT: slice by slice, of the whole, and where it looks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.progress import Progress, Work
from napari_vaemed.data.slice_scores import SliceScores, SubjectAnswer
from napari_vaemed.data.slice_set import COVID
from napari_vaemed.data.volume import Volume
from napari_vaemed.decision.lungs_shown import lung_areas, missing_lungs
from napari_vaemed.decision.subject import subject_answer
from napari_vaemed.io.checkpoints import Model, read_model
from napari_vaemed.io.weights import shipped_slice_model_path
from napari_vaemed.preprocessing.slice_picture import PictureFrame, picture_of_slice
from napari_vaemed.workflow.score_slices import score_pictures

if TYPE_CHECKING:
    from napari_vaemed.models.protocols import SliceClassifier

MIN_LUNG_CM2 = 30.0
"""Lung that a slice must show to be scored, both sides together."""


@dataclass(frozen=True, eq=False)
class Classified:
    """What a model says of a CT.

    Parameters
    ----------
    scores : SliceScores
    subject : SubjectAnswer
    model, sha256 : str
        Its class, and the checksum of its weights.
    card : mapping
        What it was trained on, how well it does, and what it is not for.
    seconds : float
    """

    scores: SliceScores
    subject: SubjectAnswer
    model: str
    sha256: str
    card: Mapping[str, Any]
    seconds: float


def load_slice_model(device: str = "auto", path: Path | None = None) -> Model:
    """Read a slice classifier; the shipped one, by default, is read once per device.

    Raises
    ------
    ValueError
        If the model is of another kind.
    """
    return _shipped(device) if path is None else _read(path, device)


def classify(
    volume: Volume, lungs: NDArray[np.integer] | None, model: Model, *, batch: int = 16
) -> Work[Classified]:
    """Score the slices of a CT that show at least `MIN_LUNG_CM2` of lung; answer for the whole.

    Parameters
    ----------
    lungs : (z, y, x) labels or None
        As `segmentation.lungs.segment_lungs` gives them; None when there are none: then nothing
        is scored.
    batch : int
        Slices run through the network at once; more need more memory and change nothing else.
    """
    start = perf_counter()
    if batch < 1:
        raise ValueError(f"The batch must be at least 1 slice; got {batch}.")
    if lungs is None:
        lungs = np.zeros(volume.shape, np.uint8)
    areas = lung_areas(lungs, volume.spacing)
    indices = np.flatnonzero(areas >= MIN_LUNG_CM2)
    covid, unlike = np.empty((2, len(indices)), np.float32)
    for first in range(0, len(indices), batch):
        yield Progress("Scoring slices", first, len(indices))
        rows = slice(first, first + batch)
        pictures = np.stack([_picture(volume, lungs, model, i)[0] for i in indices[rows]])
        covid[rows], unlike[rows] = _score(model, pictures)
    yield Progress("Looking at the whole scan", len(indices), len(indices))
    scores = SliceScores(indices, covid, unlike)
    subject = subject_answer(scores, areas[indices], missing_lungs(volume, lungs), model.card)
    taken = perf_counter() - start
    return Classified(scores, subject, model.name, model.sha256, model.card, taken)


def explain_slice(
    volume: Volume, lungs: NDArray[np.integer] | None, model: Model, index: int
) -> NDArray[np.float32]:
    """Grad-CAM of a slice on its own grid.

    Grad-CAM makes the strongest spot of every picture equally strong, also where the model sees
    nothing; here it is as strong as the slice's probability of COVID-19.

    Returns
    -------
    (y, x) float32 in [0, 1]
        0 outside the part of the slice that the model sees.
    """
    import torch

    from napari_vaemed.explanation.gradcam import grad_cam

    if not 0 <= index < volume.shape[0]:
        raise ValueError(f"The scan has slices 0 to {volume.shape[0] - 1}; got {index}.")
    picture, frame = _picture(volume, lungs, model, index)
    probability = float(_score(model, picture[None])[0][0])
    seen = torch.from_numpy(picture)[None, None].to(model.device).float() / 255.0
    cam = grad_cam(cast("SliceClassifier", model.module), seen)[0].cpu().numpy()
    return np.clip(probability * frame.on_slice(cam), 0.0, 1.0)


def slice_values(said: Classified) -> list[dict[str, Any]]:
    """Scored slices as JSON-able values, by rising index."""
    return [
        {"index": int(index), "covid_probability": round(float(covid), 6)}
        for index, covid in zip(said.scores.indices, said.scores.covid, strict=True)
    ]


def slice_rows(said: Classified, volume: Volume) -> list[dict[str, Any]]:
    """Scored slices as lines of a table: where each lies, its score, and who says so."""
    scores = said.scores
    return [
        {
            "slice": int(index),
            "z_mm": round(volume.slice_mm(int(index)), 2),
            "covid_probability": round(float(covid), 4),
            "unlike": round(float(unlike), 3),
            "model": said.model,
            "sha256": said.sha256,
        }
        for index, covid, unlike in zip(scores.indices, scores.covid, scores.unlike, strict=True)
    ]


def subject_values(said: Classified) -> dict[str, Any]:
    """The answer for the whole scan as JSON-able values."""
    value = said.subject.covid_probability
    return {
        "covid_probability": None if value is None else round(value, 6),
        "reason": said.subject.reason,
    }


@lru_cache(maxsize=2)
def _shipped(device: str) -> Model:
    return _read(shipped_slice_model_path(), device)


def _read(path: Path, device: str) -> Model:
    from napari_vaemed.models.protocols import SliceClassifier

    model = read_model(path, device)
    if not isinstance(model.module, SliceClassifier):
        raise ValueError(
            f"{path.name} holds a {model.name}, which does not score slices. Give a model made by "
            "`vaemed train-slices`."
        )
    finding = model.card.get("finding", COVID)
    if finding != COVID:
        raise ValueError(f"{path.name} tells {finding} from other; wanted is a model of {COVID}.")
    return model


def _score(
    model: Model, pictures: NDArray[np.uint8]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    import torch

    # TensorFloat-32 would move a score by up to a thousandth from one device to another
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        return score_pictures(model, pictures)


def _picture(
    volume: Volume, lungs: NDArray[np.integer] | None, model: Model, index: int
) -> tuple[NDArray[np.uint8], PictureFrame]:
    module = cast("SliceClassifier", model.module)
    return picture_of_slice(
        volume.hu[index],
        volume.spacing[1:],
        None if lungs is None else lungs[index],
        size=module.size,
        lungs_only=module.lungs_only,
    )
