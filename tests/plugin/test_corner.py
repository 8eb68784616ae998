"""What stands in the corners, against truths computed from the affine."""

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtCore import QEvent, QPointF, Qt
from qtpy.QtGui import QMouseEvent, QResizeEvent
from qtpy.QtWidgets import QApplication

from napari_vaemed.data.volume import Volume
from napari_vaemed.plugin.corner import CornerText, about_slice, about_window, patient_mm, read_out
from napari_vaemed.plugin.layers import labels_to_layer, volume_to_layer
from napari_vaemed.plugin.session import session_of
from napari_vaemed.plugin.workspace import canvas_of

SPACING, ORIGIN = (5.0, 0.6, 0.6), (-12.0, 30.0, -100.0)
TILT = np.deg2rad(20)
OBLIQUE = np.array([[1, 0, 0], [0, np.cos(TILT), -np.sin(TILT)], [0, np.sin(TILT), np.cos(TILT)]])
HU = np.random.default_rng(3).integers(-1000, 1000, (8, 30, 40)).astype(np.int16)


@pytest.fixture(params=[np.eye(3), OBLIQUE], ids=["straight", "oblique"])
def thick(viewer, qtbot, request):
    """The session of a viewer without a window, with thick slices open."""
    session = session_of(viewer)
    volume = Volume(HU, SPACING, ORIGIN, request.param, patient="Murnau")
    session.add(volume_to_layer(volume))
    yield session
    session.close()


def truth(volume, voxel):
    """Patient position by the affine that a NIfTI header would hold, in LPS."""
    affine = np.eye(4)
    for column, (axis, step) in enumerate(zip(range(3), volume.spacing[::-1], strict=True)):
        affine[:3, column] = volume.direction[:, axis] * step
    affine[:3, 3] = volume.origin
    z, y, x = voxel
    return (affine @ (x, y, z, 1))[:3]


def test_the_read_out_tells_hu_and_patient_mm_of_each_voxel(thick):
    case = thick.case
    for voxel in np.random.default_rng(0).uniform(-0.4, np.array(HU.shape) - 0.6, (50, 3)):
        hu, place = read_out(case, case.layer.data_to_world(voxel))
        assert hu == HU[tuple(np.rint(voxel).astype(int))]
        assert np.allclose(place, truth(case.volume, voxel))


@pytest.mark.parametrize(
    ("kind", "expected"), [("max", np.max), ("min", np.min), ("mean", np.mean)]
)
def test_in_a_slab_what_is_shown_is_read(thick, kind, expected):
    at = thick.case.layer.data_to_world((1, 11, 20))
    hu, place = read_out(thick.case, at, 0, 3, kind)
    assert hu == round(float(expected(HU[0:5, 11, 20])))  # there is nothing below slice 0
    assert np.allclose(place, truth(thick.case.volume, (1, 11, 20)))
    assert read_out(thick.case, at, 2, 4, kind)[0] == round(float(expected(HU[1, 11, 16:25])))


def test_nothing_is_read_beyond_the_ct(thick):
    for voxel in ((-0.6, 5, 5), (3, 29.6, 5), (3, 5, 1000)):
        assert read_out(thick.case, thick.case.layer.data_to_world(voxel)) is None


def test_positions_are_told_by_the_sides_of_the_body():
    assert patient_mm((12.34, -5.0, 0.0)) == ("L 12.3", "A 5.0", "H 0.0 mm")
    assert patient_mm((-0.04, 7.26, -99.95)) == ("L 0.0", "P 7.3", "F 100.0 mm")


def test_a_slice_is_counted_as_napari_counts_and_told_in_patient_mm(viewer, qtbot):
    session = session_of(viewer)
    session.add(volume_to_layer(Volume(HU, SPACING, ORIGIN, description="CT chest")))
    assert [about_slice(session.case, axis, 2) for axis in range(3)] == [
        ("CT chest 5.0 mm", "Axial 2 / 7", "F 90.0 mm"),
        ("CT chest 5.0 mm", "Coronal 2 / 29", "P 31.2 mm"),
        ("CT chest 5.0 mm", "Sagittal 2 / 39", "R 10.8 mm"),
    ]
    assert about_window(-600, 1500) == "L -600  W 1500"
    session.close()


