"""Where in a picture a slice classifier sees what speaks for COVID-19: Grad-CAM."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from napari_vaemed.models.protocols import SliceClassifier


def grad_cam(model: SliceClassifier, pictures: torch.Tensor) -> torch.Tensor:
    """Grad-CAM of the logit of COVID-19 (Selvaraju et al., ICCV 2017).

    The last maps, each weighted by the mean of the logit's gradient over it, are summed; what
    speaks against is cut off, and the largest value of a picture becomes 1.

    Parameters
    ----------
    model : SliceClassifier
        In evaluation mode.
    pictures : (n, 1, size, size) float in [0, 1]

    Returns
    -------
    (n, size, size) float32 in [0, 1]
        All 0 where nothing speaks for COVID-19.
    """
    with torch.no_grad():
        maps = model.maps(pictures)
    with torch.enable_grad():
        maps.requires_grad_()
        (gradient,) = torch.autograd.grad(model.logits(model.features(maps)).sum(), maps)
    weights = gradient.mean(dim=(2, 3), keepdim=True)
    cam = (weights * maps.detach()).sum(dim=1, keepdim=True).relu().float()
    cam = F.interpolate(cam, pictures.shape[2:], mode="bilinear", align_corners=False)[:, 0]
    highest = cam.amax(dim=(1, 2), keepdim=True)
    return cam / torch.where(highest > 0, highest, 1.0)
