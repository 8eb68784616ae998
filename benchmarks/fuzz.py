"""Damaged files: does each open rightly, or end in one clear message?

    python benchmarks/fuzz.py --cases 1000 --seed 0

Whole phantoms in every format the package reads are cut off, flipped, stretched and lied in, and
opened in a process of their own. Counted as failures: any exception but `CTError`, a crash, more
than 10 seconds, more memory than twice the voxels that came out plus 300 MB, a volume that is
none. Beside the random cases, a list of small files that claim to be huge.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import select
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path

import numpy as np

from damaged_inputs import Seed, liars, made_seeds, mutated

LIMIT_SECONDS = 10.0
LIMIT_BYTES = 300e6
ADDRESS_SPACE = 12 << 30
"""A runaway allocation ends in a MemoryError here and not in a machine without memory."""


# --- the process that opens them ---


def work(scan: Path) -> None:
    """Open what the lines on standard input name; answer with one line each."""
    from napari_vaemed.data.progress import finish
    from napari_vaemed.io.ct import read_ct

    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    warnings.simplefilter("ignore")
    volume = finish(read_ct(scan))
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    print("ready", file=answers)
    for line in sys.stdin:
        path, annotation = json.loads(line)
        print(json.dumps(judged(Path(path), annotation, volume)), file=answers)


def judged(path: Path, annotation: bool, volume: object) -> dict[str, object]:
    from napari_vaemed.data.progress import finish
    from napari_vaemed.io.annotations import read_annotations
    from napari_vaemed.io.ct import read_ct
    from napari_vaemed.io.errors import CTError

    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    start, size, told = time.perf_counter(), 0, ""
    try:
        if annotation:
            read_annotations(path, volume)
        else:
            found = finish(read_ct(path))
            size, told = found.hu.nbytes, unlike_volume(found)
        outcome = "broken volume" if told else "opened"
    except CTError as error:
        outcome, told = "refused", str(error)
        if not told or len(told) > 2000:
            outcome = "no message"
    except BaseException as error:
        outcome, told = "other exception", f"{type(error).__name__}: {error}"[:300]
    return {"outcome": outcome, "told": told, "seconds": time.perf_counter() - start,
            "bytes": resident("VmHWM") - before, "voxels": size}  # fmt: skip


def unlike_volume(found: object) -> str:
    """What is wrong with an opened volume; empty when nothing is."""
    axes = found.direction
    if found.hu.dtype != np.int16 or found.hu.ndim != 3 or 0 in found.hu.shape:
        return f"voxels {found.hu.dtype} {found.hu.shape}"
    if not np.allclose(axes.T @ axes, np.eye(3), atol=1e-3):
        return "axes are not perpendicular"
    if not np.isfinite([*found.origin, *found.spacing]).all():
        return "no finite geometry"
    return ""


def resident(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(field)).split()[1])


# --- the process that watches it ---


class Opener:
    """A process that opens files, started anew when one has killed it."""

    def __init__(self, scan: Path) -> None:
        self._scan = scan
        self._start()

    def _start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--work", str(self._scan)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
        )  # fmt: skip
        assert self._process.stdout is not None
        assert self._process.stdout.readline().strip() == "ready"

    def judge(self, path: Path, annotation: bool) -> dict[str, object]:
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps([str(path), annotation]) + "\n")
        ready, _, _ = select.select([process.stdout], [], [], 3 * LIMIT_SECONDS)
        line = process.stdout.readline() if ready else ""
        if line:
            return json.loads(line)
        process.kill()
        code = process.wait()
        self._start()
        return {"outcome": "crash" if ready else "hang", "told": f"exit {code}", "seconds": 0.0,
                "bytes": 0, "voxels": 0}  # fmt: skip

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


def put(folder: Path, seed: Seed) -> Path:
    """Write a seed's files; what is to be opened."""
    folder.mkdir(parents=True)
    for name, data in seed.files.items():
        (folder / name).write_bytes(data)
    return folder if seed.opens_folder else folder / next(iter(seed.files))


def damaged(seed: Seed, rng: np.random.Generator) -> tuple[str, Seed]:
    """The seed with one of its files damaged, or several of a folder's."""
    files = dict(seed.files)
    count = int(rng.integers(1, 4)) if seed.opens_folder else 1
    for name in rng.permutation(list(files))[:count]:
        done, files[str(name)] = mutated(str(name), files[str(name)], rng)
    return done, Seed(seed.name, files, seed.annotation, seed.opens_folder)


def failure(found: dict[str, object]) -> str:
    """Why an answer counts as a failure; empty when it does not."""
    if found["outcome"] not in ("opened", "refused"):
        return str(found["outcome"])
    if found["seconds"] > LIMIT_SECONDS:
        return f"{found['seconds']:.1f} s"
    if found["bytes"] > 2 * found["voxels"] + LIMIT_BYTES:
        return f"{found['bytes'] / 1e6:.0f} MB for {found['voxels'] / 1e6:.1f} MB of voxels"
    return ""


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ask.add_argument("--cases", type=int, default=1000)
    ask.add_argument("--seed", type=int, default=0)
    ask.add_argument("--keep", type=Path, help="folder for the inputs that failed")
    ask.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    given = ask.parse_args()
    if given.work:
        work(given.work)
        return
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as temporary:
        failures = run(Path(temporary), given.cases, given.seed, given.keep)
    sys.exit(1 if failures else 0)


def run(folder: Path, cases: int, seed: int, keep: Path | None) -> int:
    seeds = list(made_seeds(folder / "seeds"))
    opener = Opener(folder / "seeds" / "explicit")
    rng = np.random.default_rng(seed)
    whole = [("whole", s) for s in seeds]
    lies = [("lie", s) for s in liars(folder / "lies")]
    mixed = [damaged(seeds[k % len(seeds)], rng) for k in range(cases)]
    count: dict[str, Counter[str]] = {"whole": Counter(), "lie": Counter(), "damaged": Counter()}
    failures, slowest, largest = 0, (0.0, ""), (0, "")
    for number, (done, case) in enumerate(whole + lies + mixed):
        path = put(folder / "cases" / str(number), case)
        found = opener.judge(path, case.annotation)
        why = failure(found)
        if done == "whole" and found["outcome"] != "opened":
            why = f"a whole file did not open: {found['told']}"
        if done == "lie" and found["outcome"] == "opened":
            why = "a lie was believed"
        count[done if done in count else "damaged"]["failed" if why else found["outcome"]] += 1
        what = f"{case.name}, {done}"
        slowest, largest = (
            max(slowest, (found["seconds"], what)),
            max(largest, (found["bytes"], what)),
        )
        if why:
            failures += 1
            print(f"FAILED {number} {case.name}, {done}: {why}: {found['told']}", flush=True)
            if keep:
                put(keep / str(number), case)
    opener.close()
    for kind, outcomes in count.items():
        print(f"{kind:<8}", ", ".join(f"{n} {what}" for what, n in sorted(outcomes.items())))
    print(f"slowest {slowest[0]:.1f} s ({slowest[1]}), most memory {largest[0] / 1e6:.0f} MB "
          f"({largest[1]}); {failures} failures")  # fmt: skip
    return failures


if __name__ == "__main__":
    main()
