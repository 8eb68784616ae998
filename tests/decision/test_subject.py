from __future__ import annotations

import numpy as np
import pytest

from napari_vaemed.data.slice_scores import SliceScores
from napari_vaemed.decision.subject import subject_answer, upper_mean

CHECK = [
    {"scan": "A", "truth": "COVID-19", "value": 0.31},
    {"scan": "B", "truth": "normal", "value": 0.64},
]
GOOD = {"separates": True, "subject_check": CHECK}
BAD = {"separates": False, "subject_check": CHECK, "separates_rule": "A above B."}
DRIFT = 0.02


def curve(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Probability and lung area at n places from the base to the apex: patches at the base."""
    z = (np.arange(n) + 0.5) / n
    covid = 0.2 + 0.6 * np.exp(-(((z - 0.25) / 0.12) ** 2)) + 0.1 * np.sin(9 * z)
    return covid, np.sin(np.pi * z) * 250


def scores(covid, unlike=0.5) -> SliceScores:
    covid = np.asarray(covid, np.float32)
    return SliceScores(np.arange(len(covid)), covid, np.full(len(covid), unlike, np.float32))


def test_the_value_is_the_mean_of_the_highest_fifth():
    covid = np.arange(100) / 100
    assert upper_mean(covid, np.ones(100)) == pytest.approx(covid[80:].mean())
    np.random.default_rng(0).shuffle(covid)
    assert upper_mean(covid, np.ones(100)) == pytest.approx(np.sort(covid)[80:].mean())


def test_a_slice_counts_by_its_share_of_the_lungs():
    # the first slice is 0.1 of the lungs, the second gives the other 0.1
    assert upper_mean([0.9, 0.5, 0.1], [10, 40, 50]) == pytest.approx((0.9 + 0.5) / 2)
    assert upper_mean([0.9, 0.5], [200, 1]) == pytest.approx(0.9)
    assert upper_mean([0.3], [12.0]) == pytest.approx(0.3)


@pytest.mark.parametrize("times", [2, 5, 7])
def test_slices_cut_several_times_as_thin_change_nothing(times):
    covid, areas = curve(60)
    thin = upper_mean(np.repeat(covid, times), np.repeat(areas, times))
    assert thin == pytest.approx(upper_mean(covid, areas), abs=1e-12)


@pytest.mark.parametrize("n", [800, 120, 60, 30, 15])
def test_the_number_of_slices_hardly_moves_the_value(n):
    assert upper_mean(*curve(n)) == pytest.approx(upper_mean(*curve(400)), abs=DRIFT)


def test_single_wrong_slices_move_a_maximum_but_not_the_value():
    rng = np.random.default_rng(0)
    highest, value = {}, {}
    for n in (30, 800):
        scans = []
        for _ in range(200):
            covid = rng.uniform(0.1, 0.3, n)
            covid[rng.random(n) < 0.005] = 0.95
            scans.append(covid)
        highest[n] = np.mean([scan.max() for scan in scans])
        value[n] = np.mean([upper_mean(scan, np.ones(n)) for scan in scans])
    assert highest[800] - highest[30] > 0.4
    assert abs(value[800] - value[30]) < DRIFT


def test_a_scan_like_the_training_gets_a_value_and_its_rule():
    covid, areas = curve(80)
    answer = subject_answer(scores(covid), areas, None, GOOD)
    assert answer.covid_probability == pytest.approx(upper_mean(covid, areas), abs=1e-6)
    assert "20 % of the lungs" in answer.reason
    assert "80 slices" in answer.reason


def test_what_is_wrong_with_the_scan_is_told_before_the_model():
    covid, areas = curve(10)
    strange = scores(covid, unlike=1.5)
    assert subject_answer(strange, areas, "Cut off.", BAD).reason == "Cut off."
    assert "10 of 10" in subject_answer(strange, areas, None, BAD).reason
    of_model = subject_answer(scores(covid), areas, None, BAD).reason
    assert "A (COVID-19) 0.31, B (normal) 0.64" in of_model
    assert "A above B." in of_model
    for missing, said in (("Cut off.", strange), (None, strange), (None, scores(covid))):
        assert subject_answer(said, areas, missing, BAD).covid_probability is None


def test_half_of_the_slices_unlike_is_still_answered():
    covid, areas = curve(10)
    half = SliceScores(np.arange(10), np.float32(covid), np.float32([0.5] * 5 + [2.0] * 5))
    assert subject_answer(half, areas, None, GOOD).covid_probability is not None
    more = SliceScores(np.arange(10), np.float32(covid), np.float32([0.5] * 4 + [2.0] * 6))
    assert "6 of 10" in subject_answer(more, areas, None, GOOD).reason


def test_without_scored_slices_there_is_no_value():
    answer = subject_answer(scores([]), np.zeros(0), None, GOOD)
    assert answer.covid_probability is None
    assert "enough lung" in answer.reason


def test_a_model_never_checked_on_known_scans_gives_no_value():
    covid, areas = curve(10)
    answer = subject_answer(scores(covid), areas, None, {})
    assert answer.covid_probability is None
    assert "known scans" in answer.reason
