"""How fast the nearest known nodules are found in a large index, and whether they are the right.

    python benchmarks/search.py --known 100000

Peer: scipy's ``cdist`` on the moments side by side, the textbook way to the same distances.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from scipy.spatial.distance import cdist

from napari_vaemed.data.posterior import Posterior
from napari_vaemed.distances import wasserstein2


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
    start = time.perf_counter()
    ours = wasserstein2(asked, known)
    between = time.perf_counter()
    sides = [np.concatenate([p.mean, p.sd], axis=1).astype(float) for p in (asked, known)]
    peers = cdist(*sides)
    end = time.perf_counter()
    same = (np.argsort(ours, axis=1)[:, :10] == np.argsort(peers, axis=1)[:, :10]).mean()
    print(f"{given.queries} queries, {given.known} known, {given.dims} dimensions")
    print(f"wasserstein2   {1000 * (between - start) / given.queries:7.2f} ms a query")
    theirs = 1000 * (end - between) / given.queries
    print(f"scipy cdist    {theirs:7.2f} ms a query")
    print(f"ratio          {(end - between) / (between - start):7.2f}")
    print(f"the ten nearest in the same order: {100 * same:.1f} %")


if __name__ == "__main__":
    main()
