import numpy as np
import pytest

from napari_vaemed.data.progress import Progress, finish
from napari_vaemed.segmentation.suggestions import LEAST_LOGIT, suggest
from napari_vaemed.workflow.click import shipped_click_net


@pytest.fixture(scope="module")
def suggested(small_phantom):
    steps: list[Progress] = []
    net = shipped_click_net().module
    found = finish(suggest(net, small_phantom.volume, small_phantom.lungs), steps.append)
    return found, steps


def test_the_surest_suggestions_of_a_phantom_are_planted_nodules(suggested, small_phantom):
    found, steps = suggested
    assert {step.doing for step in steps} >= {"Looking at round spots", "Looking closer"}
    for each in found[:4]:
        gaps = [
            np.linalg.norm(np.subtract(each.centre_mm, p.centre_mm)) - p.diameter_mm / 2
            for p in small_phantom.planted
        ]
        assert min(gaps) < 1


def test_they_are_sorted_and_none_is_another_s(suggested, small_phantom):
    found, _ = suggested
    scores = [each.score for each in found]
    assert scores == sorted(scores, reverse=True)
    assert min(scores) >= LEAST_LOGIT
    centres = np.array([each.centre_mm for each in found])
    apart = np.linalg.norm(centres[:, None] - centres, axis=-1) + 99 * np.eye(len(found))
    assert apart.min() > 2
    for each in found:
        assert small_phantom.volume.to_world(each.voxel) == pytest.approx(each.centre_mm)
        assert small_phantom.lungs[tuple(np.rint(each.voxel).astype(int))] in (0, 1, 2)


def test_without_lungs_nothing_is_suggested(small_phantom):
    none = np.zeros_like(small_phantom.lungs)
    assert finish(suggest(shipped_click_net().module, small_phantom.volume, none)) == ()
