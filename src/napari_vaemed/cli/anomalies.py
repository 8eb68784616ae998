"""Commands about labels: anomalies, label-next."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from napari_vaemed.cli.verbs import add_verb, print_json, run, tell
from napari_vaemed.data.anomaly import KINDS

SHOWN = 20
LAYOUT = "with nodules.csv, image/ and mask/, as LIDC-IDRI's crops"


def add_verbs(verbs: Any) -> None:
    """Add anomalies and label-next."""
    wrong = add_verb(
        verbs, "anomalies", _anomalies,
        "Look through labelled nodules for what is wrong: labels that other patients contradict, "
        "one patient under two ids, readers apart, outliers. One queue with reasons.",
    )  # fmt: skip
    wrong.add_argument("folder", type=Path, nargs="?",
                       help=f"{LAYOUT}; without it the shipped index, in sample")  # fmt: skip
    wrong.add_argument("--codes", type=Path, help="output of `vaemed bench` of this folder")
    wrong.add_argument("--model", default="VAE-mask", help="which of its entrants, with --codes")
    wrong.add_argument("--kind", choices=KINDS, help="only entries with such evidence, by it")
    wrong.add_argument("-n", type=int, default=SHOWN, help="entries shown; files get all")
    wrong.add_argument("--csv", type=Path, help="write the queue here")
    wrong.add_argument("--json", action="store_true", help="print JSON")
    following = add_verb(
        verbs, "label-next", _label_next,
        "Say which nodules to annotate next for a task, or what that is worth beside chance.",
    )  # fmt: skip
    following.add_argument("folder", type=Path, help=LAYOUT)
    following.add_argument("--task", default="malignancy", help="a rating; a wrong one lists them")
    following.add_argument("--by", default="mix", help="uncertainty, coverage or mix")
    following.add_argument("-n", type=int, default=SHOWN, help="nodules to name")
    following.add_argument(
        "--curve", type=Path, metavar="CSV",
        help="simulate instead: learning curves of all ways and of chance, written here",
    )  # fmt: skip
    following.add_argument("--seeds", type=int, default=10, help="of the simulation")
    following.add_argument("--json", action="store_true", help="print JSON")


def _anomalies(options: argparse.Namespace) -> None:
    from napari_vaemed.io.reports import write_measurements_csv
    from napari_vaemed.workflow.anomalies import anomaly_rows, search_folder, search_index

    if options.folder is None:
        from napari_vaemed.io.indexes import read_index
        from napari_vaemed.io.weights import shipped_index_path

        found = run(search_index(read_index(shipped_index_path()))).anomalies
    else:
        found = run(search_folder(options.folder, options.codes, options.model)).anomalies
    rows = anomaly_rows(found, options.kind or "")
    tell(found.notes)
    if options.csv:
        write_measurements_csv(options.csv, rows)
    if options.json:
        print_json(rows)
        return
    for row in rows[: options.n]:
        print(f"{row['place']:>4}  {row['id']}  malignancy {row['malignancy'] or 0:g}  "
              f"doubt {row['doubt']:.2f}  {row['kinds']}")  # fmt: skip
        print(f"      {row['why']}")
    counts = ", ".join(f"{count} {kind}" for kind, count in found.counts().items())
    print(f"{len(found.queue)} of {len(found.records)} nodules to look at ({counts or 'none'})")


def _label_next(options: argparse.Namespace) -> None:
    from napari_vaemed.io.reports import write_measurements_csv
    from napari_vaemed.workflow.label_next import curve_rows, label_next, learning_curves

    if options.curve:
        curves = run(learning_curves(options.folder, task=options.task, seeds=options.seeds))
        rows = curve_rows(curves)
        write_measurements_csv(options.curve, rows)
    else:
        rows = run(label_next(options.folder, task=options.task, by=options.by, n=options.n))
    if options.json:
        print_json(rows)
        return
    for row in rows:
        print("  ".join(f"{name} {value}" for name, value in row.items()))
