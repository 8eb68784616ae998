"""What most models do alike: draw a code, and read a Gaussian off the encoder's features."""

from __future__ import annotations

import torch
from torch import nn


class Drawing(nn.Module):
    """Draws a code by its ``decoder``, which gives a picture's logit and a mask's."""

    decoder: nn.Module

    def decode(self, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Picture (CT) in [0, 1] and logit of the nodule mask, (n, 1, …) each, of latents (n, d).

        A nodule's are (n, 1, 32, 32, 32).
        """
        picture, mask = self.decoder(z)
        return torch.sigmoid(picture.float()), mask.float()


class GaussianCode(Drawing):
    """A diagonal Gaussian posterior: ``moments`` of the ``encoder``'s features."""

    encoder: nn.Module
    moments: nn.Module

    def posterior(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation, (n, d) each, of pictures (n, 1, …) in [0, 1]."""
        return gaussian_of(self.moments(self.encoder(x)))


def gaussian_of(moments: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and standard deviation, (n, d) each, of means and log variances (n, 2 d)."""
    mean, log_variance = moments.float().chunk(2, dim=1)
    return mean, torch.exp(0.5 * log_variance.clamp(-8.0, 4.0))
