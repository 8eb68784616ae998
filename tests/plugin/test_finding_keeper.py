"""Findings outlast the window, on their own image only."""

import gc
from dataclasses import replace

import numpy as np
import pytest

from napari_vaemed.io.finding_store import image_key, read_findings
from napari_vaemed.io.volumes import write_volume
from napari_vaemed.plugin.layers import volume_to_layer
from napari_vaemed.plugin.session import session_of


@pytest.fixture
def reopened(make_napari_viewer, qtbot, untrained_expert):
    """A function that opens a window of its own and a file in it."""
    sessions = []

    def open_(path):
        session = session_of(make_napari_viewer())
        session.answers.use(untrained_expert, "auto")
        sessions.append(session)
        session.open(path)
        return session

    yield open_
    for session in sessions:
        session.close()
    qtbot.waitUntil(gc.isenabled, timeout=10_000)


@pytest.fixture
def found(window, idle, small_phantom_file, voxels):
    """A window with the phantom's file open and two findings marked."""
    window.open(small_phantom_file)
    idle(window)
    for voxel in voxels[:2]:
        window.click(voxel)
        idle(window)
    return window


def kept(folder, volume):
    return [f.label for f in read_findings(folder, image_key(volume)).findings]


def test_findings_come_back_with_their_image(found, reopened, idle, small_phantom_file):
    found.finding_list.rename(2, "apex")
    found.findings.measure_errors()
    idle(found)
    again = reopened(small_phantom_file)
    idle(again)
    assert [f.name for f in again.case.findings] == ["Finding 1", "apex"]
    for one, other in zip(found.case.findings, again.case.findings, strict=True):
        assert one.marked.mask.same_as(other.marked.mask)
        assert one.marked.measurement == other.marked.measurement
        assert one.marked.method == other.marked.method
        assert again.case.bars_of(other) == found.case.bars_of(one)
        assert other.label in again.case.masks
    assert "2 findings of" in again.messages["findings"].text
    assert again.messages["findings"].text.endswith("restored.")
    assert not again.case.history.can_undo
    assert len(again.case.description_of(again.case.finding).neighbours) == 10


def test_a_deleted_finding_stays_away_and_undo_keeps_it(found, idle, data_folder):
    volume = found.case.volume
    found.findings.remove(1)
    idle(found)
    assert kept(data_folder, volume) == [2]
    found.findings.undo()
    idle(found)
    assert kept(data_folder, volume) == [1, 2]


def test_closing_the_image_or_all_layers_takes_nothing_away(found, idle, data_folder):
    volume = found.case.volume
    found.viewer.layers.clear()
    idle(found)
    assert kept(data_folder, volume) == [1, 2]


def test_what_still_waits_is_written_when_the_window_goes(found, idle, data_folder):
    volume = found.case.volume
    found.findings.remove(2)
    assert found.finding_keeper.waiting
    found.finding_keeper.finish()
    assert kept(data_folder, volume) == [1]
    idle(found)


def test_other_voxels_of_the_same_series_get_a_word_but_no_findings(
    window, idle, small_phantom, voxels
):
    volume = replace(small_phantom.volume, series_uid="1.2.3")
    window.add(volume_to_layer(volume))
    idle(window)
    window.click(voxels[0])
    idle(window)
    other = np.where(volume.hu > 500, np.int16(500), volume.hu)
    window.add(volume_to_layer(replace(volume, hu=other)))
    idle(window)
    assert window.case.findings == ()
    said = window.messages["findings"]
    assert said.level == "warning"
    assert "1 finding kept for other voxels" in said.text


def test_what_was_not_read_from_a_file_is_not_kept(chest, idle, voxels, data_folder):
    chest.click(voxels[0])
    idle(chest)
    assert not data_folder.exists()


def test_nothing_is_kept_when_the_user_does_not_want_it(
    window, idle, small_phantom_file, voxels, data_folder, monkeypatch
):
    from napari_vaemed.plugin import finding_keeper
    from napari_vaemed.plugin.preferences import Preferences

    monkeypatch.setattr(finding_keeper, "preferences", lambda: Preferences(keep_findings=False))
    window.open(small_phantom_file)
    idle(window)
    window.click(voxels[0])
    idle(window)
    assert not data_folder.exists()


def test_the_store_names_neither_file_nor_patient(window, idle, small_phantom, tmp_path, voxels,
                                                  data_folder):  # fmt: skip
    path = tmp_path / "murnau_friedrich.nii.gz"
    write_volume(path, small_phantom.volume.hu, small_phantom.volume)
    window.open(path)
    idle(window)
    window.click(voxels[0])
    idle(window)
    stored = [file for file in data_folder.rglob("*") if file.is_file()]
    assert stored
    for file in stored:
        assert b"murnau" not in file.read_bytes().lower()
        assert "murnau" not in str(file.relative_to(data_folder)).lower()


def test_a_disk_that_cannot_be_written_to_is_said(found, idle, data_folder):
    (data_folder / "journal.csv").write_text("some other table\n")
    found.findings.remove(1)
    idle(found)
    assert "not kept" in found.messages["findings"].text
    assert found.messages["findings"].level == "error"
