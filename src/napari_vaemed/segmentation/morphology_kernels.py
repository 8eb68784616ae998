"""Loops of `morphology`, compiled. Those over packed rows do a run of layers in one thread."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]
WORD = 64


@numba.njit(nogil=True, cache=True)
def dilate_layers(words: Words, rows: NDArray[np.int64], first: int, last: int, out: Words) -> None:
    """Or a ball, given as rows along x, around every voxel into layers first to last of ``out``.

    Parameters
    ----------
    words, out : (z, y, w) uint64
        ``out`` is empty before. Bits beyond a row's end may be set.
    rows : (n, 3) int
        Half-length in voxels, dz, dy; sorted by half-length.
    """
    depth, ny, nw = words.shape
    deepest = 0
    for k in range(len(rows)):
        deepest = max(deepest, rows[k, 1])
    source, target = words.reshape(depth, ny * nw), out.reshape(depth, ny * nw)
    line = np.empty(ny * nw, np.uint64)
    for z in range(max(first - deepest, 0), min(last + deepest, depth)):
        layer, reached, used = source[z], 0, np.uint64(0)
        for i in range(ny * nw):
            line[i] = layer[i]
            used |= layer[i]
        if not used:
            continue
        for k in range(len(rows)):
            to, shift = z + rows[k, 1], rows[k, 2] * nw
            if to < first or to >= last or abs(shift) >= ny * nw:
                continue
            while reached < rows[k, 0]:
                reached += 1
                _widen(layer, nw, reached, line)
            a, b = max(shift, 0), max(-shift, 0)
            n = ny * nw - a - b
            ahead, behind = target[to, a : a + n], line[b : b + n]
            for i in range(n):
                ahead[i] |= behind[i]


@numba.njit(nogil=True, cache=True)
def _widen(layer: Words, nw: int, step: int, line: Words) -> None:
    """``line |= layer`` moved ``step`` voxels along x, both ways, row by row."""
    whole, bits = step // WORD, np.uint64(step % WORD)
    rest = np.uint64(WORD) - bits
    for start in range(0, len(layer), nw):
        into, row = line[start : start + nw], layer[start : start + nw]
        for w in range(nw - whole):
            into[w + whole] |= row[w] << bits
            into[w] |= row[w + whole] >> bits
        if bits:
            for w in range(nw - whole - 1):
                into[w + whole + 1] |= row[w] >> rest
                into[w] |= row[w + whole + 1] << rest


@numba.njit(nogil=True, cache=True)
def grow(one: Words, other: Words, within: Words, steps: int) -> None:
    """Grow two masks in place to face neighbours within a third, so many voxels at most.

    Where both could grow the first does.
    """
    shape = one.shape
    one, other, within = one.reshape(one.size), other.reshape(one.size), within.reshape(one.size)
    seen = np.zeros(len(one), np.int16)
    for i in range(len(one)):
        free = within[i] & ~(one[i] | other[i])
        if free and (_around(one, shape, i) | _around(other, shape, i)) & free:
            seen[i] = 1
    front = np.flatnonzero(seen)
    for step in range(steps):
        if not len(front):
            break
        more, rest = np.empty(len(front), np.uint64), np.empty(len(front), np.uint64)
        for k in range(len(front)):
            i = front[k]
            free = within[i] & ~(one[i] | other[i])
            more[k] = _around(one, shape, i) & free
            rest[k] = _around(other, shape, i) & free & ~more[k]
        for k in range(len(front)):
            one[front[k]] |= more[k]
            other[front[k]] |= rest[k]
        front = _next_front(front[(more | rest) > 0], step + 2, one, other, within, shape, seen)


@numba.njit(nogil=True, cache=True)
def _next_front(
    grown: NDArray[np.int64],
    step: int,
    one: Words,
    other: Words,
    within: Words,
    shape: tuple[int, int, int],
    seen: NDArray[np.int16],
) -> NDArray[np.int64]:
    """Words at those that have grown where there is room, each once; ``seen`` notes the step."""
    count = 0
    for i in grown:
        for j in _neighbours(shape, i):
            if j >= 0 and seen[j] != step and within[j] & ~(one[j] | other[j]):
                seen[j] = step
                count += 1
    front, n = np.empty(count, np.int64), 0
    for i in grown:
        for j in _neighbours(shape, i):
            if j >= 0 and seen[j] == step:
                seen[j] = 0
                front[n] = j
                n += 1
    return front


@numba.njit(nogil=True, cache=True)
def _neighbours(shape: tuple[int, int, int], i: int) -> tuple[int, int, int, int, int, int, int]:
    """Flat indices of a word and of the six it touches; -1 beyond the edge."""
    depth, ny, nw = shape
    w, y, z = i % nw, i // nw % ny, i // (nw * ny)
    return (
        i,
        i - 1 if w > 0 else -1,
        i + 1 if w < nw - 1 else -1,
        i - nw if y > 0 else -1,
        i + nw if y < ny - 1 else -1,
        i - nw * ny if z > 0 else -1,
        i + nw * ny if z < depth - 1 else -1,
    )


@numba.njit(nogil=True, cache=True)
def _around(words: Words, shape: tuple[int, int, int], i: int) -> np.uint64:
    """The face neighbours of the voxels of one word, by its index in the flat array."""
    one, top = np.uint64(1), np.uint64(WORD - 1)
    here, left, right, front, back, below, above = _neighbours(shape, i)
    near = words[here] << one | words[here] >> one
    if left >= 0:
        near |= words[left] >> top
    if right >= 0:
        near |= words[right] << top
    for j in (front, back, below, above):
        if j >= 0:
            near |= words[j]
    return near


@numba.njit(nogil=True, cache=True)
def number_pieces(
    mask: NDArray[np.bool_], across: bool, pieces: NDArray[np.int32]
) -> NDArray[np.int64]:
    """Number what is connected through faces, in raster order, and give the sizes.

    Until the second pass an entry of ``pieces`` is one more than the index of an earlier voxel
    of its piece; a piece's first voxel has its own.

    Parameters
    ----------
    mask : (z, y, x) bool
    across : bool
        Whether slices are connected.
    pieces : (z, y, x) int32
        Filled here.
    """
    depth, ny, nx = mask.shape
    flat, parent = mask.reshape(mask.size), pieces.reshape(mask.size)
    layer = ny * nx
    for z in range(depth):
        for y in range(ny):
            start = (z * ny + y) * nx
            for x in range(nx):
                i = start + x
                if not flat[i]:
                    parent[i] = 0
                    continue
                left = x > 0 and flat[i - 1]
                parent[i] = parent[i - 1] if left else i + 1
                if y > 0 and flat[i - nx] and not (left and flat[i - nx - 1]):
                    _join(parent, i, i - nx)
                if across and z > 0 and flat[i - layer] and not (left and flat[i - layer - 1]):
                    _join(parent, i, i - layer)
    count = 0
    for i in range(len(parent)):
        if parent[i] == i + 1:
            count += 1
            parent[i] = count
        elif parent[i]:
            parent[i] = parent[parent[i] - 1]
    sizes = np.zeros(count + 1, np.int64)
    for number in parent:
        sizes[number] += 1
    sizes[0] = 0
    return sizes


@numba.njit(nogil=True, cache=True)
def _join(parent: NDArray[np.int32], one: int, other: int) -> None:
    one, other = _first(parent, one), _first(parent, other)
    if one < other:
        parent[other] = one + 1
    else:
        parent[one] = other + 1


@numba.njit(nogil=True, cache=True)
def _first(parent: NDArray[np.int32], i: int) -> int:
    """The first voxel known of a voxel's piece; the way there is shortened."""
    while parent[i] != i + 1:
        above = parent[i] - 1
        parent[i] = parent[above]
        i = above
    return i


