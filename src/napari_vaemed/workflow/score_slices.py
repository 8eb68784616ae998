"""From pictures of slices to probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

    from napari_vaemed.io.checkpoints import Model

CHUNK = 32
"""Pictures run through a network at once."""


def score_pictures(
    model: Model, pictures: NDArray[np.uint8]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Probability of COVID-19 and unlikeness, (n,) each, of pictures (n, size, size)."""
    import torch

    features = picture_features(model.module, pictures, model.device)
    with torch.inference_mode():
        covid = torch.sigmoid(model.module.logits(features))  # type: ignore[operator]
        unlike = model.module.unlikeness(features)  # type: ignore[operator]
    return covid.float().cpu().numpy(), unlike.float().cpu().numpy()


def picture_features(
    module: torch.nn.Module, pictures: NDArray[np.uint8], device: str
) -> torch.Tensor:
    """Feature vectors (n, f) of pictures (n, size, size), in chunks."""
    import torch

    vectors = []
    with torch.inference_mode():
        for start in range(0, len(pictures), CHUNK):
            part = torch.from_numpy(pictures[start : start + CHUNK]).to(device)
            maps = module.maps(part.float()[:, None] / 255.0)  # type: ignore[operator]
            vectors.append(module.features(maps).float())  # type: ignore[operator]
    return torch.cat(vectors)
