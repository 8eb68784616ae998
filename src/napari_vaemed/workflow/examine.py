"""The main job, step by step: mark a nodule, then say what it is like.

The window, the command line and the demo call these functions; none of them sequences
the steps itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_vaemed.data.finding import Measurement, NoduleMask
from napari_vaemed.data.index import NoduleIndex
from napari_vaemed.data.posterior import AnyPosterior
from napari_vaemed.data.volume import Volume
from napari_vaemed.data.vote_calibration import VoteCalibration
from napari_vaemed.explanation import traversal
from napari_vaemed.explanation.traversal import LatentAxis, latent_axes
from napari_vaemed.io.checkpoints import Model
from napari_vaemed.io.indexes import read_index
from napari_vaemed.io.vote_calibration import calibration_beside
from napari_vaemed.io.weights import model_files
from napari_vaemed.retrieval.neighbours import Neighbour, nearest
from napari_vaemed.segmentation.measure import measure_nodule
from napari_vaemed.segmentation.refine import Belief, Hints, refine
from napari_vaemed.workflow import encode
from napari_vaemed.workflow.click import METHODS, belief, model_of, outline_and_belief


@dataclass(frozen=True, eq=False)
class Marked:
    """A clicked nodule: where the click was, (z, y, x), the mask and its measurements.

    ``method`` is the one of `workflow.click.METHODS` that outlined it, None after a hand;
    ``hints`` have corrected it since, by its ``belief``, what the network said around it.
    """

    voxel: tuple[float, float, float]
    mask: NoduleMask
    measurement: Measurement
    seconds: float | None = None
    method: str | None = None
    hints: Hints | None = None
    belief: Belief | None = None

    @property
    def model(self) -> Model | None:
        """What outlined it; None after thresholds or a hand."""
        return None if self.method is None else model_of(self.method)


@dataclass(frozen=True, eq=False)
class Expert:
    """What answers "what is it like?": a model, an index made with it, and its latent axes.

    ``calibration`` says what the votes of its index are worth; None where that was not measured.
    """

    model: Model
    index: NoduleIndex
    axes: tuple[LatentAxis, ...]
    calibration: VoteCalibration | None = None


@dataclass(frozen=True, eq=False)
class Described:
    """What the model says of a marked nodule.

    Parameters
    ----------
    posterior : Posterior or DirichletPosterior of shape (d,)
    neighbours : tuple of Neighbour
        The nearest known nodules, nearest first.
    reconstruction : (32, 32, 32) int16
        The decoded posterior mean in HU at 1 mm.
    pictures : tuple of (32, 32, 32) int16
        The decoded neighbours, in their order.
    seconds : mapping
        What "encode" and "neighbours" took.
    """

    posterior: AnyPosterior
    neighbours: tuple[Neighbour, ...]
    reconstruction: NDArray[np.int16]
    pictures: tuple[NDArray[np.int16], ...]
    seconds: Mapping[str, float]


def load_expert(
    device: str = "auto", model_path: Path | None = None, index_path: Path | None = None
) -> Expert:
    """Read a model and its index, see `io.weights.model_files`.

    Raises
    ------
    ValueError
        If the model is not one of nodules, or the index was made with another.
    """
    model_path, index_path = model_files(model_path, index_path)
    model = encode.read_nodule_model(model_path, device)
    index = read_index(index_path)
    if index.model_sha256 != model.sha256:
        raise ValueError(
            f"The index was made with model {index.model_sha256[:12]}…, but the model loaded is "
            f"{model.sha256[:12]}…. Give the index that goes with the model, or build it with "
            "`vaemed index`."
        )
    calibration = calibration_beside(index_path, model.sha256)
    axes = latent_axes(index, getattr(model.module, "class_chances", None))
    return Expert(model, index, axes, calibration)


@lru_cache(maxsize=2)
def shipped_expert(device: str = "auto") -> Expert:
    """The expert that ships with the package, read once per device."""
    return load_expert(device)


def mark(
    volume: Volume,
    voxel: ArrayLike,
    lungs: NDArray[np.uint8] | None = None,
    *,
    method: str = METHODS[0],
) -> Marked:
    """Outline and measure the nodule at a click (z, y, x).

    Parameters
    ----------
    method : str
        One of `workflow.click.METHODS`.

    Raises
    ------
    napari_vaemed.segmentation.nodules.NoNodule
        With the reason, when there is no nodule at that place.
    """
    start = perf_counter()
    z, y, x = (float(v) for v in np.asarray(voxel, float))
    mask, believed = outline_and_belief(volume, (z, y, x), lungs, method=method)
    measurement = measure_nodule(volume, mask, lungs, refined=True)
    seconds = perf_counter() - start
    return Marked((z, y, x), mask, measurement, seconds, method, belief=believed)


def amend(
    volume: Volume, marked: Marked, hints: Hints, lungs: NDArray[np.uint8] | None = None
) -> Marked:
    """Correct a marked nodule by further hints, and measure it anew.

    Earlier hints hold on; an earlier box has had its effect.

    Raises
    ------
    ValueError
        When nothing is left of it, or a hint lies outside the volume.
    """
    start = perf_counter()
    said = hints if marked.hints is None else marked.hints.then(hints)
    believed = marked.belief or belief(volume, marked.mask)
    mask = refine(volume, marked.mask, replace(said, box=hints.box), believed)
    measurement = measure_nodule(volume, mask, lungs, refined=True)
    seconds = perf_counter() - start
    return Marked(marked.voxel, mask, measurement, seconds, marked.method, said, believed)


def describe(expert: Expert, volume: Volume, marked: Marked, k: int = 10) -> Described:
    """Encode a marked nodule, find its nearest known nodules and decode them for show."""
    start = perf_counter()
    posterior = encode.encode_nodule(expert.model, volume, marked.mask, marked.voxel)
    encoded = perf_counter()
    near = nearest(
        expert.index,
        posterior,
        k=k,
        patient=volume.patient,
        series_uid=volume.series_uid,
        model_sha256=expert.model.sha256,
    )
    seconds = {"encode": encoded - start, "neighbours": perf_counter() - encoded}
    means = expert.index.posterior.mean[[neighbour.row for neighbour in near]]
    decoded = decode(expert, np.vstack([posterior.mean[None], means]))
    return Described(posterior, near, decoded[0], tuple(decoded[1:]), seconds)


def decode(expert: Expert, latents: NDArray[np.float32]) -> NDArray[np.int16]:
    """Nodules in HU (n, 32, 32, 32) at 1 mm, decoded from latents (n, d)."""
    return encode.decode(expert.model, latents)


def traverse(
    expert: Expert, mean: NDArray[np.float32], axis: LatentAxis, steps: int = 11
) -> NDArray[np.int16]:
    """Decoded nodules (steps, 32, 32, 32) in HU along one latent, the others held at ``mean``."""
    return decode(expert, traversal.traverse(mean, axis, steps))
