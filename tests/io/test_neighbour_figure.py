from __future__ import annotations

import numpy as np
import pytest
from imageio.v3 import imread

from napari_vaemed.io.neighbour_figure import (
    BENIGN,
    BETWEEN,
    FRAME,
    GAP,
    MALIGNANT,
    SIDE,
    Tile,
    neighbour_figure,
    score_colour,
    write_neighbour_figure,
)

LIMITS = (-1000.0, 400.0)


def tile(hu, colour=BENIGN, lines=()):
    return Tile(np.full((32, 32, 32), hu, np.int16), colour, lines)


def test_every_nodule_has_three_planes_in_a_frame_of_its_colour():
    hu = np.full((32, 32, 32), -1000, np.int16)
    hu[16] = 400  # the axial plane alone is white
    row = (Tile(hu, MALIGNANT), tile(-300))
    picture = neighbour_figure([row], "A title", limits=LIMITS)
    top, left = 40, GAP
    assert tuple(picture[top + 1, left + 1]) == MALIGNANT
    line = picture[top + FRAME + 10, left + FRAME : left + FRAME + 3 * SIDE, 0].astype(int)
    axial, coronal, sagittal = (line[n * SIDE + 20] for n in range(3))
    assert (axial, coronal, sagittal) == (255, 0, 0)
    other = left + 3 * SIDE + 2 * FRAME + GAP + 14
    assert abs(int(picture[top + FRAME + 10, other + FRAME + 20, 0]) - 127) <= 1


def test_the_head_is_up_and_the_bar_is_ten_millimetres():
    hu = np.full((32, 32, 32), -1000, np.int16)
    hu[24:] = 400  # towards the head
    picture = neighbour_figure([(Tile(hu, BENIGN),)], "", limits=LIMITS)
    coronal = picture[40 + FRAME :, GAP + FRAME + SIDE + 5, 0]
    assert coronal[5] == 255
    assert coronal[SIDE - 10] == 0
    bar = picture[40 + FRAME + SIDE - 6, GAP + FRAME : GAP + FRAME + SIDE, 0]
    assert (bar == 255).sum() == pytest.approx(SIDE * 10 / 32, abs=2)


def test_rows_are_dealt_to_columns_and_words_have_room():
    rows = [(tile(0), tile(0))] * 5
    one = neighbour_figure(rows, "", limits=LIMITS, planes=1)
    two = neighbour_figure(rows, "", limits=LIMITS, planes=1, columns=2)
    assert two.shape[0] < one.shape[0]
    worded = neighbour_figure([(tile(0, lines=("a", "b")),)] * 5, "", limits=LIMITS, planes=1)
    assert worded.shape[0] > one.shape[0]


def test_colours_are_those_of_the_scores():
    assert [score_colour(s) for s in (1.0, 3.0, 4.5)] == [BENIGN, BETWEEN, MALIGNANT]


def test_it_is_a_png_or_refused(tmp_path):
    picture = neighbour_figure([(tile(0),)], "", limits=LIMITS)
    write_neighbour_figure(tmp_path / "twins.png", picture)
    np.testing.assert_array_equal(imread(tmp_path / "twins.png"), picture)
    with pytest.raises(ValueError, match=r"\.png"):
        write_neighbour_figure(tmp_path / "twins.jpg", picture)
    with pytest.raises(FileNotFoundError, match="no folder"):
        write_neighbour_figure(tmp_path / "nowhere" / "twins.png", picture)
