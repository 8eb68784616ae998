"""A turn and a shift that lay one scan of a patient on another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, eq=False)
class RigidTransform:
    """Where a point of one scan lies in the other: ``rotation @ point + shift``.

    Parameters
    ----------
    rotation : (3, 3)
        Orthonormal, determinant 1.
    shift : (3,)
        Millimetres, LPS (x, y, z).
    likeness : float or None
        Correlation of the two lungs under it, -1 to 1; None where it was not found from scans.

    Raises
    ------
    ValueError
        The matrix is no rotation.
    """

    rotation: NDArray[np.float64]
    shift: NDArray[np.float64]
    likeness: float | None = None

    def __post_init__(self) -> None:
        turned = np.asarray(self.rotation, float)
        proper = turned.shape == (3, 3) and np.allclose(turned @ turned.T, np.eye(3), atol=1e-6)
        if not proper or np.linalg.det(turned) < 0:
            raise ValueError(
                "A rotation is a (3, 3) orthonormal matrix with determinant 1; got "
                f"{np.round(turned, 4).tolist()}."
            )

    @classmethod
    def none(cls) -> RigidTransform:
        """Leaves every point where it is."""
        return cls(np.eye(3), np.zeros(3))

    def __call__(self, points: ArrayLike) -> NDArray[np.float64]:
        """Points (..., 3) as x, y, z in LPS mm, moved."""
        return np.asarray(points, float) @ np.asarray(self.rotation).T + self.shift

    def inverse(self) -> RigidTransform:
        """The way back."""
        back = np.asarray(self.rotation).T
        return RigidTransform(back, -back @ self.shift, self.likeness)

    @property
    def degrees(self) -> float:
        """How far it turns about its axis."""
        cosine = (np.trace(self.rotation) - 1) / 2
        return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))
