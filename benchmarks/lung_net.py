"""Lungs by network beside lungs by threshold: Dice, seconds, memory.

Phantoms have seeds and kinds of dense lung that the network's training never saw: the phantoms'
own consolidation, mass and effusion, and masses and loculated effusions pasted in. An effusion's
fluid is counted twice: as lung, as the network is taught to (and lungmask's R231 does), and not.
Real scans: small_ct has a published mask; of covid-P002, which nothing was trained on, the
threshold's own mask before a mass or an effusion is pasted in is taken for the truth.

    python benchmarks/lung_net.py [--data FOLDER] [--phantoms 4] [--weights FILE]
    python benchmarks/lung_net.py --memory
"""

from __future__ import annotations

import argparse
import ctypes
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from napari_vaemed.data.phantoms import chest_phantom
from napari_vaemed.data.progress import finish
from napari_vaemed.data.volume import Volume
from napari_vaemed.io.ct import read_ct
from napari_vaemed.io.volumes import read_labels
from napari_vaemed.models.segmenters.r231 import R231, SIZE
from napari_vaemed.segmentation.learned_lungs import find_lungs_by_network
from napari_vaemed.segmentation.lungs import NoLungs
from napari_vaemed.training.lung_pathology import UNSEEN_KINDS, loculated_effusion, mass, paste
from napari_vaemed.workflow.lungs import NETWORK, THRESHOLD, find_lungs, lung_model

OWN_KINDS = {
    "healthy": {},
    "ground glass": {"ground_glass": True},
    "consolidation": {"consolidation": True},
    "mass": {"mass": True},
    "effusion": {"effusion": True},
    "all three": {"consolidation": True, "mass": True, "effusion": True},
}
ALONE = "net alone"
FIRST_SEED = 300
PUBLISHED = "lungmask's README: several seconds with a GPU, several minutes with the CPU only"


def dice(found, truth):
    return 2 * np.count_nonzero(found & truth) / max(np.count_nonzero(found) + truth.sum(), 1)


def run(volume, method, weights, device="cpu"):
    """By one of the methods, or by the network without the threshold's edges."""
    start = time.perf_counter()
    try:
        if method == ALONE:
            network = lung_model(NETWORK, weights, device).module
            labels = finish(find_lungs_by_network(network, volume))
        else:
            labels = finish(find_lungs(volume, method, weights=weights, device=device))
    except NoLungs:
        labels = np.zeros(volume.shape, np.uint8)
    return labels, time.perf_counter() - start


def scores(labels, truth):
    """Dice of right lung, left lung, both and airways."""
    sides = [dice(labels == side, truth == side) for side in (1, 2)]
    return [*sides, dice(np.isin(labels, (1, 2)), np.isin(truth, (1, 2))),
            dice(labels == 3, truth == 3) if (truth == 3).any() else np.nan]  # fmt: skip


def show(name, rows, seconds):
    for method, values in rows.items():
        right, left, both, airways = np.mean(values, axis=0)
        worst = np.min([v[2] for v in values])
        tail = f"{airways:9.4f}" if np.isfinite(airways) else f"{'-':>9s}"
        print(
            f"{name:34s}{method:>10s}{len(values):3d}{right:9.4f}{left:9.4f}{both:9.4f}"
            f"{worst:9.4f}{tail}{np.mean(seconds[method]):8.1f}",
            flush=True,
        )


def compare(name, cases, weights):
    """``cases``: volumes, each with its truth."""
    rows, took = {}, {}
    for volume, truth in cases:
        for method in (THRESHOLD, NETWORK, ALONE):
            labels, seconds = run(volume, method, None if method == THRESHOLD else weights)
            rows.setdefault(method, []).append(scores(labels, truth))
            took.setdefault(method, []).append(seconds)
    show(name, rows, took)


def phantoms(count, weights, only):
    for name, kind in OWN_KINDS.items():
        if only and name not in only:
            continue
        made = [chest_phantom(seed=FIRST_SEED + i, **kind) for i in range(count)]
        compare(f"phantom, {name}", [(p.volume, p.lungs) for p in made], weights)
        if "effusion" in kind:
            whole = []
            for p in made:
                fluid = p.effusion & (p.lungs == 0)
                middle = np.argwhere(p.lungs == 1)[:, 2].max()
                side = np.where(np.arange(p.lungs.shape[2]) < middle, 1, 2)
                truth = np.where(fluid, side, p.lungs).astype(np.uint8)
                whole.append((p.volume, truth))
            compare(f"phantom, {name}, fluid as lung", whole, weights)
    healthy = None
    for kind in UNSEEN_KINDS:
        name = f"pasted {kind.__name__.replace('_', ' ')}"
        if only and name not in only:
            continue
        healthy = healthy or [chest_phantom(seed=FIRST_SEED + i) for i in range(count)]
        compare(
            f"phantom, {name}",
            [(pasted(p.volume, p.lungs, kind, i), p.lungs) for i, p in enumerate(healthy)],
            weights,
        )


