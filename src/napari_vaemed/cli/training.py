"""Commands that make models and indexes: train, train-slices, train-click, train-lungs, index."""

from __future__ import annotations

import argparse
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from napari_vaemed.cli.verbs import add_verb, arguments_of, print_json, run, show_training
from napari_vaemed.data.progress import finish
from napari_vaemed.data.run_settings import (
    BENCH_EPOCHS,
    CLICK_RUN,
    LUNG_RUN,
    NODULE_RUN,
    SLICE_RUN,
    NoduleLessons,
    RunSettings,
)

NODULES = (
    "folder of nodule crops in HU: nodules.csv, image/ID.nii.gz, mask/ID.nii.gz and, where "
    "there are several readers, readers/ID.nii.gz"
)


def add_verbs(verbs: Any) -> None:
    """Add train, train-slices, train-click, train-lungs and index."""
    _add_train(verbs)
    _add_train_slices(verbs)
    _add_train_click(verbs)
    _add_train_lungs(verbs)
    index = add_verb(verbs, "index", _index, "Build the index of known nodules with a model.")
    index.add_argument("folder", type=Path, help=NODULES)
    index.add_argument("-o", "--output", type=Path, required=True, help="index file, .safetensors")
    index.add_argument(
        "--model", type=Path, help="model instead of the shipped nodule VAE, or another's name"
    )
    index.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")


def _add_train(verbs: Any) -> None:
    verb = add_verb(verbs, "train", _train, "Train the nodule VAE on labelled crops.")
    verb.add_argument("folder", type=Path, help=NODULES)
    verb.add_argument("--model", default="GaussianVAE", help="class of the model")
    verb.add_argument("--set", action="append", default=[], metavar="NAME=VALUE",
                      help="argument of the model; may be given several times")  # fmt: skip
    verb.add_argument(
        "--labels", type=float, default=1.0, metavar="SHARE",
        help="share of the nodules whose ratings are told, by patient; for M2, SelfTraining and "
        "ThreePhases",
    )  # fmt: skip
    verb.add_argument(
        "--repeats", type=int, default=1,
        help="how often a nodule of a known class (benign, malignant) comes in every epoch",
    )  # fmt: skip
    verb.add_argument(
        "--bench-epochs", type=int, default=BENCH_EPOCHS,
        help="passes of each of the five fold models behind the printed AUC; 0 leaves it out",
    )  # fmt: skip
    _add_run_options(verb, NODULE_RUN, "nodules")


def _add_train_slices(verbs: Any) -> None:
    verb = add_verb(
        verbs, "train-slices", _train_slices, "Train the slice classifier on labelled slices."
    )
    verb.add_argument(
        "path", type=Path,
        help="folder with split.csv (file,label,split), CSV manifest (file,label[,split][,group]), "
        "or folder with one sub-folder of 8-bit pictures per class (covid, noncovid)",
    )  # fmt: skip
    verb.add_argument("--model", default="SliceResNet", help="class of the model")
    verb.add_argument("--size", type=int, default=144, help="edge of the pictures, pixels")
    verb.add_argument(
        "--positive", default="", metavar="NAME",
        help="class or finding of a MedMNIST .npz, CheXpert table or picture folder to be told "
        "from all others; see `vaemed dataset`",
    )  # fmt: skip
    verb.add_argument("--lungs-only", action="store_true", help="blank all but the lungs")
    _add_run_options(verb, SLICE_RUN, "slices")


def _add_train_click(verbs: Any) -> None:
    verb = add_verb(
        verbs, "train-click", _train_click, "Train the network that outlines a clicked nodule."
    )
    verb.add_argument("folder", type=Path, help=NODULES)
    verb.add_argument(
        "--scan", type=Path, action="append", default=[],
        help="whole CT to learn vessels and walls from, without nodules or with their annotation "
        "beside it; may be given several times",
    )  # fmt: skip
    verb.add_argument("--phantoms", type=int, default=60, help="synthetic chests to learn from")
    _add_run_options(verb, CLICK_RUN, "looks")


def _add_train_lungs(verbs: Any) -> None:
    verb = add_verb(
        verbs, "train-lungs", _train_lungs, "Train the network that finds lungs, dense or not."
    )
    verb.add_argument(
        "folder", type=Path, nargs="?",
        help="CTs with lung masks: image/7.nii.gz and mask/7.nii.gz, 7.nii.gz and 7_mask.nii.gz, "
        "or 7/ct.nii.gz and 7/mask.nii.gz; 1 right, 2 left, 3 airways, or one label in both",
    )  # fmt: skip
    verb.add_argument(
        "--scan", type=Path, action="append", default=[],
        help="CT without a mask whose lungs hold air: thresholds give the truth, and dense lung "
        "is painted in; may be given several times",
    )  # fmt: skip
    verb.add_argument("--phantoms", type=int, default=12, help="synthetic chests to learn from")
    verb.add_argument(
        "--pasted", type=int, default=9, help="copies of each scan with dense lung painted in"
    )
    verb.add_argument("--source", default="", help="what folder and scans are, for the card")
    _add_run_options(verb, LUNG_RUN, "planes")


