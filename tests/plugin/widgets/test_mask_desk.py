import numpy as np
import pytest

from napari_vaemed.data import mask_check
from napari_vaemed.data.phantom_defects import DEFECTS, spoilt_mask
from napari_vaemed.io.journal import file_sha256, mask_sha256, read_journal
from napari_vaemed.io.volumes import read_mask, write_mask, write_volume
from napari_vaemed.plugin.layers import labels_to_layer
from napari_vaemed.plugin.widgets.mask_desk import MaskDeskWidget

ISLAND = next(d for d in DEFECTS if d.name == "piece in soft tissue")
CASES = ("0-Murnau", "1", "2")


@pytest.fixture
def desk(chest, qtbot):
    """The desk's dock on the phantom."""
    made = MaskDeskWidget(chest.viewer)
    qtbot.addWidget(made)
    return made


@pytest.fixture
def lungs(desk, chest, small_phantom):
    """The true lungs as a reference, and on top of it, on the desk, a copy with an island."""
    volume = small_phantom.volume
    spoilt = spoilt_mask(small_phantom, ISLAND, 3).hu.astype(np.uint8)
    truth = chest.add(labels_to_layer(small_phantom.lungs.copy(), volume, "Truth"))
    mask = chest.add(labels_to_layer(spoilt, volume, "Lungs by hand"))
    desk.desk.choose(mask, None)
    return mask, truth


