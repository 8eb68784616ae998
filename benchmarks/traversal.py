"""How fast latents become pictures: one slider move, and a strip of eleven.

    python benchmarks/traversal.py

Peer for the strip: the same decoder, one frame after the other.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np

from napari_vaemed.explanation.traversal import latent_axes, traverse
from napari_vaemed.io.checkpoints import read_model
from napari_vaemed.io.indexes import read_index
from napari_vaemed.io.weights import shipped_index_path, shipped_model_path
from napari_vaemed.workflow.encode import decode


def median_ms(call: Callable[[], object], repeats: int) -> float:
    """Median time of a call, milliseconds, the first one left out."""
    call()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return 1000 * statistics.median(seconds)


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ask.add_argument("--device", default="cpu")
    ask.add_argument("--repeats", type=int, default=30)
    given = ask.parse_args()
    model, index = read_model(shipped_model_path(), given.device), read_index(shipped_index_path())
    axis = latent_axes(index)[0]
    strip = traverse(index.posterior.mean[0], axis, steps=11)
    one = median_ms(lambda: decode(model, strip[:1]), given.repeats)
    eleven = median_ms(lambda: decode(model, strip), given.repeats)
    singly = median_ms(
        lambda: np.concatenate([decode(model, frame[None]) for frame in strip]), given.repeats
    )
    print(f"one slider move        {one:7.1f} ms")
    print(f"strip of 11            {eleven:7.1f} ms")
    print(f"frame by frame         {singly:7.1f} ms   ratio {singly / eleven:.2f}")


if __name__ == "__main__":
    main()
