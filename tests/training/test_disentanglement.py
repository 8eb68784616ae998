from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from napari_vaemed.training.disentanglement import dci, gini, hoyer, mutual_information_gap


@pytest.fixture(scope="module")
def factors() -> np.ndarray:
    """All combinations of three factors of six levels: any two tell nothing of each other."""
    return np.array(list(product(np.linspace(0, 1, 6), repeat=3)))


def turned(factors: np.ndarray) -> np.ndarray:
    """Centred and rotated: every latent holds a bit of every factor."""
    turn, _ = np.linalg.qr(np.random.default_rng(27).normal(size=(3, 3)))
    return (factors - factors.mean(axis=0)) @ turn


def test_a_code_that_is_the_factors_has_a_gap_of_one(factors):
    assert mutual_information_gap(factors, factors) == pytest.approx(1.0, abs=1e-12)
    other = np.concatenate([3 - 2 * factors[:, ::-1], np.zeros((len(factors), 2))], axis=1)
    assert mutual_information_gap(other, factors) == pytest.approx(1.0, abs=1e-12)


def test_a_factor_held_twice_has_no_gap(factors):
    twice = np.concatenate([factors, factors], axis=1)
    assert mutual_information_gap(twice, factors) == pytest.approx(0.0, abs=1e-12)


def test_the_gap_is_the_closed_form_where_one_latent_holds_half():
    # Four levels are two bits; the second latent holds one of them: the gap is half.
    level = np.arange(4).repeat(25)
    codes = np.stack([level, level // 2], axis=1)
    assert mutual_information_gap(codes, level[:, None]) == pytest.approx(0.5, abs=1e-12)


@pytest.mark.parametrize("by", ["boosting", "lasso"])
def test_dci_of_the_factors_is_one_and_a_rotation_lowers_it(factors, by):
    rows = np.random.default_rng(1).permutation(len(factors))
    shuffled = factors[rows]
    own, mixed = dci(shuffled, shuffled, by=by), dci(turned(shuffled), shuffled, by=by)
    assert own.disentanglement > 0.97
    assert own.completeness > 0.97
    assert own.informativeness > 0.97
    assert mixed.disentanglement < own.disentanglement - 0.3
    assert mixed.completeness < own.completeness - 0.3
    assert mutual_information_gap(turned(factors), factors) < 0.7


def test_one_factor_or_one_latent_leaves_nothing_to_choose_between(factors):
    rows = np.random.default_rng(1).permutation(factors)
    assert dci(rows, rows[:, :1]).disentanglement == 1
    assert dci(rows[:, :1], rows).completeness == 1


def test_a_factor_that_never_varies_is_refused(factors):
    same = np.concatenate([factors[:, :1], np.ones((len(factors), 1))], axis=1)
    for figure in (mutual_information_gap, dci):
        with pytest.raises(ValueError, match="the same everywhere"):
            figure(factors, same)


def test_dci_of_noise_is_low(factors):
    noise = np.random.default_rng(2).normal(size=(len(factors), 4))
    shuffled = np.random.default_rng(3).permutation(factors)
    found = dci(noise, shuffled)
    assert found.disentanglement < 0.2
    assert found.informativeness < 0.1


def test_importances_of_another_kind_are_refused(factors):
    with pytest.raises(ValueError, match="boosting or lasso; got 'forest'"):
        dci(factors, factors, by="forest")


def test_sparsity_of_the_simplest_codes_is_the_closed_form():
    d = 8
    alone, alike = np.eye(1, d), np.full((1, d), 1 / d)
    pair = np.zeros((1, d))
    pair[0, :2] = 0.5
    codes = np.concatenate([alone, alike, pair])
    root = np.sqrt(d)
    np.testing.assert_allclose(hoyer(codes), [1, 0, (root - np.sqrt(2)) / (root - 1)], atol=1e-12)
    np.testing.assert_allclose(gini(codes), [1 - 1 / d, 0, 1 - 2 / d], atol=1e-12)
