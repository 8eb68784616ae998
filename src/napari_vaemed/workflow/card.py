"""What a person must know of a nodule model: its card, made anew from its weights and a bench."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_vaemed.data.bench import BenchRow
from napari_vaemed.data.intended_use import CARD_USE
from napari_vaemed.data.interval import Interval
from napari_vaemed.io.bench_report import read_bench
from napari_vaemed.io.bench_results import read_kept_codes
from napari_vaemed.io.checkpoints import Model, constructor_arguments, read_model, write_card
from napari_vaemed.io.nodules import LIDC_SOURCE
from napari_vaemed.workflow.bench_codes import FLOORS
from napari_vaemed.workflow.bench_votes import JOINED, JOINED_LOGISTIC, NEIGHBOURS, K

USUAL = ("2-Wasserstein", "Hellinger", "Euclidean")
"""Distance that a model's figures are told by: the first of these that it was judged by."""

USUAL_MODEL = "GaussianVAE"
"""What ``vaemed train`` trains unless it is told otherwise."""

LATENT = "latent"
"""What the model's own code is called among the figures."""


@dataclass(frozen=True)
class Made:
    """What a model is: its class, the arguments that differ from its defaults, slices it reads."""

    model: str
    arguments: Mapping[str, Any]
    slices: int


def model_card(
    made: Made, source: str, nodules: int, patients: int, training: Mapping[str, Any]
) -> dict[str, Any]:
    """The words of a card, without the figures.

    Parameters
    ----------
    source : str
        Of the nodules, with its citation.
    nodules, patients : int
        That the weights saw.
    training : mapping
        What the weights depend on, as `data.run_settings.RunSettings.for_card` tells it.
    """
    lidc, slices = source == LIDC_SOURCE, made.slices
    flags = [f"--model {made.model}"] if made.model != USUAL_MODEL else []
    flags += [f"--set {name}={value}" for name, value in made.arguments.items()]
    flags += [f"--{name} {flag}" for name, flag in training.items()]
    return {
        "what": f"{made.model} of lung nodules in CT: 32 mm patches at 1 mm, HU −1000 to 400",
        "use": CARD_USE,
        "intended use": (
            "To find known nodules that look like the one that was clicked, to show what the code "
            "holds of it, and to compare codes and distances in studies."
        ),
        "limits": [
            "Malignancy is what readers thought of the picture, not what a pathologist found; one "
            "LIDC reader against the median of the others has an AUC of 0.789.",
            "Nodules that readers scored 3 (undecided) are learned from, and left out of the "
            "figures.",
            "Size alone tells most: read every figure beside log volume and the mask features.",
            "Measured on crops around nodules that are known to be there, clicked at their "
            "centres; nothing is said of what is no nodule.",
            "Other scanners, kernels and populations than those of the data were not measured.",
        ],
        "data": source,
        "licence": (
            "Weights and index derive from LIDC-IDRI, CC BY 3.0: name the source."
            if lidc
            else "Weights and index derive from the user's own data, and fall under its terms."
        ),
        "nodules": nodules,
        "patients": patients,
        "split": (
            "The weights saw these nodules, so their own neighbours are not held out; the figures "
            "come from models of the same recipe that each saw the patients of all folds but one"
            f"{' (LIDC-IDRI-0029 and -0138, one scan, count as one patient)' if lidc else ''}."
        ),
        "extent": (
            "Crops cut tight to the nodule in z tell its size by their height. It is hidden: the "
            f"encoder reads the {slices} central slices (±{(slices - 1) / 2:g} mm) only and fades "
            "to black beyond 15.5 mm in plane. Some crops are thinner even than that; the figures "
            "say how well the whole height, and the part of it within the encoder's reach, "
            "separate by themselves."
        ),
        "training": dict(training),
        "command": " ".join(["vaemed train FOLDER -o OUT", *flags]),
    }


def card_figures(
    rows: Sequence[BenchRow], about: Mapping[str, Any], *, latent: str = LATENT
) -> dict[str, Any]:
    """Rows of a bench as the figures of a card, JSON-able, each with its 95 % interval.

    Parameters
    ----------
    about : mapping
        How many nodules, seeds, folds, epochs.
    latent : str
        The entrant that is the model; of the others the rulers and floors are told.
    """
    figures: dict[str, Any] = {
        "measure": (
            f"AUC of {K}-NN votes, malignancy 1–2 against 4–5, patient-grouped folds; with 95 % "
            "interval over patients"
        ),
        **about,
    }
    rulers = {"log volume", "mask features", "crop height", "crop height in reach"}
    floors = {floor.name for floor in FLOORS}
    for row in rows:
        mine = row.entrant == latent
        if (
            mine
            or row.entrant in rulers
            or (row.entrant in floors and "features" not in row.distance)
        ):
            how = _how(row, rows)
            if how is not None:
                name = LATENT if mine else row.entrant
                figures[f"{name} {how}".strip()] = _told(row)
    return figures


