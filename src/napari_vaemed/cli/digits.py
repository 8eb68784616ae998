"""The command that tests a model on digits: digits."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from napari_vaemed.cli.verbs import add_verb, arguments_of, print_json, show_training
from napari_vaemed.data.progress import finish
from napari_vaemed.data.run_settings import DIGIT_RUN, DRAWN_PER_CLASS


def add_verbs(verbs: Any) -> None:
    """Add digits."""
    verb = add_verb(
        verbs, "digits", _digits,
        "Train a model on MNIST, Fashion-MNIST or the like, and score its classes on the test "
        "part.",
    )  # fmt: skip
    verb.add_argument(
        "path", type=Path,
        help=".npz with x_train, y_train, x_test, y_test, or train_images and so on; 28 × 28",
    )  # fmt: skip
    verb.add_argument("-o", "--output", type=Path, required=True, help="folder for models, report")
    verb.add_argument("--model", default="OneStepVAE", help="class of the model")
    verb.add_argument(
        "--set", dest="arguments", action="append", default=[], metavar="NAME=VALUE",
        help="argument of the model, for example --set paper=true; may be given several times",
    )  # fmt: skip
    verb.add_argument(
        "--labels", type=float, default=0.0, help="share of the training pictures with a label"
    )
    verb.add_argument(
        "--repeats", type=int, default=1, help="how often a labelled picture comes in every epoch"
    )
    verb.add_argument(
        "--generated", type=Path, metavar="MODEL",
        help="trained model whose drawings of every class are learned from too, named by the "
        "labelled pictures",
    )  # fmt: skip
    verb.add_argument(
        "--per-class", type=int, default=DRAWN_PER_CLASS,
        help="so many drawings of each of its classes",
    )  # fmt: skip
    verb.add_argument("--seeds", type=int, nargs="+", default=[0], help="one model each")
    verb.add_argument(
        "--epochs", type=int, default=DIGIT_RUN.epochs, help="passes over all pictures"
    )
    verb.add_argument("--batch", type=int, default=DIGIT_RUN.batch, help="pictures a step")
    verb.add_argument("--lr", type=float, default=DIGIT_RUN.lr, help="highest learning rate")
    verb.add_argument(
        "--schedule", choices=["one-cycle", "constant"], default=DIGIT_RUN.schedule,
        help="how the learning rate goes",
    )  # fmt: skip
    verb.add_argument("--device", default=DIGIT_RUN.device, help="auto, cpu, cuda or cuda:N")
    verb.add_argument("--resume", action="store_true", help="go on from the last saved epoch")


def _digits(options: argparse.Namespace) -> None:
    from napari_vaemed.workflow.train_digits import train_digits

    run = replace(
        DIGIT_RUN, epochs=options.epochs, batch=options.batch, lr=options.lr,
        schedule=options.schedule, device=options.device, resume=options.resume,
    )  # fmt: skip
    work = train_digits(
        options.path, options.output, model=options.model,
        arguments=arguments_of(options.model, options.arguments), labels=options.labels,
        repeats=options.repeats, generated=options.generated, per_class=options.per_class,
        seeds=options.seeds, run=run,
    )  # fmt: skip
    print_json(finish(work, show_training))
