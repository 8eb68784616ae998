"""Suggestions: sensitivity and wrong ones per scan at each least score.

    python benchmarks/suggestions.py [--phantoms 900 901 …] [--data ../shared/data] [--write]
    python benchmarks/suggestions.py --speed

A suggestion finds a nodule when it lies within its radius of the nodule's centre, or within the
3 mm that a click may miss by; one that finds none is wrong. Phantoms have seeds below those that
the click network learned from. Crops are of patients it has not learned from, go on beyond their
ends as in ``click_dice.py``, and count as lung altogether; what is wrong on them is not counted.
Of whole scans only LIDC-IDRI's have known nodules; on the others every suggestion counts as wrong.

Intervals: Wilson's for a share; of a count per scan Student's over scans,
its upper end no lower than Poisson's.
With ``--write`` the figures become the ones the window shows; those of the same network on what
was not tried this time stay.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from scipy import stats

from click_dice import judged, learned_from, nodules, on_scans
from lung_net import stretched
from napari_vaemed.data.interval import Interval
from napari_vaemed.data.progress import finish
from napari_vaemed.data.suggestion import Figures, Suggestion, Tried
from napari_vaemed.data.volume import Volume
from napari_vaemed.io.ct import read_ct
from napari_vaemed.io.nodules import read_nodule_set
from napari_vaemed.io.suggestion_figures import read_figures, write_figures
from napari_vaemed.io.weights import shipped_suggestion_figures_path
from napari_vaemed.segmentation.lungs import segment_lungs
from napari_vaemed.workflow.click import shipped_click_net
from napari_vaemed.workflow.suggest import suggest
from napari_vaemed.workflow.train_click import drawn_phantom

SCORES = tuple(np.arange(0, 9.01, 0.75).tolist())
CLICK_MM = 3.0
MOST_WRONG = 4.0
"""Usual is the least score that shows no more wrong suggestions a real scan than this."""

SCANS = ("covid-P002", "cap-cap002", "normal-normal001")
LEARNED = {"LIDC-IDRI-0001", "covid-P002"}
"""The network learned vessels from these."""

Truth = list[tuple[str, np.ndarray, float]]
"""Of each nodule: what kind, centre in mm, diameter."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--phantoms", type=int, nargs="*", default=list(range(900, 912)))
    parser.add_argument("--data", type=Path, help="folder of real scans and crops")
    parser.add_argument("--every", type=int, default=1, help="take every n-th crop")
    parser.add_argument("--write", action="store_true", help="as the package's own figures")
    parser.add_argument("--speed", action="store_true", help="time 300 slices of 512² instead")
    asked = parser.parse_args()
    if asked.speed:
        speed()
        return
    tried = []
    if asked.data is not None:
        tried.append(on_crops(asked.data / "lidc_nodules", asked.every))
        tried.append(on_real_scans(asked.data))
    if asked.phantoms:
        tried.append(on_phantoms(asked.phantoms))
    usual = usual_of(tried)
    for each in tried:
        show(each, usual)
    if asked.write:
        write(tried)


def write(tried: Sequence[Tried]) -> None:
    path, model = shipped_suggestion_figures_path(), shipped_click_net().sha256
    if path.is_file() and (old := read_figures(path)).model == model and old.scores == SCORES:
        names = {each.name for each in tried}
        tried = [*tried, *(each for each in old.tried if each.name not in names)]
    tried = sorted(tried, key=lambda each: each.name)
    write_figures(path, Figures(SCORES, usual_of(tried), tuple(tried), model))


def on_phantoms(seeds: Sequence[int]) -> Tried:
    answers = []
    for seed in seeds:
        phantom = drawn_phantom(seed)
        truth = [(p.kind, np.array(p.centre_mm), p.diameter_mm) for p in phantom.planted]
        answers.append(answered(f"phantom {seed}", phantom.volume, truth))
    note = "synthetic chests with planted nodules of all kinds; easier than patients"
    return tried_on("phantoms", note, answers)


def on_crops(folder: Path, every: int) -> Tried:
    crops = finish(read_nodule_set(folder))
    learned = learned_from()
    rows = [n for n in judged(folder, crops) if crops.records[n].patient not in learned][::every]
    answers = []
    start = time.perf_counter()
    for nodule in nodules(crops, rows, hidden=True):
        centre = nodule.volume.to_world(np.argwhere(nodule.majority).mean(axis=0))
        truth = [(nodule.density, centre, nodule.diameter_mm)]
        lungs = np.ones(nodule.volume.shape, np.uint8)
        found = finish(suggest(nodule.volume, lungs))
        answers.append((found, truth))
    print(f"{len(answers)} crops: {time.perf_counter() - start:.0f} s", flush=True)
    by_kind(answers)
    note = "LIDC-IDRI crops of patients the network has not learned from, where readers agree"
    return tried_on("crops", note, answers, wrong=False)


