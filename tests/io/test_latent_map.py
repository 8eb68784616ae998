from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from PIL import Image

from napari_vaemed.data.latent_map import Colouring, LatentMap
from napari_vaemed.io.latent_map import (
    EDGE,
    MAP_SIDE,
    MOST_CLASSES,
    check_map_path,
    map_figure,
    write_map,
)
from napari_vaemed.retrieval.map_colours import CLASS_COLOURS, UNKNOWN

ROWS = [
    {"id": "=HYPERLINK(1)", "patient": "P1", "x": -1.5, "cluster": "cluster 1", "note": "-3"},
    {"id": "N2", "patient": "@SUM(A1)", "x": 2.0, "cluster": None, "note": "+a"},
]
EVIDENCE = {"told": "a map", "source": "made here", "notes": ["in sample"]}


@pytest.fixture
def made() -> LatentMap:
    places = np.array([[-4.0, -4.0], [4.0, 4.0], [4.0, -4.0]], np.float32)
    return LatentMap(places, "PCA", "PCA of 3 posterior means", lambda x: x, "a" * 64, 0.9)


@pytest.fixture
def colouring() -> Colouring:
    labels = np.array([0, 1, -1], np.int32)
    return Colouring("density", "class", "rated", labels=labels, names=("solid", "part-solid"))


def test_places_are_drawn_where_they_lie_in_the_colours_of_their_classes(made, colouring):
    picture = map_figure(made, colouring, "made here")[
        EDGE : EDGE + MAP_SIDE, EDGE : EDGE + MAP_SIDE
    ]
    low, high = MAP_SIDE // 20, -MAP_SIDE // 20
    corners = {
        CLASS_COLOURS[0]: picture[high:, :low],  # low x, low y: at the foot
        CLASS_COLOURS[1]: picture[:low, high:],
        UNKNOWN: picture[high:, high:],
    }
    for colour, corner in corners.items():
        assert (corner == colour).all(axis=2).sum() > 40
    assert (picture[:low, :low] == 255).all()


def test_a_picture_of_numbers_has_its_scale_beside_it(made):
    values = np.array([1.0, 5.0, np.nan], np.float32)
    shown = Colouring("malignancy", "number", "readers", values, ends=(1.0, 5.0))
    legend = map_figure(made, shown)[:, 2 * EDGE + MAP_SIDE :]
    for colour in ((213, 94, 0), (189, 189, 189), (0, 114, 178), UNKNOWN):
        assert (np.abs(legend.astype(int) - colour).max(axis=2) <= 1).any()


def test_many_classes_are_named_as_far_as_there_is_room(made):
    places = np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32)
    labels = np.arange(200, dtype=np.int32)
    shown = Colouring("patient", "class", "", labels=labels, names=tuple(map(str, labels)))
    many = LatentMap(places, "t-SNE", "t-SNE", made.onto, "a" * 64, 0.9)
    spots = map_figure(many, shown)[:, MAP_SIDE + 2 * EDGE + 10]  # through the middle of each
    coloured = (spots[:, None] == np.array(CLASS_COLOURS)).all(axis=2).any(axis=1)
    assert (np.diff(coloured.astype(int)) == 1).sum() == MOST_CLASSES


def test_a_table_holds_the_rows_and_nothing_that_a_spreadsheet_runs(made, colouring, tmp_path):
    write_map(tmp_path / "map.csv", made, colouring, ROWS, EVIDENCE)
    with (tmp_path / "map.csv").open(newline="", encoding="utf-8") as file:
        one, other = csv.DictReader(file)
    assert one == {"id": "'=HYPERLINK(1)", "patient": "P1", "x": "-1.5", "cluster": "cluster 1",
                   "note": "-3"}  # fmt: skip
    assert other["patient"] == "'@SUM(A1)"
    assert other["cluster"] == ""
    assert other["note"] == "'+a"


def test_json_holds_rows_and_evidence(made, colouring, tmp_path):
    write_map(tmp_path / "map.json", made, colouring, ROWS, EVIDENCE)
    said = json.loads((tmp_path / "map.json").read_text(encoding="utf-8"))
    assert said["places"] == ROWS
    assert said["told"] == "a map"
    assert "not a medical device" in said["warning"]


def test_a_picture_is_written_whole(made, colouring, tmp_path):
    write_map(tmp_path / "map.png", made, colouring, ROWS, EVIDENCE)
    written = np.asarray(Image.open(tmp_path / "map.png"))
    np.testing.assert_array_equal(written, map_figure(made, colouring, "made here"))
    assert [path.name for path in tmp_path.iterdir()] == ["map.png"]


def test_other_endings_and_missing_folders_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"\.csv, \.json, \.png"):
        check_map_path(tmp_path / "map.svg")
    with pytest.raises(FileNotFoundError, match="no folder"):
        check_map_path(tmp_path / "nowhere" / "map.csv")
