"""How many clicks on things that are no nodule are taken for one, by what was clicked.

    python benchmarks/refusals.py --data ../shared/data

Clicks on vessels, wide vessels (forks, the hilum), the wall, bone, airways and organs, and lung of
the whole scans of ``covid_ct_md`` whose slices show no infection; and on phantoms' vessels.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from napari_vaemed.data.phantoms import chest_phantom
from napari_vaemed.data.progress import finish
from napari_vaemed.data.volume import Volume
from napari_vaemed.io.ct import read_ct
from napari_vaemed.segmentation.lungs import segment_lungs
from napari_vaemed.segmentation.nodules import NoNodule
from napari_vaemed.training.click_samples import other_places
from napari_vaemed.workflow.click import METHODS, outline

SCANS = {"normal-normal001": None, "cap-cap002": 56}
"""Scans the shipped network has not seen, and their row in the table of infected slices."""


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ask.add_argument("--data", type=Path, help="folder with covid_ct_md; else a phantom")
    ask.add_argument("--clicks", type=int, default=200, help="in each scan")
    ask.add_argument("--seed", type=int, default=11)
    ask.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS, help="of the click")
    given = ask.parse_args()
    rng = np.random.default_rng(given.seed)
    counts: dict[tuple[str, str], list[int]] = {}
    scans = phantom_scan(given.seed) if given.data is None else real_scans(given.data)
    for name, volume, lungs, slices, nodules in scans:
        places = other_places(volume, lungs, given.clicks, rng, avoid=nodules, slices=slices)
        for kind, points in places.items():
            for point in points:
                taken = [accepted(volume, volume.to_voxel(point), lungs, m) for m in given.methods]
                for scan in (name, "all"):
                    row = counts.setdefault((scan, kind), [0] * (len(given.methods) + 1))
                    row[0] += 1
                    for method, yes in enumerate(taken, 1):
                        row[method] += yes
    print(f"{'scan':<18}{'clicked':<18}{'clicks':>7}" + "".join(f"{m:>11}" for m in given.methods))
    for (scan, kind), (clicks, *yes) in counts.items():
        shares = "".join(f"{100 * y / clicks:9.1f} %" for y in yes)
        print(f"{scan:<18}{kind:<18}{clicks:7}{shares}")


def accepted(volume: Volume, voxel: np.ndarray, lungs: np.ndarray, method: str) -> bool:
    try:
        outline(volume, voxel, lungs, method=method)
    except NoNodule:
        return False
    return True


def real_scans(data: Path) -> Iterator[tuple]:
    """Name, scan, lungs, slices without infection; no nodule is known in them."""
    folder = data / "covid_ct_md"
    labels = np.load(folder / "Slice-level-labels-updated-1.npy")
    for name, row in SCANS.items():
        volume = finish(read_ct(folder / name))
        count = volume.shape[0]
        free = np.arange(count)
        if row is not None:  # the scan holds every second slice; the table does not say which end
            bad = np.flatnonzero(labels[row]) // 2
            bad = np.concatenate([bad + d for d in (-1, 0, 1)])
            free = np.setdiff1d(free, np.concatenate([bad, count - 1 - bad]))
        yield name, volume, finish(segment_lungs(volume)), free, None


def phantom_scan(seed: int) -> Iterator[tuple]:
    phantom = chest_phantom(seed=seed)
    yield "phantom", phantom.volume, phantom.lungs, None, phantom.nodules > 0


if __name__ == "__main__":
    main()