def on_real_scans(folder: Path) -> Tried:
    crops = finish(read_nodule_set(folder / "lidc_nodules"))
    known: dict[str, tuple[Volume, Truth]] = {}
    for patient, nodule in on_scans(folder / "lidc_scans", crops):
        centre = nodule.volume.to_world(np.argwhere(nodule.majority).mean(axis=0))
        truth = known.setdefault(patient, (nodule.volume, []))[1]
        truth.append((nodule.density, centre, nodule.diameter_mm))
    answers = [answered(name, *known[name]) for name in known]
    for name in SCANS:
        answers.append(answered(name, finish(read_ct(folder / "covid_ct_md" / name)), []))
    names = [*known, *SCANS]
    learned = sum(name in LEARNED for name in names)
    note = (
        f"whole scans ({', '.join(names)}); from {learned} of them the network learned what "
        "vessels look like, and all but LIDC's have no known nodules: all counts as wrong there"
    )
    return tried_on("patients", note, answers)


def answered(name: str, volume: Volume, truth: Truth) -> tuple[tuple[Suggestion, ...], Truth]:
    """Suggestions in the lungs of a scan, and its nodules."""
    lungs = finish(segment_lungs(volume))
    start = time.perf_counter()
    found = finish(suggest(volume, lungs))
    seconds = time.perf_counter() - start
    wrong = [wrong_of(found, truth, score) for score in SCORES]
    hit = [sum(is_found(found, t, score) for t in truth) for score in SCORES]
    print(f"{name}: {seconds:.0f} s, found of {len(truth)} {hit}, wrong {wrong}", flush=True)
    return found, truth


def finds(suggestion: Suggestion, nodule: tuple[str, np.ndarray, float]) -> bool:
    _, centre, diameter = nodule
    away = float(np.linalg.norm(np.subtract(suggestion.centre_mm, centre)))
    return away <= max(diameter / 2, CLICK_MM)


def is_found(found: Iterable[Suggestion], nodule: tuple[str, np.ndarray, float], score: float):
    return any(each.score >= score and finds(each, nodule) for each in found)


def wrong_of(found: Iterable[Suggestion], truth: Truth, score: float) -> int:
    sure = (each for each in found if each.score >= score)
    return sum(not any(finds(each, nodule) for nodule in truth) for each in sure)


def tried_on(name: str, note: str, answers: list, *, wrong: bool = True) -> Tried:
    hits = np.array([
        [is_found(found, nodule, score) for score in SCORES]
        for found, truth in answers for nodule in truth
    ])  # fmt: skip
    counts = np.array([[wrong_of(f, t, s) for s in SCORES] for f, t in answers])
    return Tried(
        name,
        note,
        len(answers),
        len(hits),
        tuple(share(column) for column in hits.T),
        tuple(per_scan(column) for column in counts.T) if wrong else (),
    )


def share(hits: np.ndarray) -> Interval:
    low, high = stats.binomtest(int(hits.sum()), len(hits)).proportion_ci(method="wilson")
    value = float(hits.mean())
    return Interval(round(value, 4), round(min(low, value), 4), round(max(high, value), 4))


def per_scan(counts: np.ndarray) -> Interval:
    mean = float(counts.mean())
    reach = stats.t.ppf(0.975, len(counts) - 1) * stats.sem(counts) if len(counts) > 1 else 0.0
    most = stats.chi2.ppf(0.975, 2 * (counts.sum() + 1)) / 2 / len(counts)  # no end is sure
    high = max(mean + reach, float(most))
    return Interval(round(mean, 2), round(max(mean - reach, 0), 2), round(high, 2))


def usual_of(tried: Sequence[Tried]) -> int:
    """Index of the least score with few enough wrong suggestions on patients."""
    real = next((t for t in tried if t.name == "patients"), None)
    if real is None:
        return len(SCORES) // 2
    few = [n for n, wrong in enumerate(real.wrong) if wrong.value <= MOST_WRONG]
    return few[0] if few else len(SCORES) - 1


def by_kind(answers: list) -> None:
    kinds = sorted({nodule[0] for _, truth in answers for nodule in truth})
    for kind in kinds:
        own = [(f, n) for f, truth in answers for n in truth if n[0] == kind]
        hits = [f"{np.mean([is_found(f, n, s) for f, n in own]):.2f}" for s in SCORES]
        print(f"  {kind}, n = {len(own)}: {' '.join(hits)}")


def show(tried: Tried, usual: int) -> None:
    print(f"\n{tried.name}: {tried.scans}, {tried.nodules} nodules; {tried.note}")
    print("| score | sensitivity | wrong per scan |\n|--:|--:|--:|")
    for n, score in enumerate(SCORES):
        cells = []
        for values, digits in ((tried.sensitivity, 2), (tried.wrong, 1)):
            if values:
                v = values[n]
                cells.append(f"{v.value:.{digits}f} ({v.low:.{digits}f}–{v.high:.{digits}f})")
            else:
                cells.append("–")
        print(f"| {score:.2f}{' *' if n == usual else ''} | {' | '.join(cells)} |")


def speed() -> None:
    volume = stretched(300, 1.0)
    lungs = finish(segment_lungs(volume))
    finish(suggest(volume, lungs))
    start = time.perf_counter()
    found = finish(suggest(volume, lungs))
    print(f"300 x 512 x 512: {time.perf_counter() - start:.1f} s, {len(found)} suggestions")


if __name__ == "__main__":
    main()
