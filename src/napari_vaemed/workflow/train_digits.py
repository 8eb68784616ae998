"""Train a model on MNIST, or pictures like it, and say how well its classes are the digits."""

from __future__ import annotations

import inspect
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.progress import Progress
from napari_vaemed.data.run_settings import DIGIT_RUN, DRAWN_PER_CLASS, RunSettings
from napari_vaemed.io.checkpoints import Model, read_model
from napari_vaemed.io.digit_report import write_digit_report
from napari_vaemed.io.digits import DigitSet, read_digits
from napari_vaemed.workflow.fitted import fitted, new_model, on_device, publish

if TYPE_CHECKING:
    import torch
    from torch import nn

    from napari_vaemed.models.protocols import Clusterer, NoduleVAE
    from napari_vaemed.training.fit import Epoch

Rows = NDArray[np.int_]

MODEL_FILE = "digit_model.safetensors"
"""Name of a trained model in its seed's folder; its card is the same with .json."""

STATE_FILE = "training.safetensors"
"""Name of the checkpoint that its training can be resumed from."""

CHUNK = 1000
"""Pictures that are looked at at a time."""

SHOWN = 8
"""Pictures of each class, real and drawn."""

KNOWN_CODES = 10_000
"""Codes that k-means groups, of a model that has no classes."""


def train_digits(
    path: Path,
    out: Path,
    *,
    model: str = "OneStepVAE",
    arguments: Mapping[str, Any] | None = None,
    labels: float = 0.0,
    repeats: int = 1,
    generated: Path | None = None,
    per_class: int = DRAWN_PER_CLASS,
    seeds: Sequence[int] = (0,),
    run: RunSettings = DIGIT_RUN,
) -> Generator[Progress | Epoch, None, dict[str, Any]]:
    """Train on the part train, one model a seed; judge each on the part test.

    ``out`` gets a folder ``seed-N`` for every seed, with the model, its card and its checkpoint,
    and beside them the report, written anew after every seed.

    Parameters
    ----------
    path : Path
        See `io.digits.read_digits`.
    model : str
        A class of `models.VAES` that has an argument ``images``.
    arguments : mapping or None
        For its constructor.
    labels : float
        Share of the training pictures whose class is told.
    repeats : int
        How often a picture with a label comes in every epoch; one without, or drawn, comes once.
    generated : Path or None
        A trained model of digits that has classes: of each so many pictures as ``per_class`` says
        are drawn by it, named by the labelled ones, and learned from beside the real ones.
    per_class : int
    seeds : sequence of int
        Of weights, order, variations and which labels are told.
    run : RunSettings
        Its seed does not count.

    Returns
    -------
    dict
        The report: every seed's figures on the test pictures, and their median.

    Raises
    ------
    ValueError
        If there is no such model, it looks at nodules only, the file or checkpoint is not what it
        should be, or labels are told of more classes than digits have.
    """
    from napari_vaemed.models.vae.labels import classes_of

    given = {"images": "digit", **(arguments or {})}
    check_model(model, given)
    run = on_device(run)
    told = {"model": model, "arguments": given, "labels": labels, "repeats": repeats}
    told |= run.for_card()
    painter = None
    if generated is not None:
        painter = read_painter(generated, run.device)
        taught = painter.card.get("training", {})
        told["generated"] = {
            "by": painter.name, "sha256": painter.sha256, "per_class": per_class,
            "taught": {name: taught.get(name) for name in ("labels", "seed")},
        }  # fmt: skip
    yield Progress("Reading pictures")
    digits = read_digits(path)
    if labels and len(digits.classes) > classes_of("digit"):
        raise ValueError(
            f"Models learn the labels of {classes_of('digit')} classes at most; {path.name} has "
            f"{len(digits.classes)}. Train without labels."
        )
    rows: list[dict[str, Any]] = []
    for seed in seeds:
        one = replace(run, seed=seed)
        folder = out / f"seed-{seed}"
        figures, pictures = yield from _train_one(digits, folder, told, one, painter)
        rows.append({"seed": seed, **figures})
        report = report_of(digits, {**told, "seeds": list(seeds)}, rows)
        write_digit_report(out, report, {f"{n}-seed-{seed}": p for n, p in pictures.items()})
    return report


