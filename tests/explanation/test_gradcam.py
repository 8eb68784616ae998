from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from napari_vaemed.explanation.gradcam import grad_cam
from napari_vaemed.models.classifiers.resnet import SliceResNet


@pytest.fixture(scope="module")
def model() -> SliceResNet:
    """Untrained; most of what it sees speaks for COVID-19, some against."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = SliceResNet(size=96, width=8, blocks=1).eval()
        (last,) = (layer for layer in model.modules() if isinstance(layer, nn.Linear))
        nn.init.uniform_(last.weight, -0.5, 1.0)
        return model


@pytest.fixture(scope="module")
def pictures() -> torch.Tensor:
    return torch.rand((3, 1, 96, 96), generator=torch.Generator().manual_seed(0))


class Last(nn.Module):
    """The model with its last maps as a layer that MONAI can name."""

    def __init__(self, model: SliceResNet) -> None:
        super().__init__()
        self.model, self.last = model, nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        maps = self.last(self.model.maps(x))
        return self.model.logits(self.model.features(maps))[:, None]


def test_grad_cam_is_monai_s(model, pictures):
    from monai.visualize import GradCAM

    ours = grad_cam(model, pictures)
    judge = GradCAM(Last(model).eval(), "last", postprocessing=lambda cam: cam)
    theirs = judge(pictures.clone().requires_grad_(), class_idx=0).detach()[:, 0]
    highest = theirs.amax(dim=(1, 2), keepdim=True)
    assert (highest > 0).any()
    np.testing.assert_allclose(ours, theirs / torch.where(highest > 0, highest, 1.0), atol=1e-5)


def test_a_map_reaches_one_or_is_empty_and_does_not_depend_on_the_others(model, pictures):
    together = grad_cam(model, pictures)
    assert together.shape == (3, 96, 96)
    assert together.min() >= 0
    assert set(together.amax(dim=(1, 2)).tolist()) <= {0.0, 1.0}
    for picture, cam in zip(pictures, together, strict=True):
        np.testing.assert_allclose(grad_cam(model, picture[None])[0], cam, atol=1e-4)


class Brightness:
    """Sees COVID-19 in what is bright: two maps, the picture and its negative, 8 pixels a cell."""

    size, lungs_only = 64, False

    def maps(self, x):
        small = nn.functional.avg_pool2d(x, 8)
        return torch.cat([small, 1 - small], 1)

    def features(self, maps):
        return maps.mean(dim=(2, 3))

    def logits(self, features):
        return features @ torch.tensor([2.0, -1.0])


def test_it_points_at_what_was_planted():
    picture = torch.zeros(1, 1, 64, 64)
    picture[..., 8:24, 40:56] = 1.0
    cam = grad_cam(Brightness(), picture)[0]
    y, x = np.unravel_index(int(cam.argmax()), cam.shape)
    assert 8 <= y < 24
    assert 40 <= x < 56
    assert cam[40:, :30].max() == 0


def test_nothing_speaks_for_it_in_an_empty_picture():
    assert grad_cam(Brightness(), torch.zeros(1, 1, 64, 64)).max() == 0
