"""What is dropped on the canvas."""

import numpy as np
import pytest
from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QApplication, QWidget

from napari_vaemed.io.volumes import write_mask

PLANES = np.random.default_rng(5).integers(-1000, 400, (6, 20, 18)).astype(np.int16)


@pytest.fixture(params=["QtViewer", "QtWelcomeWidget"])
def drop(window, request):
    """Let something fall onto a widget that takes drops; whether it was accepted."""

    def fall(*paths):
        inside = window.viewer.window._qt_window.findChildren(QWidget)
        (target,) = (widget for widget in inside if type(widget).__name__ == request.param)
        mime = QMimeData()
        mime.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
        buttons = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
        copy, at = Qt.DropAction.CopyAction, QPoint(50, 50)
        # Qt hands a drop to what was entered before.
        QApplication.sendEvent(target, QDragEnterEvent(at, copy, mime, *buttons))
        event = QDropEvent(QPointF(at), copy, mime, *buttons)
        event.ignore()
        QApplication.sendEvent(target, event)
        return event.isAccepted()

    return fall


def test_a_dropped_folder_is_read_behind(window, drop, idle, write_dicom, tmp_path, qtbot):
    folder = write_dicom(tmp_path / "ct", PLANES)
    assert drop(folder)
    assert list(window.viewer.layers) == []  # the window was not kept waiting
    qtbot.waitUntil(lambda: window.case is not None, timeout=10_000)
    idle(window)
    np.testing.assert_array_equal(window.case.layer.data, PLANES)


def test_dropped_slices_of_one_folder_are_one_ct(window, drop, idle, write_dicom, tmp_path, qtbot):
    assert drop(*sorted(write_dicom(tmp_path / "ct", PLANES).iterdir()))
    qtbot.waitUntil(lambda: window.case is not None, timeout=10_000)
    idle(window)
    np.testing.assert_array_equal(window.case.layer.data, PLANES)


def test_a_dropped_mask_lies_on_the_ct(chest, drop, small_phantom, tmp_path, qtbot):
    write_mask(tmp_path / "m.nii.gz", small_phantom.lungs, small_phantom.volume)
    assert drop(tmp_path / "m.nii.gz")
    qtbot.waitUntil(lambda: len(chest.viewer.layers) == 2, timeout=10_000)
    np.testing.assert_array_equal(chest.viewer.layers[-1].data, small_phantom.lungs)


def test_what_the_plugin_does_not_read_is_left_to_napari(window, drop, tmp_path):
    for name in ("one.npy", "two.npy"):
        np.save(tmp_path / name, PLANES)
    drop(tmp_path / "one.npy")
    assert [layer.name for layer in window.viewer.layers] == ["one"]
    drop(tmp_path / "one.npy", tmp_path / "two.npy")
    assert len(window.viewer.layers) == 3