def check_model(model: str, arguments: Mapping[str, Any]) -> None:
    """Refuse a model that does not look at digits, and arguments that do not go with it.

    Raises
    ------
    ValueError
    """
    from napari_vaemed.models import VAES

    known = {
        cls.__name__: set(inspect.signature(cls).parameters)
        for cls in VAES
        if "images" in inspect.signature(cls).parameters
    }
    if model not in known:
        raise ValueError(f"Of digits learn {', '.join(known)}; got {model!r}.")
    if wrong := set(arguments) - known[model]:
        raise ValueError(
            f"{model} has no {', '.join(sorted(wrong))}; it has {', '.join(sorted(known[model]))}."
        )
    if arguments["images"] != "digit":
        raise ValueError(f"images must be 'digit' here; got {arguments['images']!r}.")


def read_painter(path: Path, device: str) -> Model:
    """Read a trained model of digits that can draw its classes.

    Raises
    ------
    FileNotFoundError
    ValueError
        If it is another model.
    """
    from napari_vaemed.models.protocols import Clusterer

    painter = read_model(path, device)
    of_digits = getattr(painter.module, "images", "") == "digit"
    if not (of_digits and isinstance(painter.module, Clusterer)):
        raise ValueError(
            f"{path} holds a {painter.name} that draws no classes of digits. Give one that "
            "`vaemed digits` has trained, of a model with classes."
        )
    return painter


def judged(module: nn.Module, digits: DigitSet, *, told: bool) -> dict[str, float]:
    """Figures on the test pictures; `training.clustering` says what they are.

    A model without classes of its own has its codes grouped by k-means.

    Parameters
    ----------
    told : bool
        Whether labels have taught it its classes: then they are the digits, and ``accuracy`` says
        how often they are right, also where the pictures have noise of some deviation.
    """
    from napari_vaemed.training.clustering import agreement_figures
    from napari_vaemed.training.noise import NOISE

    cluster = clusters_of(module, digits)
    figures = agreement_figures(cluster, digits.test_labels)
    if told:
        figures["accuracy"] = float((cluster == digits.test_labels).mean())
        for sd in NOISE:
            worse = clusters_of(module, digits, noise=sd) == digits.test_labels
            figures[f"accuracy, noise {sd}"] = float(worse.mean())
    return figures


def clusters_of(module: nn.Module, digits: DigitSet, *, noise: float = 0.0) -> Rows:
    """Class (n,) of each test picture, with noise of this deviation."""
    from napari_vaemed.models.protocols import Clusterer
    from napari_vaemed.training.noise import with_noise

    tested = with_noise(digits.test_pictures, noise)
    if isinstance(module, Clusterer):
        return _looked_at(tested, module, module.class_probabilities).argmax(axis=1)
    from sklearn.cluster import KMeans

    vae = cast("NoduleVAE", module)
    known, tested = (
        _looked_at(pictures, module, lambda x: vae.posterior(x)[0])
        for pictures in (with_noise(digits.pictures[:KNOWN_CODES], 0.0), tested)
    )
    means = KMeans(len(digits.classes), n_init=10, random_state=0).fit(known)
    return np.asarray(means.predict(tested))


def classes_picture(module: Clusterer, digits: DigitSet, seed: int) -> NDArray[np.uint8]:
    """A row a class: test pictures that are found to be of it, a gap, and drawn ones."""
    import torch

    vae = cast("nn.Module", module)
    cluster = clusters_of(vae, digits)
    device = next(vae.parameters()).device
    generator = torch.Generator(device).manual_seed(seed)
    with torch.no_grad():
        codes = module.class_codes(SHOWN, generator)
        drawn = cast("NoduleVAE", module).decode(codes.flatten(0, 1))[0]
    made = (255 * drawn.clamp(0, 1)).round().byte().cpu().numpy()
    size = made.shape[-1]
    grid = np.zeros((module.clusters, size, (2 * SHOWN + 1) * size), np.uint8)
    for row in range(module.clusters):
        real = digits.test_pictures[np.flatnonzero(cluster == row)[:SHOWN]]
        grid[row, :, : len(real) * size] = real.swapaxes(0, 1).reshape(size, -1)
        start = row * SHOWN
        grid[row, :, (SHOWN + 1) * size :] = (
            made[start : start + SHOWN, 0].swapaxes(0, 1).reshape(size, -1)
        )
    return grid.reshape(-1, grid.shape[-1])


