"""Every cell of the published table: MacMahon, Radiology 2017;284:228–243, table 1.

Sizes are given as measured; the table rounds them to the nearest millimetre.
"""

from dataclasses import replace

import pytest

from napari_vaemed.data.guideline import Context, NoduleFacts
from napari_vaemed.data.interval import Interval
from napari_vaemed.decision.fleischner import fleischner

ADULT = Context(setting="incidental", age_35=True, cancer=False, immune=False)
NO = "No routine follow-up"
OPTIONAL = "Optional CT at 12 months"
NOW = "Consider CT at 3 months, PET/CT or tissue sampling"


def nodule(density, mm, solid_mm=None, mm3=None, solid_mm3=None):
    exact = [None if v is None else Interval.exact(v) for v in (mm, mm3, solid_mm, solid_mm3)]
    return NoduleFacts(density, exact[0], exact[1], exact[2], exact[3])


@pytest.mark.parametrize(
    ("several", "risk", "mm", "mm3", "then"),
    [
        # table 1 A, single, low risk: < 6, 6–8, > 8 mm
        (False, "low", 5.4, 99, NO),
        (False, "low", 5.5, 100, "CT at 6–12 months, then consider CT at 18–24 months"),
        (False, "low", 8.4, 250, "CT at 6–12 months, then consider CT at 18–24 months"),
        (False, "low", 8.5, 251, NOW),
        # table 1 A, single, high risk
        (False, "high", 5.4, 99, OPTIONAL),
        (False, "high", 6.0, 100, "CT at 6–12 months, then CT at 18–24 months"),
        (False, "high", 8.0, 250, "CT at 6–12 months, then CT at 18–24 months"),
        (False, "high", 9.0, 251, NOW),
        # table 1 A, multiple, low risk
        (True, "low", 5.4, 99, NO),
        (True, "low", 6.0, 100, "CT at 3–6 months, then consider CT at 18–24 months"),
        (True, "low", 8.0, 250, "CT at 3–6 months, then consider CT at 18–24 months"),
        (True, "low", 20.0, 4000, "CT at 3–6 months, then consider CT at 18–24 months"),
        # table 1 A, multiple, high risk
        (True, "high", 5.4, 99, OPTIONAL),
        (True, "high", 6.0, 100, "CT at 3–6 months, then CT at 18–24 months"),
        (True, "high", 8.0, 250, "CT at 3–6 months, then CT at 18–24 months"),
        (True, "high", 20.0, 4000, "CT at 3–6 months, then CT at 18–24 months"),
    ],
)
def test_solid_nodules(several, risk, mm, mm3, then):
    context = replace(ADULT, several=several, risk=risk)
    for by in ("diameter", "volume"):
        said = fleischner(nodule("solid", mm, mm3=mm3), context, by=by)
        assert [rule.next for rule in said.rules] == [then]
        assert "table 1 A" in said.rule.source
        assert not said.straddles


@pytest.mark.parametrize(
    ("density", "several", "mm", "solid_mm", "mm3", "solid_mm3", "then"),
    [
        # table 1 B, single ground glass: < 6, ≥ 6 mm
        ("ground-glass", False, 5.4, None, 99, None, NO),
        ("ground-glass", False, 5.5, None, 100, None,
         "CT at 6–12 months to confirm it persists, then every 2 years until 5 years"),
        # table 1 B, single part-solid: < 6, ≥ 6 mm; and its comment on the solid part
        ("part-solid", False, 5.4, 4.0, 99, 30, NO),
        ("part-solid", False, 9.0, 5.4, 400, 99,
         "CT at 3–6 months to confirm it persists; if unchanged and the solid part stays below "
         "6 mm, yearly CT for 5 years"),
        ("part-solid", False, 9.0, 5.5, 400, 100,
         "CT at 3–6 months to confirm it persists; a solid part of 6 mm or more that persists is "
         "highly suspicious"),
        # table 1 B, multiple
        ("ground-glass", True, 5.4, None, 99, None,
         "CT at 3–6 months; if stable consider CT at 2 and 4 years"),
        ("part-solid", True, 5.4, 4.0, 99, 30,
         "CT at 3–6 months; if stable consider CT at 2 and 4 years"),
        ("ground-glass", True, 6.0, None, 100, None,
         "CT at 3–6 months; then by the most suspicious nodule"),
        ("part-solid", True, 6.0, 5.0, 100, 90,
         "CT at 3–6 months; then by the most suspicious nodule"),
    ],
)  # fmt: skip
def test_subsolid_nodules(density, several, mm, solid_mm, mm3, solid_mm3, then):
    facts = nodule(density, mm, solid_mm, mm3, solid_mm3)
    for by in ("diameter", "volume"):
        said = fleischner(facts, replace(ADULT, several=several), by=by)
        assert [rule.next for rule in said.rules] == [then]
        assert "table 1 B" in said.rule.source


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"setting": "screening"}, "screening"),
        ({"age_35": False}, "younger than 35"),
        ({"cancer": True}, "known cancer"),
        ({"immune": True}, "immune system"),
    ],
)
def test_it_is_not_for_these_patients_whatever_else_is_known(answer, reason):
    for known in (Context(), replace(ADULT, several=False, risk="low")):
        said = fleischner(nodule("solid", 9), replace(known, **answer))
        assert reason in said.refused
        assert not said.rules
        assert not said.asks


