from __future__ import annotations

import numpy as np
import torch

from napari_vaemed.training.noise import with_noise


def test_noise_has_the_deviation_asked_for_and_stays_between_black_and_white():
    grey = np.full((200, 28, 28), 128, np.uint8)
    noisy = with_noise(grey, 0.1)
    assert noisy.dtype == np.float32
    assert abs(noisy.std() - 0.1) < 1e-3  # 0.5 lies five deviations from either end
    assert abs(noisy.mean() - 128 / 255) < 1e-3
    loud = with_noise(grey, 0.5)
    assert loud.min() == 0.0
    assert loud.max() == 1.0
    np.testing.assert_array_equal(noisy, with_noise(grey, 0.1))  # the same for every model


def test_pictures_without_noise_are_what_models_learn_from():
    pictures = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    np.testing.assert_array_equal(
        with_noise(pictures, 0.0), (torch.from_numpy(pictures).float() / 255).numpy()
    )
