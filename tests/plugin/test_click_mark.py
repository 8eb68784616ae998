import threading

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtGui import QGuiApplication

from napari_vaemed.plugin.click_mark import LAYER


@pytest.fixture
def held(chest):
    """A gate that no click passes before it is set."""
    gate = threading.Event()
    chest.jobs.start(lambda: gate.wait(10), title="Held", channel="held", lane="click", quiet=True)
    yield gate
    gate.set()


def test_the_pointer_waits_until_the_answer_is_there(chest, idle, voxels):
    chest.click(voxels[0])
    assert QGuiApplication.overrideCursor().shape() == Qt.CursorShape.BusyCursor
    chest.click(voxels[1])  # the newest wins
    idle(chest)
    assert QGuiApplication.overrideCursor() is None


def test_a_ring_shows_where_a_click_waits_and_goes_with_the_answer(
    chest, idle, qtbot, voxels, held
):
    chest.click(voxels[0])
    assert LAYER not in chest.case.made
    qtbot.waitUntil(lambda: LAYER in chest.case.made)
    (at,) = chest.case.made[LAYER].data
    assert np.allclose(at, chest.case.world(voxels[0]))
    held.set()
    idle(chest)
    assert len(chest.case.made[LAYER].data) == 0


def test_the_ring_follows_the_newest_click(chest, idle, qtbot, voxels, held):
    chest.click(voxels[0])
    qtbot.waitUntil(lambda: LAYER in chest.case.made)
    ring = chest.case.made[LAYER]
    chest.click(voxels[1])
    qtbot.waitUntil(lambda: np.allclose(ring.data, chest.case.world(voxels[1])))
    held.set()
    idle(chest)
    assert len(ring.data) == 0


def test_a_refused_click_leaves_no_trace(chest, idle):
    chest.click((2, 2, 2))
    idle(chest)
    assert chest.messages["nodule"].level == "warning"
    assert QGuiApplication.overrideCursor() is None
    assert LAYER not in chest.case.made or not len(chest.case.made[LAYER].data)
