"""Click → mask on phantoms of known volume, beside SimpleITK's confidence-connected growing.

    python benchmarks/nodules.py --seeds 41 42

Against readers: ``benchmarks/click_dice.py``.
"""

from __future__ import annotations

import argparse

import numpy as np

from click_peers import confidence_connected
from napari_vaemed.data.phantom_nodules import KINDS, NoduleSpec
from napari_vaemed.data.phantoms import Phantom, chest_phantom
from napari_vaemed.data.progress import finish
from napari_vaemed.data.volume import Volume
from napari_vaemed.segmentation.lungs import segment_lungs
from napari_vaemed.segmentation.nodules import NoNodule
from napari_vaemed.workflow.click import METHODS, outline


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[41, 42], help="of the phantoms")
    parser.add_argument("--off", type=float, default=0.0, help="click so many mm off the centre")
    parser.add_argument("--method", choices=METHODS, default=METHODS[0], help="of the click")
    asked = parser.parse_args()
    on_phantoms(asked.seeds, asked.off, asked.method)


def on_phantoms(seeds: list[int], off: float, method: str) -> None:
    """Share of planted nodules whose volume comes out within 25 %, by kind."""
    rows = []
    for seed in seeds:
        phantom = planted(seed)
        lungs = finish(segment_lungs(phantom.volume))
        rng = np.random.default_rng(seed)
        for nodule in phantom.planted:
            step = rng.normal(size=3)
            centre = np.array(nodule.centre_mm) + off * step / np.linalg.norm(step)
            voxel = phantom.volume.to_voxel(centre)
            peer = confidence_connected(phantom.volume, voxel).sum()
            truth = nodule.volume_mm3
            ours = clicked_mm3(phantom.volume, voxel, lungs, method) / truth
            peers = peer * phantom.volume.voxel_mm3 / truth
            rows.append((nodule.kind, nodule.diameter_mm, ours, peers))
            if not 0.75 <= ours <= 1.25:
                print(f"seed {seed}: {nodule.kind} {nodule.diameter_mm:.1f} mm {ours:.2f}x")
    for kind in (*KINDS, "all"):
        mine = [row for row in rows if kind in (row[0], "all")]
        held, peers = (sum(0.75 <= row[i] <= 1.25 for row in mine) for i in (2, 3))
        print(f"{kind:>14}: {held} of {len(mine)} within 25 %, confidence-connected {peers}")


def planted(seed: int) -> Phantom:
    """Three nodules of each kind, 5 to 25 mm, most of them small; odd seeds with 1 mm slices."""
    rng = np.random.default_rng(seed)
    ranges = ((5, 7.5, 10), (7.5, 14, 8), (14, 25, 6))
    sizes = rng.permutation(np.concatenate([rng.uniform(*span) for span in ranges]))
    specs = [NoduleSpec(k, float(d)) for k, d in zip(list(KINDS) * 3, sizes, strict=True)]
    spacing = (1.0 if seed % 2 else 2.5, 0.9, 0.9)
    return chest_phantom(shape=(200, 384, 384), spacing=spacing, seed=seed, nodules=specs)


def clicked_mm3(volume: Volume, voxel: np.ndarray, lungs: np.ndarray, method: str) -> float:
    """Volume of what a click masks; nan where it is refused."""
    try:
        mask = outline(volume, voxel, lungs, method=method)
        return float(mask.voxels.sum() * volume.voxel_mm3)
    except NoNodule:
        return float("nan")


if __name__ == "__main__":
    main()
