import numpy as np
import pytest
from napari._qt.containers import QtLayerList
from napari.layers import Labels

from napari_vaemed.plugin.workspace import qt_viewer_of


def layer_list(session):
    (found,) = qt_viewer_of(session.viewer).window().findChildren(QtLayerList)
    return found


def scroll(session, index):
    session.viewer.dims.set_point(0, float(session.case.world((index, 0, 0))[0]))


def test_thumbnails_and_the_list_of_layers_follow_once_the_scroll_has_ended(chest, qtbot):
    ct, made = chest.case.layer, []
    scroll(chest, 20)
    qtbot.waitUntil(lambda: layer_list(chest).updatesEnabled())
    before = ct.thumbnail.copy()
    ct.events.thumbnail.connect(made.append)
    for index in range(21, 60):
        scroll(chest, index)
    assert not made
    assert not layer_list(chest).updatesEnabled()
    qtbot.waitUntil(lambda: layer_list(chest).updatesEnabled())
    assert len(made) == 1
    assert not np.array_equal(ct.thumbnail, before)


@pytest.mark.parametrize("contour", [0, 1, 2])
def test_outlines_of_any_mask_in_the_window_are_those_of_napari(chest, contour):
    blobs = np.random.default_rng(3).integers(0, 3, [n // 4 for n in chest.case.volume.shape])
    mask = np.kron(blobs, np.ones((4, 4, 4), int)).astype(np.uint8)
    layer = chest.viewer.add_labels(mask, scale=chest.case.layer.scale)
    layer.contour = contour
    chest.viewer.dims.set_point(0, 30 * float(layer.scale[0]))
    own = Labels(mask[30])
    own.contour = contour
    assert np.array_equal(layer._slice.image.view, own._slice.image.view)
