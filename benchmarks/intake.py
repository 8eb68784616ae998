"""From a folder of DICOM slices to HU voxels: time and memory beside SimpleITK's series reader.

    python benchmarks/intake.py --data ../shared/data

Ours includes grouping, sorting and all checks. Peer: `GetGDCMSeriesFileNames`, `Execute` and
`GetArrayFromImage`. Both run in turn in one process with the files in the page cache; the median
of the runs counts. Memory is the highest resident size above what was there before the reading,
each in a process of its own (Linux).
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from napari_vaemed.data.progress import finish
from napari_vaemed.io.dicom import read_dicom
from napari_vaemed.io.sources import files_below

SCANS = (
    ("lidc_scans/LIDC-IDRI-0001", 3.0),
    ("covid_ct_md/covid-P002", 2.0),
    ("covid_ct_md/cap-cap002", 2.0),
    ("covid_ct_md/normal-normal001", 2.0),
)
"""Folder, and how many times faster than the peer it is to be."""
MOST_MEMORY = 1.5


def ours(folder: Path) -> NDArray[np.int16]:
    return finish(read_dicom(folder)).hu


def theirs(folder: Path) -> NDArray[np.int16]:
    reader = sitk.ImageSeriesReader()
    within = next(p for p in files_below(folder) if p.suffix == ".dcm").parent
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(within)))
    return sitk.GetArrayFromImage(reader.Execute())


READERS: dict[str, Callable[[Path], NDArray[np.int16]]] = {"ours": ours, "SimpleITK": theirs}


def resident(peak: bool) -> int:
    """Bytes this process holds in memory now, or held at most since the last reset."""
    field = "VmHWM" if peak else "VmRSS"
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(field)).split()[1])


def peak_memory(reader: str, folder: Path) -> float:
    """Highest memory while reading, in sizes of the result."""
    READERS[reader](folder)  # imports and pools are not the scan's
    before = resident(peak=False)
    Path("/proc/self/clear_refs").write_text("5")
    voxels = READERS[reader](folder)
    return (resident(peak=True) - before) / voxels.nbytes


def seconds(folder: Path, repeats: int) -> dict[str, float]:
    taken: dict[str, list[float]] = {name: [] for name in READERS}
    for _ in range(repeats):
        for name, read in READERS.items():
            start = time.perf_counter()
            read(folder)
            taken[name].append(time.perf_counter() - start)
    return {name: statistics.median(each) for name, each in taken.items()}


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ask.add_argument("--data", type=Path, required=True)
    ask.add_argument("--repeats", type=int, default=7)
    ask.add_argument("--memory", nargs=2, metavar=("READER", "FOLDER"), help=argparse.SUPPRESS)
    given = ask.parse_args()
    sitk.ProcessObject.GlobalWarningDisplayOff()
    if given.memory:
        print(json.dumps(peak_memory(given.memory[0], Path(given.memory[1]))))
        return
    print(f"{'scan':<18}{'ours':>9}{'SimpleITK':>11}{'ratio':>8}{'wanted':>8}"
          f"{'same':>6}{'memory':>8}{'theirs':>8}")  # fmt: skip
    for name, wanted in SCANS:
        folder = given.data / name
        same = np.array_equal(ours(folder), theirs(folder))
        taken = seconds(folder, given.repeats)
        memory = {
            reader: float(subprocess.check_output(
                [sys.executable, __file__, "--data", given.data, "--memory", reader, folder]
            )) for reader in READERS
        }  # fmt: skip
        ratio = taken["SimpleITK"] / taken["ours"]
        print(f"{folder.name:<18}{taken['ours']:7.3f} s{taken['SimpleITK']:9.3f} s{ratio:8.2f}"
              f"{wanted:8.1f}{'yes' if same else 'NO':>6}{memory['ours']:7.2f}×"
              f"{memory['SimpleITK']:7.2f}×")  # fmt: skip


if __name__ == "__main__":
    main()
