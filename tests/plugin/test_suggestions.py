"""Suggestions: asked for, told apart from findings, taken and dismissed."""

import numpy as np
import pytest
from qtpy.QtWidgets import QPushButton

from napari_vaemed.data.interval import Interval
from napari_vaemed.data.suggestion import Figures, Suggestion, Tried
from napari_vaemed.plugin.suggestions import LAYER, Suggested
from napari_vaemed.plugin.widgets.findings import FindingsWidget

FIGURES = Figures(
    (0.3, 0.6, 0.9),
    1,
    (Tried("crops", "few", 20, 20, tuple(Interval(v, v - 0.1, v) for v in (0.9, 0.8, 0.5))),),
    "",
)


@pytest.fixture
def suggested(chest, small_phantom, voxels):
    """Suggestions on two nodules and on one place that is none, as if they had been found."""
    volume = small_phantom.volume
    beside = np.add(voxels[0], (0, 0, 12))
    found = tuple(
        Suggestion(tuple(volume.to_world(v)), tuple(v), score, 10.0)
        for v, score in zip([*voxels[:2], beside], (0.95, 0.7, 0.4), strict=True)
    )
    chest.suggestions._of[chest.case] = Suggested(found, FIGURES, FIGURES.usual)
    chest.suggestions._update()
    return chest


def marks(session):
    return len(session.case.made[LAYER].data)


def test_nothing_is_suggested_unless_asked(chest):
    assert chest.suggestions.now is None
    assert LAYER not in chest.case.made
    chest.suggestions.step(1)
    assert chest.suggestions.take() is None


def test_asking_finds_the_lungs_and_then_nodules(chest, idle, small_phantom):
    chest.suggestions.run()
    idle(chest, timeout=120_000)
    assert chest.case.lungs is not None
    shown = chest.suggestions.shown
    assert shown
    assert chest.case.findings == ()
    layer = chest.case.made[LAYER]
    assert len(layer.data) == len(shown)
    assert list(layer.features["score"]) == pytest.approx([s.score for s in shown])
    assert not layer.features["checked"].any()
    inside = [
        np.linalg.norm(np.subtract(shown[0].centre_mm, p.centre_mm)) < p.diameter_mm / 2
        for p in small_phantom.planted
    ]
    assert any(inside)


def test_more_and_fewer_are_shown_at_once(suggested):
    assert marks(suggested) == 2
    suggested.suggestions.show_from(0)
    assert marks(suggested) == 3
    suggested.suggestions.show_from(2)
    assert marks(suggested) == 1


def test_stepping_goes_round_and_moves_the_slices(suggested):
    session, mm = suggested, suggested.case.volume.spacing[0]
    for expected in (0, 1, 0):
        session.suggestions.step(1)
        chosen = session.suggestions.now.chosen
        assert chosen is session.suggestions.shown[expected]
        assert session.viewer.dims.point[0] == pytest.approx(chosen.centre_mm[2], abs=mm)


def test_a_taken_one_is_a_finding_and_undo_makes_it_a_suggestion_again(suggested, idle):
    session = suggested
    session.suggestions.step(1)
    session.suggestions.take()
    idle(session)
    assert len(session.case.findings) == 1
    assert marks(session) == 1
    session.findings.undo()
    idle(session)
    assert session.case.findings == ()
    assert marks(session) == 2


def test_a_dismissed_one_goes_and_can_be_brought_back(suggested):
    suggestions = suggested.suggestions
    suggestions.step(1)
    first = suggestions.now.chosen
    suggestions.dismiss()
    assert first not in suggestions.shown
    assert suggestions.now.chosen is suggestions.shown[0]
    suggestions.bring_back()
    assert suggestions.now.chosen is first
    assert marks(suggested) == 2


def test_whoever_deletes_the_layer_has_no_suggestions(suggested):
    suggested.viewer.layers.remove(suggested.case.made[LAYER])
    assert suggested.suggestions.now is None


def test_the_fold_is_closed_until_opened_and_tells_figures_at_its_slider(suggested, qtbot):
    dock = FindingsWidget(suggested.viewer)
    qtbot.addWidget(dock)
    fold = dock.suggestions
    assert not fold.head.isChecked()
    assert not fold.findChildren(QPushButton)
    fold.unfold()
    assert fold.table.rowCount() == 2
    assert fold.table.item(0, 0).text() == "1 ?"
    assert "80 (70 to 80) % of 20" in fold.figures.text()
    fold.slider.setValue(fold.slider.maximum())
    assert fold.table.rowCount() == 3
    assert "90 (80 to 90) % of 20" in fold.figures.text()
    fold.table.selectRow(1)
    assert suggested.suggestions.now.chosen is suggested.suggestions.shown[1]
    fold.dismiss_button.click()
    assert fold.table.rowCount() == 2
    assert fold.back_button.isEnabled()
    fold.away_button.click()
    assert LAYER not in suggested.case.made
    assert not fold.table.isVisibleTo(dock)
