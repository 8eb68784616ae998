"""Train the lung network on masks the user has, on scans without one, and on phantoms."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.intended_use import CARD_USE
from napari_vaemed.data.labels import AIRWAYS, LEFT_LUNG, RIGHT_LUNG, in_lungs
from napari_vaemed.data.progress import Progress, Work
from napari_vaemed.data.run_settings import LUNG_RUN, RunSettings
from napari_vaemed.data.volume import Volume
from napari_vaemed.io.checkpoints import Model
from napari_vaemed.io.ct import read_ct
from napari_vaemed.io.mask_pairs import MaskPair, find_mask_pairs
from napari_vaemed.io.volumes import read_labels, same_grid
from napari_vaemed.preprocessing.lung_planes import lung_label_planes, lung_planes, plane_spacing
from napari_vaemed.preprocessing.placement import Labels, labels_on
from napari_vaemed.segmentation.lungs import NoLungs, segment_lungs
from napari_vaemed.segmentation.sides import right_and_left
from napari_vaemed.workflow.fitted import fitted, new_model, on_device, publish

if TYPE_CHECKING:
    from torch import nn

    from napari_vaemed.training.fit import Epoch
    from napari_vaemed.training.lung_samples import LungSamples

MODEL_FILE = "lung_net.safetensors"
"""Name of the trained network in the output folder; its card is the same with .json."""

STATE_FILE = "lung_training.safetensors"
"""Name of the checkpoint that a training can be resumed from."""

FIRST_PHANTOM, FIRST_HELD_OUT, HELD_OUT_PHANTOMS = 9000, 8900, 3
"""Seeds of the phantoms learned from, and of those behind the card's figures; the benchmarks
and tests use smaller ones."""

HELD_OUT_SHARE = 5
"""One pair of so many is kept back."""

Planes = tuple[NDArray[np.float32], NDArray[np.uint8], tuple[float, float, float]]
"""HU and labels on the network's grid, and its spacing in mm."""


def train_lungs(
    out: Path,
    *,
    folder: Path | None = None,
    scans: Sequence[Path] = (),
    phantoms: int = 12,
    pasted: int = 9,
    source: str = "",
    arguments: Mapping[str, Any] | None = None,
    run: RunSettings = LUNG_RUN,
    figures: bool = True,
) -> Generator[Progress | Epoch, None, Model]:
    """Train, every scan also with dense lung painted in; write the network with its card.

    One pair in five is kept back, and a few phantoms with kinds of dense lung that were not
    taught; how well those are found stands in the card.

    Parameters
    ----------
    folder : Path or None
        CTs with lung masks; see `io.mask_pairs`. Masks may tell right, left and airways as
        `data.labels` does, or only lung.
    scans : sequence of Path
        CTs without a mask, of lungs that hold air: thresholds give the truth.
    phantoms : int
        How many synthetic chests.
    pasted : int
        How many times each scan counts with dense lung painted in; a phantom a third as often.
    source : str
        What folder and scans are, for the card.
    arguments : mapping or None
        For the network's constructor; default: its own defaults.
    run : RunSettings
    figures : bool
        Whether to find the lungs that were kept back.

    Raises
    ------
    ValueError
        If there is nothing to learn from or to hold out, the device is unknown, a mask holds
        other labels, or the checkpoint belongs to another training.
    """
    from napari_vaemed.models import LUNG_SEGMENTERS

    if folder is None and not scans and not phantoms:
        raise ValueError("There is nothing to learn from. Give masks, scans or phantoms.")
    run = on_device(run)
    network = new_model(LUNG_SEGMENTERS, "LungNet", arguments or {}, run.seed)
    pairs = () if folder is None else find_mask_pairs(folder).pairs
    learn, asked = _split(pairs)
    held_out = None
    if run.patience:
        learn, kept = _split(learn)
        if not kept:
            raise ValueError(
                f"Patience needs CTs with masks to hold out: {HELD_OUT_SHARE} besides those for "
                f"the figures, at least; got {len(learn)}. Give more, or no patience."
            )
        held_out = yield from lung_samples(kept, scans=(), phantoms=0, pasted=0, seed=run.seed)
    samples = yield from lung_samples(
        learn, scans=scans, phantoms=phantoms, pasted=pasted, seed=run.seed
    )
    checkpoint = out / STATE_FILE
    network = yield from fitted(network, samples, checkpoint, run, held_out=held_out)
    counts = {"masks": len(learn), "scans": len(scans), "phantoms": phantoms}
    counts |= {"pasted": pasted, "planes": len(samples)}
    card = model_card(source, counts, run.for_card())
    if figures:
        card["figures"] = yield from held_out_figures(network, asked)
    return publish(out / MODEL_FILE, network, card, run, checkpoint)


