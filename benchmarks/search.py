"""How fast the nearest posteriors are found, beside named peers in the same run.

    OMP_NUM_THREADS=2 python benchmarks/search.py

Peers: the broadcast formula of `torch.distributions`; FAISS `IndexFlatIP` on the same product,
where faiss-cpu is installed; one reading of the features from memory; this package's direct
formula in blocks, on as many threads; one reading of the file, from disk and from the system's
cache. With a CUDA device, also 10⁷ posteriors there. Where times are compared they are taken in
turn; medians, and the load of the machine beside them.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "2")  # before numpy counts them

import numpy as np

from napari_vaemed.data.posterior import Posterior
from napari_vaemed.distances.gaussian import (
    bhattacharyya,
    fisher_rao,
    geometric_jensen_shannon,
    hellinger,
    kl,
    wasserstein2,
)
from napari_vaemed.distances.jensen_shannon import jensen_shannon
from napari_vaemed.io.indexes import map_posterior, read_index
from napari_vaemed.io.weights import shipped_index_path
from napari_vaemed.retrieval.scores import lowest
from napari_vaemed.retrieval.search import Searchable, prepare, search

K = 10
BOUNDED = (fisher_rao, bhattacharyya, hellinger, jensen_shannon, geometric_jensen_shannon)


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ask.add_argument("--scale", type=float, default=1.0, help="of all numbers of posteriors")
    ask.add_argument(
        "--peer-queries", type=int, default=200, help="queries torch.distributions is timed on"
    )
    ask.add_argument("--memory-mb", type=int, default=512, help="what the disk search may hold")
    ask.add_argument("--times", type=int, default=5, help="repetitions of the disk search")
    ask.add_argument("--folder", type=Path, help="on the disk that is searched, default: temporary")
    ask.add_argument("--only", choices=list(PARTS), action="append", help="default: all parts")
    for name, kind in (("from-disk", Path), ("distance", str), ("queries", int)):
        ask.add_argument(f"--{name}", type=kind, help=argparse.SUPPRESS)  # of the child process
    given = ask.parse_args()
    if given.from_disk:
        search_within(given)
        return
    print(
        f"{os.cpu_count()} cores, {os.environ['OMP_NUM_THREADS']} threads, load {os.getloadavg()}"
    )
    for name in given.only or PARTS:
        PARTS[name](given)


def draw(n: int, dims: int, seed: int) -> Posterior:
    """Means from the prior, standard deviations as a trained model gives them."""
    rng = np.random.default_rng(seed)
    mean = rng.normal(size=(n, dims)).astype(np.float32)
    return Posterior(mean, rng.uniform(0.1, 1.0, (n, dims)).astype(np.float32))


def seconds(work: Callable[[], Any], times: int = 5) -> float:
    """The quickest of several runs, after one that warms up."""
    work()
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return min(taken)


def product(given: argparse.Namespace) -> None:
    """KL of 200 queries against the broadcast formula and against FAISS."""
    known, query = draw(int(1e5 * given.scale), 64, 0), draw(200, 64, 1)
    print(f"\nKL, {len(query)} queries × {len(known)} × 64 dimensions, k = {K}")
    start = time.perf_counter()
    ready = prepare(known, kl)
    print(f"features, once             {time.perf_counter() - start:8.3f} s")
    ours = seconds(lambda: search(ready, query, K))
    hits = search(ready, query, K)
    print(f"search                     {ours:8.3f} s")
    some = query[: given.peer_queries]
    broadcast(query[:1], known)  # imports and first allocations are not the formula's
    start = time.perf_counter()
    theirs = broadcast(some, known)
    peer = (time.perf_counter() - start) * len(query) / len(some)
    print(f"torch.distributions        {peer:8.3f} s   ratio {peer / ours:.0f}"
          + (f" (timed on {len(some)} queries)" if len(some) < len(query) else ""))  # fmt: skip
    some = some[:20]
    exact = search(Searchable(known, kl, None), some, K).rows
    assert ready.features is not None
    scores, rows = lowest(ready.features, ready.features.of_query(some)[0], 50)
    raw = np.take_along_axis(rows, scores.argsort(axis=1)[:, :K], axis=1)
    print(
        f"recall@10 of {len(some)} queries against float64: "
        f"{recall(hits.rows[: len(some)], exact):.3f}; before re-ranking {recall(raw, exact):.3f}, "
        f"of the peer {recall(theirs[: len(some)], exact):.3f}"
    )
    if find_spec("faiss") is None:
        print("FAISS is not installed")
        return
    flat = prepare(known, kl, device="faiss")
    assert flat.features is not None
    vectors = ready.features.of_query(query)[0]
    alone = [seconds(lambda f=f: lowest(f, vectors, 50)) for f in (ready.features, flat.features)]
    whole = seconds(lambda: search(flat, query, K))
    print(f"product and 50 lowest      {alone[0]:8.3f} s")
    print(f"the same by FAISS          {alone[1]:8.3f} s   ratio {alone[0] / alone[1]:.2f}")
    print(f"search through FAISS       {whole:8.3f} s   ratio {ours / whole:.2f}")


def broadcast(query: Posterior, known: Posterior) -> np.ndarray:
    """Rows of the nearest by KL, as one writes it with `torch.distributions`."""
    import torch
    from torch.distributions import Normal, kl_divergence

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    b = Normal(torch.from_numpy(known.mean)[None], torch.from_numpy(known.sd)[None])
    rows = []
    for start in range(0, len(query), 4):  # 4 × 10⁵ × 64 numbers fit into memory with their copies
        part = query[start : start + 4]
        a = Normal(torch.from_numpy(part.mean)[:, None], torch.from_numpy(part.sd)[:, None])
        apart = kl_divergence(a, b).sum(-1)
        rows.append(apart.topk(K, largest=False).indices.numpy())
    return np.concatenate(rows)


def recall(found: np.ndarray, exact: np.ndarray) -> float:
    """Share of the exact nearest that were found."""
    return float(
        np.mean([len(set(a) & set(b)) / len(b) for a, b in zip(found, exact, strict=True)])
    )


def one_query(given: argparse.Namespace) -> None:
    """One query in 10⁶ against reading the features once."""
    known, query = draw(int(1e6 * given.scale), 32, 0), draw(1, 32, 1)
    ready = prepare(known, wasserstein2)
    assert ready.features is not None
    blocks = ready.features.kept
    read = seconds(lambda: [block.sum() for block in blocks])
    vector = np.ones(blocks[0].shape[1], np.float32)
    multiply = seconds(lambda: [block @ vector for block in blocks])
    ours = seconds(lambda: search(ready, query, K))
    size = sum(block.nbytes for block in blocks)
    print(f"\n2-Wasserstein, one query × {len(known)} × 32, features of {size / 1e6:.0f} MB")
    print(f"search                     {1e3 * ours:8.1f} ms")
    print(f"reading (sum)              {1e3 * read:8.1f} ms   ratio {ours / read:.2f}")
    print(f"reading (vector × matrix)  {1e3 * multiply:8.1f} ms   ratio {ours / multiply:.2f}")


def bounded(given: argparse.Namespace) -> None:
    """Distances that are only bounded, on the shipped index resampled."""
    known, query = resampled(int(1e5 * given.scale), 0), resampled(20, 1)
    print(f"\nThe shipped index resampled to {len(known)} × {known.mean.shape[1]}, "
          f"{len(query)} queries, against the direct formula in blocks")  # fmt: skip
    for distance in BOUNDED:
        compare(distance, known, query)
    known, query = draw(int(1e5 * given.scale), 24, 0), draw(20, 24, 1)
    print("The same where products rule out little: independent dimensions, deviations 0.1 to 1")
    for distance in BOUNDED:
        compare(distance, known, query)


def compare(distance: Any, known: Posterior, query: Posterior, times: int = 3) -> None:
    ready, direct = prepare(known, distance), Searchable(known, distance, None)
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        expected = search(direct, query, K)
        between = time.perf_counter()
        hits = search(ready, query, K)
        taken.append((between - start, time.perf_counter() - between))
    theirs, ours = np.median(taken, axis=0)
    ratio = np.median([a / b for a, b in taken])
    asked = 100 * hits.asked / (len(query) * len(known))
    same = np.array_equal(hits.rows, expected.rows)
    print(f"{distance.__name__:26s} {ours:7.3f} s   direct {theirs:7.3f} s   "
          f"ratio {ratio:6.2f}   refined {asked:6.2f} %   "
          f"{'the same rows' if same else 'OTHER ROWS'}   {load()}")  # fmt: skip


def load() -> str:
    return f"load {os.getloadavg()[0]:.1f}"


def resampled(n: int, seed: int) -> Posterior:
    """A smoothed bootstrap of the shipped index: nodules on the way between two of it."""
    known = read_index(shipped_index_path()).posterior
    rng = np.random.default_rng(seed)
    i, j = rng.integers(0, len(known), (2, n))
    way = rng.uniform(0, 1, (n, 1)).astype(np.float32)
    log = np.log(known.sd)
    return Posterior(
        (1 - way) * known.mean[i] + way * known.mean[j],
        np.exp((1 - way) * log[i] + way * log[j]),
    )


def from_disk(given: argparse.Namespace) -> None:
    """An index four times the memory allowed, against reading its file."""
    size = 4 * given.memory_mb << 20
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        path = Path(folder) / "large.safetensors"
        write_large(path, size, dims=32)
        print(f"\nIndex of {size / 1e9:.2f} GB ({size // 256} × 32), {given.memory_mb} MB of "
              f"memory allowed, medians of {given.times}, seconds")  # fmt: skip
        for name, queries in (("wasserstein2", 20), ("wasserstein2", 1), ("kl", 20)):
            runs = [disk_run(path, given.memory_mb, name, queries) for _ in range(given.times)]
            tell_disk(f"{name}, {queries} queries", runs)


def disk_run(path: Path, memory_mb: int, name: str, queries: int) -> dict[str, Any]:
    """Read and search, each from disk and then from the system's cache."""
    forget(path)
    reading = [read_through(path), read_through(path)]
    forget(path)
    command = [sys.executable, __file__, "--from-disk", path, "--memory-mb", memory_mb]
    command += ["--distance", name, "--queries", queries]
    told = json.loads(subprocess.check_output([str(part) for part in command]))
    return {**told, "reading": reading}


