"""The command that chooses: sweep."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Any

from napari_vaemed.cli.training import NODULES
from napari_vaemed.cli.verbs import add_verb, print_json, show_trainings
from napari_vaemed.data.progress import finish
from napari_vaemed.data.run_settings import BENCH_EPOCHS, NODULE_RUN, RunSettings
from napari_vaemed.data.sweep import FREE, GRID, Axis, Space, choice_of, range_of

SHOWN = 16


def add_verbs(verbs: Any) -> None:
    """Add sweep."""
    verb = add_verb(
        verbs, "sweep", _sweep,
        "Try many configurations of a nodule model; choose one on inner folds of the patients, "
        "and score it once on an outer fold that the choice never saw.",
    )  # fmt: skip
    verb.add_argument("folder", type=Path, help=NODULES)
    verb.add_argument(
        "-o", "--output", type=Path, required=True,
        help="folder for sweep.md, sweep.csv, sweep.json, pictures and trials; a stopped sweep "
        "goes on there, and several processes may share it",
    )  # fmt: skip
    what = verb.add_argument_group("what to try", f"default: the grid of sixteen, {GRID.name}")
    what.add_argument("--model", help=f"class of the model (default: {GRID.model})")
    what.add_argument("--space", type=Path, help="TOML or JSON file with model and axes")
    what.add_argument("--grid", action="append", default=[], metavar="NAME=A,B",
                      help="argument of the model (or lr, batch) and its values; one value fixes "
                      "it; several times")  # fmt: skip
    what.add_argument("--range", action="append", default=[], metavar="NAME=LOW:HIGH[:log]",
                      help="the same, but any number between, for a free search")  # fmt: skip
    what.add_argument("--trials", type=int, default=0,
                      help="of a free search (TPE); 0: each cell of the grid once")  # fmt: skip
    how = verb.add_argument_group("how to judge and train")
    how.add_argument("--seeds", type=int, default=1, help="models of each configuration")
    how.add_argument("--inner", type=int, default=1, choices=[1, 2, 3],
                     help="how many of the three inner folds are trained and judged")  # fmt: skip
    how.add_argument(
        "--prune", choices=["auto", "on", "off"], default="auto",
        help="stop trials below the median of the others at their epoch; auto: in a free search",
    )  # fmt: skip
    how.add_argument("--workers", type=int, default=1, help="processes that share the trials")
    how.add_argument("--together", type=int, default=1, metavar="N",
                     help="seeds and folds trained as one (for graphics cards)")  # fmt: skip
    how.add_argument("--epochs", type=int, default=BENCH_EPOCHS, help="passes over the nodules")
    how.add_argument("--batch", type=int, default=NODULE_RUN.batch, help="nodules a step")
    how.add_argument("--lr", type=float, default=NODULE_RUN.lr, help="highest learning rate")
    how.add_argument("--seed", type=int, default=0, help="of folds, weights and search")
    how.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    verb.add_argument("--json", action="store_true", help="print JSON")


def _sweep(options: argparse.Namespace) -> None:
    from napari_vaemed.workflow.sweep import SweepPlan, sweep

    if options.workers < 1:
        raise ValueError(f"A sweep needs one worker at least; got {options.workers}.")
    plan = SweepPlan(
        _space(options), options.trials, options.seeds, options.inner,
        prune=options.prune == "on" or (options.prune == "auto" and options.trials > 0),
        together=options.together,
        run=RunSettings(
            epochs=options.epochs, batch=options.batch, lr=options.lr, seed=options.seed,
            device=options.device, precision="fp32" if options.together > 1 else "auto",
        ),
    )  # fmt: skip
    work = sweep(options.folder, options.output, plan, workers=options.workers)
    swept = finish(work, partial(show_trainings, told=("Trial", "Training")))
    if options.json:
        print((options.output / "sweep.json").read_text(encoding="utf-8"))
        return
    for row in swept.rows[:SHOWN]:
        area = "–" if row.auc is None else f"{row.auc.value:.3f}"
        told = ", ".join(f"{name} {value}" for name, value in row.values.items())
        print(f"AUC {area}  {told}  ({row.state}, {row.epochs} epochs)")
    if swept.winner is None:
        print("Other processes are still at work; the last of them scores the winner.")
    else:
        print_json(swept.winner)
    print(f"{len(swept.rows)} trials -> {options.output / 'sweep.md'}")


def _space(options: argparse.Namespace) -> Space:
    """The space of a file or of the flags, else the grid or, for a free search, its own."""
    axes: tuple[Axis, ...] = (
        *map(choice_of, options.grid), *map(range_of, options.range),
    )  # fmt: skip
    if options.space:
        if axes or options.model:
            raise ValueError("--space names model and axes; leave --model, --grid, --range out.")
        from napari_vaemed.io.sweep_report import read_space

        return read_space(options.space)
    usual = FREE if options.trials else GRID
    if axes:
        return Space("own", options.model or usual.model, axes)
    if options.model and options.model != usual.model:
        raise ValueError(f"Say what of {options.model} to vary: --grid NAME=A,B.")
    return usual
