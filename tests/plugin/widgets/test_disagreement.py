import csv
import threading
from dataclasses import replace

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_vaemed.data.anomaly import (
    FLIP,
    KINDS,
    NEIGHBOURS,
    SAME_SCAN,
    Anomalies,
    Anomaly,
    Evidence,
)
from napari_vaemed.data.nodule import ATTRIBUTES, NoduleRecord
from napari_vaemed.decision.label_errors import FoldSpace
from napari_vaemed.io.journal import read_journal
from napari_vaemed.plugin import disagreement_work
from napari_vaemed.plugin.disagreement import JOURNAL_LANE
from napari_vaemed.plugin.disagreement_work import Opened
from napari_vaemed.plugin.widgets.disagreement import DisagreementWidget
from napari_vaemed.preprocessing.patch import middle_planes
from napari_vaemed.workflow.anomalies import Searched
from napari_vaemed.workflow.fold_places import Places

COUNT = 104


@pytest.fixture
def opened(tmp_path):
    """Nodules of 104 patients, every second malignant; the first two are one, all are doubtful."""
    scores = [5.0 if row % 2 == 0 else 1.0 for row in range(COUNT)]
    records = tuple(
        NoduleRecord(f"P{row:03d}_R_1", f"P{row:03d}", f"1.2.{row}", (0.0, 0.0, 0.0), 8.0,
                     dict.fromkeys(ATTRIBUTES, score))
        for row, score in enumerate(scores)
    )  # fmt: skip
    one = Evidence(SAME_SCAN, 2.0, "P001_R_1 of another patient may be this nodule.", (1,), COUNT)
    queue = [Anomaly(0, 0.5, (one,)), Anomaly(1, 0.4, (replace(one, others=(0,)),))]
    for row in range(2, COUNT):
        share = (row % 10) / 10
        near = Evidence(NEIGHBOURS, share, f"{row} contradict.", (row - 1,), 20, "mask features")
        queue.append(Anomaly(row, 1 - row / COUNT, (near,)))
    anomalies = Anomalies(records, tuple(queue), "made up", "mask features")
    rng = np.random.default_rng(0)
    patches = rng.integers(-900, 100, (COUNT, 8, 8, 8)).astype(np.int16)
    known, held_out = np.arange(0, 84), np.arange(84, COUNT)
    place = np.array(scores)[:, None] + rng.normal(size=(COUNT, 3))
    places = Places((FoldSpace(known, held_out, place),), "mask features")
    lines = ["patient_id,nodule_id,Malignancy,Malignancy_value,Diagnosis_value"]
    lines += [f"P{row:03d},1,,{score:g},{int(score > 3)}" for row, score in enumerate(scores)]
    (tmp_path / "nodules.csv").write_text("\n".join(lines) + "\n")
    shas = tuple(f"{row:064x}" for row in range(COUNT))
    return Opened(
        Searched(anomalies, None, patches, places), shas, dict(enumerate(patches)), True,
        tmp_path / "disagreement.csv", {}, tmp_path,
    )  # fmt: skip


@pytest.fixture
def desk(window, qtbot):
    made = DisagreementWidget(window.viewer)
    qtbot.addWidget(made)
    made.show()
    made.activateWindow()
    qtbot.waitUntil(made.isActiveWindow)
    return made


@pytest.fixture
def queue(desk, opened):
    """The desk with the queue, nothing decided yet."""
    desk.desk.take(opened)
    return desk.desk


def press(qtbot, desk, key, modifier=Qt.KeyboardModifier.ShiftModifier):
    qtbot.keyClick(desk.table, key, modifier)


def test_an_entry_shows_both_cases_with_evidence_and_a_filter_one_kind(desk, queue):
    assert "Same scan: P001_R_1 of another patient may be this nodule. (n = 104)" in desk.why.text()
    assert desk.pair.texts[0].text().startswith("P000_R_1 · malignant · 8.0 mm")
    assert desk.pair.texts[1].text().startswith("P001_R_1 · benign")
    assert desk.place.text() == "1 of 104 · 0 decided"
    place = 1 + KINDS.index(NEIGHBOURS)
    desk.kind_box.setCurrentIndex(place)
    desk.kind_box.activated.emit(place)
    scores = [entry.of_kind(NEIGHBOURS).score for entry in queue.entries]
    assert scores == sorted(scores, reverse=True)
    assert desk.table.rowCount() == 102
    assert queue.row == queue.entries[0].row
    desk.open_box.click()
    queue.decide("keep")
    assert desk.table.rowCount() == 101


