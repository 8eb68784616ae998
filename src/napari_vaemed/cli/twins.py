"""The command that says what the votes of an index are worth: calibrate."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from napari_vaemed.cli.verbs import add_verb, run


def add_verbs(verbs: Any) -> None:
    """Add calibrate."""
    verb = add_verb(
        verbs, "calibrate", _calibrate,
        "Learn from a bench's held-out votes what a vote of an index is worth as a probability.",
    )  # fmt: skip
    verb.add_argument(
        "bench", type=Path,
        help="folder that `vaemed bench` wrote of the nodules the index was made of",
    )  # fmt: skip
    verb.add_argument("--index", type=Path, help="index instead of the shipped one")
    verb.add_argument(
        "--entrant", default="GaussianVAE", metavar="NAME", help="which of the bench's encoders"
    )
    verb.add_argument(
        "-o", "--output", type=Path,
        help="JSON to write; by default beside the index, where window and commands look for it",
    )  # fmt: skip


def _calibrate(options: argparse.Namespace) -> None:
    from napari_vaemed.io.indexes import read_index
    from napari_vaemed.io.vote_calibration import CALIBRATION_FILE, write_vote_calibration
    from napari_vaemed.io.weights import shipped_index_path
    from napari_vaemed.workflow.calibrate_votes import calibrate_votes

    path = options.index or shipped_index_path()
    work = calibrate_votes(options.bench, read_index(path), entrant=options.entrant)
    found = run(work)
    output = options.output or path.with_name(CALIBRATION_FILE)
    write_vote_calibration(output, found)
    seeds = "1 seed" if found.seeds == 1 else f"{found.seeds} seeds"
    print(
        f"{found.nodules} held-out nodules, {found.malignant} malignant, {found.patients} "
        f"patients, {seeds}"
    )
    print(f"{'by':<26}{'calibration error':<26}{'same class among 10':<26}above volume")
    for name, curve in found.curves.items():
        above = _told(found.above_ruler[name], "+.3f")
        print(f"{name:<26}{_told(curve.error):<26}{_told(curve.same_class):<26}{above}")
    ruler = found.ruler
    print(f"{'volume alone':<26}{_told(ruler.error):<26}{_told(ruler.same_class)}")
    print(f"-> {output}")


def _told(found: Any, form: str = ".3f") -> str:
    return f"{found.value:{form}} [{found.low:{form}}, {found.high:{form}}]"