def test_what_nobody_answered_is_asked_and_nothing_is_guessed():
    said = fleischner(nodule("solid", 7), Context())
    assert [q.key for q in said.asks] == ["setting", "age_35", "cancer", "immune", "several"]
    assert not said.rules
    said = fleischner(nodule("solid", 7), ADULT)
    assert [q.key for q in said.asks] == ["several", "risk"]


def test_risk_is_asked_only_where_the_table_depends_on_it():
    one, many = replace(ADULT, several=False), replace(ADULT, several=True)
    assert [q.key for q in fleischner(nodule("solid", 7), one).asks] == ["risk"]
    assert fleischner(nodule("solid", 12), one).rule.next == NOW
    assert [q.key for q in fleischner(nodule("solid", 12), many).asks] == ["risk"]
    assert not fleischner(nodule("ground-glass", 12), one).asks


def test_a_calcified_nodule_is_asked_about_its_pattern():
    one = replace(ADULT, several=False, risk="low")
    said = fleischner(nodule("calcified", 7), one)
    assert "pattern" in [q.key for q in said.asks]
    assert "benign" in fleischner(nodule("calcified", 7), replace(one, pattern="benign")).refused
    other = fleischner(nodule("calcified", 7), replace(one, pattern="other"))
    assert other.rules == fleischner(nodule("solid", 7), one).rules


def test_an_interval_across_a_limit_tells_every_outcome_the_measured_one_first():
    one = replace(ADULT, several=False, risk="low")
    said = fleischner(NoduleFacts("solid", Interval(7.9, 7.0, 8.8)), one)
    assert [rule.next for rule in said.rules] == [
        "CT at 6–12 months, then consider CT at 18–24 months",
        NOW,
    ]
    size = said.trace[-1]
    assert size.straddles
    assert size.number == Interval(7.9, 7.0, 8.8)
    wide = fleischner(NoduleFacts("solid", Interval(7.0, 5.0, 9.0)), one)
    assert len(wide.rules) == 3
    inside = fleischner(NoduleFacts("solid", Interval(7.0, 5.6, 8.4)), one)
    assert not inside.straddles


def test_the_interval_of_the_solid_part_is_told_apart_from_that_of_the_whole():
    facts = NoduleFacts("part-solid", Interval(12.0, 11.0, 13.0), solid_mm=Interval(5.6, 4.9, 6.3))
    said = fleischner(facts, replace(ADULT, several=False))
    whole, core = said.trace[-2:]
    assert not whole.straddles
    assert core.straddles
    assert len(said.rules) == 2


def test_the_trace_names_the_answers_the_number_and_the_source():
    said = fleischner(nodule("solid", 6.6), replace(ADULT, several=False, risk="high"))
    told = " ".join(f"{step.what}: {step.followed}" for step in said.trace)
    for part in ("incidental", "35", "solid", "High", "6–8 mm"):
        assert part in told
    assert "10.1148/radiol.2017161659" in said.rule.source


def test_what_cannot_be_compared_is_said():
    one = replace(ADULT, several=False)
    assert "not measured" in fleischner(nodule("part-solid", 9), one).refused
    with pytest.raises(ValueError, match="none was measured"):
        fleischner(nodule("ground-glass", 9), one, by="volume")
    with pytest.raises(ValueError, match="diameter or volume"):
        fleischner(nodule("ground-glass", 9), one, by="area")
