from __future__ import annotations

import pytest

from napari_vaemed.workflow.check_scans import KnownScan, checked_card, separates

SCANS = (KnownScan("A", "COVID-19", True), KnownScan("B", "normal", False))


@pytest.mark.parametrize(
    ("covid", "other", "unlike", "told"),
    [
        (0.8, 0.6, 0.0, True),
        (0.8, 0.75, 0.0, False),
        (0.4, 0.9, 0.0, False),
        (0.9, 0.1, 0.6, False),
    ],
)
def test_scans_are_told_apart_by_a_gap_and_only_where_the_model_knows_their_like(
    covid, other, unlike, told
):
    lines = [{"value": covid, "share_unlike": unlike}, {"value": other, "share_unlike": 0.0}]
    assert separates(SCANS, lines) is told
    card = checked_card({"use": "test"}, SCANS, lines)
    assert (card["use"], card["separates"], card["subject_check"]) == ("test", told, lines)


def test_one_kind_of_scans_shows_nothing():
    assert separates(SCANS[:1], [{"value": 0.9, "share_unlike": 0.0}]) is False
