import numpy as np
import pytest

from napari_vaemed.plugin.patches import DECODED


@pytest.fixture
def marked(chest, idle, voxels):
    """The session with one finding."""
    chest.click(voxels[0])
    idle(chest)
    return chest


def decode(session, idle, value=0.0):
    session.answers.decode(np.full(session.answers.expert.index.posterior.mean.shape[1], value))
    idle(session)
    return session.case.made[DECODED]


def test_a_decoded_nodule_stands_beside_its_finding_in_slices_and_not_in_3d(marked, idle):
    layer = decode(marked, idle)
    assert layer.visible
    marked.views.show_3d()
    idle(marked)
    assert decode(marked, idle, 1.0) is layer
    assert not layer.visible
    marked.views.show_2d()
    assert layer.visible


def test_one_decoded_in_3d_is_there_when_slices_are_looked_at(marked, idle):
    marked.views.show_3d()
    idle(marked)
    layer = decode(marked, idle)
    assert not layer.visible
    marked.views.show_2d()
    assert layer.visible


def test_one_of_a_finding_that_has_gone_does_not_come_back_with_the_slices(marked, idle):
    layer = decode(marked, idle)
    marked.views.show_3d()
    idle(marked)
    marked.findings.remove(1)
    marked.views.show_2d()
    assert not layer.visible