def tell_disk(what: str, runs: list[dict[str, Any]]) -> None:
    for place, state in enumerate(("from disk", "from cache")):
        ours, reading, cpu = (
            np.array([run[key][place] for run in runs]) for key in ("seconds", "reading", "cpu")
        )
        print(f"{what:26s} {state:10s} {np.median(ours):6.2f}   "
              f"reading {np.median(reading):6.2f}   ratio {np.median(ours / reading):5.2f}   "
              f"processor {np.median(cpu):5.2f}   {load()}")  # fmt: skip
    found, read = all(run["found"] for run in runs), np.median([run["read_gb"] for run in runs])
    print(f"{'':26s} read from disk {read:.2f} GB; the planted nearest found: {found}")


def read_through(path: Path) -> float:
    """Seconds that one reading of a file takes."""
    space = bytearray(1 << 24)
    start = time.perf_counter()
    with path.open("rb", buffering=0) as file:
        while file.readinto(space):
            pass
    return time.perf_counter() - start


def write_large(path: Path, size: int, dims: int) -> None:
    """A file as `write_index` writes it, row 0 of the queries planted near its end."""
    rows = size // (8 * dims)
    bytes_each = 4 * rows * dims
    head = json.dumps(
        {
            name: {
                "dtype": "F32",
                "shape": [rows, dims],
                "data_offsets": [start, start + bytes_each],
            }
            for name, start in (("mean", 0), ("sd", bytes_each))
        }
    ).encode()
    head += b" " * (-len(head) % 8)
    chunk, query = draw(1 << 16, dims, 0), draw(20, dims, 1)
    with path.open("wb") as file:
        file.write(len(head).to_bytes(8, "little") + head)
        for numbers, planted in ((chunk.mean, query.mean[0]), (chunk.sd, query.sd[0])):
            for start in range(0, rows, len(numbers)):
                factor = np.random.default_rng(start).uniform(0.9, 1.1, dims).astype(np.float32)
                part = numbers[: rows - start] * factor
                if start + len(part) == rows:
                    part[-1] = planted
                file.write(part.tobytes())


