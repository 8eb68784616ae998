import pytest

from napari_vaemed.data.pairing import Pair, pair_by_place

CURRENT = {1: (0, 0, 0), 2: (30, 0, 0), 3: (60, 0, 0)}
PRIOR = {1: (31, 0, 0), 2: (2, 0, 0), 5: (200, 0, 0)}


def test_findings_are_paired_with_the_nearest_and_the_rest_stands_alone():
    pairs = pair_by_place(CURRENT, PRIOR)
    assert pairs == (Pair(1, 2, 2.0), Pair(2, 1, 1.0), Pair(3, None), Pair(None, 5))


def test_a_prior_finding_between_two_goes_to_the_nearer_one():
    pairs = pair_by_place({1: (0, 0, 0), 2: (9, 0, 0)}, {7: (5, 0, 0)})
    assert pairs == (Pair(1, None), Pair(2, 7, 4.0))


def test_nothing_is_paired_further_apart_than_asked():
    assert pair_by_place({1: (0, 0, 0)}, {1: (0, 0, 6)}, within_mm=5) == (
        Pair(1, None),
        Pair(None, 1),
    )


def test_what_a_person_said_goes_before_any_distance():
    pairs = pair_by_place(CURRENT, PRIOR, by_hand={1: 5, 2: None})
    assert pairs[0] == Pair(1, 5, 200.0, by_hand=True)
    assert pairs[1] == Pair(2, None, None, by_hand=True)
    assert {pair.prior for pair in pairs if pair.current is None} == {1, 2}


def test_pairing_knows_no_preferred_direction():
    there = pair_by_place(CURRENT, PRIOR)
    back = pair_by_place(PRIOR, CURRENT)
    assert {(p.current, p.prior) for p in there} == {(p.prior, p.current) for p in back}


@pytest.mark.parametrize("said", [{9: 1}, {1: 9}, {1: 1, 2: 1}])
def test_a_link_to_what_is_not_there_or_twice_is_refused(said):
    with pytest.raises(LookupError, match="Cannot link"):
        pair_by_place(CURRENT, PRIOR, by_hand=said)


def test_without_findings_there_are_no_pairs():
    assert pair_by_place({}, {}) == ()
