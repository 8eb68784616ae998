import numpy as np
import pytest
from napari.components import ViewerModel

from napari_vaemed.plugin.zooming import SharedZoom

POINT = np.array([10.0, 4.0, -6.0])


@pytest.fixture
def viewers(qapp):
    made = []
    for order, zoom in (((0, 1, 2), 2.0), ((1, 0, 2), 3.0)):
        viewer = ViewerModel(order=order)
        viewer.scene.camera.center, viewer.scene.camera.zoom = (0, 3, 5), zoom
        made.append(viewer)
    return made


def pixels_from_middle(viewer):
    """Where the point lies on a canvas, in pixels down and right of its middle."""
    camera = viewer.scene.camera
    return (POINT[list(viewer.dims.displayed)] - camera.center[-2:]) * camera.zoom


def test_all_zoom_by_the_same_factor_and_the_point_stays_where_it_is(viewers):
    shared = SharedZoom(viewers, lambda: POINT)
    before = pixels_from_middle(viewers[1])
    viewers[0].scene.camera.zoom = 5.0
    assert viewers[1].scene.camera.zoom == pytest.approx(7.5)
    assert np.allclose(pixels_from_middle(viewers[1]), before)
    viewers[1].scene.camera.zoom = 3.0
    assert viewers[0].scene.camera.zoom == pytest.approx(2.0)
    shared.close()
    viewers[0].scene.camera.zoom = 1.0
    assert viewers[1].scene.camera.zoom == 3.0


def test_one_can_zoom_apart(viewers):
    shared = SharedZoom(viewers, lambda: POINT)
    with shared.apart():
        viewers[0].scene.camera.zoom = 8.0
    assert viewers[1].scene.camera.zoom == 3.0
    viewers[0].scene.camera.zoom = 4.0
    assert viewers[1].scene.camera.zoom == pytest.approx(1.5)
