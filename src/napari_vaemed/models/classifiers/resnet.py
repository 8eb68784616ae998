"""A small residual network that tells COVID-19 from other in one axial picture."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from napari_vaemed.models.protocols import SliceBatch

PERCENTILE = 99.0
"""Of the held-out pictures' distances, beyond which a picture is unlike the training pictures."""


class SliceResNet(nn.Module):
    """The first three levels of MONAI's ResNet with basic blocks, narrow, of one channel.

    The fourth level is left out: a few hundred pictures do not fill it, and the last maps keep a
    sixteenth of the picture's resolution to show where. Once trained, a picture's last maps are
    the mean of those of the picture and of its mirror image, so that left and right score alike.

    Parameters
    ----------
    size : int
        Edge of the pictures.
    lungs_only : bool
        Whether everything outside the lungs is blanked in them.
    width : int
        Channels of the first level; each further one has twice as many.
    blocks : int
        Residual blocks a level; 2 as in a ResNet-18.
    dropout : float
        Share of features left out while training.
    smoothing : float
        How far the labels are drawn towards one half.
    """

    centres: torch.Tensor
    whitening: torch.Tensor
    limit: torch.Tensor

    def __init__(
        self,
        *,
        size: int = 144,
        lungs_only: bool = False,
        width: int = 24,
        blocks: int = 2,
        dropout: float = 0.2,
        smoothing: float = 0.05,
    ) -> None:
        from monai.networks.nets import ResNet

        super().__init__()
        self.size = size
        self.lungs_only = lungs_only
        self.width = width
        self.blocks = blocks
        self.dropout = dropout
        self.smoothing = smoothing
        body = ResNet(
            "basic",
            [blocks] * 4,
            [width, 2 * width, 4 * width, 8],
            spatial_dims=2,
            n_input_channels=1,
            conv1_t_stride=2,
            feed_forward=False,
        )
        stem = nn.Sequential(body.conv1, body.bn1, body.act, body.maxpool)
        self.body = nn.Sequential(stem, body.layer1, body.layer2, body.layer3)
        self.head = nn.Linear(4 * width, 1)
        self.register_buffer("centres", torch.zeros(2, 4 * width))
        self.register_buffer("whitening", torch.eye(4 * width))
        self.register_buffer("limit", torch.ones(()))

    def maps(self, x: torch.Tensor) -> torch.Tensor:
        """Last feature maps (n, f, h, w) of pictures (n, 1, size, size) in [0, 1]."""
        if x.shape[1:] != (1, self.size, self.size):
            raise ValueError(
                f"Pictures of shape (n, 1, {self.size}, {self.size}) are read; got "
                f"{tuple(x.shape)}."
            )
        if self.training:
            return self.body(x)
        return (self.body(x) + self.body(x.flip(3)).flip(3)) / 2

    def features(self, maps: torch.Tensor) -> torch.Tensor:
        """Mean of each map, (n, f)."""
        return maps.mean(dim=(2, 3))

    def logits(self, features: torch.Tensor) -> torch.Tensor:
        """Logit of COVID-19, (n,), of feature vectors."""
        return self.head(features)[:, 0]

    def unlikeness(self, features: torch.Tensor) -> torch.Tensor:
        """Distance (n,) to the training pictures' features over its 99th percentile.

        Mahalanobis distance to the nearer class's mean with one shrunk covariance for both (Lee et
        al., NeurIPS 2018); 1 is the 99th percentile of pictures held out from the training.
        """
        return self._distance(features.float()) / self.limit

    def learn_unlikeness(
        self, features: torch.Tensor, labels: torch.Tensor, held_out: torch.Tensor
    ) -> None:
        """Set what `unlikeness` measures by.

        Parameters
        ----------
        features : (n, f)
            Of the training pictures.
        labels : (n,)
            Of the same, 0 or 1.
        held_out : (m, f)
            Features of pictures the network was not trained on.
        """
        from sklearn.covariance import ledoit_wolf

        known = features.double().cpu().numpy()
        positive = labels.cpu().numpy() > 0.5
        centres = np.stack([known[~positive].mean(0), known[positive].mean(0)])
        covariance, _ = ledoit_wolf(known - centres[positive.astype(int)])
        values, vectors = np.linalg.eigh(covariance)
        whitening = vectors / np.sqrt(np.maximum(values, 1e-12))
        self.centres.copy_(torch.from_numpy(centres))
        self.whitening.copy_(torch.from_numpy(whitening))
        distance = self._distance(held_out.float().to(self.centres.device)).cpu().numpy()
        self.limit.fill_(float(np.percentile(distance, PERCENTILE)))

    def losses(
        self, batch: SliceBatch, *, progress: float, generator: torch.Generator
    ) -> Mapping[str, torch.Tensor]:
        """Weighted cross-entropy with smoothed labels."""
        features = self.features(self.maps(batch.picture)).float()
        kept = torch.rand(features.shape, generator=generator, device=features.device)
        features = features * (kept >= self.dropout) / (1.0 - self.dropout)
        target = batch.label * (1.0 - self.smoothing) + 0.5 * self.smoothing
        logits = F.linear(features, self.head.weight.float(), self.head.bias.float())[:, 0]
        terms = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
        return {"cross-entropy": (batch.weight * terms).mean()}

    def _distance(self, features: torch.Tensor) -> torch.Tensor:
        apart = (features[:, None] - self.centres) @ self.whitening
        return apart.norm(dim=2).amin(dim=1)
