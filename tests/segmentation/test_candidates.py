import numpy as np

from napari_vaemed.data.progress import Progress, finish
from napari_vaemed.segmentation.candidates import most_nodule_like


def test_the_likeliest_spot_of_a_phantom_is_a_planted_nodule(small_phantom):
    steps: list[Progress] = []
    volume = small_phantom.volume
    spots = finish(most_nodule_like(volume, small_phantom.lungs), steps.append)
    assert steps
    assert spots
    first = volume.to_world(spots[0])
    distances = [
        np.linalg.norm(first - planted.centre_mm) - planted.diameter_mm / 2
        for planted in small_phantom.planted
    ]
    assert min(distances) < 3


def test_without_lungs_there_is_no_candidate(small_phantom):
    none = np.zeros_like(small_phantom.lungs)
    assert finish(most_nodule_like(small_phantom.volume, none)) == ()
