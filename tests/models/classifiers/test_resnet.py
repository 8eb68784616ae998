from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_vaemed.models.classifiers.resnet import SliceResNet


@pytest.fixture(scope="module")
def module() -> SliceResNet:
    torch.manual_seed(0)
    return SliceResNet(size=48, width=4, blocks=1).eval()


def _logits(module: SliceResNet, x: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return module.logits(module.features(module.maps(x)))


def test_scores_do_not_depend_on_the_batch_or_its_order(module):
    x = torch.rand(7, 1, 48, 48, generator=torch.Generator().manual_seed(0))
    together = _logits(module, x)
    alone = torch.cat([_logits(module, one[None]) for one in x])
    order = torch.tensor([6, 2, 0, 5, 1, 4, 3])
    torch.testing.assert_close(alone, together, rtol=0, atol=1e-5)
    torch.testing.assert_close(_logits(module, x[order]), together[order], rtol=0, atol=1e-5)


def test_a_picture_and_its_mirror_image_score_alike(module):
    x = torch.rand(3, 1, 48, 48, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(_logits(module, x), _logits(module, x.flip(3)), rtol=0, atol=1e-5)


def test_pictures_of_another_size_are_refused(module):
    with pytest.raises(ValueError, match=r"\(n, 1, 48, 48\) are read; got \(1, 1, 40, 40\)"):
        module.maps(torch.zeros(1, 1, 40, 40))


def test_one_held_out_picture_in_a_hundred_is_unlike_and_far_ones_all_are():
    torch.manual_seed(0)
    module = SliceResNet(size=32, width=4, blocks=1)  # 16 features
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(16, 16))

    def drawn(n: int, centre: float) -> torch.Tensor:
        return torch.from_numpy((rng.normal(size=(n, 16)) + centre) @ mix).float()

    known = torch.cat([drawn(400, 0.0), drawn(400, 3.0)])
    labels = torch.arange(800) >= 400
    held_out = torch.cat([drawn(500, 0.0), drawn(500, 3.0)])
    module.learn_unlikeness(known, labels.float(), held_out)
    assert (module.unlikeness(held_out) > 1).sum() == 10
    fresh = torch.cat([drawn(2000, 0.0), drawn(2000, 3.0)])
    assert 0.003 < (module.unlikeness(fresh) > 1).float().mean() < 0.025
    assert (module.unlikeness(drawn(200, -4.0)) > 1).all()


def test_unlikeness_is_about_the_mahalanobis_distance_to_the_nearer_class():
    module = SliceResNet(size=32, width=4, blocks=1)
    rng = np.random.default_rng(1)
    known = rng.normal(size=(4000, 16)) * np.linspace(0.5, 2, 16)
    labels = np.arange(4000) % 2
    known[labels == 1] += 5.0
    asked = rng.normal(size=(20, 16)) * 4
    module.learn_unlikeness(*(torch.from_numpy(a) for a in (known, labels, asked)))
    from scipy.spatial.distance import mahalanobis

    centres = [known[labels == i].mean(0) for i in (0, 1)]
    within = np.cov((known - np.stack(centres)[labels]).T, bias=True)
    inverse = np.linalg.inv(within)
    wanted = [min(mahalanobis(a, c, inverse) for c in centres) for a in asked]
    got = module.unlikeness(torch.from_numpy(asked)) * module.limit
    np.testing.assert_allclose(got.numpy(), wanted, rtol=0.04)
