import gc
import weakref

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QApplication, QToolTip

from napari_vaemed.plugin.parts.panel import panel_name
from napari_vaemed.plugin.widgets.latent_map import LatentMapWidget

PATIENCE_MS = 30_000


@pytest.fixture
def dock(window, qtbot, idle):
    """The dock with its map on the screen."""
    made = LatentMapWidget(window.viewer)
    qtbot.addWidget(made)
    made.resize(420, 860)
    made.show()
    qtbot.waitUntil(lambda: not made.is_empty, timeout=PATIENCE_MS)
    idle(window)
    qtbot.wait(50)
    return made


def at(dock, row):
    place = dock.cloud.view.to_screen(dock.maps.places[row][None])[0]
    return QPoint(*np.rint(place).astype(int))


def lonely(dock):
    """The row of the nodule that is farthest from any other on the map."""
    places = dock.maps.places.astype(float)
    apart = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    return int(np.argmax(apart.min(axis=1)))


def test_without_a_model_the_dock_says_what_it_shows_and_offers_it(
    make_napari_viewer, qtbot, monkeypatch
):
    from napari_vaemed.plugin.session import session_of

    session = session_of(make_napari_viewer())
    asked = []
    monkeypatch.setattr(session.answers, "warm_up", lambda: asked.append(1))
    made = LatentMapWidget(session.viewer)
    qtbot.addWidget(made)
    made.show()
    qtbot.waitUntil(lambda: bool(asked), timeout=PATIENCE_MS)
    assert made.is_empty
    (offer,) = made.empty.buttons
    offer.click()
    assert len(asked) == 2
    session.close()


def test_the_map_says_what_it_is_worth_and_what_its_colours_mean(dock):
    assert not dock.is_empty
    assert "PCA of 60" in dock.told.text()
    assert "trustworthiness" in dock.told.text()
    assert dock.key.key.title == "malignancy"
    assert "readers" in dock.key.toolTip()
    names = [dock.colour_box.itemText(n) for n in range(dock.colour_box.count())]
    assert {"malignancy", "diameter", "spiculation"} <= set(names)
    place = names.index("diameter")
    dock.colour_box.setCurrentIndex(place)
    dock.colour_box.activated.emit(place)
    assert dock.key.key.ends[1].endswith("mm")


def test_the_pointer_tells_a_nodule_and_a_click_shows_its_card(dock, window, qtbot, idle):
    row = lonely(dock)
    dock.cloud.hovered.emit(row, None)
    record = dock.maps.records[row]
    assert record.id in QToolTip.text()
    assert f"{record.diameter_mm:.1f} mm" in QToolTip.text()
    assert dock.nodule.isHidden()
    qtbot.mouseClick(dock.cloud.canvas.native, Qt.MouseButton.LeftButton, pos=at(dock, row))
    idle(window)
    assert dock.maps.chosen == row
    assert dock.nodule.isVisible()
    (card,) = dock.nodule.card.cards
    assert record.id.removeprefix("LIDC-IDRI-") in card.exhibit.lines[0]
    assert not dock.nodule.scan_button.isEnabled()
    dock.nodule.close_button.click()
    assert dock.nodule.isHidden()


def test_a_lasso_by_key_fills_the_table_whose_rows_stand_out_on_the_map(dock, window, qtbot, idle):
    window.latent_map.lasso_asked.emit()  # Shift+M
    assert dock.lasso_button.isChecked()
    row = lonely(dock)
    middle = at(dock, row)
    native = dock.cloud.canvas.native
    corners = [middle + QPoint(*by) for by in ((-9, -9), (9, -9), (9, 9), (-9, 9))]
    qtbot.mousePress(native, Qt.MouseButton.LeftButton, pos=corners[0])
    for corner in corners[1:]:
        qtbot.mouseMove(native, corner)
        QApplication.processEvents()
        dock.cloud._outline.append((corner.x(), corner.y()))
    qtbot.mouseRelease(native, Qt.MouseButton.LeftButton, pos=corners[-1])
    idle(window)
    assert row in dock.maps.selection
    assert not dock.lasso_button.isChecked()
    assert dock.chosen.isVisible()
    assert dock.chosen.table.model().rowCount() == len(dock.maps.selection)
    dock.chosen.table.selectRow(0)
    assert len(dock.maps.highlighted) == 1
    assert any(key is None for key in dock.cloud.marks.keys)
    dock.chosen.table.activated.emit(dock.chosen.table.model().index(0, 0))
    assert dock.maps.chosen == dock.maps.selection[0]
    dock.chosen.clear_button.click()
    idle(window)
    assert dock.chosen.isHidden()


def test_clusters_are_found_from_the_fold_and_say_what_they_agree_with(dock, window, idle):
    dock.clusters.unfold()
    dock.clusters.count.setValue(3)
    dock.clusters.find_button.click()
    idle(window)
    assert dock.colour_box.currentText() == "clusters"
    assert "k = 3" in dock.clusters.told.text()
    assert not dock.chosen.isVisible()


def test_a_finding_on_the_map_is_gone_to_by_a_click(chest, voxels, idle, qtbot):
    made = LatentMapWidget(chest.viewer)
    qtbot.addWidget(made)
    made.resize(420, 860)
    made.show()
    qtbot.waitUntil(lambda: not made.is_empty, timeout=PATIENCE_MS)
    for voxel in voxels[:2]:
        chest.click(voxel)
        idle(chest)
    assert chest.case.selected == 2
    keys = [key for key in made.cloud.marks.keys if key is not None]
    assert keys == [1, 2]
    made.cloud.mark_picked.emit(1)
    assert chest.case.selected == 1
    z = chest.case.findings[0].marked.measurement.slice_index
    assert chest.viewer.dims.point[0] == pytest.approx(chest.case.world((z, 0, 0))[0])
    assert {sign.name for sign in made.key.signs} >= {"findings"}


def test_the_dock_opens_from_the_manifest_and_leaves_nothing_when_closed(window, qtbot, idle):
    viewer = window.viewer
    viewer.window._qt_window.show()  # what is not seen does not begin
    found = []
    for _ in range(2):
        dock, widget = viewer.window.add_plugin_dock_widget("napari-vaemed", "Latent map")
        assert widget.objectName() == panel_name("Latent map")
        qtbot.waitUntil(lambda widget=widget: not widget.is_empty, timeout=PATIENCE_MS)
        idle(window)
        assert widget.cloud.canvas is not None
        found += [weakref.ref(widget), weakref.ref(widget.cloud.canvas)]
        viewer.window.remove_dock_widget(dock)
        del dock, widget
        qtbot.wait(20)
        gc.collect()
        QApplication.processEvents()
        assert not window.latent_map.open
    assert [each() for each in found] == [None] * 4
