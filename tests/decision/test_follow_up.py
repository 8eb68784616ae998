from dataclasses import replace

import numpy as np
import pytest

from napari_vaemed.data.finding import ErrorBars, NoduleMask
from napari_vaemed.data.guideline import Context
from napari_vaemed.data.interval import Interval
from napari_vaemed.data.volume import Volume
from napari_vaemed.decision.follow_up import facts_of, follow_up
from napari_vaemed.segmentation.measure import measure_nodule

INCIDENTAL = Context(
    setting="incidental", age_35=True, cancer=False, immune=False, several=False, risk="low"
)
SCREENING = Context(
    setting="screening", scan="baseline", complete=True, infection=False, lesion="lung",
    suspicious=False,
)  # fmt: skip


@pytest.fixture(scope="module")
def measured():
    """A solid ball of 7 mm."""
    z, y, x = np.mgrid[-12:13, -12:13, -12:13] * 0.5
    inside = x**2 + y**2 + z**2 < 3.5**2
    hu = np.where(inside, 40, -850).astype(np.int16)
    return measure_nodule(Volume(hu, (0.5, 0.5, 0.5)), NoduleMask.of(inside))


def test_the_setting_chooses_the_guideline_and_is_asked_first(measured):
    assert [q.key for q in follow_up(measured, None, Context()).asks] == ["setting"]
    incidental = follow_up(measured, None, INCIDENTAL)
    assert incidental.guideline == "Fleischner 2017"
    assert incidental.rule.next.startswith("CT at 6–12 months")
    screening = follow_up(measured, None, SCREENING)
    assert screening.guideline == "Lung-RADS v2022"
    assert screening.rule.category == "3"


def test_error_bars_reach_the_guideline(measured):
    wide = ErrorBars(mean_mm=Interval(measured.mean_mm, 5.0, 9.2))
    assert len(follow_up(measured, wide, INCIDENTAL).rules) == 3
    assert facts_of(measured, wide).mean_mm == wide.mean_mm
    assert facts_of(measured, wide).volume_mm3.value == measured.partial_volume_mm3


def test_what_cannot_be_measured_gets_no_answer(measured):
    said = follow_up(measured, ErrorBars(refused="It is too small."), SCREENING)
    assert "too small" in said.refused
    assert not said.rules


def test_an_earlier_finding_tells_what_became_of_the_nodule(measured):
    context = replace(SCREENING, scan="follow-up")
    small = replace(measured, longest_mm=5.0, perpendicular_mm=4.6)
    said = follow_up(measured, None, context, before=(small, None, 12.0))
    assert said.rule.category == "4A"  # growing, < 8 mm
