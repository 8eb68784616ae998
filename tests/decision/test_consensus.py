import numpy as np
import pytest

from napari_vaemed.decision.consensus import majority, staple


@pytest.fixture(scope="module")
def truth():
    axes = np.ogrid[:16, :30, :30]
    return (
        sum((a - c) ** 2 / r**2 for a, c, r in zip(axes, (8, 15, 15), (5, 9, 9), strict=True)) < 1
    )


def reader(truth, missed, invented, seed):
    rng = np.random.default_rng(seed)
    near = np.zeros(truth.shape, bool)
    near[2:-2, 4:-4, 4:-4] = True
    drawn = truth & (rng.random(truth.shape) >= missed)
    return drawn | (near & ~truth & (rng.random(truth.shape) < invented))


def test_majority_takes_what_half_of_the_readers_marked(truth):
    empty = np.zeros_like(truth)
    assert np.array_equal(majority([truth, empty]), truth)
    assert not majority([truth, empty, empty]).any()
    assert np.array_equal(majority([truth, truth, empty]), truth)


def test_staple_trusts_the_careful_readers(truth):
    masks = [reader(truth, *spoilt) for spoilt in
             ((0.03, 0.01, 1), (0.05, 0.02, 2), (0.6, 0.3, 3), (0.5, 0.4, 4))]  # fmt: skip
    found = staple(masks)
    wrong = np.count_nonzero(found.mask ^ truth)
    assert wrong < np.count_nonzero(majority(masks) ^ truth)
    assert found.sensitivity[0] == pytest.approx(0.97, abs=0.05)
    assert found.sensitivity[2] == pytest.approx(0.4, abs=0.06)
    assert found.specificity[0] > found.specificity[3]
    assert found.probability.shape == truth.shape


def test_readers_who_agree_are_the_consensus(truth):
    found = staple([truth, truth, truth])
    assert np.array_equal(found.mask, truth)
    assert min(found.sensitivity + found.specificity) == pytest.approx(1, abs=1e-3)


def test_what_cannot_be_weighed_is_refused(truth):
    with pytest.raises(ValueError, match="at least 2"):
        staple([truth])
    with pytest.raises(ValueError, match="at least 1"):
        majority([])
    with pytest.raises(ValueError, match="different shapes"):
        majority([truth, truth[1:]])
    with pytest.raises(ValueError, match="marked anything"):
        staple([np.zeros_like(truth)] * 2)
