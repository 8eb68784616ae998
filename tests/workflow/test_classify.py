from __future__ import annotations

import copy
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_vaemed.data.progress import Progress, finish
from napari_vaemed.data.volume import Volume
from napari_vaemed.io.checkpoints import write_model
from napari_vaemed.io.weights import shipped_model_path
from napari_vaemed.models.classifiers.resnet import SliceResNet
from napari_vaemed.preprocessing.slice_picture import picture_of_slice
from napari_vaemed.workflow.classify import (
    MIN_LUNG_CM2,
    classify,
    explain_slice,
    load_slice_model,
    slice_rows,
)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """An untrained network that is said to work, sees COVID-19 somewhere and nothing unlike."""
    path = tmp_path_factory.mktemp("model") / "small.safetensors"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        small = SliceResNet(size=64, width=8, blocks=1)
        (last,) = (layer for layer in small.modules() if isinstance(layer, torch.nn.Linear))
        torch.nn.init.uniform_(last.weight, -0.5, 1.0)
    small.limit.fill_(1e3)
    return write_model(path, small, {"separates": True})


@pytest.fixture(scope="module")
def said(small_phantom, model):
    return finish(classify(small_phantom.volume, small_phantom.lungs, model))


def test_slices_with_enough_lung_are_scored_and_no_others(said, small_phantom):
    _, y, x = small_phantom.volume.spacing
    both = np.isin(small_phantom.lungs, (1, 2)).sum(axis=(1, 2)) * y * x / 100
    np.testing.assert_array_equal(said.scores.indices, np.flatnonzero(both >= MIN_LUNG_CM2))
    assert 40 < len(said.scores) < 96
    assert said.scores.covid.min() > 0
    assert said.scores.covid.max() < 1


def test_a_whole_chest_gets_a_value_between_its_slices(said):
    value = said.subject.covid_probability
    assert np.median(said.scores.covid) <= value <= said.scores.covid.max()


@pytest.mark.parametrize("batch", [1, 7, 64])
def test_scores_do_not_depend_on_the_batch(said, small_phantom, model, batch):
    other = finish(classify(small_phantom.volume, small_phantom.lungs, model, batch=batch))
    np.testing.assert_allclose(other.scores.covid, said.scores.covid, atol=1e-5)
    np.testing.assert_allclose(other.scores.unlike, said.scores.unlike, atol=1e-5)


def test_twice_the_precision_changes_no_score(said, small_phantom, model):
    """What devices may differ by is the rounding of single precision."""
    exact = copy.deepcopy(model.module).double()
    for place in range(0, len(said.scores), 9):
        index = said.scores.indices[place]
        hu, lungs = small_phantom.volume.hu[index], small_phantom.lungs[index]
        picture, _ = picture_of_slice(hu, small_phantom.volume.spacing[1:], lungs, size=64)
        with torch.inference_mode():
            features = exact.features(
                exact.maps(torch.from_numpy(picture)[None, None].double() / 255.0)
            )
            covid = torch.sigmoid(exact.logits(features)).item()
        assert said.scores.covid[place] == pytest.approx(covid, abs=1e-5)


def test_a_slice_scores_alone_as_in_its_scan(said, small_phantom, model):
    place = len(said.scores) // 2
    here = slice(said.scores.indices[place], said.scores.indices[place] + 1)
    alone = replace(small_phantom.volume, hu=small_phantom.volume.hu[here])
    one = finish(classify(alone, small_phantom.lungs[here], model))
    assert one.scores.indices.tolist() == [0]
    assert one.scores.covid[0] == pytest.approx(said.scores.covid[place], abs=1e-5)
    assert one.subject.covid_probability is None
    assert "cut off" in one.subject.reason


def test_every_second_slice_hardly_moves_the_value(said, small_phantom, model):
    z, y, x = small_phantom.volume.spacing
    half = replace(small_phantom.volume, hu=small_phantom.volume.hu[::2], spacing=(2 * z, y, x))
    thinned = finish(classify(half, small_phantom.lungs[::2], model)).subject.covid_probability
    assert thinned == pytest.approx(said.subject.covid_probability, abs=0.02)


def test_it_stops_between_two_batches(small_phantom, model):
    work = classify(small_phantom.volume, small_phantom.lungs, model, batch=8)
    steps = [next(work), next(work)]
    assert all(isinstance(step, Progress) for step in steps)
    assert [step.done for step in steps] == [0, 8]
    assert steps[1].total == len(
        finish(classify(small_phantom.volume, small_phantom.lungs, model)).scores
    )
    work.close()


def test_eight_hundred_slices_need_no_more_memory_than_eighty(small_phantom, model):
    middle = slice(48, 49)

    def peak(slices: int) -> int:
        shape = (slices, *small_phantom.volume.shape[1:])
        volume = Volume(
            np.broadcast_to(small_phantom.volume.hu[middle], shape), small_phantom.volume.spacing
        )
        lungs = np.broadcast_to(small_phantom.lungs[middle], shape)
        tracemalloc.start()
        try:
            found = finish(classify(volume, lungs, model))
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
            assert len(found.scores) == slices

    assert peak(800) < 1.2 * peak(80)


def test_without_lungs_nothing_is_scored_and_it_says_why(small_phantom, model):
    for lungs in (None, np.zeros_like(small_phantom.lungs)):
        found = finish(classify(small_phantom.volume, lungs, model))
        assert len(found.scores) == 0
        assert found.subject.covid_probability is None
        assert "No lungs" in found.subject.reason


def test_a_batch_below_one_is_refused(small_phantom, model):
    with pytest.raises(ValueError, match="at least 1"):
        finish(classify(small_phantom.volume, small_phantom.lungs, model, batch=-1))


def test_an_explained_slice_lies_on_its_grid_and_is_as_strong_as_its_score(
    said, small_phantom, model
):
    volume, lungs = small_phantom.volume, small_phantom.lungs
    strongest = []
    for place in range(0, len(said.scores), 6):
        index = int(said.scores.indices[place])
        found = explain_slice(volume, lungs, model, index)
        assert found.shape == volume.shape[1:]
        assert found.dtype == np.float32
        assert found.min() >= 0
        assert found.max() <= said.scores.covid[place] + 1e-4
        strongest.append(found.max() / said.scores.covid[place])
        _, frame = picture_of_slice(volume.hu[index], volume.spacing[1:], lungs[index], size=64)
        top, left, bottom, right = frame.box
        y, x = np.indices(found.shape) + 0.5
        outside = (y < top) | (y > bottom) | (x < left) | (x > right)
        assert found[outside].max(initial=0) == 0
    assert max(strongest) > 0.8


def test_a_slice_that_is_not_there_cannot_be_explained(small_phantom, model):
    with pytest.raises(ValueError, match="slices 0 to 95"):
        explain_slice(small_phantom.volume, small_phantom.lungs, model, 96)


def test_the_shipped_model_is_read_once():
    model = load_slice_model("cpu")
    assert load_slice_model("cpu") is model
    assert model.card["use"]


def test_a_model_that_scores_no_slices_is_refused():
    with pytest.raises(ValueError, match="does not score slices"):
        load_slice_model("cpu", shipped_model_path())


def test_table_rows_lie_where_the_slices_lie(said, small_phantom):
    rows = slice_rows(said, small_phantom.volume)
    assert [row["slice"] for row in rows] == said.scores.indices.tolist()
    low, high = rows[0], rows[-1]
    apart = (high["slice"] - low["slice"]) * small_phantom.volume.spacing[0]
    assert high["z_mm"] - low["z_mm"] == pytest.approx(apart, abs=0.02)