def pasted(volume, labels, kind, seed):
    rng = np.random.default_rng(seed)
    hu = paste(volume.hu.astype(np.float32), labels, volume.spacing, (kind,), rng)
    return replace(volume, hu=np.rint(hu).astype(np.int16))


def real(folder: Path, weights):
    volume = finish(read_ct(folder / "small_ct" / "cip_ct64_dicom"))
    regions = read_labels(folder / "small_ct" / "lm-64.nrrd").hu & 255
    truth = np.where(np.isin(regions, (9, 10, 11)), 2, np.isin(regions, (12, 13, 14)))
    compare("small_ct", [(volume, truth.astype(np.uint8))], weights)
    volume = finish(read_ct(folder / "covid_ct_md" / "covid-P002"))
    truth, _ = run(volume, THRESHOLD, None)
    compare("covid-P002 as it is, to threshold", [(volume, truth)], weights)
    for kind in (mass, loculated_effusion):
        cases = [(pasted(volume, truth, kind, seed), truth) for seed in range(3)]
        compare(f"covid-P002, pasted {kind.__name__}", cases, weights)


def speed(weights):
    """300 slices of 512² at 1 mm, and a slice of R231's architecture beside ours."""
    print(f"\n{PUBLISHED}\ntorch threads: {torch.get_num_threads()}")
    volume = stretched(300, 1.0)
    lung_model(NETWORK, weights, "cpu")
    for method in (THRESHOLD, NETWORK, ALONE):
        _, seconds = run(volume, method, None if method == THRESHOLD else weights)
        print(f"300 x 512 x 512, {method}, CPU: {seconds:.1f} s", flush=True)
    if torch.cuda.is_available():
        lung_model(NETWORK, weights, "cuda")
        run(volume, NETWORK, weights, "cuda")
        _, seconds = run(volume, NETWORK, weights, "cuda")
        print(f"300 x 512 x 512, {NETWORK}, {torch.cuda.get_device_name()}: {seconds:.1f} s")
    r231 = R231().eval()
    plane = torch.rand(1, 1, SIZE, SIZE)
    with torch.inference_mode():
        r231(plane)
        start = time.perf_counter()
        r231(plane)
    each = time.perf_counter() - start
    print(
        f"R231's architecture, weights of noise: {each:.2f} s a slice, {300 * each:.0f} s for 300"
    )


def stretched(slices, step):
    """A phantom with its voxels repeated, ``slices`` of 512²."""
    phantom = chest_phantom(shape=(100, 256, 256), spacing=(3.0, 1.5, 1.5), seed=FIRST_SEED)
    hu = phantom.volume.hu.repeat(slices // 100, axis=0).repeat(2, axis=1).repeat(2, axis=2)
    return Volume(hu, (step, 0.75, 0.75), phantom.volume.origin)


def memory():
    """The peak above volume and mask, each count of slices in a process of its own.

    What the C library keeps for later counts, as it does for the machine.
    """
    for slices in (100, 300, 1000):
        command = [sys.executable, __file__, "--memory-of", str(slices)]
        print(subprocess.run(command, capture_output=True, text=True, check=True).stdout, end="")


def memory_of(slices, weights):
    volume = stretched(slices, 300.0 / slices)
    lung_model(NETWORK, weights, "cpu")
    run(replace(volume, hu=volume.hu[: slices // 5]), NETWORK, weights)
    ctypes.CDLL(None).malloc_trim(0)  # what malloc keeps of that counts as this scan's (Linux)
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = resident("VmRSS")
    _, seconds = run(volume, NETWORK, weights)
    mb, mask = (resident("VmHWM") - before) / 1024, volume.hu.size / 2**20
    print(
        f"{slices:5d} slices of 512², {volume.hu.nbytes / 2**20:.0f} MB, their mask {mask:.0f} MB:"
        f" peak {mb - mask:.0f} MB above both; {seconds:.1f} s"
    )


def resident(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of real scans")
    parser.add_argument("--phantoms", type=int, default=4, help="of each kind (default 4)")
    parser.add_argument("--only", nargs="*", help="kinds of phantoms")
    parser.add_argument("--weights", type=Path, help="network instead of the shipped one")
    parser.add_argument("--no-speed", action="store_true")
    parser.add_argument("--memory", action="store_true", help="measure memory instead")
    parser.add_argument("--memory-of", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory_of:
        memory_of(options.memory_of, options.weights)
        return
    if options.memory:
        memory()
        return
    print(f"{'Dice':34s}{'method':>10s}{'n':>3s}{'right':>9s}{'left':>9s}{'both':>9s}", end="")
    print(f"{'worst':>9s}{'airways':>9s}{'s':>8s}")
    if options.phantoms:
        phantoms(options.phantoms, options.weights, options.only)
    if options.data:
        real(options.data, options.weights)
    if not options.no_speed:
        speed(options.weights)


if __name__ == "__main__":
    main()
