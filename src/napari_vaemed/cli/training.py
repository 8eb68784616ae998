"""Commands that make models and indexes: train, train-slices, train-click, train-lungs, index."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from napari_vaemed.cli.verbs import add_verb, print_json, run, show_training
from napari_vaemed.data.progress import finish

EPOCHS, BENCH_EPOCHS = 125, 66
SLICE_EPOCHS = 30
CLICK_EPOCHS = 8
LUNG_EPOCHS = 2


def add_verbs(verbs: Any) -> None:
    """Add train, train-slices, train-click, train-lungs and index."""
    folder = (
        "folder of nodule crops in HU: nodules.csv, image/ID.nii.gz, mask/ID.nii.gz and, where "
        "there are several readers, readers/ID.nii.gz"
    )
    train = add_verb(verbs, "train", _train, "Train the nodule VAE on labelled crops.")
    train.add_argument("folder", type=Path, help=folder)
    train.add_argument("-o", "--output", type=Path, required=True, help="folder for the model")
    train.add_argument("--model", default="GaussianVAE", help="class of the model")
    train.add_argument("--epochs", type=int, default=EPOCHS, help="passes over the nodules")
    train.add_argument("--batch", type=int, default=96, help="nodules a step")
    train.add_argument("--lr", type=float, default=3e-3, help="highest learning rate")
    _add_run_options(train)
    train.add_argument(
        "--bench-epochs", type=int, default=BENCH_EPOCHS,
        help="passes of each of the five fold models behind the printed AUC; 0 leaves it out",
    )  # fmt: skip

    slices = add_verb(
        verbs, "train-slices", _train_slices, "Train the slice classifier on labelled slices."
    )
    slices.add_argument(
        "path", type=Path,
        help="folder with split.csv (file,label,split), CSV manifest (file,label[,split][,group]), "
        "or folder with one sub-folder of 8-bit pictures per class (covid, noncovid)",
    )  # fmt: skip
    slices.add_argument("-o", "--output", type=Path, required=True, help="folder for the model")
    slices.add_argument("--model", default="SliceResNet", help="class of the model")
    slices.add_argument("--epochs", type=int, default=SLICE_EPOCHS, help="passes over the slices")
    slices.add_argument("--batch", type=int, default=16, help="slices a step")
    slices.add_argument("--lr", type=float, default=3e-3, help="highest learning rate")
    slices.add_argument("--size", type=int, default=144, help="edge of the pictures, pixels")
    slices.add_argument("--lungs-only", action="store_true", help="blank all but the lungs")
    _add_run_options(slices)

    click = add_verb(
        verbs, "train-click", _train_click, "Train the network that outlines a clicked nodule."
    )
    click.add_argument("folder", type=Path, help=folder)
    click.add_argument("-o", "--output", type=Path, required=True, help="folder for the model")
    click.add_argument(
        "--scan", type=Path, action="append", default=[],
        help="whole CT to learn vessels and walls from, without nodules or with their annotation "
        "beside it; may be given several times",
    )  # fmt: skip
    click.add_argument("--phantoms", type=int, default=60, help="synthetic chests to learn from")
    click.add_argument("--epochs", type=int, default=CLICK_EPOCHS, help="passes over all looks")
    click.add_argument("--batch", type=int, default=16, help="looks a step")
    click.add_argument("--lr", type=float, default=3e-3, help="highest learning rate")
    _add_run_options(click)

    lungs = add_verb(
        verbs, "train-lungs", _train_lungs, "Train the network that finds lungs, dense or not."
    )
    lungs.add_argument(
        "folder", type=Path, nargs="?",
        help="CTs with lung masks: image/7.nii.gz and mask/7.nii.gz, 7.nii.gz and 7_mask.nii.gz, "
        "or 7/ct.nii.gz and 7/mask.nii.gz; 1 right, 2 left, 3 airways, or one label in both",
    )  # fmt: skip
    lungs.add_argument("-o", "--output", type=Path, required=True, help="folder for the model")
    lungs.add_argument(
        "--scan", type=Path, action="append", default=[],
        help="CT without a mask whose lungs hold air: thresholds give the truth, and dense lung "
        "is painted in; may be given several times",
    )  # fmt: skip
    lungs.add_argument("--phantoms", type=int, default=12, help="synthetic chests to learn from")
    lungs.add_argument(
        "--pasted", type=int, default=9, help="copies of each scan with dense lung painted in"
    )
    lungs.add_argument("--source", default="", help="what folder and scans are, for the card")
    lungs.add_argument("--epochs", type=int, default=LUNG_EPOCHS, help="passes over all planes")
    lungs.add_argument("--batch", type=int, default=8, help="planes a step")
    lungs.add_argument("--lr", type=float, default=3e-3, help="highest learning rate")
    _add_run_options(lungs)

    index = add_verb(verbs, "index", _index, "Build the index of known nodules with a model.")
    index.add_argument("folder", type=Path, help=folder)
    index.add_argument("-o", "--output", type=Path, required=True, help="index file, .safetensors")
    index.add_argument("--model", type=Path, help="model instead of the shipped one")
    index.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")


def _add_run_options(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--seed", type=int, default=0, help="of weights, order and variations")
    verb.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    verb.add_argument("--precision", choices=["auto", "bf16", "fp32"], default="auto",
                      help="auto: bf16 on CUDA, else fp32")  # fmt: skip
    verb.add_argument("--resume", action="store_true", help="go on from the last saved epoch")
    verb.add_argument("--save-every", type=int, default=10, help="epochs between checkpoints")


def _check_counts(options: argparse.Namespace) -> None:
    for name in ("epochs", "batch", "save_every"):
        if getattr(options, name) < 1:
            raise ValueError(f"--{name.replace('_', '-')} must be at least 1.")


def _train(options: argparse.Namespace) -> None:
    from napari_vaemed.workflow.train import train

    _check_counts(options)
    work = train(
        options.folder, options.output, model=options.model, epochs=options.epochs,
        batch=options.batch, lr=options.lr, seed=options.seed, device=options.device,
        precision=options.precision, resume=options.resume, save_every=options.save_every,
        bench_epochs=options.bench_epochs,
    )  # fmt: skip
    trained = finish(work, show_training)
    print(f"\n{trained.name} {trained.sha256[:12]} -> {options.output}")
    if figures := trained.card.get("figures"):
        print_json(figures)


def _train_slices(options: argparse.Namespace) -> None:
    from napari_vaemed.workflow.train_slices import train_slices

    _check_counts(options)
    work = train_slices(
        options.path, options.output, model=options.model, epochs=options.epochs,
        batch=options.batch, lr=options.lr, seed=options.seed, device=options.device,
        precision=options.precision, resume=options.resume, save_every=options.save_every,
        arguments={"size": options.size, "lungs_only": options.lungs_only},
    )  # fmt: skip
    trained = finish(work, show_training)
    print(f"\n{trained.name} {trained.sha256[:12]} -> {options.output}")
    print_json(trained.card["figures"])


def _train_click(options: argparse.Namespace) -> None:
    from napari_vaemed.workflow.train_click import train_click

    _check_counts(options)
    work = train_click(
        options.folder, options.output, scans=options.scan, phantoms=options.phantoms,
        epochs=options.epochs, batch=options.batch, lr=options.lr, seed=options.seed,
        device=options.device, precision=options.precision, resume=options.resume,
        save_every=options.save_every,
    )  # fmt: skip
    trained = finish(work, show_training)
    print(f"\n{trained.name} {trained.sha256[:12]} -> {options.output}")
    print_json(trained.card["figures"])


def _train_lungs(options: argparse.Namespace) -> None:
    from napari_vaemed.workflow.train_lungs import train_lungs

    _check_counts(options)
    work = train_lungs(
        options.output, folder=options.folder, scans=options.scan, phantoms=options.phantoms,
        pasted=options.pasted, source=options.source, epochs=options.epochs, batch=options.batch,
        lr=options.lr, seed=options.seed, device=options.device, precision=options.precision,
        resume=options.resume, save_every=options.save_every,
    )  # fmt: skip
    trained = finish(work, show_training)
    print(f"\n{trained.name} {trained.sha256[:12]} -> {options.output}")
    print_json(trained.card["figures"])


def _index(options: argparse.Namespace) -> None:
    from napari_vaemed.io.checkpoints import read_model
    from napari_vaemed.io.indexes import write_index
    from napari_vaemed.io.nodules import read_nodule_set
    from napari_vaemed.io.weights import shipped_model_path
    from napari_vaemed.workflow.index import build_index

    if options.output.suffix != ".safetensors":
        raise ValueError(f"The index is a .safetensors file; got {options.output.name!r}.")
    model = read_model(options.model or shipped_model_path(), device=options.device)
    index = run(build_index(model, run(read_nodule_set(options.folder))))
    options.output.parent.mkdir(parents=True, exist_ok=True)
    write_index(options.output, index)
    print(f"{len(index)} nodules by {model.name} {model.sha256[:12]} -> {options.output}")
