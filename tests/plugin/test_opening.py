"""From a folder, a zip or a file to a CT in a window, by hand."""

import shutil
import threading

import numpy as np
import pytest

from napari_vaemed.data.progress import Progress
from napari_vaemed.plugin import work
from napari_vaemed.plugin.parts.first_look import FirstLook
from napari_vaemed.plugin.session import session_of

PLANES = np.random.default_rng(5).integers(-1000, 400, (24, 20, 18)).astype(np.int16)
SCOUT = {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"], "SeriesDescription": "Topogram"}


@pytest.fixture(scope="module")
def one(tmp_path_factory, write_dicom, write_dose_report):
    """One CT with its scout and dose report; the patient's name stands wherever it may."""
    folder = tmp_path_factory.mktemp("one") / "Murnau_Friedrich"
    write_dicom(folder / "ct", PLANES, SeriesDescription="Thorax 2.5", SeriesDate="20240305")
    write_dicom(folder / "scout", PLANES[:1], **SCOUT)
    write_dose_report(folder / "sr")
    return folder


@pytest.fixture(scope="module")
def several(tmp_path_factory, write_dicom, write_dose_report):
    """Two patients, three CTs, a scout, a dose report and an MR."""
    folder = tmp_path_factory.mktemp("several") / "Murnau_Friedrich"
    write_dicom(folder / "a" / "1", PLANES[:12], SeriesDescription="Mediastinum",
                ConvolutionKernel="B30f", SeriesDate="20240305")  # fmt: skip
    write_dicom(folder / "a" / "2", PLANES, SeriesDescription="Lung",
                ConvolutionKernel="B70f", SeriesDate="20240305")  # fmt: skip
    write_dicom(folder / "a" / "3", PLANES[:1], **SCOUT)
    write_dose_report(folder / "a" / "4", SeriesDescription="Murnau Friedrich dose")
    other = {"PatientID": "case-18", "StudyInstanceUID": "1.2.840.2", "SeriesDate": "20231120"}
    write_dicom(folder / "b" / "1", PLANES[:10], SeriesDescription="Chest", **other)
    write_dicom(folder / "b" / "2", PLANES[:10], SeriesDescription="Ax T1", Modality="MR", **other)
    return folder


def test_a_folder_with_one_ct_opens_at_once(window, idle, one):
    window.opening.choose(one)
    idle(window)
    assert window.opening.choice is None
    np.testing.assert_array_equal(window.case.layer.data, PLANES)
    assert [layer.name for layer in window.viewer.layers] == ["CT chest 2.5 mm"]
    left_out = window.case.layer.metadata["napari_vaemed"]["intake"]["left_out"]
    assert len(left_out) == 2


def test_a_folder_with_several_asks_and_the_chosen_one_opens(window, idle, several):
    pictures = {}
    window.opening.pictured.connect(pictures.__setitem__)
    window.opening.choose(several)
    idle(window)
    choice = window.opening.choice
    assert window.case is None
    assert choice.series[choice.usable[0]].description == "Lung"
    assert sorted(pictures) == [n for n, s in enumerate(choice.series) if s.modality != "SR"]
    assert all(grey.dtype == np.uint8 and grey.ndim == 2 for grey in pictures.values())
    number = next(n for n, s in enumerate(choice.series) if s.description == "Chest")
    window.opening.take(number)
    idle(window)
    assert window.opening.choice is None
    np.testing.assert_array_equal(window.case.layer.data, PLANES[:10])


def test_of_an_archive_the_largest_opens_where_nobody_is_asked(window, idle, several, tmp_path):
    archive = shutil.make_archive(str(tmp_path / "Murnau"), "zip", several)
    window.open(archive)
    idle(window)
    assert window.opening.choice is None
    np.testing.assert_array_equal(window.case.layer.data, PLANES)


def test_where_there_is_no_ct_the_dock_says_what_there_is(window, idle, several, tmp_path):
    window.opening.choose(several / "a" / "3")
    idle(window)
    assert window.opening.choice.usable == []
    assert window.messages["ct"].level == "warning"
    assert "can be opened" in window.messages["ct"].text
    (tmp_path / "notes.txt").write_text("nothing")
    window.opening.choose(tmp_path)
    idle(window)
    assert window.opening.choice is None
    assert window.messages["ct"].level == "error"
    assert "Wanted a folder with DICOM" in window.messages["ct"].text


@pytest.fixture
def held(monkeypatch):
    """Looking through a folder that goes on only when the test lets it."""
    let, look = threading.Event(), work.look

    def slowly(path):
        yield Progress("Reading headers", 1, 100)
        let.wait(10)
        yield Progress("Reading headers", 2, 100)
        return (yield from look(path))

    monkeypatch.setattr(work, "look", slowly)
    yield let
    let.set()


def test_cancel_while_the_folder_is_looked_through_opens_nothing(window, idle, one, held, qtbot):
    window.opening.choose(one)
    window.jobs.cancel_all()
    held.set()
    qtbot.wait(100)
    idle(window)
    assert list(window.viewer.layers) == []
    assert window.opening.choice is None
    assert window.messages["ct"].text == "Stopped; nothing was opened."


def test_the_newest_wish_wins(window, idle, one, several, held):
    window.opening.choose(one)
    window.opening.choose(several)
    held.set()
    idle(window)
    assert len(window.opening.choice.series) == 6
    assert list(window.viewer.layers) == []
    window.opening.choose(one)
    assert window.opening.choice is None
    idle(window)
    assert window.opening.choice is None
    assert len(window.viewer.layers) == 1
    np.testing.assert_array_equal(window.case.layer.data, PLANES)
    assert "ct" not in window.messages


def first_looks(session):
    """What finds the pictures over the canvas, now and later."""
    window = session.viewer.window._qt_window
    return lambda: window.findChildren(FirstLook)


def test_the_first_slice_is_shown_while_the_rest_is_read(window, idle, one, monkeypatch, qtbot):
    let, read = threading.Event(), work.read_series

    def slowly(series, among, drawn):
        yield Progress("Reading slices", 1, 24)
        let.wait(10)
        return (yield from read(series, among, drawn))

    monkeypatch.setattr(work, "read_series", slowly)
    window.opening.choose(one)
    looks = first_looks(window)
    qtbot.waitUntil(lambda: len(looks()) == 1, timeout=10_000)
    assert list(window.viewer.layers) == []
    assert looks()[0].size() == looks()[0].parent().size()
    let.set()
    idle(window)
    qtbot.waitUntil(lambda: looks() == [])
    np.testing.assert_array_equal(window.case.layer.data, PLANES)
    assert window.viewer.dims.point[0] == -120 + 2.5 * 12
    assert window.viewer.dims.range[0].stop == -120 + 2.5 * 23


def test_the_first_slice_goes_when_reading_is_cancelled(window, idle, one, monkeypatch, qtbot):
    let = threading.Event()

    def never(series, among, drawn):
        yield Progress("Reading slices", 1, 24)
        let.wait(10)
        yield Progress("Reading slices", 2, 24)

    monkeypatch.setattr(work, "read_series", never)
    looks = first_looks(window)
    window.opening.choose(one)
    qtbot.waitUntil(lambda: len(looks()) == 1, timeout=10_000)
    window.jobs.cancel_all()
    let.set()
    qtbot.waitUntil(lambda: looks() == [])
    assert list(window.viewer.layers) == []


def test_a_series_that_cannot_be_decoded_leaves_the_choice_and_says_so(
    window, idle, several, tmp_path
):
    folder = shutil.copytree(several, tmp_path / "broken")
    slices = sorted((folder / "b" / "1").iterdir())
    slices[3].write_bytes(slices[3].read_bytes()[:-200])
    window.opening.choose(folder)
    idle(window)
    number = next(n for n, s in enumerate(window.opening.choice.series) if s.description == "Chest")
    window.opening.take(number)
    idle(window)
    assert window.opening.choice is not None
    assert window.messages["ct"].level == "error"
    assert list(window.viewer.layers) == []


def test_a_dropped_folder_opens_the_largest_and_offers_the_others(window, idle, several):
    window.viewer.open(several, plugin="napari-vaemed")
    np.testing.assert_array_equal(window.case.layer.data, PLANES)
    assert len(window.case.volume.intake.left_out) == 5
    window.opening.choose_another(window.case.layer)
    idle(window)
    assert len(window.opening.choice.series) == 6


def test_the_other_series_of_one_slice_lie_beside_it(window, idle, one):
    window.viewer.open(sorted((one / "ct").iterdir())[0], plugin="napari-vaemed")
    window.opening.choose_another(window.case.layer)
    idle(window)
    assert [s.description for s in window.opening.choice.series] == ["Thorax 2.5"]


def test_a_mask_file_becomes_labels_on_the_ct_that_is_open(chest, idle, small_phantom, tmp_path):
    from napari_vaemed.io.volumes import write_mask

    write_mask(tmp_path / "m.nii.gz", small_phantom.lungs, small_phantom.volume)
    case = chest.case
    chest.opening.choose(tmp_path / "m.nii.gz")
    idle(chest)
    labels = chest.viewer.layers[-1]
    assert type(labels).__name__ == "Labels"
    np.testing.assert_array_equal(labels.data, small_phantom.lungs)
    assert chest.case is case


@pytest.mark.parametrize("how", ["dock", "drop"])
def test_no_name_is_shown_or_kept(window, idle, several, how):
    from napari.settings import get_settings

    if how == "dock":
        window.open(several)
    else:
        window.viewer.open(several, plugin="napari-vaemed")
    idle(window)
    layer = window.case.layer
    shown = {k: v for k, v in layer.metadata["napari_vaemed"].items() if k != "volume"}
    main = window.viewer.window._qt_window
    places = [
        layer.name,
        shown,
        layer._get_source_info(),
        layer.get_status((0, 0, 0)),
        window.case.volume.intake.lines(),
        main.windowTitle(),
        window.messages,
        get_settings().model_dump(),
        [w.text() for w in main.statusBar().findChildren(type(main.statusBar()._layer_base))],
    ]
    assert "murnau" not in str(places).lower()
    assert "case-17" not in str(places)


def test_closing_the_window_in_the_middle_of_reading_is_quiet(
    make_napari_viewer, one, monkeypatch, qtbot, capfd
):
    let = threading.Event()

    def never(series, among, drawn):
        yield Progress("Reading slices", 1, 24)
        let.wait(10)
        yield Progress("Reading slices", 2, 24)

    monkeypatch.setattr(work, "read_series", never)
    viewer = make_napari_viewer()
    viewer.window.add_plugin_dock_widget("napari-vaemed", "CT")
    session = session_of(viewer)
    looks = first_looks(session)
    session.opening.choose(one)
    qtbot.waitUntil(lambda: len(looks()) == 1, timeout=10_000)
    viewer.close()
    let.set()
    qtbot.wait(200)
    assert not session.busy
    session.close()
    assert "Error" not in capfd.readouterr().err