@pytest.fixture(scope="module")
def pairs(small_phantom, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs")
    for number, case in enumerate(CASES):
        mask = spoilt_mask(small_phantom, DEFECTS[(8, 2, 5)[number]], number)
        write_volume(folder / f"{case}.nii", small_phantom.volume.hu, small_phantom.volume)
        write_mask(folder / f"{case}_mask.nii", mask.hu.astype(np.uint8), small_phantom.volume)
    return folder


@pytest.fixture
def queue(desk, chest, pairs, idle):
    """The desk going through the pairs, no verdict given yet."""
    (pairs / "verdicts.csv").unlink(missing_ok=True)
    desk.desk.queue.open_folder(pairs)
    idle(chest)
    return desk.desk.queue


def test_flags_lead_to_their_slice(desk, chest, lungs, idle):
    desk.check_button.click()
    idle(chest)
    assert desk.flags.item(0, 0).text() == mask_check.ISLANDS
    desk.flags.selectRow(0)
    shown = round(float(lungs[0].world_to_data(chest.viewer.dims.point)[0]))
    assert shown == desk.desk.check.flags[0].slice_index
    assert "lie apart" in desk.flag_text.text()
    assert lungs[0].selected_label == desk.desk.check.flags[0].label
    assert desk.edits.label_text.text() == f"Label {lungs[0].selected_label} by"


def test_two_masks_are_compared(desk, chest, lungs, idle):
    desk.second_box.setCurrentIndex(2)
    desk.second_box.activated.emit(2)
    assert desk.desk.second is lungs[1]
    desk.check_button.click()
    idle(chest)
    scores = {score.label: score for score in desk.desk.check.scores}
    spoilt = min(scores.values(), key=lambda score: score.dice)
    assert desk.table.item(spoilt.label - 1, 1).text() == f"{spoilt.dice:.3f}"
    desk.far_button.click()
    shown = round(float(lungs[0].world_to_data(chest.viewer.dims.point)[0]))
    assert shown == spoilt.farthest_slice
    desk.difference_box.click()
    idle(chest)
    voxels = chest.viewer.layers["Difference"].data
    assert np.count_nonzero(voxels) == np.count_nonzero(lungs[0].data != lungs[1].data)
    desk.beside_box.click()
    beside = chest.viewer.layers["Truth beside"]
    assert np.shares_memory(beside.data, lungs[1].data)
    assert beside.extent.world[0][-1] > lungs[0].extent.world[1][-1]
    assert "Difference" not in [desk.first_box.itemText(n) for n in range(desk.first_box.count())]
    desk.beside_box.click()
    desk.difference_box.click()
    assert len(chest.viewer.layers) == 3


def test_an_edit_is_undone_by_the_dock_and_by_napari(desk, chest, lungs, idle):
    mask, truth = lungs
    before = mask.data.copy()
    mask.selected_label = int(before[(before > 0) & (truth.data == 0)][0])
    desk.edits.buttons["keep largest"].click()
    idle(chest)
    assert np.array_equal(mask.data, truth.data)
    assert mask_check.ISLANDS not in desk.desk.check.kinds  # checked again by itself
    desk.edits.undo_button.click()
    assert np.array_equal(mask.data, before)
    assert desk.check_button.text() == "Check again"
    desk.edits.redo_button.click()
    assert np.array_equal(mask.data, truth.data)
    mask.undo()
    assert np.array_equal(mask.data, before)


def test_edits_and_brush_strokes_share_one_history(desk, chest, lungs, idle):
    mask = lungs[0]
    before = mask.data.copy()
    mask.selected_label = 1
    mask.paint((48, 20, 20), 1)
    painted = mask.data.copy()
    desk.edits.radius.setValue(5.0)
    desk.edits.buttons["dilate"].click()
    idle(chest)
    assert np.count_nonzero(mask.data == 1) > np.count_nonzero(painted == 1)
    mask.undo()
    assert np.array_equal(mask.data, painted)
    mask.undo()
    assert np.array_equal(mask.data, before)


def test_several_readers_become_one_mask(desk, chest, small_phantom, idle):
    nodule = (small_phantom.nodules == 4).astype(np.uint8)
    wider = np.maximum(nodule, np.roll(nodule, 1, 2))
    for name, voxels in (("A", nodule), ("B", wider), ("C", wider)):
        chest.add(labels_to_layer(voxels.copy(), small_phantom.volume, name))
    chest.viewer.layers.selection = [chest.viewer.layers[name] for name in "ABC"]
    pairs, majority, _ = desk.readers.buttons
    pairs.click()
    idle(chest)
    dice = 2 * nodule.sum() / (nodule.sum() + wider.sum())
    assert f"A – B: Dice {dice:.3f}" in desk.readers.text.text()
    assert "B – C: Dice 1.000" in desk.readers.text.text()
    majority.click()
    idle(chest)
    assert np.array_equal(chest.viewer.layers["Majority"].data, wider)


def test_a_folder_is_gone_through_with_verdicts(desk, queue, chest, pairs, small_phantom, idle):
    assert desk.place.text() == "Pair 1 of 3 · 0 judged"
    assert desk.flags.item(0, 0).text() == mask_check.ISLANDS
    desk.verdict.comment.setText("gas in the bowel")
    desk.verdict.comment.textEdited.emit("gas in the bowel")
    judged = desk.desk.first.data.copy()
    queue._ahead.clear()  # as if it were still being read
    desk.verdict.buttons["fix"].click()
    assert queue.judge("reject") is None  # the next one is not there yet
    idle(chest)
    assert desk.place.text() == "Pair 2 of 3 · 1 judged"
    assert desk.flags.item(0, 0).text() == mask_check.SWAPPED
    assert desk.verdict.comment.text() == ""
    (entry,) = read_journal(pairs / "verdicts.csv").entries
    assert (entry.verdict, entry.comment) == ("fix", "gas in the bowel")
    assert entry.mask_sha256 == mask_sha256(judged)
    assert entry.file_sha256 == file_sha256(pairs / f"{CASES[0]}.nii")
    assert b"Murnau" not in (pairs / "verdicts.csv").read_bytes()
    assert [layer.name for layer in chest.viewer.layers][-2:] == ["CT 3.0 mm", "Mask"]
    before = desk.desk.first
    desk.next_button.click()  # no job need run: it was read ahead
    assert desk.desk.first is not before
    assert desk.desk.check.kinds == (mask_check.HOLES,)
    queue.open_folder(pairs)
    idle(chest)
    assert "Said of this mask: fix – gas in the bowel" in desk.verdict.where.text()
    queue.judge("reject")
    idle(chest)
    desk.verdict.back_button.click()
    idle(chest)
    assert desk.place.text() == "Pair 1 of 3 · 1 judged"  # as it was before
    assert "Said of this mask: fix" in desk.verdict.where.text()
    assert [e.verdict for e in read_journal(pairs / "verdicts.csv").standing] == ["fix"]


def test_an_edited_mask_is_saved_beside_the_journal(desk, queue, chest, pairs, small_phantom, idle):
    original = (pairs / f"{CASES[0]}_mask.nii").read_bytes()
    desk.desk.first.selected_label = 1
    desk.edits.radius.setValue(1.0)
    desk.edits.buttons["erode"].click()
    idle(chest)
    assert desk.message.text.text() == "Erode: nothing changes. A voxel measures 2.2 mm."
    desk.edits.radius.setValue(3.0)
    desk.edits.buttons["erode"].click()
    idle(chest)
    edited = desk.desk.first.data.copy()
    desk.next_button.click()
    assert "A verdict saves it" in desk.message.text.text()
    assert np.array_equal(desk.desk.first.data, edited)
    queue.judge("fix")
    idle(chest)
    (saved,) = (pairs / "corrected").iterdir()
    assert np.array_equal(read_mask(saved, small_phantom.volume), edited)
    (entry,) = read_journal(pairs / "verdicts.csv").standing
    assert entry.mask_sha256.startswith(saved.name.split(".")[0])
    assert (pairs / f"{CASES[0]}_mask.nii").read_bytes() == original


def test_open_masks_need_a_journal_first(desk, chest, lungs, tmp_path, idle):
    desk.verdict.buttons["accept"].click()
    assert "Journal" in desk.message.text.text()
    desk.desk.queue.use_journal(tmp_path / "mine.csv")
    desk.verdict.buttons["accept"].click()
    idle(chest)
    (entry,) = read_journal(tmp_path / "mine.csv").entries
    assert entry.mask_sha256 == mask_sha256(lungs[0].data)


def test_the_desk_is_empty_without_a_mask_and_its_keys_do_nothing_while_it_is_closed(
    chest, small_phantom, tmp_path, qtbot
):
    chest.mask_desk.queue.use_journal(tmp_path / "mine.csv")
    layer = chest.add(labels_to_layer(small_phantom.lungs, small_phantom.volume, "Lungs"))
    assert chest.mask_desk.queue.judge("accept") is None
    chest.viewer.layers.remove(layer)
    dock = MaskDeskWidget(chest.viewer)
    qtbot.addWidget(dock)
    assert dock.is_empty
    assert dock.empty.buttons[0].text() == "Folder of pairs…"
