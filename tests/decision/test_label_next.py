import numpy as np
import pytest

from napari_vaemed.decision.label_next import choose_next, simulate, vote_entropy


@pytest.fixture
def line():
    """Points along a line, positive beyond 10; five at either end are labelled."""
    place = np.arange(21.0)[:, None]
    ends = np.array([0, 1, 2, 3, 4, 16, 17, 18, 19, 20])
    return place, place[:, 0] > 10, ends, np.arange(5, 16)


def test_uncertainty_asks_where_votes_are_split(line):
    place, positive, labelled, pool = line
    chosen = choose_next(place, positive, labelled, pool, 2, by="uncertainty")
    assert set(chosen) == {10, 11}  # of the others all three neighbours agree
    entropy = vote_entropy(place, positive, labelled, pool)
    assert entropy[0] < 1e-6
    assert entropy.max() > 0.9


def test_coverage_is_the_greedy_k_centre(line):
    place, positive, labelled, pool = line
    chosen = choose_next(place, positive, labelled, pool, 3, by="coverage")
    assert chosen[0] == 10  # 6 from both ends
    assert set(chosen[1:]) == {7, 13}


def test_a_mixed_batch_begins_uncertain_and_goes_on_elsewhere(line):
    place, positive, labelled, pool = line
    first, second = choose_next(place, positive, labelled, pool, 2, by="mix")
    assert first == 10
    assert second in (7, 13)


def test_without_any_label_and_with_too_few_left_it_still_chooses(line):
    place, positive, _, pool = line
    none = np.array([], int)
    for way in ("uncertainty", "coverage", "mix", "chance"):
        assert set(choose_next(place, positive, none, pool, 99, by=way)) == set(pool)


def test_unknown_ways_are_refused(line):
    place, positive, labelled, pool = line
    with pytest.raises(ValueError, match="Choose by uncertainty"):
        choose_next(place, positive, labelled, pool, 1, by="luck")


def test_a_learning_curve_begins_alike_for_all_ways_and_ends_alike():
    rng = np.random.default_rng(0)
    positive = np.arange(80) % 2 == 1
    place = rng.normal(size=(80, 4)) + 1.5 * positive[:, None]
    pool, held_out = np.arange(60), np.arange(60, 80)
    curves = [
        simulate(place, positive, pool, held_out, (10, 30, 60), by=way, seed=3)
        for way in ("chance", "uncertainty", "coverage", "mix")
    ]
    assert len({curve[0] for curve in curves}) == 1
    assert [curve[-1] for curve in curves] == pytest.approx([curves[0][-1]] * 4)
    with pytest.raises(ValueError, match="Ask for fewer"):
        simulate(place, positive, pool, held_out, (10, 61), by="mix")
