from dataclasses import replace

import numpy as np
import pytest

from napari_vaemed.data.finding import ErrorBars, NoduleMask
from napari_vaemed.data.guideline import Context, NoduleFacts
from napari_vaemed.data.interval import Interval
from napari_vaemed.data.volume import Volume
from napari_vaemed.decision.lung_rads import lung_rads
from napari_vaemed.plugin.finding_text import (
    all_numbers,
    guideline_lines,
    in_short,
    size_cells,
    trace_lines,
)
from napari_vaemed.segmentation.measure import measure_nodule

SCREENING = Context(
    setting="screening", scan="baseline", complete=True, infection=False, lesion="lung",
    suspicious=False,
)  # fmt: skip


@pytest.fixture(scope="module")
def measured():
    z, y, x = np.mgrid[-12:13, -12:13, -12:13] * 0.5
    inside = x**2 + y**2 + z**2 < 4.0**2
    hu = np.where(inside, 40, -850).astype(np.int16)
    found = measure_nodule(Volume(hu, (0.5, 0.5, 0.5)), NoduleMask.of(inside))
    return replace(found, longest_mm=8.4, perpendicular_mm=7.8, side="left", pleura_mm=12.4)


def test_sizes_stand_alone_until_their_error_bars_come(measured):
    assert size_cells(measured, None)[0] == "8.4"
    bars = ErrorBars(longest_mm=Interval(8.4, 7.5, 9.3), clicks=4)
    assert size_cells(measured, bars)[0] == "8.4±0.9"
    assert "Error bars follow" in all_numbers(measured, None)
    assert "Longest 8.4 mm, 95 %: 7.5 to 9.3" in all_numbers(measured, bars)


def test_what_cannot_be_measured_says_why(measured):
    refused = ErrorBars(refused="It is too small for these slices.")
    assert size_cells(measured, refused)[0] == "8.4"
    assert "too small for these slices" in all_numbers(measured, refused)
    assert "Drawn by hand" in all_numbers(measured, ErrorBars())


def test_a_finding_in_short_has_its_rounded_diameter_place_and_density(measured):
    assert in_short(measured) == "8 mm mean · solid · left lung · 12 mm to the pleura"


def test_both_outcomes_are_told_when_the_bar_reaches_across_a_limit():
    said = lung_rads(NoduleFacts("solid", Interval(8.1, 7.2, 9.0)), SCREENING)
    first, second = guideline_lines(said)
    assert first.startswith("Lung-RADS v2022: category 4A.")
    assert second.startswith("or, within the error bar: category 3.")
    trace = trace_lines(said)
    assert any("8.1 mm (7.2 to 9.0)" in line and "reaches across" in line for line in trace)
    assert trace[-1].startswith("Source: ACR")


def test_a_line_from_memory_is_marked():
    said = lung_rads(
        NoduleFacts("solid", Interval.exact(9)), replace(SCREENING, lesion="juxtapleural")
    )
    assert any("from memory" in line for line in trace_lines(said))


def test_a_question_has_no_line_yet_and_a_refusal_has_its_reason():
    assert guideline_lines(lung_rads(NoduleFacts("solid", Interval.exact(9)), Context())) == ()
    airway = replace(SCREENING, lesion="airway")
    (line,) = guideline_lines(lung_rads(NoduleFacts("solid", Interval.exact(9)), airway))
    assert "not covered" in line
