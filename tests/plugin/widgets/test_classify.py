import csv

import numpy as np
import pytest
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QCheckBox, QPushButton

from napari_vaemed.plugin.where import WHERE
from napari_vaemed.plugin.widgets.classify import ClassifyWidget


@pytest.fixture
def dock(qtbot):
    """Makes the dock of a session."""

    def make(session):
        made = ClassifyWidget(session.viewer)
        qtbot.addWidget(made)
        return made

    return make


def test_without_a_ct_it_offers_to_open_one_and_every_control_has_a_tooltip(window, dock):
    widget = dock(window)
    assert widget.is_empty
    assert widget.empty.buttons
    for kind in (QPushButton, QCheckBox):
        own = widget.findChildren(kind)
        assert [b.text() for b in own if not b.toolTip()] == []


def test_scoring_fills_value_source_and_a_table_by_score(lung_chest, dock, idle):
    widget = dock(lung_chest)
    assert widget.hint.isVisibleTo(widget)
    assert not widget.table.isVisibleTo(widget)
    widget.score()
    assert not widget.score_button.isEnabled()
    assert widget.score_button.text() == "Scoring…"
    idle(lung_chest)
    said = lung_chest.case.scored.said
    value = said.subject.covid_probability
    assert widget.value.text() == f"COVID-19 against other: {100 * value:.0f} %"
    assert widget.rule.text() == said.subject.reason
    assert "SliceResNet 00000000" in widget.source.text()
    assert "nothing at all" in widget.source.text()
    assert "untrained" in widget.value.toolTip()
    assert "No diagnostic value" in widget.caution.text()
    assert "SliceResNet" in widget.strip.about.text()
    shown = [int(widget.table.item(row, 0).text()) for row in range(widget.table.rowCount())]
    assert sorted(shown) == said.scores.indices.tolist()
    by_index = dict(zip(said.scores.indices.tolist(), said.scores.covid.tolist(), strict=True))
    assert [by_index[index] for index in shown] == sorted(by_index.values(), reverse=True)
    z = lung_chest.case.volume.to_world((shown[0], 0, 0))[2]
    assert float(widget.table.item(0, 1).text()) == pytest.approx(z, abs=0.5)


def test_without_a_value_the_reason_stands_there_and_cannot_be_put_away(lung_chest, dock, idle):
    lung_chest.case.lungs = np.zeros_like(lung_chest.case.lungs)
    widget = dock(lung_chest)
    widget.score()
    idle(lung_chest)
    assert widget.value.text() == "No value for the scan"
    assert widget.reason.isVisibleTo(widget)
    assert widget.reason.text.text() == lung_chest.case.scored.said.subject.reason
    assert widget.reason.close_button.isHidden()
    assert not widget.rule.isVisibleTo(widget)
    assert not widget.table.isVisibleTo(widget)


def test_a_row_leads_to_its_slice_and_the_row_follows_the_slice(scored_chest, dock):
    widget = dock(scored_chest)
    widget.table.selectRow(7)
    index = int(widget.table.item(7, 0).text())
    assert scored_chest.slice_view.current() == index
    other = int(widget.table.item(3, 0).text())
    scored_chest.slice_view.go_to(other)
    assert [i.row() for i in widget.table.selectionModel().selectedRows()] == [3]
    scored_chest.slice_view.go_to(0)
    assert widget.table.selectionModel().selectedRows() == []


def test_the_table_can_be_copied_and_saved(scored_chest, dock, idle, tmp_path):
    widget = dock(scored_chest)
    widget.copy_button.click()
    copied = QGuiApplication.clipboard().text().splitlines()
    assert copied[0] == "Slice\tz mm\tCOVID-19\tUnlike"
    assert len(copied) == widget.table.rowCount() + 1
    widget.save_csv(tmp_path / "slices.csv")
    idle(scored_chest)
    assert scored_chest.messages["classify"].text == "Saved slices.csv."
    with (tmp_path / "slices.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    scores = scored_chest.case.scored.said.scores
    assert [int(row["slice"]) for row in rows] == scores.indices.tolist()
    saved = [float(row["covid_probability"]) for row in rows]
    assert saved == pytest.approx(scores.covid.tolist(), abs=1e-4)
    assert rows[0]["sha256"] == "0" * 64


def test_the_boxes_switch_strip_text_and_grad_cam_and_follow_the_key(scored_chest, dock, idle):
    widget, view = dock(scored_chest), scored_chest.slice_view
    view.go_to(40)
    widget.strip_box.click()
    assert view.strip.isHidden()
    widget.text_box.click()
    assert not scored_chest.viewer.canvas.overlays["vaemed_slice"].visible
    bound = {str(key): act for key, act in scored_chest.viewer.keymap.items()}
    bound["G"](scored_chest.viewer)
    assert widget.where_box.isChecked()
    idle(scored_chest)
    assert scored_chest.case.made[WHERE].visible
    widget.where_box.click()
    assert not scored_chest.case.made[WHERE].visible


def test_another_ct_empties_the_dock(scored_chest, dock, small_phantom):
    from napari_vaemed.plugin.layers import volume_to_layer

    widget, first = dock(scored_chest), scored_chest.case
    assert widget.table.rowCount()
    scored_chest.add(volume_to_layer(small_phantom.volume, name="Another CT"))
    assert widget.table.rowCount() == 0
    assert not widget.value.isVisibleTo(widget)
    assert widget.score_button.text() == "Score slices"
    assert widget.subject.text() == "Another CT"
    scored_chest.viewer.layers.selection.active = first.layer
    assert widget.table.rowCount() == len(first.scored.said.scores)
    assert widget.score_button.text() == "Score again"
