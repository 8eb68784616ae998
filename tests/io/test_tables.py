"""Tables of points: LUNA16's, and what is saved from the window."""

from __future__ import annotations

import numpy as np
import pytest

from napari_vaemed.data.annotation import PointMarks
from napari_vaemed.data.volume import Volume
from napari_vaemed.io.errors import CTError
from napari_vaemed.io.tables import is_point_table, points_of, read_points, write_points

UID, OTHER = "1.3.6.1.4.1.14519.5.2.1.6279.6001.1", "1.3.6.1.4.1.14519.5.2.1.6279.6001.2"


@pytest.fixture
def volume():
    return Volume(
        np.zeros((10, 40, 50), np.int16), (2.5, 0.7, 0.7), (-20.0, -10.0, -90.0), series_uid=UID
    )


def table(path, header, *rows):
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_annotations_are_points_with_diameters_of_the_scan_at_hand(tmp_path, volume):
    path = table(
        tmp_path / "annotations.csv",
        "seriesuid,coordX,coordY,coordZ,diameter_mm",
        f"{UID},-10.5,-5,-80,5.651",
        f"{OTHER},1,2,3,4",
        f"{UID},0,1,-75,12",
        f"{UID},900,1,-75,7",
    )
    assert is_point_table(path)
    marks = points_of(read_points(path), volume)
    assert marks.name == "Annotations"
    np.testing.assert_allclose(marks.positions_mm, [(-10.5, -5, -80), (0, 1, -75), (900, 1, -75)])
    assert marks.columns == {"diameter_mm": [5.651, 12.0, 7.0]}
    assert marks.notes == ("1 row of 1 other series left out.", "1 point lies outside the CT.")


def test_candidates_keep_their_class(tmp_path, volume):
    path = table(
        tmp_path / "candidates.csv",
        "seriesuid,coordX,coordY,coordZ,class",
        *(f"{UID},{x},0,-80,{x % 2}" for x in range(3)),
    )
    marks = points_of(read_points(path), volume)
    assert (marks.name, marks.columns) == ("Candidates", {"class": [0, 1, 0]})


def test_a_ct_that_names_no_series_takes_a_table_about_one(tmp_path, volume):
    from dataclasses import replace

    header = "seriesuid,coordX,coordY,coordZ"
    nameless = replace(volume, series_uid=None)
    one = read_points(table(tmp_path / "a.csv", header, f"{OTHER},0,0,-80"))
    assert "names no series" in points_of(one, nameless).notes[0]
    two = read_points(table(tmp_path / "b.csv", header, f"{OTHER},0,0,-80", f"{UID},0,0,-80"))
    with pytest.raises(CTError, match=r"None of the table's 2 rows \(2 series\)"):
        points_of(two, nameless)
    with pytest.raises(CTError, match="Open the CT of one of its series"):
        points_of(one, volume)


def test_points_come_back_as_they_were_saved(tmp_path, volume):
    rng = np.random.default_rng(0)
    positions = volume.to_world(rng.uniform(0, 9, (6, 3)))
    columns = {"diameter_mm": [*rng.uniform(3, 9, 5), np.nan], "note": ["a, b", "", *"cdef"]}
    write_points(tmp_path / "p.csv", PointMarks("Points", positions, volume, columns))
    back = points_of(read_points(tmp_path / "p.csv"), volume)
    np.testing.assert_allclose(back.positions_mm, positions, atol=1e-4)
    np.testing.assert_allclose(back.columns["diameter_mm"], columns["diameter_mm"])
    assert list(back.columns["note"]) == columns["note"]
    bare = PointMarks("Points", positions, None, {})
    write_points(tmp_path / "q.csv", bare)
    assert (tmp_path / "q.csv").read_text().startswith("seriesuid,coordX,coordY,coordZ\n,")
    assert len(points_of(read_points(tmp_path / "q.csv"), volume).positions_mm) == 6


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seriesuid,coordX,coordY\n1,2,3\n", "lacks the column coordZ"),
        ("seriesuid,coordX,coordY,coordZ\n1,2,3,x\n", "Line 2 of t.csv has no three numbers"),
        ("seriesuid,coordX,coordY,coordZ\n1,2,3\n", "Line 2 of t.csv has no three numbers"),
        ("seriesuid,coordX,coordY,coordZ\n1,2,3,nan\n", "no three numbers"),
    ],
)
def test_another_table_is_refused_in_one_line(tmp_path, text, words):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(CTError, match=words):
        read_points(tmp_path / "t.csv")


def test_other_tables_are_not_taken_for_points(tmp_path):
    assert not is_point_table(table(tmp_path / "a.csv", "index,axis-0,axis-1", "0,1,2"))
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00" * 50)
    assert not is_point_table(tmp_path / "b.csv")
    with pytest.raises(CTError):
        read_points(tmp_path / "b.csv")


def test_points_and_their_columns_must_fit():
    with pytest.raises(ValueError, match="has 1 entries for 2 points"):
        PointMarks("Points", np.zeros((2, 3)), None, {"class": [1]})
    with pytest.raises(ValueError, match="as x, y, z in mm"):
        PointMarks("Points", np.zeros((2, 2)))
