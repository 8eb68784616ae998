"""The score of every form is the distance, or tells where it cannot be."""

from __future__ import annotations

import numpy as np
import pytest

from napari_vaemed.data.posterior import Posterior
from napari_vaemed.distances import DISTANCES
from napari_vaemed.distances.gaussian import wasserstein2
from napari_vaemed.retrieval.forms import FORMS

EACH = pytest.mark.parametrize("distance", list(FORMS), ids=lambda d: d.__name__)
TIGHT = pytest.mark.parametrize(
    "distance", [d for d, form in FORMS.items() if form.tight], ids=lambda d: d.__name__
)


def draw(n: int, seed: int, spread: float, d: int = 6) -> Posterior:
    rng = np.random.default_rng(seed)
    return Posterior(rng.normal(size=(n, d)) * 2, np.exp(spread * rng.normal(size=(n, d))))


def score(distance, a: Posterior, b: Posterior) -> np.ndarray:
    form = FORMS[distance]
    vectors, offset = form.query(a)
    return vectors @ form.known(b).joined().T + offset[:, None]


def test_every_form_belongs_to_a_distance_that_can_be_chosen():
    assert set(FORMS) <= set(DISTANCES)


@TIGHT
def test_a_tight_form_gives_the_distance(distance):
    a, b = draw(20, 0, 0.5), draw(30, 1, 0.5)
    reach = FORMS[distance].reach(distance(a, b))
    np.testing.assert_allclose(score(distance, a, b), reach, rtol=1e-10, atol=1e-10)


@EACH
@pytest.mark.parametrize("spread", [0.0, 0.2, 1.0, 2.5])
def test_no_score_is_beyond_the_reach_of_its_distance(distance, spread):
    a, b = draw(40, 0, spread), draw(90, 1, spread)
    reach = FORMS[distance].reach(distance(a, b))
    rounding = 1e-9 * (1 + np.abs(score(distance, a, b)))
    assert (score(distance, a, b) <= reach + rounding).all()


@EACH
def test_a_distance_stays_the_same_under_what_its_form_calls_invariant(distance):
    rng = np.random.default_rng(3)
    shift, factor = rng.normal(size=6), np.exp(rng.normal(size=6))
    a, b = draw(5, 0, 0.5), draw(5, 1, 0.5)
    invariant = FORMS[distance].invariant
    if not invariant:
        shift = 0.0
    if invariant != "affine":
        factor = 1.0

    def moved(p: Posterior) -> Posterior:
        return Posterior((p.mean - shift) / factor, p.sd / factor)

    apart = distance(moved(a), moved(b))
    tolerance = 0.02 if distance.__name__ == "jensen_shannon" else 1e-9
    np.testing.assert_allclose(apart, distance(a, b), atol=tolerance, rtol=1e-9)


def test_features_are_as_many_as_the_algebra_says():
    p, d = draw(3, 0, 0.5), 6
    sizes = {distance.__name__: FORMS[distance].known(p).joined().shape[1] for distance in FORMS}
    assert sizes["kl"] == sizes["reverse_kl"] == sizes[wasserstein2.__name__] == 2 * d + 1
    assert sizes["jeffreys"] == 4 * d + 1
    assert sizes["fisher_rao"] == 3 * d
    assert sizes["bhattacharyya"] == 6 * d
