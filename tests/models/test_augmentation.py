"""Strongly changed looks: other pictures, the same classes and sizes."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from napari_vaemed.models.augmentation import Warp, cut_out, noisy, strong_look, warped


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("images", "shape"), [("digit", (6, 1, 28, 28)), ("nodule", (6, 1, 4, 32, 32))]
)
def test_a_strong_look_is_another_one_each_time_and_the_same_by_seed(images, shape):
    look = torch.rand(shape, generator=seeded(9))
    one, again, other = (strong_look(look, images, seeded(s)) for s in (0, 0, 1))
    assert one.shape == look.shape
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert one.min() >= 0
    assert one.max() <= 1
    assert ((one - look).abs().flatten(1).mean(1) > 0.02).all()


def test_a_turned_picture_is_what_scipy_turns():
    picture = torch.zeros(40, 1, 33, 33)
    picture[:, :, 8:20, 14:19] = 1.0
    picture = torch.from_numpy(ndimage.gaussian_filter(picture.numpy(), (0, 0, 1, 1)))
    turned = warped(picture, seeded(3), Warp(turn=0.5))
    lot = (2 * torch.rand(40, 6, generator=seeded(3)) - 1)[:, 0]
    for number in range(0, 40, 7):
        degrees = np.degrees(0.5 * lot[number].item())
        expected = ndimage.rotate(picture[number, 0].numpy(), degrees, reshape=False, order=1)
        np.testing.assert_allclose(turned[number, 0], expected, atol=0.02)


def test_a_strongly_changed_nodule_keeps_its_size():
    at = np.indices((32, 32)) - 15.5
    ball = torch.from_numpy(np.linalg.norm(at, axis=0) <= 6).float()
    look = (0.1 + 0.6 * ball).expand(200, 1, 4, 32, 32)
    found = strong_look(look, "nodule", seeded())
    middle = found[:, 0, 1]
    level = 0.5 * (middle.amax((1, 2)) + middle.amin((1, 2)))
    area = (middle > level[:, None, None]).sum((1, 2)).float()
    assert area.median().item() == pytest.approx(ball.sum().item(), rel=0.05)


def test_a_cut_out_box_is_filled_and_the_rest_is_left():
    look = torch.rand(50, 1, 6, 20, 20, generator=seeded(1))
    cut = cut_out(look, 0.5, seeded(2))
    changed = cut != look
    for number in range(50):
        if not changed[number].any():
            continue
        places = changed[number, 0].nonzero()
        box = tuple(slice(int(a), int(b) + 1) for a, b in zip(places.amin(0), places.amax(0),
                                                             strict=True))  # fmt: skip
        assert changed[number, 0][box].all()
        assert torch.all(cut[number, 0][box] == look[number].mean())
        assert (places.amax(0) - places.amin(0) + 1 <= torch.tensor([4, 11, 11])).all()
    assert changed.flatten(1).any(1).float().mean() > 0.8
    blanked = cut_out(look, 0.5, seeded(2), fill=0.0)
    assert torch.equal(blanked[changed], torch.zeros(int(changed.sum())))


def test_noise_has_at_most_the_deviation_asked_for():
    grey = torch.full((300, 1, 40, 40), 0.5)
    sd = (noisy(grey, 0.1, seeded()) - grey).flatten(1).std(1)
    assert sd.max() < 0.11
    assert sd.mean().item() == pytest.approx(0.05, abs=0.01)
