"""The letters at the edges, against what the canvas really shows.

The truth is a scan made in the patient's millimetres: three bright balls to the left, to the back
and towards the head of a point. It is stored with its axes in some order and direction, read,
shown, and photographed; where the balls lie in the picture tells what its edges are.
"""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
import SimpleITK as sitk
from napari.components import ViewerModel
from napari.layers import Image
from qtpy.QtCore import QEvent, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QApplication

from napari_vaemed.data.progress import finish
from napari_vaemed.data.sides import edges_of
from napari_vaemed.io.ct import read_ct
from napari_vaemed.plugin.cases import Case
from napari_vaemed.plugin.corner import read_out
from napari_vaemed.plugin.layers import patient_directions, volume_to_layer
from napari_vaemed.plugin.letters import PLACES, EdgeLetters, put_upright
from napari_vaemed.plugin.workspace import canvas_of

PATIENT = np.eye(3)
CENTRE = np.array([-31.0, 47.0, 210.0])
APART_MM = 14.0
BALLS = {"L": 400, "P": 700, "H": 1000}
"""The ball's side of the centre, and its HU."""
LIMITS = (-1000.0, 1100.0)
SIZE, SPACING = (44, 40, 34), (1.25, 1.4, 1.7)
"""Of the file, along its first, second and third axis."""
CODES = ["".join(c) for o in permutations(("LR", "PA", "SI")) for c in product(*o)]
ORDERS = ((0, 1, 2), (1, 0, 2), (2, 0, 1), (0, 2, 1))
FRONT, SLANTING = (0, 0, -90), ((72, 51, -114), (18, -77, 48), (109, -64, -110))
"""Camera angles; the slanting ones lie far from where a letter comes or goes."""


def steps_of(code):
    """Columns are the patient's directions of the file's axes, from their letters."""
    step = {"L": (1, 0, 0), "P": (0, 1, 0), "S": (0, 0, 1)}
    step |= {"R": (-1, 0, 0), "A": (0, -1, 0), "I": (0, 0, -1)}
    return np.array([step[letter] for letter in code], float).T


def turned(degrees, axis):
    """Rotation about one of the patient's axes."""
    one, other = (a for a in range(3) if a != axis)
    turn, angle = np.eye(3), np.radians(degrees)
    turn[one, one] = turn[other, other] = np.cos(angle)
    turn[one, other], turn[other, one] = -np.sin(angle), np.sin(angle)
    return turn


def scan(direction, frame):
    """Voxels (k, j, i) of a file with that direction, and its first voxel's place.

    The balls lie from the centre along the columns of ``frame``.
    """
    spacing, size = np.array(SPACING), np.array(SIZE)
    origin = CENTRE - direction @ ((size - 1) / 2 * spacing)
    ijk = np.stack(np.indices(SIZE[::-1])[::-1], axis=-1)
    places = origin + (ijk * spacing) @ direction.T
    hu = np.full(SIZE[::-1], -1000, np.int16)
    for axis, value in enumerate(BALLS.values()):
        hu[np.linalg.norm(places - CENTRE - APART_MM * frame[:, axis], axis=-1) < 5] = value
    return hu, origin


@pytest.fixture(scope="module")
def read_nifti(tmp_path_factory):
    """Write the scan with SimpleITK, turned as given, and read it as a volume."""
    folder = tmp_path_factory.mktemp("nifti")

    def read(direction, frame=PATIENT):
        hu, origin = scan(direction, frame)
        image = sitk.GetImageFromArray(hu)
        image.SetSpacing(SPACING)
        image.SetOrigin(origin.tolist())
        image.SetDirection(direction.ravel().tolist())
        sitk.WriteImage(image, str(folder / "scan.nii"))
        return finish(read_ct(folder / "scan.nii"))

    return read


@pytest.fixture
def show(window):
    """Show a volume in a small window, instead of an earlier one."""
    window.viewer.window.show()
    window.viewer.window.resize(640, 520)

    def shown(volume):
        window.viewer.layers.clear()
        layer = window.add(volume_to_layer(volume))
        layer.contrast_limits = LIMITS
        return layer

    return shown


def letters(viewer):
    """What stands at the four edges."""
    return tuple(viewer.canvas.overlays[f"vaemed_{place}"].text for place in PLACES)