def lung_samples(
    pairs: Sequence[MaskPair],
    *,
    scans: Sequence[Path],
    phantoms: int,
    pasted: int,
    seed: int,
) -> Work[LungSamples]:
    """Read every scan, make the phantoms, and paint dense lung into them."""
    from napari_vaemed.training.lung_samples import LungSamples, phantom_samples, taught

    rng = np.random.default_rng(seed)
    parts = []
    for number, pair in enumerate(pairs):
        yield Progress("Reading masks", number, len(pairs))
        planes = yield from read_pair(pair)
        parts.append(taught(*planes, rng, pasted=pasted))
    for path in scans:
        volume = yield from read_ct(path)
        labels = yield from segment_lungs(volume)
        yield Progress("Painting dense lung")
        parts.append(taught(*_on_planes(volume, labels), rng, pasted=pasted))
    parts += yield from phantom_samples(FIRST_PHANTOM, phantoms, rng, pasted=pasted // 3)
    return LungSamples.joined(parts)


def read_pair(pair: MaskPair) -> Work[Planes]:
    """A CT and its lung mask on the network's grid.

    A mask that tells only lung is divided into right and left; where a mask has no airways, it
    is not known (`models.segmenters.lung_net.UNKNOWN`) whether they belong outside.

    Raises
    ------
    ValueError
        If the mask holds labels other than 1 right, 2 left and 3 airways, or one for both lungs.
    """
    volume = yield from read_ct(pair.image)
    mask = read_labels(pair.mask)
    placed = mask.hu if same_grid(mask, volume) else labels_on(mask.hu, mask, volume)
    labels = _checked(placed, pair.mask.name)
    hu, truth, spacing = _on_planes(volume, labels)
    if not (labels == LEFT_LUNG).any():
        truth = _with_sides(truth, hu, spacing)
    if not (labels == AIRWAYS).any():
        try:
            found = yield from segment_lungs(volume)
        except NoLungs:
            return hu, truth, spacing
        from napari_vaemed.models.segmenters.lung_net import UNKNOWN

        airways = lung_label_planes(found, volume.spacing) == AIRWAYS
        truth[airways & (truth == 0)] = UNKNOWN
    return hu, truth, spacing


def held_out_figures(network: nn.Module, pairs: Sequence[MaskPair]) -> Work[dict[str, Any]]:
    """Dice of both lungs with the masks kept back, and with phantoms' dense lung of new kinds."""
    from napari_vaemed.training.lung_pathology import UNSEEN_KINDS, paste
    from napari_vaemed.training.lung_samples import drawn_phantom

    figures: dict[str, Any] = {}
    scores = []
    for pair in pairs:
        planes = yield from read_pair(pair)
        scores.append((yield from _dice(network, planes)))
    if scores:
        figures["masks held out"] = len(scores)
        figures["Dice of masks held out"] = round(float(np.mean(scores)), 4)
    kinds: dict[str, list[float]] = {"healthy": []}
    for seed in range(FIRST_HELD_OUT, FIRST_HELD_OUT + HELD_OUT_PHANTOMS):
        phantom = drawn_phantom(seed)
        spacing = phantom.volume.spacing
        hu = lung_planes(phantom.volume.hu, spacing)
        kinds["healthy"].append((yield from _dice(network, (hu, phantom.lungs, spacing))))
        for kind in UNSEEN_KINDS:
            dense = paste(hu, phantom.lungs, spacing, (kind,), np.random.default_rng(seed))
            score = yield from _dice(network, (dense, phantom.lungs, spacing))
            kinds.setdefault(kind.__name__.replace("_", " "), []).append(score)
    figures["phantoms held out"] = HELD_OUT_PHANTOMS
    figures["Dice of phantoms"] = {k: round(float(np.mean(v)), 4) for k, v in kinds.items()}
    return figures


def model_card(
    source: str, counts: Mapping[str, int], training: Mapping[str, Any]
) -> dict[str, Any]:
    """What a person must know of the network, without the figures."""
    from napari_vaemed.training.lung_pathology import LEARNED_KINDS, UNSEEN_KINDS

    def named(kinds: Sequence[Any]) -> str:
        return ", ".join(kind.__name__.replace("_", " ") for kind in kinds)

    return {
        "what": "Right lung, left lung and airways in a chest CT, dense lung included.",
        "use": CARD_USE,
        "data": source or "Synthetic chests, and scans of the user's.",
        "counts": dict(counts),
        "truth": "Masks as they were given; in scans without one what thresholds found, and "
        "painted into it, inside the true lung, dense lung that thresholds lose.",
        "painted": named(LEARNED_KINDS),
        "not taught": f"{named(UNSEEN_KINDS)}: the figures show how these are found; and the "
        "phantoms' own disease.",
        "phantoms": f"Seeds {FIRST_PHANTOM} and up; the figures' {FIRST_HELD_OUT} and up.",
        "training": dict(training),
    }


def _split(pairs: Sequence[MaskPair]) -> tuple[list[MaskPair], list[MaskPair]]:
    """Those to learn from, and each fifth, which is kept back."""
    kept = list(pairs[HELD_OUT_SHARE - 1 :: HELD_OUT_SHARE])
    return [pair for pair in pairs if pair not in kept], kept


def _on_planes(volume: Volume, labels: NDArray[np.uint8]) -> Planes:
    return (
        lung_planes(volume.hu, volume.spacing),
        lung_label_planes(labels, volume.spacing),
        plane_spacing(volume.shape, volume.spacing),
    )


def _checked(labels: Labels, name: str) -> NDArray[np.uint8]:
    """Labels 1 right, 2 left, 3 airways; a single other value, as 255, becomes 1."""
    values = [int(value) for value in np.unique(labels) if value]
    if len(values) == 1 and values[0] not in (LEFT_LUNG, AIRWAYS):
        return (labels != 0).astype(np.uint8)
    if not {RIGHT_LUNG, LEFT_LUNG} <= set(values) <= {RIGHT_LUNG, LEFT_LUNG, AIRWAYS}:
        raise ValueError(
            f"{name} holds the labels {values}. A lung mask to learn from has 1 in the right lung, "
            "2 in the left and, where marked, 3 in the airways, or one label in both lungs."
        )
    return labels.astype(np.uint8)


def _with_sides(
    lung: NDArray[np.uint8], hu: NDArray[np.float32], spacing: tuple[float, float, float]
) -> NDArray[np.uint8]:
    from scipy import ndimage

    pieces = ndimage.label(in_lungs(lung))[0].astype(np.int32)
    right, left = right_and_left(pieces, hu.astype(np.int16), spacing)
    return np.where(right, RIGHT_LUNG, np.where(left, LEFT_LUNG, 0)).astype(np.uint8)


def _dice(network: nn.Module, planes: Planes) -> Work[float]:
    from napari_vaemed.segmentation.learned_lungs import find_lungs_by_network

    hu, truth, spacing = planes
    volume = Volume(np.rint(hu).astype(np.int16), spacing)
    found = in_lungs((yield from find_lungs_by_network(network, volume)))
    known = in_lungs(truth)
    return float(2 * (found & known).sum() / max(found.sum() + known.sum(), 1))
