import csv

import numpy as np
import pytest

from napari_vaemed.data.caliper import MeasuredCaliper
from napari_vaemed.data.volume import Volume
from napari_vaemed.io.calipers import write_calipers
from napari_vaemed.preprocessing.calipers import caliper_from_drags, measure_caliper


@pytest.fixture
def volume():
    turn = np.radians(20)
    direction = np.array(
        [[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]]
    )
    return Volume(
        np.full((12, 60, 60), -820, np.int16),
        (5.0, 0.6, 0.6),
        (-31.0, 17.5, -240.0),
        direction,
        patient="Murnau^Friedrich",
        series_uid="1.2.3",
    )


@pytest.fixture
def rows(volume, tmp_path):
    drags = {
        "line": [((4, 10, 10), (4, 10, 40))],
        "bidirectional": [((4, 10, 10), (4, 10, 40)), ((4, 5, 20), (4, 22, 22))],
        "ellipse": [((0, 8, 8), (0, 30, 42))],
        "angle": [((2, 9, 10), (8, 9, 10)), ((8, 9, 10), (8, 9, 30))],
    }
    measured = []
    for label, (kind, drawn) in enumerate(drags.items(), 1):
        axis, index = (1, 9) if kind == "angle" else (0, 4)
        caliper = caliper_from_drags(kind, axis, index, drawn, volume.spacing)
        measured.append(MeasuredCaliper(label, caliper, measure_caliper(caliper, volume)))
    path = tmp_path / "calipers.csv"
    write_calipers(path, measured, volume)
    text = path.read_text()
    assert "Murnau" not in text
    assert "1.2.3" not in text
    with path.open(newline="") as lines:
        return list(csv.DictReader(lines))


def point(row, number):
    return np.array([float(row[f"point{number}_mm_{axis}"]) for axis in "xyz"])


def test_what_a_caliper_reads_stands_under_its_unit(rows):
    line, both, ellipse, angle = rows
    assert [row["kind"] for row in rows] == ["line", "bidirectional", "ellipse", "angle"]
    assert float(line["length_mm"]) == 18.0
    assert (float(both["length_mm"]), float(both["short_mm"])) == (18.0, 10.2)
    assert (float(ellipse["mean_hu"]), float(ellipse["sd_hu"])) == (-820, 0)
    assert float(ellipse["area_mm2"]) == pytest.approx(np.pi / 4 * 22 * 34 * 0.36, abs=0.01)
    assert float(angle["angle_deg"]) == 90
    assert (angle["plane"], angle["slice"], line["plane"], line["slice"]) == (
        "coronal",
        "9",
        "axial",
        "4",
    )


def test_what_does_not_apply_is_left_empty(rows):
    line = rows[0]
    assert line["angle_deg"] == line["mean_hu"] == line["voxels"] == line["point3_mm_x"] == ""


def test_lengths_can_be_had_from_the_points_in_patient_mm(rows, volume):
    line, both, ellipse, _ = rows
    assert point(line, 1) == pytest.approx(volume.to_world((4, 10, 10)), abs=1e-3)
    for row in (line, both):
        length = np.linalg.norm(point(row, 2) - point(row, 1))
        assert length == pytest.approx(float(row["length_mm"]), abs=0.01)
    short = np.linalg.norm(point(both, 4) - point(both, 3))
    assert short == pytest.approx(float(both["short_mm"]), abs=0.01)
    axes = [np.linalg.norm(point(ellipse, n + 1) - point(ellipse, n)) for n in (1, 3)]
    assert np.pi / 4 * np.prod(axes) == pytest.approx(float(ellipse["area_mm2"]), rel=1e-3)


def test_no_folder_no_file(volume, tmp_path):
    with pytest.raises(FileNotFoundError, match="Make it first"):
        write_calipers(tmp_path / "not there" / "calipers.csv", [], volume)
