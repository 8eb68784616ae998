"""How fast the nearest known nodules are found in a large index, and whether they are the right.

    python benchmarks/search.py --known 100000

Peer: scikit-learn's brute-force `NearestNeighbors` on the moments side by side.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from sklearn.neighbors import NearestNeighbors

from napari_vaemed.data.index import NoduleIndex
from napari_vaemed.data.nodule import NoduleRecord
from napari_vaemed.data.posterior import Posterior
from napari_vaemed.retrieval.neighbours import nearest


def posteriors(n: int, dims: int, seed: int) -> Posterior:
    """Means from the prior, standard deviations as a trained model gives them."""
    rng = np.random.default_rng(seed)
    mean = rng.normal(size=(n, dims)).astype(np.float32)
    return Posterior(mean, rng.uniform(0.1, 1.0, (n, dims)).astype(np.float32))


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ask.add_argument("--known", type=int, default=100_000)
    ask.add_argument("--queries", type=int, default=20)
    ask.add_argument("--dims", type=int, default=24)
    given = ask.parse_args()
    known, asked = posteriors(given.known, given.dims, 0), posteriors(given.queries, given.dims, 1)
    record = NoduleRecord("N", "P", "1.2", (0.0, 0.0, 0.0), 8.0, {"malignancy": 3.0})
    index = NoduleIndex((record,) * given.known, known, "", "made here")
    queries = [Posterior(m, s) for m, s in zip(asked.mean, asked.sd, strict=True)]
    start = time.perf_counter()
    ours = np.array([[n.row for n in nearest(index, query, k=10)] for query in queries])
    between = time.perf_counter()
    sides = [np.concatenate([p.mean, p.sd], axis=1).astype(float) for p in (asked, known)]
    peer = NearestNeighbors(n_neighbors=10, algorithm="brute").fit(sides[1])
    fitted = time.perf_counter()
    theirs = np.vstack([peer.kneighbors(side[None])[1] for side in sides[0]])
    end = time.perf_counter()
    mine, other = (1000 * t / given.queries for t in (between - start, end - fitted))
    print(f"{given.queries} queries one by one, {given.known} known, {given.dims} dimensions")
    print(f"nearest              {mine:7.2f} ms a query")
    print(f"scikit-learn brute   {other:7.2f} ms a query   ratio {other / mine:.2f}")
    print(f"the ten nearest in the same order: {100 * (ours == theirs).mean():.1f} %")


if __name__ == "__main__":
    main()
