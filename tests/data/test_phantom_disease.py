"""Diseases that came later, against the healthy phantom of the same seed."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_vaemed.data.labels import LEFT_LUNG, RIGHT_LUNG, in_lungs
from napari_vaemed.data.phantom_views import cut_on_the_left, dressed, through_circle
from napari_vaemed.data.phantoms import Phantom, chest_phantom

SMALL = {"shape": (60, 112, 112), "spacing": (3.6, 3.0, 3.0), "seed": 2, "nodules": ()}


@pytest.fixture(scope="module")
def healthy() -> Phantom:
    return chest_phantom(**SMALL)


@pytest.fixture(scope="module")
def sick() -> Phantom:
    return chest_phantom(**SMALL, effusion=True, mass=True, emphysema=True)


def test_fluid_lies_behind_one_lung_and_takes_its_place(healthy: Phantom, sick: Phantom) -> None:
    was_lung = [healthy.lungs[sick.effusion] == side for side in (RIGHT_LUNG, LEFT_LUNG)]
    assert sum(share.any() for share in was_lung) == 1
    assert not in_lungs(sick.lungs)[sick.effusion].any()
    assert not (sick.vessels & sick.effusion).any()
    inside = ndimage.binary_erosion(sick.effusion)
    assert np.median(sick.volume.hu[inside]) == pytest.approx(8, abs=6)
    y = [np.argwhere(mask)[:, 1].mean() for mask in (sick.effusion, in_lungs(sick.lungs))]
    assert y[0] > y[1] + 5


def test_a_mass_is_dense_lung_of_the_stated_size(sick: Phantom) -> None:
    assert in_lungs(sick.lungs)[sick.mass & ~sick.effusion].all()
    assert 20 < np.median(sick.volume.hu[ndimage.binary_erosion(sick.mass)]) < 50
    ml = sick.mass.sum() * sick.volume.voxel_mm3 / 1000
    assert 20 < ml < 270, "a ball of 80 mm has 268 ml, and the wall cuts it"


def test_emphysema_darkens_the_tops_most(healthy: Phantom, sick: Phantom) -> None:
    lung = in_lungs(sick.lungs)
    upper = np.argwhere(lung)[:, 0].mean()
    z = np.broadcast_to(np.arange(lung.shape[0])[:, None, None], lung.shape)
    top, bottom = (sick.emphysema[lung & where].mean() for where in (z > upper, z <= upper))
    assert top > bottom > 0
    assert np.median(sick.volume.hu[sick.emphysema]) < np.median(healthy.volume.hu[lung]) - 50


def test_lungs_that_touch_meet_with_nothing_to_see_between(healthy: Phantom) -> None:
    touching = chest_phantom(**SMALL, touching=True)

    def meeting(phantom: Phantom) -> int:
        sides = [ndimage.binary_dilation(phantom.lungs == s) for s in (RIGHT_LUNG, LEFT_LUNG)]
        return np.count_nonzero(sides[0] & sides[1] & (phantom.volume.hu < -400))

    assert meeting(healthy) == 0
    assert meeting(touching) > 20


def test_a_round_view_keeps_what_lies_in_it(healthy: Phantom) -> None:
    seen = through_circle(healthy, -3024)
    beyond = seen.volume.hu == -3024
    assert seen.volume.padding == -3024
    assert 0.4 < beyond.mean() < 0.8
    np.testing.assert_array_equal(seen.volume.hu[~beyond], healthy.volume.hu[~beyond])
    assert not seen.lungs[beyond].any()


def test_a_cut_view_ends_within_the_left_lung(healthy: Phantom) -> None:
    cut = cut_on_the_left(healthy)
    assert cut.lungs.shape == cut.volume.shape == cut.bones.shape
    assert (cut.lungs[..., -1] == LEFT_LUNG).any()


def test_clothes_lie_in_the_air_around_the_body(healthy: Phantom) -> None:
    changed = dressed(healthy).volume.hu != healthy.volume.hu
    assert 0.002 < changed.mean() < 0.05
    assert not changed[in_lungs(healthy.lungs) | healthy.bones].any()
    assert healthy.volume.hu[changed].mean() < -900