@numba.njit(nogil=True, cache=True)
def flood(mask: NDArray[np.bool_], seed: NDArray[np.int64], limit: int) -> NDArray[np.bool_]:
    """Mark what can be reached through faces within a mask; stop once it is more than a limit.

    Parameters
    ----------
    mask : (z, y, x) bool
    seed : (n,) int
        Flat indices to start from, whether in the mask or not.
    limit : int
        Voxels.
    """
    depth, ny, nx = mask.shape
    inside, reached = mask.reshape(mask.size), np.zeros(mask.size, np.bool_)
    queue = np.empty(min(mask.size, limit + 6) + len(seed), np.int64)
    count = 0
    for i in seed:
        if not reached[i]:
            reached[i] = True
            queue[count] = i
            count += 1
    done = 0
    while done < count <= limit:
        i = queue[done]
        done += 1
        x, y, z = i % nx, i // nx % ny, i // (nx * ny)
        for there, step in (
            (x > 0, -1),
            (x < nx - 1, 1),
            (y > 0, -nx),
            (y < ny - 1, nx),
            (z > 0, -nx * ny),
            (z < depth - 1, nx * ny),
        ):
            if there and inside[i + step] and not reached[i + step]:
                reached[i + step] = True
                queue[count] = i + step
                count += 1
    return reached.reshape(mask.shape)