def remade_card(path: Path, bench: Path) -> dict[str, Any]:
    """Write the card of a nodule model anew, with the figures of a bench of its recipe.

    The weights and their checksum stay as they are, and so do what the card tells of the data and
    the training.

    Parameters
    ----------
    path : Path
        The weights (.safetensors), their card beside them.
    bench : Path
        Folder that ``vaemed bench`` wrote.

    Raises
    ------
    ValueError
        If the bench has not measured this recipe, or the card is no nodule model's.
    """
    model = read_model(path, "cpu")
    missing = {"data", "nodules", "patients", "training"} - set(model.card)
    if missing:
        raise ValueError(
            f"The card of {path.name} lacks {', '.join(sorted(missing))}: it is no nodule model's, "
            "and a bench has no figures for it."
        )
    about, rows = read_bench(bench / "bench.json")
    if model.name not in {row.entrant for row in rows}:
        raise ValueError(f"The bench in {bench} has not measured a {model.name}.")
    _same_recipe(constructor_arguments(model.module), bench, model.name)
    known = model.card
    words = model_card(
        _made(model), known["data"], known["nodules"], known["patients"], known["training"]
    )
    crops = {k: v for k, v in known.get("figures", {}).items() if k.startswith("crop height")}
    command = " ".join(f"--{name} {about[name]}" for name in ("seeds", "folds", "epochs"))
    words["figures' command"] = (
        f"vaemed bench FOLDER -o OUT {command}; vaemed card {path.name} --bench OUT"
    )
    card = {**words, "figures": {**card_figures(rows, about, latent=model.name), **crops}}
    write_card(path, card)
    return card


def _made(model: Model) -> Made:
    usual = inspect.signature(type(model.module)).parameters
    arguments = constructor_arguments(model.module)
    changed = {name: v for name, v in arguments.items() if v != usual[name].default}
    return Made(model.name, changed, int(arguments["slices"]))


def _same_recipe(arguments: Mapping[str, Any], bench: Path, name: str) -> None:
    """Refuse a bench whose models were built otherwise, where it has kept how."""
    for codes in sorted((bench / "codes").glob(f"{name}-seed*.safetensors"))[:1]:
        _, settings = read_kept_codes(codes)
        was = settings["arguments"]
        changed = [k for k, value in arguments.items() if was.get(k, value) != value]
        if changed:
            raise ValueError(
                f"The bench in {bench} measured a {name} with other {', '.join(changed)} than "
                "these weights have. Give a bench of the same recipe."
            )


def _how(row: BenchRow, rows: Sequence[BenchRow]) -> str | None:
    """What is added to the row's name: nothing for the usual way; None where it is left out."""
    if row.distance in (NEIGHBOURS, ""):
        return ""
    if row.distance in (JOINED, JOINED_LOGISTIC) or row.distance not in USUAL:
        known = ("itself", "logistic", JOINED, JOINED_LOGISTIC)
        return row.distance if row.distance in known else None
    there = {other.distance for other in rows if other.entrant == row.entrant}
    return "" if row.distance == next(name for name in USUAL if name in there) else None


def _told(row: BenchRow) -> dict[str, Any]:
    area, small = _ends(row.auc), _ends(row.auc_small)
    figures: dict[str, Any] = {"auc": None, "auc_6_to_10_mm": None}
    if area:
        figures |= dict(zip(("auc", "from", "to"), area, strict=True))
    if small:
        ends = "auc_6_to_10_mm", "6_to_10_mm_from", "6_to_10_mm_to"
        figures |= dict(zip(ends, small, strict=True))
    more = {
        "deviation between seeds": None if row.auc_sd is None else round(row.auc_sd, 4),
        "above log volume": _ends(row.over_volume),
        "above mask features": _ends(row.over_mask),
        "p of that": None if row.p_mask is None else round(row.p_mask, 4),
        "same class among 10": _ends(row.precision_at_10),
        "accuracy": _ends(row.accuracy),
        "Brier": _ends(row.brier),
        "calibration error": _ends(row.calibration_error),
        "strata": {name: _ends(found) for name, found in row.strata.items()},
    }
    return {**figures, **{name: value for name, value in more.items() if value is not None}}


def _ends(found: Interval | None) -> list[float] | None:
    return None if found is None else [round(x, 5) for x in (found.value, found.low, found.high)]
