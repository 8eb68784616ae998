import threading
from dataclasses import replace

import numpy as np
import pytest

from napari_vaemed.data.progress import finish
from napari_vaemed.data.volume import Volume
from napari_vaemed.plugin.layers import METADATA_KEY, volume_to_layer
from napari_vaemed.workflow.classify import classify


def empty_volume():
    """Air, with a little noise: no lungs."""
    rng = np.random.default_rng(0)
    hu = (-1000 + rng.normal(0, 10, (20, 60, 60))).astype(np.int16)
    return Volume(hu, (3.0, 3.0, 3.0), description="CT of air")


@pytest.fixture
def hold(lung_chest):
    """Keep the thread that scores slices busy until the event is set."""
    release = threading.Event()
    lung_chest.jobs.start(lambda: release.wait(20), title="Held", channel="held", lane="slices")
    yield release
    release.set()


def test_scores_are_those_of_the_workflow_and_stand_in_the_layer_s_metadata(
    scored_chest, small_phantom, untrained_slice_model
):
    wanted = finish(classify(small_phantom.volume, small_phantom.lungs, untrained_slice_model))
    scored = scored_chest.case.scored
    assert np.array_equal(scored.said.scores.indices, wanted.scores.indices)
    assert np.allclose(scored.said.scores.covid, wanted.scores.covid, atol=1e-6)
    places = [scored.place_of(index) for index in range(scored_chest.case.volume.shape[0])]
    assert [place for place in places if place is not None] == list(range(len(wanted.scores)))
    assert [places[index] for index in wanted.scores.indices] == list(range(len(wanted.scores)))
    told = scored_chest.case.layer.metadata[METADATA_KEY]["slices"]
    assert told["index"] == wanted.scores.indices.tolist()
    assert told["covid_probability"] == pytest.approx(wanted.scores.covid.tolist(), abs=1e-6)
    assert told["subject"]["covid_probability"] == pytest.approx(wanted.subject.covid_probability)
    assert told["sha256"] == untrained_slice_model.sha256


def test_without_lungs_they_are_found_first(chest, idle, untrained_slice_model):
    chest.slices.use(untrained_slice_model, "auto")
    chest.slices.score()
    assert chest.slices.busy(chest.case)
    chest.slices.score()  # a second press asks for nothing new
    assert [job.title for job in chest.jobs.running] == ["Finding the lungs"]
    idle(chest)
    assert chest.case.lungs is not None
    assert "Lungs" in chest.case.made
    assert "CLAHE" not in chest.case.made
    assert chest.case.scored.lungs is chest.case.lungs
    assert not chest.slices.busy(chest.case)


def test_lungs_under_way_are_waited_for_and_not_found_twice(chest):
    chest.prepare()
    chest.slices.score()
    assert [job.title for job in chest.jobs.running] == ["Finding the lungs", "CLAHE"]
    chest.jobs.cancel_all()
    assert not chest.slices.busy(chest.case)


def test_a_scan_without_lungs_gets_no_value_and_the_reason(window, idle, untrained_slice_model):
    window.slices.use(untrained_slice_model, "auto")
    window.add(volume_to_layer(empty_volume()))
    window.slices.score()
    idle(window)
    said = window.case.scored.said
    assert len(said.scores) == 0
    assert said.subject.covid_probability is None
    assert "lungs" in said.subject.reason


def test_lungs_that_are_cut_off_give_slices_but_no_value(window, idle, small_phantom,
                                                         untrained_slice_model):  # fmt: skip
    whole = small_phantom.volume
    middle = slice(30, 60)
    window.slices.use(untrained_slice_model, "auto")
    window.add(volume_to_layer(replace(whole, hu=whole.hu[middle].copy())))
    window.case.lungs = small_phantom.lungs[middle]
    window.slices.score()
    idle(window)
    said = window.case.scored.said
    assert len(said.scores) == 30
    assert said.subject.covid_probability is None
    assert "cut off" in said.subject.reason


def test_scores_go_to_the_ct_they_were_asked_of(lung_chest, idle, hold):
    first = lung_chest.case
    lung_chest.slices.score()
    lung_chest.add(volume_to_layer(empty_volume()))
    assert lung_chest.case is not first
    hold.set()
    idle(lung_chest)
    assert lung_chest.case.scored is None
    assert first.scored is not None
    assert "slices" not in lung_chest.case.layer.metadata[METADATA_KEY]


def test_scores_of_a_removed_ct_are_dropped(lung_chest, idle, hold, qtbot):
    case = lung_chest.case
    lung_chest.slices.score()
    lung_chest.viewer.layers.remove(case.layer)
    hold.set()
    idle(lung_chest)
    qtbot.wait(100)
    assert case.scored is None


def test_removing_the_ct_while_its_lungs_are_looked_for_scores_nothing(chest, idle, qtbot):
    case = chest.case
    chest.slices.score()
    chest.viewer.layers.remove(case.layer)
    idle(chest)
    assert not chest.slices.busy(case)
    assert case.scored is None


def test_a_cancelled_scoring_leaves_the_scores_before_it(scored_chest, idle):
    before = scored_chest.case.scored
    scored_chest.slices.score()
    scored_chest.jobs.cancel_all()
    idle(scored_chest)
    assert scored_chest.case.scored is before
    assert not scored_chest.slices.busy(scored_chest.case)


def test_an_error_is_told_only_beside_the_ct_it_belongs_to(lung_chest, idle, hold):
    """A lung mask of another shape cannot be used."""
    case = lung_chest.case
    case.lungs = case.lungs[:-1]
    lung_chest.slices.score()
    lung_chest.add(volume_to_layer(empty_volume()))
    hold.set()
    idle(lung_chest)
    assert "classify" not in lung_chest.messages
    lung_chest.viewer.layers.selection.active = case.layer
    lung_chest.slices.score()
    idle(lung_chest)
    assert lung_chest.messages["classify"].level == "error"


def test_of_many_slices_asked_about_the_newest_is_explained_last(scored_chest, idle):
    found = []
    scored_chest.slices.explained.connect(lambda case, index, cam: found.append((index, cam.shape)))
    asked = scored_chest.case.scored.said.scores.indices[10:20].tolist()
    for index in asked:
        scored_chest.slices.explain(index)
    idle(scored_chest)
    shape = scored_chest.case.volume.shape[1:]
    assert found == [(asked[0], shape), (asked[-1], shape)]
