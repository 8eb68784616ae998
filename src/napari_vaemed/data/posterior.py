"""The Gaussian posterior of one nodule, or of many."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Posterior:
    """Diagonal Gaussians in latent space.

    Parameters
    ----------
    mean, sd : (d,) or (n, d) float32
        Mean and standard deviation of each latent dimension.
    """

    mean: NDArray[np.float32]
    sd: NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.mean.shape != self.sd.shape:
            raise ValueError(
                f"Mean and sd must have one shape; got {self.mean.shape} and {self.sd.shape}."
            )

    def kl(self) -> NDArray[np.float32]:
        """KL divergence of each dimension from N(0, 1) in nats, same shape as ``mean``."""
        variance = np.square(self.sd)
        kl = 0.5 * (np.square(self.mean) + variance - 1.0 - np.log(variance))
        return kl.astype(np.float32)