def test_the_texts_follow_pointer_slice_and_window_of_their_own_canvas(thick):
    side = ViewerModel(ndisplay=2)
    volume = thick.case.volume
    side.add_image(HU, scale=SPACING, translate=thick.case.layer.translate, units="mm")
    side.dims.order = (1, 0, 2)
    corner = CornerText(thick, side, None)
    voxel = np.array((3, 11, 20))
    place = thick.case.layer.data_to_world(voxel)
    side.dims.set_point(1, place[1])
    assert "Coronal 11 / 29" in corner.slice
    assert corner.under_pointer == ""
    point_at(side, place)
    assert corner.under_pointer != ""
    mm = "  ".join(patient_mm(truth(volume, voxel)))
    assert corner.under_pointer == f"{HU[3, 11, 20]} HU\n{mm}"
    side.dims.set_point(1, thick.case.layer.data_to_world((3, 15, 20))[1])  # the wheel turns
    assert f"{HU[3, 15, 20]} HU" in corner.under_pointer
    thick.windowing.set_numbers(40, 400)
    assert "L 40  W 400" in corner.slice
    assert "Murnau" not in corner.slice
    side.dims.ndisplay = 3
    assert corner.slice == ""
    assert corner.under_pointer == ""


def test_a_closed_corner_leaves_no_callback_behind(thick):
    side = ViewerModel()
    dims, camera = side.dims.events, side.scene.camera.events
    events = (dims.point, dims.order, camera, side.events.mouse_over_canvas)
    before = [len(event.callbacks) for event in events]
    for _ in range(50):
        corner = CornerText(thick, side, None)
        assert len(side.mouse_move_callbacks) == 1
        corner.close()
    assert len(side.mouse_move_callbacks) == 0
    assert [len(event.callbacks) for event in events] == before


def test_the_pointer_over_the_window_reads_the_ct_and_not_the_label_on_it(chest, qtbot):
    volume, canvas = chest.case.volume, canvas_of(chest.viewer)
    chest.add(labels_to_layer(np.full(volume.shape, 3, np.uint8), volume, "Lungs"))
    chest.viewer.reset_view()
    at, none = QPointF(canvas.width() / 2, canvas.height() / 2), Qt.MouseButton.NoButton
    for shift in (0, 3):
        here = QPointF(at.x() + shift, at.y())
        moved = QMouseEvent(
            QEvent.Type.MouseMove, here, canvas.mapToGlobal(here), none, none,
            Qt.KeyboardModifier.NoModifier,
        )  # fmt: skip
        QApplication.sendEvent(canvas, moved)
        qtbot.wait(20)
    text = chest.corner._labels[1]
    qtbot.waitUntil(lambda: text.text() != "", timeout=2000)
    voxel = volume.to_voxel(np.array(chest.viewer.cursor.position)[::-1])
    assert text.text().startswith(f"{volume.hu[tuple(np.rint(voxel).astype(int))]} HU\n")
    right, bottom = canvas.width(), canvas.height()
    assert right - 20 < text.geometry().right() < right
    assert bottom - 20 < text.geometry().bottom() < bottom
    canvas.resize(right - 100, bottom)
    QApplication.sendEvent(canvas, QResizeEvent(canvas.size(), canvas.size()))  # it is hidden
    qtbot.waitUntil(lambda: text.geometry().right() < right - 100, timeout=2000)
    for width in (440, 300):
        canvas.resize(width, bottom)
        QApplication.sendEvent(canvas, QResizeEvent(canvas.size(), canvas.size()))
        qtbot.waitUntil(lambda width=width: text.geometry().right() < width, timeout=2000)
        for made in chest.corner._labels:
            assert made.geometry().left() > width / 2 + 15  # clear of the letters
    chest.viewer.mouse_over_canvas = True
    chest.viewer.mouse_over_canvas = False
    qtbot.waitUntil(lambda: text.text() == "", timeout=2000)


def point_at(viewer, position):
    """Move the pointer of a viewer without a window."""
    from napari.utils.interactions import mouse_move_callbacks

    class Moved:
        is_dragging = False

    moved = Moved()
    moved.position = position
    mouse_move_callbacks(viewer, moved)
