"""Reports and tables hold what was measured, whole or not at all."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from napari_vaemed.io.atomic import replacing
from napari_vaemed.io.reports import write_measurements_csv, write_report


def test_a_report_comes_back_with_numpy_s_numbers_as_plain_ones(tmp_path):
    report = {"mm": np.float32(0.5), "n": np.int64(3), "centre": np.arange(3), "none": None}
    write_report(tmp_path / "report.json", report)
    told = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert told == {"mm": 0.5, "n": 3, "centre": [0, 1, 2], "none": None}


@pytest.mark.parametrize(("bad", "error"), [(float("nan"), ValueError), (object(), TypeError)])
def test_a_report_that_cannot_be_written_leaves_the_old_one(tmp_path, bad, error):
    path = tmp_path / "report.json"
    write_report(path, {"a": 1})
    with pytest.raises(error):
        write_report(path, {"a": bad})
    assert json.loads(path.read_text()) == {"a": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_a_table_has_one_line_a_finding(tmp_path):
    rows = [
        {"finding": 1, "centre_mm": (1.5, -2.0, 3.0), "longest_mm": 8.25},
        {"finding": 2, "centre_mm": (0.0, 0.0, 0.0), "longest_mm": None},
    ]
    write_measurements_csv(tmp_path / "m.csv", rows)
    with (tmp_path / "m.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert lines[0] == {
        "finding": "1",
        "centre_mm_x": "1.5",
        "centre_mm_y": "-2.0",
        "centre_mm_z": "3.0",
        "longest_mm": "8.25",
    }
    assert lines[1]["longest_mm"] == ""


def test_rows_of_different_columns_are_refused(tmp_path):
    with pytest.raises(ValueError, match="Row 2"):
        write_measurements_csv(tmp_path / "m.csv", [{"a": 1}, {"b": 1}])
    assert list(tmp_path.iterdir()) == []


def test_a_table_without_rows_is_empty(tmp_path):
    write_measurements_csv(tmp_path / "m.csv", [])
    assert (tmp_path / "m.csv").read_text().strip() == ""


def test_a_failed_write_leaves_neither_part_nor_change(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def half():
        with replacing(path) as beside:
            beside.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
