"""What an encoder says of one nodule, or of many: a distribution over the latent space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Posterior:
    """Diagonal Gaussians in latent space.

    Parameters
    ----------
    mean, sd : (d,) or (n, d) float32
        Mean and standard deviation of each latent dimension; may be mapped from a file.
    """

    mean: NDArray[np.floating]
    sd: NDArray[np.floating]

    def __post_init__(self) -> None:
        if self.mean.shape != self.sd.shape:
            raise ValueError(
                f"Mean and sd must have one shape; got {self.mean.shape} and {self.sd.shape}."
            )

    def __len__(self) -> int:
        return 1 if self.mean.ndim == 1 else len(self.mean)

    def __getitem__(self, rows: Any) -> Posterior:
        """Some rows of many, by slice or by row numbers."""
        return Posterior(np.atleast_2d(self.mean)[rows], np.atleast_2d(self.sd)[rows])

    def kl(self) -> NDArray[np.float32]:
        """KL divergence of each dimension from N(0, 1) in nats, same shape as ``mean``."""
        variance = np.square(self.sd)
        kl = 0.5 * (np.square(self.mean) + variance - 1.0 - np.log(variance))
        return kl.astype(np.float32)


@dataclass(frozen=True, eq=False)
class DirichletPosterior:
    """Dirichlet distributions over the simplex.

    Parameters
    ----------
    concentration : (K,) or (n, K) float32
        Positive.
    """

    concentration: NDArray[np.floating]

    def __len__(self) -> int:
        return 1 if self.concentration.ndim == 1 else len(self.concentration)

    def __getitem__(self, rows: Any) -> DirichletPosterior:
        """Some rows of many, by slice or by row numbers."""
        return DirichletPosterior(np.atleast_2d(self.concentration)[rows])
