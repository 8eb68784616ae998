import gc
import threading
import weakref

import numpy as np
import pytest

from napari_vaemed.data.progress import Progress
from napari_vaemed.data.volume import Volume
from napari_vaemed.plugin import work
from napari_vaemed.plugin.layers import volume_to_layer
from napari_vaemed.plugin.session import session_of


def small_volume(value=-800, origin=(0.0, 0.0, 0.0)):
    rng = np.random.default_rng(0)
    hu = (value + rng.normal(0, 20, (20, 40, 40))).astype(np.int16)
    return Volume(hu, (2.0, 1.0, 1.0), origin, description=f"CT {value}")


def test_every_widget_of_a_viewer_shares_one_session(make_napari_viewer):
    viewer = make_napari_viewer()
    assert session_of(viewer) is session_of(viewer)


def test_a_session_follows_the_active_ct_and_falls_back_to_the_one_that_stays(window):
    first = window.add(volume_to_layer(small_volume(-800)))
    second = window.add(volume_to_layer(small_volume(-600)))
    assert window.case.layer is second
    window.viewer.layers.selection.active = first
    assert window.case.layer is first
    window.viewer.layers.remove(first)
    assert window.case.layer is second
    window.viewer.layers.remove(second)
    assert window.case is None


def test_layers_that_are_no_ct_change_nothing(window):
    ct = window.add(volume_to_layer(small_volume()))
    window.viewer.add_points(np.zeros((1, 3)))
    window.viewer.add_labels(np.zeros((4, 4, 4), np.uint8))
    window.viewer.add_image(np.zeros((8, 8)))
    assert window.case.layer is ct
    assert window.messages == {}


def test_a_layer_without_millimetres_is_asked_for_them(window):
    layer = window.viewer.add_image(small_volume().hu)
    assert window.case is None
    assert window.waiting is layer
    window.give_spacing((2.5, 0.7, 0.7))
    assert window.case.volume.spacing == (2.5, 0.7, 0.7)
    assert np.allclose(layer.scale, (2.5, 0.7, 0.7))
    assert window.waiting is None


def test_a_file_that_cannot_be_read_is_told_in_words(window, idle, tmp_path):
    window.open(tmp_path / "nothing.nii.gz")
    idle(window)
    assert "nothing.nii.gz" in window.messages["ct"].text
    assert window.messages["ct"].level == "error"
    assert "Traceback" in window.messages["ct"].details


def test_a_runtime_error_in_a_job_reaches_the_dock(window, idle, monkeypatch):
    def out_of_memory(volume, *how):
        yield Progress("Finding the lungs")
        raise RuntimeError("CUDA out of memory")

    monkeypatch.setattr(work, "lungs", out_of_memory)
    window.add(volume_to_layer(small_volume()))
    window.prepare()
    idle(window)
    assert "CUDA out of memory" in window.messages["lungs"].text


def test_lungs_come_as_a_layer_with_their_volumes(chest, idle, small_phantom):
    chest.prepare()
    idle(chest)
    truth = small_phantom.lungs > 0
    assert chest.case.lung_ml["right"] == pytest.approx(
        (small_phantom.lungs == 1).sum() * small_phantom.volume.voxel_mm3 / 1000, rel=0.1
    )
    found = np.asarray(chest.case.made["Lungs"].data) > 0
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.9
    assert chest.case.made["CLAHE"].data.dtype == np.int16
    names = [layer.name for layer in chest.viewer.layers]
    assert names.index("CLAHE") == names.index(chest.case.layer.name) + 1


@pytest.fixture
def held_lungs(monkeypatch):
    """Lungs that are found only when the test lets them."""
    release = threading.Event()

    def found(volume, *how):
        yield Progress("Finding the lungs")
        release.wait(10)
        labels = np.ones(volume.shape, np.uint8)
        layer = work.labels_to_layer(labels, volume, "Lungs")
        return work.Lungs(labels, {"right": 1.0, "left": 1.0}, layer)

    def enhanced(volume):
        yield Progress("CLAHE")
        return volume_to_layer(volume, name="CLAHE")

    monkeypatch.setattr(work, "lungs", found)
    monkeypatch.setattr(work, "enhance", enhanced)
    yield release
    release.set()


def test_a_result_for_a_removed_ct_is_dropped(window, idle, held_lungs, qtbot):
    layer = window.add(volume_to_layer(small_volume()))
    window.prepare()
    window.viewer.layers.remove(layer)
    held_lungs.set()
    qtbot.wait(200)
    assert not window.busy
    assert list(window.viewer.layers) == []


def test_a_result_goes_to_the_ct_it_was_asked_of(window, idle, held_lungs):
    first = window.add(volume_to_layer(small_volume(-800)))
    window.prepare()
    second = window.add(volume_to_layer(small_volume(-600)))
    assert window.case.layer is second
    held_lungs.set()
    idle(window)
    assert window.case.lungs is None
    assert window.cases[first].lungs is not None
    assert window.cases[second].made == {}


def test_cancel_leaves_nothing_behind(window, idle, held_lungs, qtbot):
    window.add(volume_to_layer(small_volume()))
    window.prepare()
    window.jobs.cancel_all()
    assert not window.busy
    held_lungs.set()
    qtbot.wait(150)
    assert window.case.lungs is None
    assert len(window.viewer.layers) == 1


def test_made_layers_go_with_their_ct(window, idle, held_lungs, qtbot):
    held_lungs.set()
    layer = window.add(volume_to_layer(small_volume()))
    other = window.viewer.add_points(np.zeros((1, 3)))
    window.prepare()
    idle(window)
    assert len(window.viewer.layers) == 4
    window.viewer.layers.remove(layer)
    qtbot.waitUntil(lambda: list(window.viewer.layers) == [other], timeout=2000)


def test_removing_the_lungs_layer_forgets_the_lungs(window, idle, held_lungs):
    held_lungs.set()
    window.add(volume_to_layer(small_volume()))
    window.prepare()
    idle(window)
    window.viewer.layers.remove(window.case.made["Lungs"])
    assert window.case.lungs is None
    assert window.case.lung_ml is None


def test_closing_the_viewer_in_the_middle_of_a_job_is_quiet(
    make_napari_viewer, held_lungs, qtbot, untrained_expert
):
    viewer = make_napari_viewer()
    session = session_of(viewer)
    session.answers.use(untrained_expert, "auto")
    session.add(volume_to_layer(small_volume()))
    session.prepare()
    viewer.close()
    held_lungs.set()
    qtbot.wait(200)
    assert not session.busy
    session.close()


def test_a_closed_window_leaves_no_viewer_and_no_ct_in_the_memory(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    session = session_of(viewer)
    session.add(volume_to_layer(small_volume()))
    layer = weakref.ref(viewer.layers[0])
    gone = weakref.ref(viewer), weakref.ref(session)
    viewer.close()
    del viewer, session

    def nothing_is_left() -> bool:
        gc.collect()
        return not any(what() for what in (*gone, layer))

    qtbot.waitUntil(nothing_is_left, timeout=10_000)