def test_a_hundred_entries_are_worked_through_by_keyboard_alone(
    desk, queue, window, opened, qtbot, idle
):
    desk.table.setFocus()
    keys = (Qt.Key.Key_Y, Qt.Key.Key_Q, Qt.Key.Key_U, Qt.Key.Key_I, Qt.Key.Key_S)
    rows = [entry.row for entry in queue.entries[:100]]
    for number in range(100):
        assert queue.row == rows[number]
        press(qtbot, desk, keys[number % 5])
    assert len(queue.said) == 100
    assert desk.table.item(3, 4).text() == "flip"
    idle(window)
    entries = read_journal(opened.journal).standing
    assert [opened.shas.index(entry.file_sha256) for entry in entries] == rows
    assert [entry.verdict for entry in entries[:4]] == ["keep", "exclude", "unsure", "flip"]
    assert entries[4].verdict == f"same patient as {opened.shas[3]}"
    for _ in range(100):
        press(qtbot, desk, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    idle(window)
    journal = read_journal(opened.journal)
    assert queue.said == {}
    assert queue.row == rows[0]
    assert journal.standing == ()
    assert len(journal.entries) == 200
    both = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    press(qtbot, desk, Qt.Key.Key_Z, both)
    idle(window)
    (entry,) = read_journal(opened.journal).standing
    assert entry.number == entries[0].number


def test_decisions_last_and_reach_the_cleaned_table(desk, queue, window, opened, tmp_path, idle):
    desk.decision.comment.setText("a copy")
    desk.decision.comment.textEdited.emit("a copy")
    desk.decision.buttons["same patient"].click()
    assert queue.row == 1
    for row, verdict in ((6, FLIP), (9, "exclude")):
        queue.look_at(row)
        assert queue.decide("same patient") is None  # as what?
        queue.decide(verdict)
    idle(window)
    assert b"P00" not in opened.journal.read_bytes()
    said = disagreement_work.said_of(opened.shas, read_journal(opened.journal).standing)
    queue.take(replace(opened, said=said))
    assert queue.said == {0: "same patient", 6: "flip", 9: "exclude"}
    queue.export(tmp_path / "cleaned.csv")
    idle(window)
    assert "1 labels flipped, 1 nodules left out" in desk.message.text.text()
    with (tmp_path / "cleaned.csv").open(newline="") as lines:
        table = {line["patient_id"]: line for line in csv.DictReader(lines)}
    assert (table["P006"]["Malignancy_value"], table["P006"]["original_malignancy"]) == ("1", "5")
    assert "P009" not in table
    assert (table["P000"]["same_patient_as"], table["P000"]["comment"]) == ("P001", "a copy")
    assert table["P001"]["same_patient_as"] == "P000"


def test_what_waits_to_be_written_is_written_when_the_window_goes(queue, window, opened, idle):
    held = threading.Event()
    window.jobs.start(held.wait, title="Holding the lane", channel="hold", lane=JOURNAL_LANE)
    for _ in range(3):
        queue.decide("keep")
    assert not opened.journal.exists()
    queue.finish()
    assert len(read_journal(opened.journal).standing) == 3
    held.set()
    idle(window)
    assert len(read_journal(opened.journal).entries) == 3


def test_a_decision_that_cannot_be_written_is_not_made(desk, queue, window, opened, idle):
    opened.journal.mkdir()
    queue.decide("keep")
    idle(window)
    assert queue.said == {}
    assert "not written" in desk.message.text.text()
    assert not desk.decision.undo_button.isEnabled()


def test_nodules_are_put_on_the_canvas_and_named_to_be_labelled(desk, queue, window, idle):
    desk.layers_box.click()
    first, second = (window.viewer.layers[name] for name in ("In doubt", "Beside it"))
    assert np.array_equal(first.data, queue.opened.pictures[0])
    assert second.extent.world[0][2] > first.extent.world[1][2]
    assert window.case is None
    queue.step(2)
    shown = window.viewer.layers["In doubt"].data
    assert np.array_equal(shown, queue.opened.pictures[2])
    desk.layers_box.click()
    assert len(window.viewer.layers) == 0
    desk.following.unfold()
    desk.following.name_next()
    idle(window)
    assert "nothing waits for a label" in desk.message.text.text()
    desk.following.measure()
    idle(window)
    assert desk.following.curves.rowCount() == 6  # 10 to 80 of 84


def test_planes_are_drawn_with_the_head_up():
    hu = np.zeros((4, 4, 4))
    hu[3] = 1
    axial, coronal, sagittal = middle_planes(hu)
    assert axial.sum() == 0
    assert coronal[0].all()
    assert sagittal[0].all()


def test_the_desk_is_empty_at_first_and_shipped_nodules_come_with_a_warning(window, desk, idle):
    assert desk.is_empty
    assert window.disagreement.decide("keep") is None
    window.disagreement.step(1)
    assert window.disagreement.undo() is None
    desk.desk.open_index()
    idle(window, 200_000)
    assert "In sample" in desk.notes.text()
    assert "decoded" in desk.pair.texts[0].text()
    assert not desk.decision.export_button.isEnabled()
