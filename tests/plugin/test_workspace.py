import subprocess
import sys

import pytest
from qtpy.QtWidgets import QDockWidget

from napari_vaemed.plugin.workspace import DOCKS, canvas_of, open_workspace


def test_opening_every_dock_in_a_fresh_process_imports_no_torch():
    code = (
        "import sys, napari\n"
        "viewer = napari.Viewer(show=False)\n"
        "from napari_vaemed.plugin.workspace import open_workspace\n"
        "open_workspace(viewer)\n"
        "heavy = [m for m in ('torch', 'SimpleITK', 'sklearn', 'monai') if m in sys.modules]\n"
        "viewer.close()\n"
        "assert not heavy, heavy"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_the_workspace_docks_the_main_job_as_tabs(make_napari_viewer):
    viewer = make_napari_viewer()
    widgets = open_workspace(viewer)
    assert tuple(widgets) == DOCKS
    window = viewer.window._qt_window
    docks = {d.windowTitle(): d for d in window.findChildren(QDockWidget)}
    beside = {d.windowTitle() for d in window.tabifiedDockWidgets(docks["CT"])}
    assert beside == set(DOCKS) - {"CT"}


@pytest.mark.parametrize("close", ["viewer.close", "viewer.window._qt_window.close"])
def test_closing_the_window_in_the_middle_of_a_job_ends_the_process_quietly(close):
    code = (
        "import napari, numpy as np\n"
        "from qtpy.QtCore import QTimer\n"
        "from qtpy.QtWidgets import QApplication\n"
        "from napari_vaemed.data.volume import Volume\n"
        "from napari_vaemed.plugin.layers import volume_to_layer\n"
        "from napari_vaemed.plugin.workspace import open_workspace\n"
        "from napari_vaemed.plugin.session import session_of\n"
        "viewer = napari.Viewer(show=False)\n"
        "open_workspace(viewer)\n"
        "session = session_of(viewer)\n"
        "hu = np.random.default_rng(0).integers(-1000, 200, (160, 256, 256)).astype(np.int16)\n"
        "session.add(volume_to_layer(Volume(hu, (1.0, 1.0, 1.0))))\n"
        "session.prepare()\n"
        "session.click((80, 128, 128))\n"
        f"QTimer.singleShot(400, {close})\n"
        "QTimer.singleShot(900, QApplication.quit)\n"
        "napari.run(force=True)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "Error" not in done.stderr


def test_the_canvas_is_napari_s_own_whatever_stands_beside_it(chest, idle):
    canvas = canvas_of(chest.viewer)
    chest.three_views.set_on(True)
    idle(chest)
    assert canvas_of(chest.viewer) is canvas
    chest.three_views.set_on(False)
    assert canvas_of(chest.viewer) is canvas
