"""Every line of the published table: ACR Lung-RADS v2022, CHEST 2024;165:738–753.

Sizes are mean diameters in mm to one decimal; beside each limit stands the volume the table gives.
"""

from dataclasses import replace

import pytest

from napari_vaemed.data.guideline import Context, NoduleFacts
from napari_vaemed.data.interval import Interval
from napari_vaemed.decision.lung_rads import growth, lung_rads

FIRST = Context(
    setting="screening", scan="baseline", complete=True, infection=False, lesion="lung",
    suspicious=False,
)  # fmt: skip
LATER = replace(FIRST, scan="follow-up")
MM3 = {3.9: 33, 4.0: 34, 5.9: 112, 6.0: 113, 7.9: 267, 8.0: 268, 9.9: 523, 10.0: 524,
       14.9: 1766, 15.0: 1767, 29.9: 14136, 30.0: 14137}  # fmt: skip


def nodule(density, mm, solid_mm=None):
    def exact(value):
        return None if value is None else Interval.exact(value)

    return NoduleFacts(
        density, exact(mm), exact(MM3[mm]), exact(solid_mm), exact(solid_mm and MM3[solid_mm])
    )


def both_ways(facts, context):
    """The category by diameters and by volumes, and the source of the line."""
    said = [lung_rads(facts, context, by=by) for by in ("diameter", "volume")]
    assert all(len(one.rules) == 1 for one in said)
    assert all("Christensen" in one.rule.source for one in said)
    assert said[0].rule == said[1].rule
    return said[0].rule.category


@pytest.mark.parametrize(
    ("mm", "category"),
    # row "solid", "at baseline" of categories 2, 3, 4A and 4B
    [(5.9, "2"), (6.0, "3"), (7.9, "3"), (8.0, "4A"), (14.9, "4A"), (15.0, "4B")],
)
def test_solid_at_baseline(mm, category):
    assert both_ways(nodule("solid", mm), FIRST) == category
    # "a nodule that crosses into a higher size class is reclassified even without growth"
    assert both_ways(nodule("solid", mm), replace(LATER, history="crossed")) == category


@pytest.mark.parametrize(
    ("mm", "category"),
    # row "solid", "new" of categories 2, 3, 4A and 4B
    [(3.9, "2"), (4.0, "3"), (5.9, "3"), (6.0, "4A"), (7.9, "4A"), (8.0, "4B")],
)
def test_solid_and_new(mm, category):
    assert both_ways(nodule("solid", mm), replace(LATER, history="new")) == category


@pytest.mark.parametrize(("mm", "category"), [(5.9, "4A"), (7.9, "4A"), (8.0, "4B")])
def test_solid_and_growing(mm, category):  # row "solid", "growing" of 4A and 4B
    assert both_ways(nodule("solid", mm), replace(LATER, history="growing")) == category


@pytest.mark.parametrize(
    ("mm", "solid_mm", "category"),
    # row "part-solid", "at baseline" of categories 2, 3, 4A and 4B
    [
        (5.9, 3.9, "2"), (6.0, 5.9, "3"), (14.9, 5.9, "3"), (8.0, 6.0, "4A"), (14.9, 7.9, "4A"),
        (14.9, 8.0, "4B"),
    ],
)  # fmt: skip
def test_part_solid_at_baseline(mm, solid_mm, category):
    assert both_ways(nodule("part-solid", mm, solid_mm), FIRST) == category


@pytest.mark.parametrize(
    ("mm", "solid_mm", "category"),
    # row "part-solid", "new" of category 3, then "new or growing solid part" of 4A and 4B
    [(5.9, 3.9, "3"), (6.0, 3.9, "4A"), (8.0, 4.0, "4B")],
)
def test_part_solid_and_new(mm, solid_mm, category):
    context = replace(LATER, history="new")
    assert both_ways(nodule("part-solid", mm, solid_mm), context) == category


@pytest.mark.parametrize(("solid_mm", "category"), [(3.9, "4A"), (4.0, "4B"), (8.0, "4B")])
def test_part_solid_with_a_growing_solid_part(solid_mm, category):  # rows 4A and 4B
    context = replace(LATER, history="growing", solid_grows=True)
    assert both_ways(nodule("part-solid", 10.0, solid_mm), context) == category


