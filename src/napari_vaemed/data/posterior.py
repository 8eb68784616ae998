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

    @property
    def dims(self) -> int:
        """Length of the code."""
        return int(self.mean.shape[-1])

    def sample(self, rng: np.random.Generator) -> NDArray[np.float32]:
        """One latent of each, same shape as ``mean``."""
        noise = rng.standard_normal(self.mean.shape).astype(np.float32)
        return self.mean + self.sd * noise

    def kl(self) -> NDArray[np.float32]:
        """KL divergence of each dimension from N(0, 1) in nats, same shape as ``mean``."""
        variance = np.square(self.sd)
        kl = 0.5 * (np.square(self.mean) + variance - 1.0 - np.log(variance))
        return kl.astype(np.float32)


@dataclass(frozen=True, eq=False)
class DirichletPosterior:
    """Dirichlet distributions over the simplex: latents are shares, positive and summing to 1.

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

    @property
    def dims(self) -> int:
        """Length of the code, K."""
        return int(self.concentration.shape[-1])

    @property
    def mean(self) -> NDArray[np.floating]:
        """Mean of each share, same shape as ``concentration``; a point of the simplex."""
        return self.concentration / self.concentration.sum(axis=-1, keepdims=True)

    @property
    def sd(self) -> NDArray[np.floating]:
        """Standard deviation of each share, same shape as ``concentration``."""
        mean, total = self.mean, self.concentration.sum(axis=-1, keepdims=True)
        return np.sqrt(mean * (1.0 - mean) / (total + 1.0))

    def sample(self, rng: np.random.Generator) -> NDArray[np.float32]:
        """One latent of each, same shape as ``concentration``."""
        concentration = np.asarray(self.concentration, float)
        # Gammas of one more, brought down in log space: of a small concentration they would be 0.
        logs = np.log(rng.standard_gamma(concentration + 1.0))
        logs += np.log1p(-rng.random(concentration.shape)) / concentration
        shares = np.exp(logs - logs.max(axis=-1, keepdims=True))
        return (shares / shares.sum(axis=-1, keepdims=True)).astype(np.float32)


AnyPosterior = Posterior | DirichletPosterior
"""What an encoder may say; both have ``mean``, ``sd``, ``dims``, rows and `len`."""
