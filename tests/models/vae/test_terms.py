from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from napari_vaemed.data.nodule import ATTRIBUTES
from napari_vaemed.models.protocols import Batch
from napari_vaemed.models.vae.terms import (
    REGULARISED,
    attribute_loss,
    free_kl,
    kinship_loss,
    kl_term,
    mask_loss,
    soft_scores,
    tempered_likelihood,
    view_loss,
    volume_loss,
)


def test_kl_agrees_with_torch_distributions():
    mean, sd = torch.randn(6, 4), torch.rand(6, 4) + 0.1
    expected = kl_divergence(Normal(mean, sd), Normal(0.0, 1.0)).mean(0).sum()
    torch.testing.assert_close(free_kl(mean, sd, 0.0), expected)


def test_a_dimension_at_the_prior_costs_the_free_nats_only():
    assert float(free_kl(torch.zeros(5, 3), torch.ones(5, 3), 0.05)) == pytest.approx(0.15)


def test_voxels_that_were_not_measured_do_not_count():
    target = torch.rand(2, 1, 32, 32, 32)
    measured = torch.zeros_like(target, dtype=torch.bool)
    measured[:, :, 10:20] = True
    guess = torch.where(measured, target + 0.1, target + 5.0)
    value = tempered_likelihood(guess, target, measured)
    assert float(value) == pytest.approx(0.5 * np.log(0.01), rel=1e-3)


def test_a_right_mask_costs_nothing_and_an_empty_one_much():
    mask = torch.zeros(1, 1, 32, 32, 32, dtype=torch.bool)
    mask[..., 10:20, 10:20, 10:20] = True
    assert float(mask_loss(torch.where(mask, 30.0, -30.0), mask)) == pytest.approx(0.0, abs=1e-4)
    assert float(mask_loss(torch.full(mask.shape, -30.0), mask)) > 0.99


def test_a_score_is_a_distribution_around_itself():
    soft = soft_scores(torch.tensor([1.0, 3.0, 5.0]))
    torch.testing.assert_close(soft.sum(1), torch.ones(3))
    assert soft.argmax(1).tolist() == [0, 2, 4]
    torch.testing.assert_close(soft[1], soft[1].flip(0))


def test_views_of_one_nodule_are_drawn_together():
    places = torch.tensor([[0.0], [10.0], [20.0]])
    right = torch.cdist(places.repeat(2, 1), places.repeat(2, 1)).square()
    wrong = torch.cdist(torch.cat([places, places.roll(1, 0)]), places.repeat(2, 1)).square()
    assert float(view_loss(right)) < 1e-6
    assert float(view_loss(wrong)) > 1.0


def test_kinship_asks_neighbours_of_like_score_and_never_itself():
    score = torch.tensor([1.0, 1.0, 5.0, 5.0])
    kin = torch.tensor([[0.0], [0.1], [30.0], [30.1]]).repeat(2, 1)
    mixed = torch.tensor([[0.0], [30.0], [0.1], [30.1]]).repeat(2, 1)
    near, far = (kinship_loss(torch.cdist(p, p).square(), score) for p in (kin, mixed))
    assert float(near) < float(far) - 1.0


def test_a_capacity_is_what_the_kl_is_held_to():
    kl = torch.tensor(7.0)
    assert float(kl_term(kl, 0.0, 0.5)) == 3.5
    assert float(kl_term(kl, 20.0, 0.5)) == 3.0
    assert float(kl_term(torch.tensor(13.0), 20.0, 0.5)) == 3.0


def test_codes_in_the_order_of_their_attributes_cost_least():
    rng = np.random.default_rng(0)
    ratings = torch.from_numpy(rng.permuted(np.tile(np.arange(5.0), (9, 1)), axis=1).T + 1.0)
    log_volume = torch.tensor([3.0, 8.0, 5.0, 4.0, 7.0], dtype=ratings.dtype)
    none = torch.zeros(5, 1)
    batch = Batch(none, none, none, none, none, ratings, log_volume)
    right = torch.cat([log_volume[:, None], ratings, torch.randn(5, 6, dtype=ratings.dtype)], 1)
    assert len(REGULARISED) == 1 + len(ATTRIBUTES)
    least = float(attribute_loss(1000 * right, batch))
    assert least == pytest.approx(0.0, abs=1e-6)
    assert float(attribute_loss(-1000 * right, batch)) == pytest.approx(2 * 20 / 25)


def test_a_right_guess_of_the_volume_costs_nothing():
    assert float(volume_loss(torch.tensor([0.0, 1.0]), torch.tensor([5.5, 7.0]))) == 0.0


def test_a_nodule_without_others_has_no_kinship():
    apart = torch.tensor([[0.0, 2.0], [2.0, 0.0]])
    assert kinship_loss(apart, torch.tensor([4.0])).item() == 0.0
