"""The command that measures: bench."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Any

from napari_vaemed.cli.training import NODULES
from napari_vaemed.cli.verbs import add_verb, print_json, run, show_trainings, tell
from napari_vaemed.data.progress import finish
from napari_vaemed.data.run_settings import BENCH_EPOCHS, NODULE_RUN, RunSettings

SHOWN = 12


def add_verbs(verbs: Any) -> None:
    """Add bench."""
    verb = add_verb(
        verbs, "bench", _bench,
        "Measure encoders by distances on patients held out, beside rulers on the same folds.",
    )  # fmt: skip
    verb.add_argument(
        "folder", type=Path, nargs="?",
        help=NODULES,
    )  # fmt: skip
    verb.add_argument(
        "-o", "--output", type=Path,
        help="folder for bench.md, bench.csv, bench.json and pictures; codes are kept there and "
        "not made again, so a stopped bench goes on",
    )  # fmt: skip
    verb.add_argument("--models", type=_names, help="names, comma between; default all")
    verb.add_argument("--distances", type=_names, help="names, comma between; default all")
    verb.add_argument("--seeds", type=int, default=1, help="of weights and folds, from 0")
    verb.add_argument("--folds", type=int, default=5, help="by patient, for each seed")
    verb.add_argument("--epochs", type=int, default=BENCH_EPOCHS, help="passes over the nodules")
    verb.add_argument("--batch", type=int, default=NODULE_RUN.batch, help="nodules a step")
    verb.add_argument("--lr", type=float, default=NODULE_RUN.lr, help="highest learning rate")
    verb.add_argument("--precision", choices=["auto", "bf16", "fp32"], default="auto",
                      help="auto: bf16 on CUDA, else fp32")  # fmt: skip
    verb.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    verb.add_argument(
        "--shipped", action="store_true",
        help="score the shipped encoder and index on the folder given with --test instead",
    )  # fmt: skip
    verb.add_argument("--test", type=Path, help="folder of nodules of other patients")
    verb.add_argument("--json", action="store_true", help="print JSON")


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _bench(options: argparse.Namespace) -> None:
    if options.shipped:
        _shipped(options)
        return
    from napari_vaemed.workflow.bench import bench

    if options.folder is None or options.output is None:
        raise ValueError("A bench needs a folder of nodules and -o OUT, or --shipped --test DIR.")
    if options.seeds < 1 or options.folds < 2:
        raise ValueError("A bench needs at least one seed and two folds.")
    how = RunSettings(
        epochs=options.epochs, batch=options.batch, lr=options.lr,
        precision=options.precision, device=options.device,
    )  # fmt: skip
    work = bench(
        options.folder, options.output, models=options.models, distances=options.distances,
        seeds=options.seeds, folds=options.folds, run=how,
    )  # fmt: skip
    rows = finish(work, partial(show_trainings, told=("Seed",)))
    if options.json:
        print((options.output / "bench.json").read_text(encoding="utf-8"))
        return
    for row in rows[:SHOWN]:
        area = "–" if row.auc is None else f"{row.auc.value:.3f}"
        small = "–" if row.auc_small is None else f"{row.auc_small.value:.3f}"
        print(f"AUC {area}  6–10 mm {small}  {row.entrant}, {row.distance}")
    print(f"{len(rows)} rows -> {options.output / 'bench.md'}")


def _shipped(options: argparse.Namespace) -> None:
    from napari_vaemed.workflow.bench_shipped import shipped_bench

    if options.test is None:
        raise ValueError("--shipped needs --test DIR, a folder of nodules of other patients.")
    figures = run(shipped_bench(options.test, device=options.device))
    if figures["patients_in_index"]:
        tell([
            f"{figures['patients_in_index']} of {figures['patients']} patients are in the index: "
            "the encoder has learned from them, so this is no test."
        ])  # fmt: skip
    if options.json:
        print_json(figures)
        return
    print(f"{figures['n']} nodules with a clear score, {figures['malignant']} malignant")
    for name in ("auc", "auc_6_10mm", "auc_log_volume"):
        ends = figures[f"{name}_interval"]
        told = "–" if ends is None else f"{figures[name]:.3f} [{ends[0]:.3f}, {ends[1]:.3f}]"
        print(f"{name:15} {told}")