def _add_run_options(verb: argparse.ArgumentParser, usual: RunSettings, samples: str) -> None:
    """Add what all trainings share: a flag for every field of `RunSettings`, and the output."""
    verb.add_argument("-o", "--output", type=Path, required=True, help="folder for the model")
    run = verb.add_argument_group("how to train")
    run.add_argument("--epochs", type=int, default=usual.epochs, help=f"passes over all {samples}")
    run.add_argument("--batch", type=int, default=usual.batch, help=f"{samples} a step")
    run.add_argument("--lr", type=float, default=usual.lr, help="highest learning rate")
    run.add_argument("--schedule", choices=["one-cycle", "constant"], default=usual.schedule,
                     help="how the learning rate goes")  # fmt: skip
    run.add_argument("--seed", type=int, default=usual.seed, help="of weights, order, variations")
    run.add_argument(
        "--patience", type=int, default=usual.patience,
        help="hold patients out, and stop when their loss has not fallen for so many epochs; 0 "
        "learns from all, to the end",
    )  # fmt: skip
    run.add_argument("--device", default=usual.device, help="auto, cpu, cuda or cuda:N")
    run.add_argument(
        "--devices", type=int, default=usual.devices, help="graphics cards that share each batch"
    )
    run.add_argument("--precision", choices=["auto", "bf16", "fp32"], default=usual.precision,
                     help="auto: bf16 on CUDA, else fp32")  # fmt: skip
    run.add_argument("--compile", choices=["auto", "on", "off"], default=usual.compile,
                     help="torch.compile; auto: on CUDA, when much time is left")  # fmt: skip
    run.add_argument("--resume", action="store_true", help="go on from the last saved epoch")
    run.add_argument(
        "--save-every", type=int, default=usual.save_every, help="epochs between checkpoints"
    )
    run.add_argument("--wandb", default=usual.wandb, metavar="PROJECT",
                     help="log to this project at Weights & Biases too")  # fmt: skip


def _run_settings(options: argparse.Namespace) -> RunSettings:
    return RunSettings(**{f.name: getattr(options, f.name) for f in fields(RunSettings)})


def _finish(work: Any, output: Path) -> None:
    """Run a training, and tell what came out of it."""
    trained = finish(work, show_training)
    print(f"\n{trained.name} {trained.sha256[:12]} -> {output}")
    if figures := trained.card.get("figures"):
        print_json(figures)


def _train(options: argparse.Namespace) -> None:
    from napari_vaemed.workflow.train import train

    lessons = NoduleLessons(options.labels, options.repeats, options.bench_epochs)
    work = train(
        options.folder, options.output, model=options.model,
        arguments=arguments_of(options.model, options.set), run=_run_settings(options),
        **asdict(lessons),
    )  # fmt: skip
    _finish(work, options.output)


def _train_slices(options: argparse.Namespace) -> None:
    from napari_vaemed.workflow.train_slices import train_slices

    work = train_slices(
        options.path, options.output, model=options.model, run=_run_settings(options),
        arguments={"size": options.size, "lungs_only": options.lungs_only},
        positive=options.positive,
    )  # fmt: skip
    _finish(work, options.output)


def _train_click(options: argparse.Namespace) -> None:
    from napari_vaemed.workflow.train_click import train_click

    work = train_click(
        options.folder, options.output, scans=options.scan, phantoms=options.phantoms,
        run=_run_settings(options),
    )  # fmt: skip
    _finish(work, options.output)


def _train_lungs(options: argparse.Namespace) -> None:
    from napari_vaemed.workflow.train_lungs import train_lungs

    work = train_lungs(
        options.output, folder=options.folder, scans=options.scan, phantoms=options.phantoms,
        pasted=options.pasted, source=options.source, run=_run_settings(options),
    )  # fmt: skip
    _finish(work, options.output)


def _index(options: argparse.Namespace) -> None:
    from napari_vaemed.io.indexes import write_index
    from napari_vaemed.io.nodules import read_nodule_set
    from napari_vaemed.io.weights import model_files
    from napari_vaemed.workflow.encode import read_nodule_model
    from napari_vaemed.workflow.index import build_index

    if options.output.suffix != ".safetensors":
        raise ValueError(f"The index is a .safetensors file; got {options.output.name!r}.")
    model = read_nodule_model(model_files(options.model, None)[0], options.device)
    index = run(build_index(model, run(read_nodule_set(options.folder))))
    options.output.parent.mkdir(parents=True, exist_ok=True)
    write_index(options.output, index)
    print(f"{len(index)} nodules by {model.name} {model.sha256[:12]} -> {options.output}")
