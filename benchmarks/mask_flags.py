"""Fifty masks with a planted defect each: which flag finds which defect; and sound masks.

    python benchmarks/mask_flags.py

Every defect of ``data/phantom_defects.py`` is planted in masks of several phantoms, each pair is
written as files, and the folder is gone through as ``vaemed check-masks`` does. The sound masks of
the same phantoms, at the end, must not be flagged.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

from napari_vaemed.data import mask_check
from napari_vaemed.data.phantom_defects import DEFECTS, spoilt_mask, true_mask
from napari_vaemed.data.phantoms import Phantom, chest_phantom
from napari_vaemed.data.progress import finish
from napari_vaemed.data.volume import Volume
from napari_vaemed.io.volumes import write_mask, write_volume
from napari_vaemed.workflow.check_masks import check_masks

SMALL = {"shape": (96, 160, 160), "spacing": (3.0, 2.2, 2.2)}


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ask.add_argument("--pairs", type=int, default=50)
    ask.add_argument("--phantoms", type=int, default=5)
    ask.add_argument("--seed", type=int, default=101, help="of the first phantom")
    given = ask.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        seeds = range(given.seed, given.seed + given.phantoms)
        truth = write_pairs(Path(folder), seeds, given.pairs)
        start = time.perf_counter()
        checks = {check.case: check for check in finish(check_masks(folder))}
        seconds = (time.perf_counter() - start) / len(checks)
    print_table(truth, {case: check.kinds for case, check in checks.items()})
    guessed = sum(checks[case].of == of for case, (of, _, _) in truth.items())
    print(f"lungs or nodules guessed rightly: {guessed} of {len(truth)}")
    print(f"{seconds:.1f} s a pair, files read and lungs found for nodules")


def write_pairs(folder: Path, seeds: range, count: int) -> dict[str, tuple[str, str, str]]:
    """Write spoilt and sound pairs; gives of each case its kind, its defect and the flag due."""
    (folder / "image").mkdir()
    (folder / "mask").mkdir()
    truth: dict[str, tuple[str, str, str]] = {}
    for place, seed in enumerate(seeds):
        phantom = chest_phantom(**SMALL, seed=seed)
        for number in range(place, count, len(seeds)):
            defect = DEFECTS[number % len(DEFECTS)]
            case = f"{number:03d}"
            truth[case] = (defect.of, defect.name, defect.expected)
            write_pair(folder, case, phantom, spoilt_mask(phantom, defect, number))
        for of in mask_check.KINDS:
            case = f"sound-{seed}-{of}"
            truth[case] = (of, "sound", "")
            write_pair(folder, case, phantom, true_mask(phantom, of))
    return truth


def write_pair(folder: Path, case: str, phantom: Phantom, mask: Volume) -> None:
    write_volume(folder / "image" / f"{case}.nii.gz", phantom.volume.hu, phantom.volume)
    write_mask(folder / "mask" / f"{case}.nii.gz", mask.hu.astype(np.uint8), mask)


def print_table(truth: dict[str, tuple[str, str, str]], kinds: dict[str, tuple[str, ...]]) -> None:
    rows: dict[tuple[str, str, str], list[str]] = {}
    for case, what in sorted(truth.items()):
        rows.setdefault(what, []).append(case)
    print(f"{'mask of':<9}{'defect':<34}{'pairs':>5}{'flagged':>9}  flagged by (times)")
    flagged = right = 0
    for (of, defect, due), cases in rows.items():
        by = Counter(kind for case in cases for kind in kinds[case])
        caught = sum(bool(kinds[case]) for case in cases)
        if due:
            flagged += caught
            right += sum(due in kinds[case] for case in cases)
        said = ", ".join(f"{kind} ({n})" for kind, n in by.most_common()) or "–"
        print(f"{of:<9}{defect:<34}{len(cases):>5}{caught:>9}  {said}")
    spoilt = sum(bool(due) for _, _, due in truth.values())
    print(f"{flagged} of {spoilt} spoilt masks flagged, {right} by the flag that is meant for it")


if __name__ == "__main__":
    main()
