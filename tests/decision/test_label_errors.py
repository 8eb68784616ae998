import numpy as np
import pytest

from napari_vaemed.decision.label_errors import (
    FoldSpace,
    confident_learning,
    label_doubts,
    mean_rank,
    outlyingness,
    queue_score,
    squared_distances,
    z_by_class,
)


@pytest.fixture(scope="module")
def clouds():
    """Two clouds of points in four folds, six labels turned, the last ten without a label."""
    rng = np.random.default_rng(0)
    truth = np.arange(120) % 2 == 1
    place = rng.normal(size=(120, 3)) + 4.0 * truth[:, None]
    turned = np.zeros(120, bool)
    turned[rng.choice(110, 6, replace=False)] = True
    rows = np.arange(120)
    folds = [FoldSpace(rows[rows % 4 != f], rows[rows % 4 == f], place) for f in range(4)]
    return folds, truth ^ turned, turned, rows < 110


def test_turned_labels_come_first(clouds):
    folds, labels, turned, clear = clouds
    doubts = label_doubts(folds, labels, clear)
    score = queue_score(doubts, labels)
    assert set(np.argsort(-np.nan_to_num(score))[:6]) == set(np.flatnonzero(turned))
    assert np.isnan(score[110:]).all()


def test_a_label_is_judged_by_other_folds_alone(clouds):
    folds, labels, _, clear = clouds
    doubts = label_doubts(folds, labels, clear)
    for fold in folds:
        voters = doubts.voters[fold.held_out]
        assert np.isin(voters[voters >= 0], fold.known[clear[fold.known]]).all()
    other = labels.copy()
    other[folds[0].held_out] ^= True
    again = label_doubts(folds[:1], other, clear)
    rows = folds[0].held_out[clear[folds[0].held_out]]
    assert again.probability[rows] == pytest.approx(doubts.probability[rows])
    assert again.contradiction[rows] == pytest.approx(1 - doubts.contradiction[rows])


def test_contradiction_weighs_the_nearer_more():
    place = np.array([[0.0], [1.0], [2.0], [3.0], [4.0]])
    fold = FoldSpace(np.array([1, 2, 3, 4]), np.array([0]), place)
    labels = np.array([False, True, False, False, True])
    doubts = label_doubts([fold], labels, np.ones(5, bool), k=2)
    assert doubts.contradiction[0] == pytest.approx((1 / 6) / (1 / 6 + 1 / 7))
    assert doubts.voters[0].tolist() == [1, 2]
    assert doubts.nearest[0] == 1.0
    assert doubts.asked[0] == 4


def test_confident_learning_agrees_with_its_paper_s_definition():
    # Northcutt et al. 2021, equation 1: counted by hand
    given = np.array([0, 0, 0, 1, 1, 1])
    p1 = np.array([0.1, 0.2, 0.9, 0.9, 0.7, 0.2])
    learned = confident_learning(np.column_stack([1 - p1, p1]), given)
    assert learned.thresholds == pytest.approx([(0.9 + 0.8 + 0.1) / 3, (0.9 + 0.7 + 0.2) / 3])
    assert learned.suspected.tolist() == [False, False, True, False, False, True]
    assert learned.joint == pytest.approx(np.array([[2, 1], [1, 2]]) / 6)
    assert learned.margin[2] == pytest.approx(0.8)
    assert learned.self_confidence[2] == pytest.approx(0.1)


def test_confident_learning_asks_for_every_class():
    with pytest.raises(ValueError, match="Every class"):
        confident_learning(np.full((3, 2), 0.5), np.zeros(3, int))
    with pytest.raises(ValueError, match="labels from 0 to 1"):
        confident_learning(np.full((3, 2), 0.5), np.array([0, 1, 2]))


def test_ranks_are_averaged_and_a_missing_score_does_not_count():
    joined = mean_rank(np.array([1.0, 2.0, 3.0, np.nan]), np.array([3.0, np.nan, 9.0, np.nan]))
    assert joined[:3] == pytest.approx([(1 / 6 + 1 / 4) / 2, 1 / 2, (5 / 6 + 3 / 4) / 2])
    assert np.isnan(joined[3])


def test_within_a_class_only_the_unusual_stands_out():
    z = z_by_class(np.array([0.0, 2.0, 8.0, 10.0, np.nan]), np.array([0, 0, 1, 1, 1], bool))
    assert z[:4] == pytest.approx([-1, 1, -1, 1])
    assert np.isnan(z[4])


def test_a_point_far_from_all_is_an_outlier(clouds):
    folds, *_ = clouds
    place = folds[0].place.copy()
    place[17] = 30.0
    far = outlyingness([FoldSpace(f.known, f.held_out, place) for f in folds], 120)
    assert far.argmax() == 17
    assert np.median(far) < 1


def test_squared_distances_are_those_of_the_definition():
    rng = np.random.default_rng(1)
    some, others = rng.normal(size=(4, 3)), rng.normal(size=(5, 3))
    slow = ((some[:, None] - others[None]) ** 2).sum(-1)
    assert squared_distances(some, others) == pytest.approx(slow)
