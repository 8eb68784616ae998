"""Commands that make models and indexes: train, index."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from napari_vaemed.cli.verbs import add_verb, print_json, run, show_training
from napari_vaemed.data.progress import finish

EPOCHS, BENCH_EPOCHS = 125, 66


def add_verbs(verbs: Any) -> None:
    """Add train and index."""
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
    train.add_argument("--seed", type=int, default=0, help="of weights, order and variations")
    train.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    train.add_argument("--precision", choices=["auto", "bf16", "fp32"], default="auto",
                       help="auto: bf16 on CUDA, else fp32")  # fmt: skip
    train.add_argument("--resume", action="store_true", help="go on from the last saved epoch")
    train.add_argument("--save-every", type=int, default=10, help="epochs between checkpoints")
    train.add_argument(
        "--bench-epochs", type=int, default=BENCH_EPOCHS,
        help="passes of each of the five fold models behind the printed AUC; 0 leaves it out",
    )  # fmt: skip

    index = add_verb(verbs, "index", _index, "Build the index of known nodules with a model.")
    index.add_argument("folder", type=Path, help=folder)
    index.add_argument("-o", "--output", type=Path, required=True, help="index file, .safetensors")
    index.add_argument("--model", type=Path, help="model instead of the shipped one")
    index.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")


def _train(options: argparse.Namespace) -> None:
    from napari_vaemed.workflow.train import train

    for name in ("epochs", "batch", "save_every"):
        if getattr(options, name) < 1:
            raise ValueError(f"--{name.replace('_', '-')} must be at least 1.")
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