@pytest.mark.parametrize(
    ("mm", "solid_mm", "category"), [(5.9, 3.9, "2"), (10.0, 5.9, "3"), (10.0, 6.0, "4A")]
)
def test_part_solid_growing_around_its_solid_part_goes_by_size(mm, solid_mm, category):
    context = replace(LATER, history="growing", solid_grows=False)
    assert both_ways(nodule("part-solid", mm, solid_mm), context) == category


def test_whether_the_solid_part_grows_is_asked():
    said = lung_rads(nodule("part-solid", 10.0, 3.9), replace(LATER, history="growing"))
    assert [q.key for q in said.asks] == ["solid_grows"]


@pytest.mark.parametrize(
    ("mm", "history", "category"),
    [
        # row "non-solid", category 2: < 30 mm at baseline, new or growing
        (29.9, None, "2"), (29.9, "new", "2"), (29.9, "growing", "2"), (29.9, "stable", "2"),
        # category 2: ≥ 30 mm stable or slowly growing
        (30.0, "stable", "2"), (30.0, "crossed", "2"),
        # category 3: ≥ 30 mm at baseline or new
        (30.0, None, "3"), (30.0, "new", "3"),
        # the table has no line for this one
        (30.0, "growing", None),
    ],
)  # fmt: skip
def test_ground_glass(mm, history, category):
    context = FIRST if history is None else replace(LATER, history=history)
    assert both_ways(nodule("ground-glass", mm), context) == category


@pytest.mark.parametrize(
    ("mm", "context", "category"),
    [
        # category 2: juxtapleural < 10 mm (524), at baseline or new
        (9.9, FIRST, "2"), (9.9, replace(LATER, history="new"), "2"), (10.0, FIRST, "4A"),
        (10.0, replace(LATER, history="new"), "4B"), (9.9, replace(LATER, history="growing"), "4B"),
    ],
)  # fmt: skip
def test_juxtapleural(mm, context, category):
    context = replace(context, lesion="juxtapleural")
    assert both_ways(nodule("solid", mm), context) == category
    assert lung_rads(nodule("solid", mm), context).rule.confirmed == (category != "2")


@pytest.mark.parametrize(
    ("before", "waited", "category"),
    # "Stepping down: a category 3 nodule stable or smaller at 6 months → 2; 4A at 3 months → 3"
    [
        ("1 or 2", None, "2"), ("3", True, "2"), ("3", False, "3"), ("4A", True, "3"),
        ("4A", False, "4A"), ("4B or 4X", None, "4B"),
    ],
)  # fmt: skip
def test_stepping_down(before, waited, category):
    context = replace(LATER, history="stable", before=before, waited=waited)
    assert both_ways(nodule("solid", 7.9), context) == category
    assert both_ways(nodule("part-solid", 7.9, 5.9), context) == category
    assert lung_rads(nodule("solid", 7.9), context).rule.confirmed == (not waited)


def test_a_stable_nodule_is_asked_for_its_earlier_category():
    said = lung_rads(nodule("solid", 7.9), replace(LATER, history="stable"))
    assert [q.key for q in said.asks] == ["before", "waited"]


@pytest.mark.parametrize(
    "answer", [{"scan": "prior being located"}, {"complete": False}, {"infection": True}]
)
def test_category_0(answer):  # row 0
    said = lung_rads(nodule("solid", 7.9), replace(Context(setting="screening"), **answer))
    assert said.rule.category == "0"


def test_category_1_needs_a_benign_pattern():  # row 1
    calcified = nodule("calcified", 7.9)
    assert [q.key for q in lung_rads(calcified, FIRST).asks] == ["pattern"]
    assert lung_rads(calcified, replace(FIRST, pattern="benign")).rule.category == "1"
    assert lung_rads(calcified, replace(FIRST, pattern="other")).rule.category == "3"
    # fat is seen by the reader, in a nodule of any density
    assert lung_rads(nodule("solid", 7.9), replace(FIRST, pattern="benign")).rule.category == "1"


@pytest.mark.parametrize(("mm", "category"), [(5.9, "2"), (6.0, "4X"), (8.0, "4X"), (15.0, "4X")])
def test_category_4x_is_3_or_4_with_suspicious_features(mm, category):  # row 4X
    assert lung_rads(nodule("solid", mm), replace(FIRST, suspicious=True)).rule.category == category


