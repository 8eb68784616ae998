"""Sizes and their error bars on phantom nodules of known size.

    python benchmarks/measure.py --nodules 500 --seed 22000  errors, and how often the bar holds
    python benchmarks/measure.py --calibrate --seed 4000     error over spread, for the factors

Each nodule is clicked up to half its radius off its centre. The truth's diameters leave out what
is thin beside the body, such as spicules, by one rule for every nodule (`data.diameters.THIN`).
Calibrate and judge on different seeds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import count
from multiprocessing import get_context

import numpy as np

from napari_vaemed.data.finding import ErrorBars, Measurement
from napari_vaemed.data.phantom_nodules import KINDS, NoduleSpec, PlantedNodule
from napari_vaemed.data.phantoms import Phantom, chest_phantom
from napari_vaemed.data.progress import finish
from napari_vaemed.segmentation.nodules import NoNodule
from napari_vaemed.segmentation.uncertainty import FACTORS, Spread, group_of, intervals
from napari_vaemed.workflow.examine import mark
from napari_vaemed.workflow.measured import spread_of_marked

GRIDS = (
    ((100, 384, 384), (1.0, 0.9, 0.9)),
    ((68, 384, 384), (1.5, 0.9, 0.9)),
    ((50, 448, 448), (2.0, 0.75, 0.75)),
    ((40, 448, 448), (2.5, 0.75, 0.75)),
    ((80, 448, 448), (1.25, 0.75, 0.75)),
)
"""Chests 100 mm high, cut from the middle."""

BATCH = 4
"""Phantoms that are made before it is asked whether there are enough."""

NUMBERS = ("longest", "across", "mean", "volume", "solid")
Row = tuple[PlantedNodule, Measurement, Spread, float, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nodules", type=int, default=500, help="how many")
    parser.add_argument("--seed", type=int, default=22000, help="of the first phantom")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--calibrate", action="store_true", help="error over spread instead")
    asked = parser.parse_args()
    rows: list[Row] = []
    refused: dict[str, int] = {}
    seeds = count(asked.seed)
    with ProcessPoolExecutor(asked.workers, mp_context=get_context("spawn")) as pool:
        while len(rows) + sum(refused.values()) < asked.nodules:
            for answers in pool.map(all_measured, [seed := next(seeds) for _ in range(BATCH)]):
                for answer in answers:
                    if isinstance(answer, str):
                        refused[answer] = refused.get(answer, 0) + 1
                    else:
                        rows.append(answer)
    print(f"seeds {asked.seed} to {seed}: {len(rows)} measured, "
          + "; ".join(f"{n} × {why}" for why, n in refused.items()))  # fmt: skip
    calibrate(rows) if asked.calibrate else judge(rows)


def all_measured(seed: int) -> list[Row | str]:
    return list(measured(seed))


def measured(seed: int) -> Iterator[Row | str]:
    """Every nodule of a phantom, clicked; or the reason why it was not measured."""
    phantom = planted(seed)
    rng = np.random.default_rng((seed, 2))
    for nodule in phantom.planted:
        way = rng.normal(size=3)
        off = way / np.linalg.norm(way) * rng.uniform(0, 0.25) * nodule.diameter_mm
        voxel = phantom.volume.to_voxel(np.array(nodule.centre_mm) + off)
        try:
            marked = mark(phantom.volume, voxel, phantom.lungs)
        except NoNodule:
            yield "click refused"
            continue
        start = time.perf_counter()
        spread = finish(spread_of_marked(phantom.volume, marked, phantom.lungs))
        seconds = time.perf_counter() - start
        if isinstance(spread, str):
            yield "".join(letter for letter in spread if not letter.isdigit())
        else:
            yield nodule, marked.measurement, spread, phantom.volume.spacing[1], seconds


def planted(seed: int) -> Phantom:
    """Nodules of all kinds, 4 to 20 mm, most of them small."""
    rng = np.random.default_rng(seed)
    sizes = np.concatenate([rng.uniform(*span) for span in ((4, 8, 4), (8, 13, 3), (13, 20, 1))])
    sizes = rng.permutation(sizes)
    specs = [NoduleSpec(kind, float(size)) for kind, size in zip(KINDS, sizes, strict=True)]
    shape, spacing = GRIDS[seed % len(GRIDS)]
    return chest_phantom(shape=shape, spacing=spacing, seed=seed, nodules=specs)


def truth(nodule: PlantedNodule) -> dict[str, float | None]:
    mean = (nodule.longest_mm + nodule.perpendicular_mm) / 2
    return {"longest": nodule.longest_mm, "across": nodule.perpendicular_mm, "mean": mean,
            "volume": nodule.volume_mm3, "solid": nodule.solid_mm3}  # fmt: skip


def found(m: Measurement) -> dict[str, float | None]:
    return {"longest": m.longest_mm, "across": m.perpendicular_mm, "mean": m.mean_mm,
            "volume": m.partial_volume_mm3, "solid": m.solid and m.solid.volume_mm3}  # fmt: skip


def bars_of(bars: ErrorBars) -> dict[str, object]:
    return {"longest": bars.longest_mm, "across": bars.perpendicular_mm, "mean": bars.mean_mm,
            "volume": bars.volume_mm3, "solid": bars.solid_mm3}  # fmt: skip


def calibrate(rows: list[Row]) -> None:
    """Error over spread that 1.5 and 98.5 % of the nodules stay below; volumes in logs."""
    for kind, factors in FACTORS.items():
        for number in factors:
            ratios = []
            for nodule, m, spread, *_ in rows:
                real, said, sigma = truth(nodule)[number], found(m)[number], getattr(spread, number)
                if real and said and sigma and group_of(m) == kind:
                    cubic = number in ("volume", "solid")
                    error = np.log(said / real) if cubic else said - real
                    ratios.append(error / sigma)
            if ratios:
                low, high = np.quantile(ratios, [0.015, 0.985])
                print(f"{kind:>10} {number:>8}: n {len(ratios)}, {low:.2f} to {high:.2f}")


def judge(rows: list[Row]) -> None:
    """Errors, and how often the truth lies inside the bar, by kind and size."""
    groups = [("all", rows), ("6 mm and more", [r for r in rows if r[0].diameter_mm >= 6])]
    groups += [(kind, [row for row in rows if row[0].kind == kind]) for kind in KINDS]
    for name, group in groups:
        if group:
            print(f"\n{name}, n {len(group)}")
            for number in NUMBERS:
                tell(number, group)
    seconds = [row[4] for row in rows]
    print(f"\nerror bars: median {np.median(seconds):.2f} s, 95 % {np.quantile(seconds, 0.95):.2f}")


def tell(number: str, rows: list[Row]) -> None:
    """Median and 95th percentile of the error, share inside the bar, its median half width."""
    errors, inside, widths, relative = [], [], [], []
    cubic = number in ("volume", "solid")
    for nodule, m, spread, pixel, _ in rows:
        real, said = truth(nodule)[number], found(m)[number]
        bar = bars_of(intervals(m, spread))[number]
        if not real or not said or bar is None:
            continue
        errors.append(abs(said / real - 1) if cubic else abs(said - real) / pixel)
        inside.append(bar.low <= real <= bar.high)
        widths.append(bar.half_width)
        relative.append(bar.half_width / said)
    if errors:
        unit = "of it" if cubic else "pixels"
        print(
            f"  {number:>8}: error median {np.median(errors):.3f}, "
            f"95 % {np.quantile(errors, 0.95):.2f} {unit}; inside {np.mean(inside):.3f}; "
            f"half width median {np.median(widths):.2f} ({np.median(relative):.2f} of it)"
        )


if __name__ == "__main__":
    main()