def greys(viewer):
    """A photograph of nothing but the scan."""
    for overlay in viewer.canvas.overlays.values():
        overlay.opacity = 0
    return viewer.screenshot(canvas_only=True, flash=False)[..., 0].astype(float)


def grey_of(hu):
    return 255 * (hu - LIMITS[0]) / (LIMITS[1] - LIMITS[0])


def point_at(canvas, column, row):
    """Move the mouse to a pixel, and let the window take note."""
    none, place = Qt.MouseButton.NoButton, QPointF(column, row)
    moved = QEvent.Type.MouseMove, place, canvas.mapToGlobal(place), none, none
    QApplication.sendEvent(canvas, QMouseEvent(*moved, Qt.KeyboardModifier.NoModifier))
    QApplication.processEvents()


def photographed(viewer, frame=PATIENT):
    """The four letters by photograph: where to the right and up the balls lie in the picture."""
    picture = greys(viewer)
    middle = (np.array(picture.shape) - 1) / 2
    right, up = np.zeros(3), np.zeros(3)
    for axis, value in enumerate(BALLS.values()):
        rows, columns = np.nonzero(np.abs(picture - grey_of(value)) < 10)
        if len(rows) > 20:  # else in another slice
            right[axis], up[axis] = columns.mean() - middle[1], middle[0] - rows.mean()
    return edges_of(frame @ right, frame @ up)


@pytest.fixture
def look_from(window, idle):
    """Look at the small copy in 3-D."""

    def look(angles, orientation=("away", "down", "right")):
        window.views.show_3d()
        idle(window)
        copy = window.case.made["3-D copy"]
        copy.contrast_limits, copy.interpolation3d = LIMITS, "nearest"
        window.viewer.scene.camera.orientation = orientation
        window.viewer.scene.camera.angles = angles
        window.viewer.reset_view(reset_camera_angle=False)

    return look


def look_along(viewer, order, at):
    viewer.dims.ndisplay = 2
    viewer.dims.order = order
    viewer.dims.set_point(range(3), at)
    viewer.reset_view()


def assert_read_out_is_true(case, frame):
    """HU and mm at the balls, as the corner text tells them, against where the balls were put."""
    for axis, value in enumerate(BALLS.values()):
        middle = np.argwhere(case.volume.hu == value).mean(0)
        hu, mm = read_out(case, case.world(middle))
        assert hu == value
        assert mm == pytest.approx(CENTRE + APART_MM * frame[:, axis], abs=0.3)


def test_48_ways_to_store_a_scan_show_each_voxel_where_it_was_measured(read_nifti):
    assert len(CODES) == 48
    for code in CODES:
        volume = read_nifti(steps_of(code))
        data, attributes, _ = volume_to_layer(volume)
        case = Case(Image(data, **attributes), volume)
        assert volume.stored_axes == code
        assert np.allclose(patient_directions(case.layer, volume), PATIENT)
        assert_read_out_is_true(case, PATIENT)
        corner = np.array(case.layer.data_to_world((0, 0, 0)))[::-1]
        assert corner == pytest.approx(volume.to_world((0, 0, 0)))


def test_letters_agree_with_the_picture_however_it_was_stored(window, show, look_from, read_nifti):
    viewer = window.viewer
    for n, code in enumerate(CODES[::13]):  # all 48 are shown alike, as above
        show(read_nifti(steps_of(code)))
        look_along(viewer, ORDERS[n % 3], CENTRE[::-1])
        assert photographed(viewer) == letters(viewer)
    look_from(FRONT)
    assert photographed(viewer) == letters(viewer) == ("H", "F", "R", "L")


def test_letters_agree_with_dicom_slices_cut_along_the_body(tmp_path, window, show, write_dicom):
    sagittal = steps_of("PIL")
    hu, origin = scan(sagittal, PATIENT)
    folder = write_dicom(tmp_path / "scan", hu, SPACING[::-1], origin, direction=sagittal)
    show(finish(read_ct(folder)))
    for order in ORDERS[:3]:
        look_along(window.viewer, order, CENTRE[::-1])
        assert photographed(window.viewer) == letters(window.viewer)


def test_slices_of_every_order_and_flip_have_true_letters(window, show, read_nifti):
    viewer, _ = window.viewer, show(read_nifti(PATIENT))
    for order in ORDERS:
        look_along(viewer, order, CENTRE[::-1])
        for flip in product(("up", "down"), ("left", "right")):
            viewer.scene.camera.orientation2d = flip
            assert photographed(viewer) == letters(viewer)


