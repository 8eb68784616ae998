from __future__ import annotations

import json

import pytest

from napari_vaemed.data.interval import Interval
from napari_vaemed.data.vote_calibration import VoteBin, VoteCalibration, VoteCurve
from napari_vaemed.io.indexes import read_index
from napari_vaemed.io.vote_calibration import (
    CALIBRATION_FILE,
    calibration_beside,
    read_vote_calibration,
    write_vote_calibration,
)
from napari_vaemed.io.weights import shipped_index_path

CURVE = VoteCurve(
    (0.0, 0.5, 1.0), (0.02, 0.4, 0.98), (VoteBin(0.0, 0.4, 30, 2), VoteBin(0.41, 1.0, 20, 15)),
    Interval(0.04, 0.03, 0.07), Interval(0.8, 0.7, 0.9),
)  # fmt: skip


@pytest.fixture
def calibration():
    return VoteCalibration(
        "a" * 64, 20, 50, 17, 40, 1, {"data": "made here"}, {"wasserstein2": CURVE}, CURVE,
        {"wasserstein2": Interval(0.03, 0.01, 0.05)},
    )  # fmt: skip


def test_what_is_written_is_read(calibration, tmp_path):
    write_vote_calibration(tmp_path / CALIBRATION_FILE, calibration)
    assert read_vote_calibration(tmp_path / CALIBRATION_FILE) == calibration


def test_only_the_model_it_is_of_finds_it_beside_its_index(calibration, tmp_path):
    index = tmp_path / "nodules.safetensors"
    assert calibration_beside(index, "a" * 64) is None
    write_vote_calibration(tmp_path / CALIBRATION_FILE, calibration)
    assert calibration_beside(index, "a" * 64) == calibration
    assert calibration_beside(index, "b" * 64) is None


def test_a_chance_lies_on_the_curve_and_names_the_votes_like_it():
    assert CURVE.chance(0.25) == pytest.approx(0.21)
    assert CURVE.chance(1.0) == 0.98
    assert CURVE.like(0.2).votes == 30
    assert CURVE.like(0.405).votes == 20


def test_another_file_is_refused_with_the_way_out(tmp_path):
    path = tmp_path / CALIBRATION_FILE
    for content in ("no JSON", json.dumps({"curves": 3}), json.dumps({"k": 20})):
        path.write_text(content)
        with pytest.raises(ValueError, match="vaemed calibrate"):
            read_vote_calibration(path)


def test_the_shipped_calibration_is_of_the_shipped_index():
    index = read_index(shipped_index_path())
    found = calibration_beside(shipped_index_path(), index.model_sha256)
    assert found is not None
    clear = [record for record in index.records if record.malignancy != 3.0]
    assert found.nodules == len(clear)
    assert found.malignant == sum(record.malignancy > 3 for record in clear)
    assert found.curves["wasserstein2"].error.value <= 0.05
    assert found.above_ruler["wasserstein2"].low > 0