def report_of(
    digits: DigitSet, told: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """What the seeds came to, and the command that gives it again."""
    figures = [name for name in rows[0] if name not in ("seed", "labelled")]
    return {
        "model": told["model"],
        "arguments": told["arguments"],
        "data": digits.source,
        "pictures": len(digits.pictures),
        "labelled": rows[0]["labelled"],
        "test": len(digits.test_pictures),
        "epochs": told["epochs"],
        "device": told["device"],
        "command": command(told),
        "seeds": [dict(row) for row in rows],
        "median": {name: float(np.median([row[name] for row in rows])) for name in figures},
    }


def command(told: Mapping[str, Any]) -> str:
    """As typed."""
    given = {k: v for k, v in told["arguments"].items() if k != "images"}
    named = ("model", "labels", "repeats", "epochs", "batch", "lr")
    flags = [f"--{name} {told[name]}" for name in named]
    flags += [f"--set {name}={value}" for name, value in given.items()]
    if "schedule" in told:
        flags += [f"--schedule {told['schedule']}"]
    if "generated" in told:
        flags += ["--generated MODEL.safetensors", f"--per-class {told['generated']['per_class']}"]
    return " ".join(["vaemed digits FILE.npz -o OUT", *flags, "--seeds", *map(str, told["seeds"])])


def _train_one(
    digits: DigitSet, folder: Path, told: Mapping[str, Any], run: RunSettings, painter: Model | None
) -> Generator[Progress | Epoch, None, tuple[dict[str, float], dict[str, NDArray[np.uint8]]]]:
    """Train and judge the model of one seed, beside real pictures on what ``painter`` draws."""
    from napari_vaemed.models import SEMI_SUPERVISED, VAES
    from napari_vaemed.models.protocols import Clusterer
    from napari_vaemed.training.digit_samples import UNKNOWN, digit_samples
    from napari_vaemed.training.generated import generated_digits, joined
    from napari_vaemed.training.repeated import repeated

    samples = digit_samples(digits.pictures, digits.labels, share=told["labels"], seed=run.seed)
    labelled = int((samples.label != UNKNOWN).sum())
    learned = repeated(samples, told["repeats"])
    if painter is not None:
        drawer, many = cast("Clusterer", painter.module), told["generated"]["per_class"]
        learned = joined(learned, generated_digits(drawer, samples, many, seed=run.seed))
    module = new_model(VAES, told["model"], told["arguments"], run.seed)
    start = time.perf_counter()
    module = yield from fitted(module, learned, folder / STATE_FILE, run)
    seconds = time.perf_counter() - start
    yield Progress("Looking at the test pictures")
    figures = judged(module, digits, told=labelled > 0 and isinstance(module, SEMI_SUPERVISED))
    figures |= {"labelled": labelled, "seconds": round(seconds, 1)}
    card = {
        "what": f"{told['model']} of {digits.source}",
        "use": "Research only: says how well the method works, nothing of nodules.",
        "data": digits.source,
        "training": {**told, "seed": run.seed},
        "figures": figures,
    }
    publish(folder / MODEL_FILE, module, card, run, folder / STATE_FILE)
    if not isinstance(module, Clusterer):
        return figures, {}
    return figures, {"classes": classes_picture(module, digits, run.seed)}


def _looked_at(pictures: NDArray[np.float32], module: nn.Module, look: Any) -> NDArray[np.float32]:
    """What ``look`` gives for pictures (n, y, x) in [0, 1], one after the other."""
    import torch

    device = next(module.parameters()).device
    found: list[torch.Tensor] = []
    with torch.no_grad():
        for start in range(0, len(pictures), CHUNK):
            some = torch.from_numpy(pictures[start : start + CHUNK]).to(device)
            found.append(look(some[:, None]).cpu())
    joined: NDArray[np.float32] = torch.cat(found).numpy()
    return joined