def test_the_body_seen_from_any_side_has_true_letters(window, show, look_from, read_nifti):
    viewer, _ = window.viewer, show(read_nifti(PATIENT))
    ways = list(product(("away", "towards"), ("up", "down"), ("left", "right")))
    for n, orientation in enumerate(ways):
        look_from(SLANTING[n % 3], orientation)
        assert photographed(viewer) == letters(viewer)
    viewer.dims.order = (1, 2, 0)  # in 3-D the axes may have another order, too
    look_from(SLANTING[0])
    assert photographed(viewer) == letters(viewer)


@pytest.mark.parametrize(
    "frame", [PATIENT, turned(24, 2) @ turned(-31, 0)], ids=["straight", "oblique"]
)
def test_in_3d_hu_and_mm_are_those_of_the_ball_under_the_pointer(
    window, show, look_from, read_nifti, frame
):
    show(read_nifti(frame, frame))
    for angles in (FRONT, *SLANTING):
        look_from(angles)
        shown = greys(window.viewer)
        for axis, value in enumerate(BALLS.values()):
            rows, columns = np.nonzero(np.abs(shown - grey_of(value)) < 10)
            point_at(canvas_of(window.viewer), columns.mean(), rows.mean())
            hu, *words = window.corner.under_pointer.split()
            assert int(hu) == value
            mm = [float(words[n + 1]) * (1 if words[n] in "LPH" else -1) for n in (1, 3, 5)]
            assert np.linalg.norm(mm - CENTRE - APART_MM * frame[:, axis]) < 5.5


def test_turning_in_3d_takes_the_read_out_away(window, show, look_from, read_nifti):
    viewer, _ = window.viewer, show(read_nifti(PATIENT))
    look_from(FRONT)
    rows, columns = greys(viewer).shape
    point_at(canvas_of(viewer), columns / 2, rows / 2)
    assert window.corner.under_pointer != ""
    viewer.scene.camera.angles = SLANTING[0]
    assert window.corner.slice == window.corner.under_pointer == ""


def test_an_oblique_scan_has_the_letters_of_what_is_shown(window, show, look_from, read_nifti):
    viewer, oblique = window.viewer, turned(24, 2) @ turned(-31, 0)
    show(read_nifti(oblique, frame=oblique))
    assert_read_out_is_true(window.case, oblique)
    found = set()
    for order in ORDERS[:3]:
        look_along(viewer, order, window.case.world(window.case.volume.to_voxel(CENTRE)))
        assert photographed(viewer, oblique) == letters(viewer)
        found |= set(letters(viewer))
    assert {"LP", "RA"} <= found
    look_from(SLANTING[0])
    assert photographed(viewer, oblique) == letters(viewer)


def test_a_layer_turned_by_hand_has_the_letters_of_what_it_shows(window, show, read_nifti):
    layer = show(read_nifti(PATIENT))
    turn = np.eye(4)
    turn[1:3, 1:3] = [[0, 1], [-1, 0]]  # (z, y, x): rows show columns
    turn[:3, 3] = CENTRE[::-1] - turn[:3, :3] @ CENTRE[::-1]
    layer.affine = turn
    look_along(window.viewer, ORDERS[0], CENTRE[::-1])
    assert photographed(window.viewer) == letters(window.viewer)
    assert letters(window.viewer) != ("A", "P", "R", "L")


def test_any_canvas_can_have_letters():
    model = ViewerModel()
    model.add_image(np.zeros((4, 5, 6)))
    edges = EdgeLetters(model)
    assert edges.edges == ("", "", "", "")
    edges.set_shown(True)
    put_upright(model)
    assert letters(model) == ("A", "P", "R", "L")
    model.dims.order = (1, 2, 0)
    put_upright(model)
    assert letters(model) == ("R", "L", "F", "H")
    edges.set_shown(False)
    assert letters(model) == ("", "", "", "")


def test_time_has_no_letters():
    model = ViewerModel()
    model.add_image(np.zeros((2, 4, 5, 6)))
    edges = EdgeLetters(model)
    edges.set_shown(True)
    model.dims.order = (2, 3, 0, 1)
    assert edges.edges[0] == edges.edges[1] == ""
    assert {edges.edges.left, edges.edges.right} == {"F", "H"}
