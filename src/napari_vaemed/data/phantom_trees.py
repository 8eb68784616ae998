"""Bronchi, arteries and veins of a phantom: trees that fill a lung from its hilum.

A branch runs part of the way to the centre of the points it must supply, splits them in two by
a plane, and so on until every branch has one point (Tawhai, J Appl Physiol 2004;97:2310). Radii
follow from the number of points by a power law (Murray).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.phantom_tubes import Tubes

MURRAY = 1 / 2.8


@dataclass(frozen=True, eq=False)
class Tree:
    """Branches of a tree, parents first.

    Parameters
    ----------
    nodes : (n, 3) x, y, z
        World mm; node 0 is the root.
    parents : (n,) int
        Index of each node's parent; the root's is 0.
    supplied : (n,) int
        How many end points lie behind the branch that ends in this node.
    """

    nodes: NDArray[np.float64]
    parents: NDArray[np.int64]
    supplied: NDArray[np.int64]

    def radii(self, tip: float) -> NDArray[np.float64]:
        """Radius of each branch for a given radius of the last ones."""
        return tip * self.supplied.astype(float) ** MURRAY

    @property
    def directions(self) -> NDArray[np.float64]:
        """Unit vector of each branch; the root's is that of its first child."""
        step = self.nodes - self.nodes[self.parents]
        if len(step) > 1:
            step[0] = step[1]
        return step / np.maximum(np.linalg.norm(step, axis=1, keepdims=True), 1e-9)


def halves(points: NDArray[np.float64], lobes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Split points in two: the first lobe from the others, else across their longest extent."""
    if lobes.min() < lobes.max():
        return lobes == lobes.min()
    centred = points - points.mean(0)
    _, vectors = np.linalg.eigh(centred.T @ centred)
    upper = np.zeros(len(points), bool)
    upper[np.argsort(centred @ vectors[:, -1])[len(points) // 2 :]] = True
    return upper


def grow(root: NDArray[np.float64], points: NDArray[np.float64], lobes: NDArray[np.int64]) -> Tree:
    """A tree from the root to every point (n, 3), branching lobe by lobe first."""
    nodes, parents, supplied = [np.asarray(root, float)], [0], [len(points)]
    todo = [(0, np.arange(len(points)))]
    while todo:
        parent, members = todo.pop()
        here = points[members]
        if len(members) == 1:
            end = here[0]
        else:
            several = lobes[members].min() < lobes[members].max()
            reach = 0.10 if several else 0.46
            end = nodes[parent] + reach * (here.mean(0) - nodes[parent])
        nodes.append(end)
        parents.append(parent)
        supplied.append(len(members))
        if len(members) > 1:
            left = halves(here, lobes[members])
            todo += [(len(nodes) - 1, members[left]), (len(nodes) - 1, members[~left])]
    return Tree(np.array(nodes), np.array(parents), np.array(supplied))


def beside(tree: Tree, distance: NDArray[np.float64], towards: NDArray[np.float64]) -> Tree:
    """The tree moved sideways at each node, as a bronchus runs beside its artery."""
    along = tree.directions
    across = towards - (along @ towards)[:, None] * along
    across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-9)
    return Tree(tree.nodes + distance[:, None] * across, tree.parents, tree.supplied)


def tubes(tree: Tree, radii: NDArray[np.float64], thinnest: float = 0.0) -> Tubes:
    """The branches as tubes; long ones bend out of their parent's direction."""
    keep = np.flatnonzero((radii >= thinnest) & (np.arange(len(radii)) > 0))
    start, end = tree.nodes[tree.parents[keep]], tree.nodes[keep]
    length = np.linalg.norm(end - start, axis=1, keepdims=True)
    direction = tree.directions
    bend = 0.12 * length * (direction[tree.parents[keep]] - direction[keep])
    middle = (start + end) / 2 + bend
    r1 = radii[keep]
    r0 = np.minimum(radii[tree.parents[keep]], 1.25 * r1)
    half = (r0 + r1) / 2
    bent = length[:, 0] > 7.0
    straight = ~bent
    first, second = (start[bent], middle[bent]), (middle[bent], end[bent])
    starts = np.concatenate([first[0], second[0], start[straight]])
    return Tubes(
        starts,
        np.concatenate([first[1], second[1], end[straight]]),
        np.concatenate([r0[bent], half[bent], r0[straight]]),
        np.concatenate([half[bent], r1[bent], r1[straight]]),
        np.zeros_like(starts),
    )
