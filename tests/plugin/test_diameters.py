"""The chosen finding's diameters, drawn in place."""

import numpy as np
import pytest
from napari.utils.colormaps.standardize_color import transform_color

from napari_vaemed.plugin.diameters import LAYER
from napari_vaemed.plugin.theme import finding_colour


@pytest.fixture
def clicked(chest, idle, voxels):
    for voxel in voxels[:2]:
        chest.click(voxel)
        idle(chest)
    return chest


def drawn(session):
    """Ends of the two lines, (2, 2, 3) mm in napari's world."""
    layer = session.case.made[LAYER]
    return np.array([[layer.data_to_world(end) for end in line] for line in layer.data])


def test_both_are_as_long_as_measured_and_lie_in_the_measured_slice(clicked):
    for label in (1, 2):
        clicked.findings.select(label)
        sizes = clicked.case.finding.marked.measurement
        lines = drawn(clicked)
        lengths = np.linalg.norm(lines[:, 1] - lines[:, 0], axis=1)
        assert lengths == pytest.approx([sizes.longest_mm, sizes.perpendicular_mm], abs=0.01)
        height = clicked.case.world((sizes.slice_index, 0, 0))[0]
        assert lines[..., 0] == pytest.approx(height, abs=0.01)


def test_they_stay_lines_in_the_colour_of_their_finding(clicked):
    for label in (1, 2):
        clicked.findings.select(label)
        layer = clicked.case.made[LAYER]
        wanted = transform_color(finding_colour(label))[0]
        assert np.allclose(layer.edge_color, [wanted, wanted])
        assert layer.shape_type == ["line", "line"]
        assert len(set(layer.edge_width)) == 1


def test_they_go_with_the_finding_and_come_back_with_it(clicked, idle):
    clicked.findings.remove(1)
    clicked.findings.remove(2)
    assert len(clicked.case.made[LAYER].data) == 0
    clicked.findings.undo()
    idle(clicked)
    assert len(clicked.case.made[LAYER].data) == 2


def test_hidden_they_stay_hidden(clicked):
    clicked.case.made[LAYER].visible = False
    clicked.findings.select(1)
    assert not clicked.case.made[LAYER].visible
