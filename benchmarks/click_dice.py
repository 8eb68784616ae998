"""Click → mask against the majority of readers, several clicks a nodule, beside its peers.

    python benchmarks/click_dice.py --data ../shared/data     LIDC-IDRI crops
    python benchmarks/click_dice.py --phantoms 8101 8102      phantoms: corrections only

Clicked are the centre of the majority's mask and four of its inner points. Many crops end in z
where the readers' mask does; so that no method can see it, every crop goes on beyond its ends by
one rule, `preprocessing.continuation`: slices are mirrored, the wall goes on, and nodules and
vessels fade as they do in a slice that readers leave out: the next one keeps 2 to 50 % of their
contrast, drawn for each crop. All of it counts as scanned, and what is marked beyond the crop is
neither right nor wrong.

Judged are patients the shipped network has not learned from; the others stand apart, and so do
whole scans. Corrections are a person's who clicks up to three times in the middle of the largest
error. The tables are Markdown, as in docs/click.md.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

from click_peers import PEERS, dice
from napari_vaemed.data.finding import NoduleMask
from napari_vaemed.data.nodule_set import NoduleSet
from napari_vaemed.data.phantom_nodules import KINDS, NoduleSpec
from napari_vaemed.data.phantoms import chest_phantom
from napari_vaemed.data.progress import finish
from napari_vaemed.data.volume import Volume
from napari_vaemed.io.ct import read_ct
from napari_vaemed.io.indexes import read_index
from napari_vaemed.io.nodules import read_nodule_set
from napari_vaemed.io.weights import shipped_index_path
from napari_vaemed.preprocessing.continuation import continued
from napari_vaemed.segmentation.nodules import NoNodule
from napari_vaemed.segmentation.refine import Belief, Hints, refine
from napari_vaemed.training.folds import patient_folds
from napari_vaemed.workflow.click import METHODS, outline, outline_and_belief

CLICKS, CORRECTIONS = 5, 3
FADES = (0.5, 1.2)
FAILED, SPREAD_FROM_MM = 0.3, 6.0
PARTS = ("held-out", "seen", "peers", "scans", "corrections")
BANDS = ((0, 6), (6, 10), (10, 20), (20, 99))


@dataclass(frozen=True, eq=False)
class Nodule:
    """A crop made longer, what readers marked on it, where it is clicked, and what was there."""

    volume: Volume
    majority: np.ndarray
    union: np.ndarray
    crop: tuple[slice, ...]
    clicks: np.ndarray
    density: str
    diameter_mm: float

    @property
    def band(self) -> str:
        return next(f"{a}–{b} mm" for a, b in BANDS if self.diameter_mm < b)


@dataclass(frozen=True, eq=False)
class Answer:
    """Of each click on a nodule: Dice with the majority and the union, mm³, seconds."""

    nodule: Nodule
    dice: np.ndarray
    union: np.ndarray
    cubic: np.ndarray
    seconds: np.ndarray


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with lidc_nodules, or one like it")
    parser.add_argument("--every", type=int, default=1, help="take every n-th nodule")
    parser.add_argument("--seen-every", type=int, default=10, help="of those learned from")
    parser.add_argument("--peers-every", type=int, default=3, help="nodules shown to the peers")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="what to judge")
    parser.add_argument("--as-cut", action="store_true", help="do not hide where crops end")
    parser.add_argument("--phantoms", type=int, nargs="+", default=[8101], help="seeds")
    asked = parser.parse_args()
    if asked.data is None:
        corrections(planted(asked.phantoms))
    else:
        on_readers(asked)


def on_readers(asked: argparse.Namespace) -> None:
    folder = asked.data / "lidc_nodules"
    folder = folder if folder.is_dir() else asked.data
    crops = finish(read_nodule_set(folder))
    rows, learned, parts = judged(folder, crops), learned_from(), asked.parts
    seen, unseen = (
        [n for n in rows if (crops.records[n].patient in learned) is known]
        for known in (True, False)
    )
    hidden = not asked.as_cut
    held_out = nodules(crops, unseen[:: asked.every], hidden=hidden)
    if "held-out" in parts:
        show("Held out", held_out)
    if "seen" in parts:
        few = seen[:: asked.every * asked.seen_every]
        show("SEEN in training", nodules(crops, few, hidden=hidden))
    if "peers" in parts:
        few = held_out[:: asked.peers_every]
        print(f"\nThe same clicks by others: {len(few)} held-out nodules\n")
        header()
        for name, way in {**{method: ours(method) for method in METHODS}, **PEERS}.items():
            tell(name, [clicked(n, way) for n in few])
    if "scans" in parts and (scans := asked.data / "lidc_scans").is_dir():
        whole = list(on_scans(scans, crops))
        show("Whole scans, held out", [n for patient, n in whole if patient not in learned])
        show("Whole scans, SEEN in training", [n for patient, n in whole if patient in learned])
    if "corrections" in parts:
        print("\nCorrections on held-out nodules\n")
        corrections((n.density, n.volume, n.majority, n.crop, n.clicks[0]) for n in held_out)


def show(name: str, group: Sequence[Nodule]) -> None:
    """The default method on some nodules, by density and size too."""
    if group:
        print(f"\n{name}: {len(group)} nodules, {CLICKS} clicks each\n")
        header()
        answers = [clicked(n, ours(METHODS[0])) for n in group]
        tell(METHODS[0], answers)
        by_kind(answers)


def judged(folder: Path, crops: NoduleSet) -> list[int]:
    """The rows that several readers marked."""
    with open(folder / "readers.csv", newline="") as file:
        known = {row["id"] for row in csv.DictReader(file)}
    return [row for row, record in enumerate(crops.records) if record.id in known]


def nodules(crops: NoduleSet, rows: Iterable[int], *, hidden: bool) -> list[Nodule]:
    """Nodules of the set, each in its crop."""
    found = []
    for row in rows:
        rng, volume = np.random.default_rng((7, row)), crops.volumes[row]
        fade = rng.uniform(*FADES)
        longer, crop = continued(volume, fade) if hidden else (volume, (slice(None),) * 3)
        found.append(nodule(crops, row, longer, crop, rng))
    return found


def on_scans(folder: Path, crops: NoduleSet) -> Iterable[tuple[str, Nodule]]:
    """The same nodules in whole scans, as far as these are there, with their patients."""
    for path in sorted(path for path in folder.iterdir() if path.is_dir()):
        scan = finish(read_ct(path))
        for number, record in enumerate(crops.records):
            if record.series_uid == scan.series_uid:
                volume = crops.volumes[number]
                start = np.rint(scan.to_voxel(volume.to_world((0, 0, 0)))).astype(int)
                crop = tuple(slice(a, a + n) for a, n in zip(start, volume.shape, strict=True))
                rng = np.random.default_rng((7, number))
                yield record.patient, nodule(crops, number, scan, crop, rng)


def nodule(
    crops: NoduleSet,
    number: int,
    volume: Volume,
    crop: tuple[slice, ...],
    rng: np.random.Generator,
) -> Nodule:
    """A nodule of the set in a volume that its crop is a part of."""
    majority, union = crops.majorities[number], crops.masks[number]
    diameter = (6 / np.pi * majority.sum() * volume.voxel_mm3) ** (1 / 3)
    clicks = clicks_in(majority, volume.spacing, rng) + [c.start or 0 for c in crop]
    whole = [np.zeros(volume.shape, bool) for _ in range(2)]
    whole[0][crop], whole[1][crop] = majority, union
    density = density_of(crops.records[number].ratings)
    return Nodule(volume, *whole, crop, clicks, density, diameter)


def learned_from() -> set[str]:
    """The patients the shipped click network learned from: all but the first fold of five."""
    patients = [record.patient for record in read_index(shipped_index_path()).records]
    rows, _ = next(patient_folds(patients))
    return {patients[row] for row in rows}


def clicks_in(
    mask: np.ndarray, spacing: tuple[float, float, float], rng: np.random.Generator
) -> np.ndarray:
    """The centre, and points of the inner half, (n, 3)."""
    depth = ndimage.distance_transform_edt(np.pad(mask, 1), sampling=spacing)[1:-1, 1:-1, 1:-1]
    inner = np.argwhere(depth >= 0.5 * depth.max())
    centre = np.argwhere(mask).mean(axis=0)
    return np.vstack([centre, inner[rng.integers(len(inner), size=CLICKS - 1)]])


def density_of(ratings: dict) -> str:
    """What the readers said: calcification below 6 is some, texture 1 is ground glass, 5 solid."""
    if ratings.get("calcification", 6) < 6:
        return "calcified"
    texture = ratings.get("texture", 5)
    return "ground-glass" if texture <= 2 else "part-solid" if texture < 4.5 else "solid"


def ours(method: str) -> Callable[[Volume, np.ndarray], np.ndarray]:
    def marked(volume: Volume, voxel: np.ndarray) -> np.ndarray:
        try:
            return outline(volume, voxel, method=method).full(volume.shape)
        except NoNodule:
            return np.zeros(volume.shape, bool)

    return marked


def clicked(nodule: Nodule, way: Callable[[Volume, np.ndarray], np.ndarray]) -> Answer:
    rows = []
    for voxel in nodule.clicks:
        start = time.perf_counter()
        found = way(nodule.volume, voxel)
        seconds = time.perf_counter() - start
        cubic = float(found.sum()) * nodule.volume.voxel_mm3
        scores = (dice(found[nodule.crop], m[nodule.crop]) for m in (nodule.majority, nodule.union))
        rows.append((*scores, cubic, seconds))
    return Answer(nodule, *np.array(rows).T)


def header() -> None:
    print("| | n | Dice | at the centre | 10 % | < 0.3 | refused | union's | spread | ms |\n"
          "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|")  # fmt: skip


def tell(name: str, answers: Sequence[Answer]) -> None:
    """Over all clicks: medians, 10th percentile, failures; spread of volume over clicks."""
    if not answers:
        return
    all_dice, union, cubic, seconds = (
        np.array([getattr(a, what) for a in answers])
        for what in ("dice", "union", "cubic", "seconds")
    )
    spread = [
        np.std(a.cubic[a.cubic > 0], ddof=1) / a.cubic[a.cubic > 0].mean()
        for a in answers
        if a.nodule.diameter_mm >= SPREAD_FROM_MM and (a.cubic > 0).sum() > 1
    ]
    print(
        f"| {name} | {len(answers)} | {np.median(all_dice):.3f} | {np.median(all_dice[:, 0]):.3f} "
        f"| {np.percentile(all_dice, 10):.3f} | {100 * (all_dice < FAILED).mean():.1f} % "
        f"| {100 * (cubic == 0).mean():.1f} % | {np.median(union):.3f} "
        f"| {f'{100 * np.median(spread):.1f} %' if spread else '–'} "
        f"| {1000 * np.median(seconds):.0f} |",
        flush=True,
    )


def by_kind(answers: Sequence[Answer]) -> None:
    for kind in ("density", "band"):
        for name in sorted({getattr(a.nodule, kind) for a in answers}, key=lambda n: (len(n), n)):
            tell(name, [a for a in answers if getattr(a.nodule, kind) == name])


def planted(seeds: Sequence[int]) -> Iterable[tuple]:
    """The nodules of phantoms, one of each kind."""
    for seed in seeds:
        rng = np.random.default_rng(seed)
        specs = [NoduleSpec(kind, float(rng.uniform(6, 18))) for kind in KINDS]
        phantom = chest_phantom(seed=seed, nodules=specs)
        for nodule in phantom.planted:
            voxel = phantom.volume.to_voxel(nodule.centre_mm)
            truth = phantom.nodules == nodule.label
            yield nodule.kind, phantom.volume, truth, (slice(None),) * 3, voxel


def corrections(cases: Iterable[tuple]) -> None:
    """Dice after the click and after each correction of it, by kind."""
    rows: dict[str, list[list[float]]] = {}
    seconds: list[float] = []
    for kind, volume, truth, crop, voxel in cases:
        try:
            mask, believed = outline_and_belief(volume, voxel)
        except NoNodule:
            continue
        row = corrected_thrice(volume, truth, crop, mask, believed, seconds)
        for name in (kind, "all"):
            rows.setdefault(name, []).append(row)
    steps = range(CORRECTIONS + 1)
    print("| corrections | n | " + " | ".join(f"{n}" for n in steps) + " | "
          + " | ".join(f"10 % at {n}" for n in steps) + " |\n|---|"
          + "--:|" * (2 * len(steps) + 1))  # fmt: skip
    for name, of_kind in rows.items():
        levels = np.median(of_kind, axis=0), np.percentile(of_kind, 10, axis=0)
        cells = " | ".join(f"{d:.3f}" for d in np.concatenate(levels))
        print(f"| {name} | {len(of_kind)} | {cells} |")
    if seconds:
        print(f"a correction takes {1000 * np.median(seconds):.0f} ms at the median, "
              f"{1000 * np.percentile(seconds, 95):.0f} at 95 %")  # fmt: skip


def corrected_thrice(
    volume: Volume,
    truth: np.ndarray,
    crop: tuple[slice, ...],
    mask: NoduleMask,
    believed: Belief | None,
    seconds: list[float],
) -> list[float]:
    hints = Hints.of()
    row = [dice(mask.full(volume.shape)[crop], truth[crop])]
    for _ in range(CORRECTIONS):
        wrong = largest_error(mask.full(volume.shape)[crop], truth[crop], volume.spacing)
        if wrong is not None:
            missing, at = wrong
            at = at + [c.start or 0 for c in crop]
            hints = hints.then(Hints.of(inside=[at]) if missing else Hints.of(outside=[at]))
            start = time.perf_counter()
            mask = refine(volume, mask, hints, believed)
            seconds.append(time.perf_counter() - start)
        row.append(dice(mask.full(volume.shape)[crop], truth[crop]))
    return row


def largest_error(
    found: np.ndarray, truth: np.ndarray, spacing: tuple[float, float, float]
) -> tuple[bool, np.ndarray] | None:
    """Whether the largest piece of error is missing, and its voxel farthest from its border."""
    best: tuple[int, bool, np.ndarray] | None = None
    for missing, error in ((True, truth & ~found), (False, found & ~truth)):
        pieces, count = ndimage.label(error)
        sizes = np.bincount(pieces.ravel())[1:]
        if count and (best is None or sizes.max() > best[0]):
            best = int(sizes.max()), missing, pieces == sizes.argmax() + 1
    if best is None:
        return None
    _, missing, piece = best
    depth = ndimage.distance_transform_edt(np.pad(piece, 1), sampling=spacing)[1:-1, 1:-1, 1:-1]
    deepest = np.argwhere(depth >= depth.max() - 1e-6)
    middle = np.argwhere(piece).mean(axis=0)
    apart = np.square((deepest - middle) * spacing).sum(axis=1)
    return missing, deepest[apart.argmin()]


if __name__ == "__main__":
    main()
