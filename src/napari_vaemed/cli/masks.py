"""Commands about masks: check-masks."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from napari_vaemed.cli.verbs import add_verb, print_json, run, tell
from napari_vaemed.data.mask_check import KINDS


def add_verbs(verbs: Any) -> None:
    """Add check-masks."""
    check = add_verb(
        verbs,
        "check-masks",
        _check_masks,
        "Look through a folder of CTs with masks: what looks wrong, and how masks agree with "
        "references.",
    )
    check.add_argument(
        "folder",
        type=Path,
        help="with image/7.nii.gz and mask/7.nii.gz, or 7.nii.gz and 7_mask.nii.gz, or "
        "7/ct.nii.gz and 7/mask.nii.gz",
    )
    check.add_argument("--of", choices=KINDS, help="what the masks are of; else guessed by size")
    check.add_argument("--reference", type=Path, help="folder of masks to compare with, same names")
    check.add_argument("--csv", type=Path, help="write one line a label here")
    check.add_argument("--json", action="store_true", help="print JSON")


def _check_masks(options: argparse.Namespace) -> None:
    from napari_vaemed.io.mask_pairs import find_mask_pairs
    from napari_vaemed.io.reports import write_measurements_csv
    from napari_vaemed.workflow.check_masks import check_masks, check_rows

    alone = find_mask_pairs(options.folder, options.reference).alone
    checks = run(check_masks(options.folder, options.of, options.reference))
    rows = check_rows(checks)
    tell(f"{path.name} has no CT beside it and was left out." for path in alone)
    if options.csv:
        write_measurements_csv(options.csv, rows)
    if options.json:
        print_json(rows)
        return
    for row in rows:
        print(_line(row))
    flagged = sum(bool(check.flags) for check in checks)
    print(f"{flagged} of {len(checks)} masks flagged")


def _line(row: dict[str, Any]) -> str:
    name = row["case"] if row["label"] is None else f"{row['case']} label {row['label']}"
    parts = [f"{name}: {row['ml']:.4g} ml"]
    if row["dice"] is not None:
        parts.append(f"Dice {row['dice']:.3f}")
    if row["hausdorff95_mm"] is not None:
        parts.append(f"HD95 {row['hausdorff95_mm']:.1f} mm")
    parts.append(row["flags"] or "no flag")
    return ", ".join(parts)
