"""Does a nodule clicked a little off its centre find itself, by its latent code alone?

    python benchmarks/self_retrieval.py --data ../shared/data

Each nodule of ``lidc_nodules`` is clicked 2 mm beside its record's centre (random direction, fixed
seed) in its crop, outlined, encoded and looked up in the shipped index by 2-Wasserstein distance:
no id, no coordinate, its own patient included. The peer is PCA-32 of the same patches. Then the
nodule of LIDC-IDRI-0001 is clicked in its full scan, on its centre and 2 mm beside.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.index import NoduleIndex
from napari_vaemed.data.nodule_set import NoduleSet
from napari_vaemed.data.progress import finish
from napari_vaemed.distances import wasserstein2
from napari_vaemed.io.checkpoints import Model, read_model
from napari_vaemed.io.ct import read_ct
from napari_vaemed.io.indexes import read_index
from napari_vaemed.io.nodules import read_nodule_set
from napari_vaemed.io.weights import shipped_index_path, shipped_model_path
from napari_vaemed.retrieval.neighbours import nearest
from napari_vaemed.segmentation.nodules import NoNodule
from napari_vaemed.workflow.click import outline
from napari_vaemed.workflow.encode import encode_nodule, encode_patches
from napari_vaemed.workflow.index import click_all

SCAN = "LIDC-IDRI-0001"
NODULE = "LIDC-IDRI-0001_R_1"


def beside(n: int, mm: float, seed: int) -> NDArray[np.float64]:
    """Steps (n, 3) of one length in random directions."""
    steps = np.random.default_rng(seed).normal(size=(n, 3))
    return mm * steps / np.linalg.norm(steps, axis=1, keepdims=True)


def rank_of_itself(apart: NDArray) -> NDArray[np.int_]:
    """How many others are nearer than the nodule itself, of distances (n, n)."""
    return (apart < np.diag(apart)[:, None]).sum(axis=1)


def principal_components(known: NDArray, asked: NDArray) -> NDArray[np.float64]:
    """Distances (n, n) between the first 32 principal components of patches."""
    from sklearn.decomposition import PCA

    flat = [np.clip(p.reshape(len(p), -1), -1000, 400).astype(np.float32) for p in (known, asked)]
    pca = PCA(32, svd_solver="randomized", random_state=0).fit(flat[0])
    a, b = (pca.transform(f) for f in flat)
    return np.linalg.norm(b[:, None] - a[None], axis=2)


def tell(what: str, ranks: NDArray[np.int_]) -> None:
    first, three = 100 * (ranks < 1).mean(), 100 * (ranks < 3).mean()
    print(f"{what:28s} itself first {first:5.1f} %   within three {three:5.1f} %   n={len(ranks)}")


def in_crops(model: Model, index: NoduleIndex, nodules: NoduleSet, mm: float, seed: int) -> None:
    start = time.perf_counter()
    asked = finish(click_all(nodules, beside(len(nodules), mm, seed))).patches
    query = encode_patches(model, asked)
    tell("latent, 2-Wasserstein", rank_of_itself(wasserstein2(query, index.posterior)))
    known = finish(click_all(nodules)).patches
    tell("PCA-32 of the same patches", rank_of_itself(principal_components(known, asked)))
    print(f"{2 * len(nodules)} clicks in {time.perf_counter() - start:.0f} s")


def in_the_scan(model: Model, index: NoduleIndex, folder: Path, seed: int) -> None:
    scan = finish(read_ct(folder))
    record = next(record for record in index.records if record.id == NODULE)
    for shift in (np.zeros((1, 3)), *np.split(beside(10, 2.0, seed), 10)):
        voxel = scan.to_voxel(np.array(record.centre_mm) + shift[0])
        try:
            mask = outline(scan, voxel)
        except NoNodule as reason:
            print(reason)
            mask = None
        found = nearest(index, encode_nodule(model, scan, mask, voxel), k=3)
        near = "  ".join(f"{n.record.id} {n.distance:.2f}" for n in found)
        print(f"{SCAN} clicked {np.linalg.norm(shift):.0f} mm off: {near}")


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ask.add_argument("--data", type=Path, default=Path("../shared/data"))
    ask.add_argument("--model", type=Path, default=shipped_model_path())
    ask.add_argument("--index", type=Path, default=shipped_index_path())
    ask.add_argument("--mm", type=float, default=2.0, help="distance of the click from the centre")
    ask.add_argument("--seed", type=int, default=0)
    given = ask.parse_args()
    model, index = read_model(given.model, "cpu"), read_index(given.index)
    in_the_scan(model, index, given.data / "lidc_scans" / SCAN, given.seed)
    nodules = finish(read_nodule_set(given.data / "lidc_nodules"))
    in_crops(model, index, nodules, given.mm, given.seed)


if __name__ == "__main__":
    main()
