"""Train the click network on known nodules, phantoms and places that are no nodule."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_vaemed.data.intended_use import CARD_USE
from napari_vaemed.data.nodule_set import NoduleSet
from napari_vaemed.data.phantom_nodules import KINDS, NoduleSpec
from napari_vaemed.data.phantoms import Phantom, chest_phantom
from napari_vaemed.data.progress import Progress, Work
from napari_vaemed.data.run_settings import CLICK_RUN, RunSettings
from napari_vaemed.io.checkpoints import Model
from napari_vaemed.io.ct import read_ct
from napari_vaemed.io.nodules import read_nodule_set
from napari_vaemed.segmentation.candidates import round_spots
from napari_vaemed.segmentation.lungs import segment_lungs
from napari_vaemed.segmentation.nodules import NoNodule
from napari_vaemed.workflow.fitted import fitted, new_model, on_device, publish

if TYPE_CHECKING:
    from torch import nn

    from napari_vaemed.training.click_samples import ClickSamples, Looks
    from napari_vaemed.training.fit import Epoch

MODEL_FILE = "click_net.safetensors"
"""Name of the trained network in the output folder; its card is the same with .json."""

STATE_FILE = "click_training.safetensors"
"""Name of the checkpoint that a training can be resumed from."""

FIRST_PHANTOM = 5000
"""Seed of the first phantom; the benchmarks and tests use smaller ones."""

PLACES_A_PHANTOM, PLACES_A_SCAN, SPOTS_A_SCAN = 40, 1600, 300
SIZES_MM = ((4.5, 7.5, 11), (7.5, 14.0, 8), (14.0, 25.0, 4), (20.0, 32.0, 1))
"""Nodules of a phantom: smallest, largest, how many."""


def train_click(
    folder: Path,
    out: Path,
    *,
    scans: Sequence[Path] = (),
    phantoms: int = 60,
    views: int = 6,
    arguments: Mapping[str, Any] | None = None,
    run: RunSettings = CLICK_RUN,
) -> Generator[Progress | Epoch, None, Model]:
    """Train on four fifths of the patients of a folder of nodules and on phantoms.

    The other fifth is clicked at the end; how that went stands in the card.

    Parameters
    ----------
    folder : Path
        See `io.nodules.read_nodule_set`.
    scans : sequence of Path
        Whole scans to learn vessels, walls and organs from; what readers have annotated beside
        them is kept away from. They must have no other nodules.
    phantoms, views : int
        How many synthetic chests, and how many looks at each nodule.
    arguments : mapping or None
        For the network's constructor; default: its own defaults.
    run : RunSettings

    Raises
    ------
    ValueError
        If the device is unknown, or the checkpoint belongs to another training.
    """
    from napari_vaemed.models import SEGMENTERS
    from napari_vaemed.training.folds import inner_fold, patient_folds

    run = on_device(run)
    network = new_model(SEGMENTERS, "ClickNet", arguments or {}, run.seed)
    nodules = yield from read_nodule_set(folder)
    patients = [record.patient for record in nodules.records]
    learn, asked = next(patient_folds(patients))
    held_out = None
    if run.patience:
        learn, kept = inner_fold(patients, learn, seed=run.seed)
        held_out = yield from click_samples(
            nodules, kept, scans=(), phantoms=0, views=views, seed=run.seed
        )
    samples = yield from click_samples(
        nodules, learn, scans=scans, phantoms=phantoms, views=views, seed=run.seed
    )
    checkpoint = out / STATE_FILE
    network = yield from fitted(network, samples, checkpoint, run, held_out=held_out)
    figures = yield from held_out_figures(network, nodules, asked)
    flags = {"phantoms": phantoms, "views": views, **run.for_card()}
    card = {**model_card(nodules, len(learn), len(scans), flags), "figures": figures}
    return publish(out / MODEL_FILE, network, card, run, checkpoint)


def click_samples(
    nodules: NoduleSet,
    rows: NDArray[np.int_],
    *,
    scans: Sequence[Path],
    phantoms: int,
    views: int,
    seed: int,
) -> Work[ClickSamples]:
    """Cut every look there is to learn from; each known nodule counts twice."""
    from napari_vaemed.training.click_samples import (
        ClickSamples,
        Looks,
        crop_samples,
        phantom_samples,
    )

    rng = np.random.default_rng(seed)
    found, beside = yield from crop_samples(nodules, rows, views, rng)
    found, others = 2 * found, [beside]
    for path in scans:
        others += yield from _scan_looks(path, rng)
    for number in range(phantoms):
        yield Progress("Making phantoms", number, phantoms)
        phantom = drawn_phantom(FIRST_PHANTOM + number)
        planted, places = phantom_samples(phantom, views, PLACES_A_PHANTOM, rng)
        found += planted
        others.append(places)
    return ClickSamples.of(found, Looks.joined(others), seed)


def _scan_looks(path: Path, rng: np.random.Generator) -> Work[list[Looks]]:
    """Looks away from any annotation, at all slices and at every second one.

    The roundest spots are looked at as well: they are forks and sections of vessels.
    """
    from napari_vaemed.training.click_samples import APART_MM, other_looks, other_places

    volume = yield from read_ct(path)
    lungs = yield from segment_lungs(volume)
    nodules = _annotated(path, volume)
    looks = []
    for every in (1, 2):
        spacing = (every * volume.spacing[0], *volume.spacing[1:])
        thinned = replace(volume, hu=volume.hu[::every], spacing=spacing)
        avoid = nodules[::every]
        places = other_places(thinned, lungs[::every], PLACES_A_SCAN, rng, avoid=avoid)
        spots = yield from round_spots(thinned, lungs[::every], SPOTS_A_SCAN)
        found = [spot.voxel for spot in spots]
        apart = ndimage.distance_transform_edt(~avoid, sampling=spacing) if avoid.any() else None
        places["round spot"] = thinned.to_world(
            [v for v in found if apart is None or apart[tuple(np.rint(v).astype(int))] > APART_MM]
        )
        looks.append(other_looks(thinned, np.concatenate(list(places.values())), rng, hide=True))
    return looks


def _annotated(path: Path, volume: Any) -> NDArray[np.bool_]:
    from napari_vaemed.io.annotations import lidc_xml_beside
    from napari_vaemed.io.lidc import match_readers, reader_mask

    marked = np.zeros(volume.shape, bool)
    annotations = lidc_xml_beside(path, volume)
    for finding in match_readers(annotations, volume) if annotations else ():
        for reading in finding.readings:
            marked |= reader_mask(reading, volume)
    return marked


def drawn_phantom(seed: int) -> Phantom:
    """A phantom with 24 nodules of all kinds, its voxels, noise and disease drawn from a seed."""
    rng = np.random.default_rng(seed)
    thick = float(rng.choice([1.0, 1.0, 2.5, 2.5, 0.8, 1.5, 2.0, 3.0]))
    fine = float(rng.choice([0.9, 0.9, rng.uniform(0.6, 0.95)]))
    slices = int(min(200, rng.uniform(190, 400) / thick))
    across = int(rng.uniform(333, 378)) if fine > 0.85 else 384
    sizes = rng.permutation(np.concatenate([rng.uniform(*span) for span in SIZES_MM]))
    glass, dense, contrast = (rng.random(3) < (0.15, 0.1, 0.3)).tolist()
    kinds = list(rng.permutation(KINDS)) * 3
    specs = [NoduleSpec(str(kind), float(d)) for kind, d in zip(kinds, sizes, strict=True)]
    for most in (24, 16, 8, 4):
        try:
            return chest_phantom(
                shape=(slices, across, across),
                spacing=(thick, fine, fine),
                seed=seed,
                nodules=specs[:most],
                ground_glass=glass,
                consolidation=dense,
                contrast=contrast,
                noise_hu=float(rng.uniform(10, 32)),
            )
        except ValueError:  # no room for so many
            continue
    raise ValueError(f"Not even four nodules fit into the phantom of seed {seed}.")


def held_out_figures(
    network: nn.Module, nodules: NoduleSet, rows: NDArray[np.int_]
) -> Work[dict[str, Any]]:
    """Click nodules at their centre; Dice of the mask with what most readers marked."""
    from napari_vaemed.segmentation.learned_click import outline_nodule

    overlap = np.zeros(len(rows))
    refused = 0
    for done, row in enumerate(rows):
        volume, truth = nodules.volumes[row], nodules.majorities[row]
        if done % 10 == 0:
            yield Progress("Clicking nodules held out", done, len(rows))
        try:
            voxel = volume.to_voxel(nodules.records[row].centre_mm)
            mask = outline_nodule(network, volume, voxel).full(volume.shape)
        except NoNodule:
            refused += 1
            continue
        overlap[done] = 2 * (mask & truth).sum() / (mask.sum() + truth.sum())
    return {
        "nodules held out": len(rows),
        "Dice median": round(float(np.median(overlap)), 4),
        "Dice 10th percentile": round(float(np.percentile(overlap, 10)), 4),
        "Dice below 0.3": round(float((overlap < 0.3).mean()), 4),
        "refused": round(refused / len(rows), 4),
    }


def model_card(
    nodules: NoduleSet, learned: int, scans: int, training: Mapping[str, Any]
) -> dict[str, Any]:
    """What a person must know of the network, without the figures."""
    return {
        "what": "From a click in a chest CT to the mask of the nodule there, or to none.",
        "use": CARD_USE,
        "data": nodules.source,
        "licence": "Weights derive from LIDC-IDRI, CC BY 3.0: name the source.",
        "split": (
            f"{learned} of {len(nodules)} nodules were learned from; the others, of other patients "
            "(one fold in five, LIDC-IDRI-0029 and -0138 as one), give the figures. The target is "
            "what at least half of the readers marked."
        ),
        "other places": f"Vessels, walls, bones and organs beside them, in {scans} whole scans "
        "away from every annotation, and in phantoms.",
        "phantoms": f"Seeds {FIRST_PHANTOM} and up, nodules of all kinds, 4.5 to 32 mm.",
        "training": dict(training),
    }