def forget(path: Path) -> None:
    """Have the file read from disk again."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def search_within(given: argparse.Namespace) -> None:
    """Search a mapped file twice in a process that can hold no more than ``memory_mb``."""
    resource.setrlimit(resource.RLIMIT_DATA, (given.memory_mb << 20, given.memory_mb << 20))
    query = draw(20, 32, 1)[: given.queries]
    distance = {wasserstein2.__name__: wasserstein2, kl.__name__: kl}[given.distance]
    seconds, cpu, before = [], [], disk_bytes()
    for _ in range(2):
        start, used = time.perf_counter(), time.process_time()
        known = map_posterior(given.from_disk)
        hits = search(prepare(known, distance, keep=False), query, K)
        seconds.append(time.perf_counter() - start)
        cpu.append(time.process_time() - used)
    found = bool(hits.rows[0, 0] == len(known) - 1 and hits.distances[0, 0] == 0)
    read = (disk_bytes() - before) / 1e9
    print(json.dumps({"seconds": seconds, "cpu": cpu, "read_gb": read, "found": found}))


def disk_bytes() -> int:
    """What this process has had read from disk so far; 0 where Linux does not tell."""
    told = Path("/proc/self/io")
    lines = told.read_text().splitlines() if told.exists() else []
    return sum(int(line.split()[1]) for line in lines if line.startswith("read_bytes"))


def on_cuda(given: argparse.Namespace) -> None:
    """10⁷ posteriors on a GPU, against the time their features take to be read there."""
    import torch

    if not torch.cuda.is_available():
        print("\nNo CUDA device")
        return
    known, query = draw(int(1e7 * given.scale), 32, 0), draw(512, 32, 1)
    ready = prepare(known, wasserstein2, device="cuda")
    ours = seconds(lambda: search(ready, query, K))
    assert ready.features is not None

    def read() -> None:
        for block in ready.features.kept:
            block.sum()
        torch.cuda.synchronize()

    size = sum(block.nbytes for block in ready.features.kept)
    once = seconds(read)
    print(
        f"\n2-Wasserstein, {len(query)} queries × {len(known)} × 32, {torch.cuda.get_device_name()}"
    )
    print(f"search                     {len(query) / ours:8.0f} queries/s")
    print(f"reading the features once  {1e3 * once:8.2f} ms   {size / once / 1e12:.2f} TB/s; "
          f"one query at a time could not be faster than {1 / once:.0f} queries/s")  # fmt: skip


PARTS = {
    "product": product,
    "one-query": one_query,
    "bounded": bounded,
    "from-disk": from_disk,
    "cuda": on_cuda,
}

if __name__ == "__main__":
    main()
