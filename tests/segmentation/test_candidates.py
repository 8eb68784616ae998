import numpy as np
import pytest

from napari_vaemed.data.labels import RIGHT_LUNG
from napari_vaemed.data.progress import Progress, finish
from napari_vaemed.data.volume import Volume
from napari_vaemed.segmentation.candidates import round_spots


def lung_with(shape, spacing, *things):
    """Lung of -850 HU with soft tissue wherever one of the functions of mm (z, y, x) says so."""
    at = np.moveaxis(np.indices(shape) * np.array(spacing)[:, None, None, None], 0, -1)
    hu = np.full(shape, -850, np.int16)
    for thing in things:
        hu[thing(at)] = 30
    volume = Volume(hu, spacing, (-30.0, 10.0, 5.0))
    return volume, np.full(shape, RIGHT_LUNG, np.uint8)


def ball(centre, radius):
    return lambda at: np.square(at - centre).sum(-1) < radius**2


def tube(y, x, radius):
    return lambda at: np.square(at[..., 1:] - (y, x)).sum(-1) < radius**2


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (2.5, 0.7, 0.7), (0.6, 0.8, 0.8)])
def test_the_roundest_spot_is_the_middle_of_a_ball_whatever_the_voxels(spacing):
    shape = tuple(round(60 / s) for s in spacing)
    volume, lungs = lung_with(shape, spacing, ball((30, 24, 36), 5), tube(45, 15, 3))
    spots = finish(round_spots(volume, lungs))
    away = (spots[0].voxel * spacing) - (30, 24, 36)
    assert np.abs(away).max() < 1.5
    assert 3.5 < spots[0].radius_mm < 7


def test_a_ball_is_rounder_than_a_tube_and_a_fork():
    arm = tube(40, 20, 2.5)
    volume, lungs = lung_with(
        (60, 60, 60),
        (1.0, 1.0, 1.0),
        ball((20, 20, 45), 3),
        arm,
        lambda at: (np.square(at[..., :2] - (30, 40)).sum(-1) < 2.5**2) & (at[..., 2] > 20),
    )
    spots = finish(round_spots(volume, lungs))
    assert np.abs(spots[0].voxel - (20, 20, 45)).max() <= 1
    rest = [s.roundness for s in spots if np.linalg.norm(s.voxel - (20, 20, 45)) > 6]
    assert max(rest, default=0) < 0.5 * spots[0].roundness


def test_a_ball_left_out_of_the_lung_at_its_wall_is_found():
    volume, lungs = lung_with((60, 60, 60), (1.0, 1.0, 1.0), ball((30, 30, 44), 4))
    volume.hu[:, :, 46:], lungs[:, :, 46:] = 30, 0
    lungs[volume.hu > -500] = 0
    near = [spot.voxel for spot in finish(round_spots(volume, lungs))[:3]]
    assert min(np.linalg.norm(at - (30, 30, 44)) for at in near) < 4


def test_every_nodule_of_a_phantom_from_six_millimetres_on_is_among_the_spots(small_phantom):
    steps: list[Progress] = []
    volume = small_phantom.volume
    spots = finish(round_spots(volume, small_phantom.lungs), steps.append)
    assert steps
    roundness = [spot.roundness for spot in spots]
    assert roundness == sorted(roundness, reverse=True)
    places = np.array([volume.to_world(spot.voxel) for spot in spots])
    for planted in small_phantom.planted:
        if planted.diameter_mm >= 6:
            away = np.linalg.norm(places - planted.centre_mm, axis=1).min()
            assert away < max(planted.diameter_mm / 2, 3), planted.kind


def test_so_many_are_given_and_no_more(small_phantom):
    assert len(finish(round_spots(small_phantom.volume, small_phantom.lungs, 5))) == 5


def test_without_lungs_there_is_no_spot(small_phantom):
    none = np.zeros_like(small_phantom.lungs)
    assert finish(round_spots(small_phantom.volume, none)) == []