def test_suspicious_features_are_asked_for_from_category_3():
    unasked = replace(FIRST, suspicious=None)
    assert lung_rads(nodule("solid", 5.9), unasked).rule.category == "2"
    assert [q.key for q in lung_rads(nodule("solid", 6.0), unasked).asks] == ["suspicious"]


@pytest.mark.parametrize("lesion", ["airway", "cyst"])
def test_airway_nodules_and_cysts_are_not_covered(lesion):
    said = lung_rads(nodule("solid", 7.9), replace(FIRST, lesion=lesion))
    assert "not covered" in said.refused
    assert not said.rules


def test_it_is_for_screening_only():
    assert "screening" in lung_rads(nodule("solid", 7.9), Context(setting="incidental")).refused


def test_what_nobody_answered_is_asked_and_nothing_is_guessed():
    assert [q.key for q in lung_rads(nodule("solid", 7.9), Context()).asks] == ["setting"]
    said = lung_rads(nodule("solid", 7.9), Context(setting="screening"))
    assert [q.key for q in said.asks] == ["scan", "complete", "infection", "lesion"]
    assert [q.key for q in lung_rads(nodule("solid", 7.9), LATER).asks] == ["history"]


def with_prior(now, before, months):
    return NoduleFacts("solid", now, before_mm=before, months=months)


@pytest.mark.parametrize(
    ("now", "before", "months", "change"),
    # "growth = mean diameter up by more than 1.5 mm within 12 months"
    [(9.0, 7.0, 6, 2.0), (9.0, 7.0, 12, 2.0), (10.0, 7.0, 24, 1.5), (7.0, 9.0, 12, -2.0)],
)
def test_growth_is_the_change_within_twelve_months(now, before, months, change):
    facts = with_prior(Interval.exact(now), Interval.exact(before), months)
    assert growth(facts).value == pytest.approx(change)


def test_the_errors_of_two_scans_add_in_squares():
    facts = with_prior(Interval(9.0, 8.7, 9.3), Interval(7.0, 6.6, 7.4), 12)
    assert growth(facts).half_width == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("now", "before", "category"),
    [(7.9, 6.3, "4A"), (7.9, 6.4, "2"), (8.0, 7.9, "4A"), (6.4, 6.2, "2"), (6.0, 7.0, "2")],
)
def test_a_measured_prior_answers_what_became_of_the_nodule(now, before, category):
    facts = with_prior(Interval.exact(now), Interval.exact(before), 12)
    context = replace(LATER, before="3", waited=True)
    assert lung_rads(facts, context).rule.category == category


def test_growth_within_the_error_bar_tells_both_categories():
    facts = with_prior(Interval(7.0, 6.6, 7.4), Interval(5.8, 5.4, 6.2), 12)
    said = lung_rads(facts, replace(LATER, before="1 or 2"))
    assert [rule.category for rule in said.rules] == ["3", "4A"]
    step = next(step for step in said.trace if step.what.startswith("Against"))
    assert step.straddles
    assert step.number.value == pytest.approx(1.2)


def test_an_interval_across_a_limit_tells_every_category_the_measured_one_first():
    said = lung_rads(NoduleFacts("solid", Interval(8.1, 7.2, 9.0)), FIRST)
    assert [rule.category for rule in said.rules] == ["4A", "3"]
    assert said.trace[-1].straddles
    assert not lung_rads(NoduleFacts("solid", Interval(7.0, 6.0, 7.9)), FIRST).straddles
    # 7.95 is reported as 8.0 mm
    assert lung_rads(NoduleFacts("solid", Interval(7.0, 6.0, 7.95)), FIRST).straddles


def test_what_cannot_be_compared_is_said():
    assert "not measured" in lung_rads(nodule("part-solid", 9.9), FIRST).refused
    with pytest.raises(ValueError, match="none was measured"):
        lung_rads(NoduleFacts("solid", Interval.exact(9)), FIRST, by="volume")
    with pytest.raises(ValueError, match="diameter or volume"):
        lung_rads(nodule("solid", 9.9), FIRST, by="area")
