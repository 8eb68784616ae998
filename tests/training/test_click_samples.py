from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_vaemed.data.volume import Volume
from napari_vaemed.training.click_samples import (
    APART_MM,
    TIMES,
    UNMEASURED,
    ClickSamples,
    Looks,
    nodule_looks,
    other_looks,
    other_places,
    phantom_samples,
)

RNG_SEED = 4


@pytest.fixture
def ball():
    """A ball of 12 mm in lung, and its mask."""
    spacing = (2.0, 0.8, 0.8)
    at = np.moveaxis(np.indices((30, 80, 80)), 0, -1) - (14.5, 39.5, 39.5)
    mask = np.linalg.norm(at * spacing, axis=-1) < 6
    return Volume(np.where(mask, 30, -850).astype(np.int16), spacing), mask


def test_a_look_shows_the_whole_nodule_where_it_is(ball):
    volume, mask = ball
    looks = nodule_looks(volume, mask, 10, np.random.default_rng(RNG_SEED))
    wanted = mask.sum() * volume.voxel_mm3
    for hu, share, step in zip(looks.hu, looks.share, looks.step, strict=True):
        known = share != UNMEASURED
        found = share[known].sum() / 100 * step**3
        assert found == pytest.approx(wanted, rel=0.1)
        assert hu[share == 100].min() >= -400
        assert hu[share == 0].max() <= -400


def test_a_hidden_end_is_marked_as_unmeasured(ball):
    volume, mask = ball
    looks = nodule_looks(volume, mask, 20, np.random.default_rng(RNG_SEED), hide=True)
    ends = [(share == UNMEASURED).mean() for share in looks.share]
    assert max(ends) > 0.5
    assert min(ends) < 0.2


def test_a_continued_crop_is_shown_but_not_learned_beyond_its_ends(ball):
    volume, mask = ball
    cut = replace(volume, hu=volume.hu[8:18])
    longer = replace(volume, hu=np.full((50, 80, 80), 77, np.int16), origin=(0.0, 0.0, -40.0))
    looks = nodule_looks(cut, mask[8:18], 12, np.random.default_rng(RNG_SEED), longer=longer)
    shown = [(hu == 77).all() for hu in looks.hu]
    assert 2 < sum(shown) < 12
    for share in looks.share:
        assert (share == UNMEASURED).any()
        assert (share[share != UNMEASURED] > 50).any()


def test_drawn_looks_tell_what_is_known(ball):
    volume, mask = ball
    rng = np.random.default_rng(RNG_SEED)
    found = [nodule_looks(volume, mask, 3, rng, hide=True) for _ in range(4)]
    beside = np.array([[20.0, 20.0, 20.0]]) * np.ones((12, 1))
    samples = ClickSamples.of(found, other_looks(volume, beside, rng))
    assert len(samples) == 8
    batch = samples.draw(torch.arange(8), torch.Generator().manual_seed(0))
    assert batch.hu.shape == batch.share.shape == (8, 1, 32, 32, 32)
    assert batch.nodule.tolist() == [1.0] * 4 + [0.0] * 4
    assert float(batch.share.max()) == 1.0
    assert float(batch.share[4:].abs().sum()) == 0.0
    assert not (batch.share * ~batch.known).any()
    assert (batch.measured | ~batch.known).all()


def test_the_same_generator_draws_the_same_looks(ball):
    volume, mask = ball
    rng = np.random.default_rng(RNG_SEED)
    looks = nodule_looks(volume, mask, 3, rng)
    samples = ClickSamples.of([looks, looks], Looks.joined([looks]))
    first, second = (
        samples.draw(torch.arange(2), torch.Generator().manual_seed(9)).hu for _ in range(2)
    )
    torch.testing.assert_close(first, second)


def test_other_places_are_what_they_say_and_apart_from_nodules(small_phantom):
    rng = np.random.default_rng(RNG_SEED)
    volume, nodules = small_phantom.volume, small_phantom.nodules > 0
    places = other_places(
        volume, small_phantom.lungs, 60, rng, avoid=nodules, vessels=small_phantom.vessels
    )
    assert sum(len(points) for points in places.values()) == 60
    marked = np.argwhere(nodules) * volume.spacing
    for points in places.values():
        at = volume.to_voxel(points) * volume.spacing
        apart = np.linalg.norm(at[:, None] - marked[None], axis=-1).min(axis=1)
        assert (apart > APART_MM).all()
    z, y, x = np.rint(volume.to_voxel(places["vessel"])).astype(int).T
    assert small_phantom.vessels[z, y, x].all()
    z, y, x = np.rint(volume.to_voxel(places["bone"])).astype(int).T
    assert (volume.hu[z, y, x] > 200).all()


def test_a_phantom_gives_looks_at_all_its_nodules(small_phantom):
    rng = np.random.default_rng(RNG_SEED)
    found, others = phantom_samples(small_phantom, 1, 20, rng)
    assert len(found) == sum(TIMES.get(nodule.kind, 1) for nodule in small_phantom.planted)
    assert all(((looks.share > 50) & (looks.share != UNMEASURED)).any() for looks in found)
    assert len(others) == 20
