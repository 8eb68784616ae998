"""The main job without a window."""

import json
from dataclasses import replace

import numpy as np
import pytest

from napari_vaemed.data.progress import Progress, finish
from napari_vaemed.data.volume import Volume
from napari_vaemed.workflow.classify import classify, load_slice_model
from napari_vaemed.workflow.report import STEPS, Examination, examine, report, voxel_at


@pytest.fixture(scope="module")
def examined(small_phantom_file):
    """The phantom, examined at the spot the program chooses, and the steps it told."""
    steps = []
    found = finish(examine(small_phantom_file, enhance=True, k=5), steps.append)
    return found, steps


def test_without_a_point_a_planted_nodule_is_clicked(examined, small_phantom):
    found, _ = examined
    apart = [
        np.linalg.norm(np.subtract(n.centre_mm, found.marked.measurement.centre_mm))
        - n.diameter_mm / 2
        for n in small_phantom.planted
    ]
    assert min(apart) < 2


def test_every_step_is_told_and_timed(examined):
    found, steps = examined
    assert all(isinstance(step, Progress) for step in steps)
    told = report(found)
    assert set(told["seconds"]) == set(STEPS)
    assert told["seconds"].pop("classify") is None
    assert all(seconds >= 0 for seconds in told["seconds"].values())


def test_scored_slices_stand_in_the_report_beside_the_nodule(examined):
    found, _ = examined
    model = load_slice_model()
    found = replace(found, classified=finish(classify(found.volume, found.lungs, model)))
    told = json.loads(json.dumps(report(found), allow_nan=False))
    assert [row["index"] for row in told["slices"]] == sorted(
        row["index"] for row in told["slices"]
    )
    assert all(0 <= row["covid_probability"] <= 1 for row in told["slices"])
    assert set(told["subject"]) == {"covid_probability", "reason"}
    assert [used["name"] for used in told["models"]] == ["ClickNet", "GaussianVAE", "SliceResNet"]
    assert told["models"][1:] == [
        {"name": used.name, "sha256": used.sha256} for used in (found.expert.model, model)
    ]
    assert told["nodule"] is not None
    assert told["seconds"]["classify"] > 0


def test_the_report_is_json_without_patient_or_path(examined, small_phantom_file):
    found, _ = examined
    text = json.dumps(report(found), allow_nan=False)
    assert str(small_phantom_file.parent) not in text
    assert len(json.loads(text)["neighbours"]) == 5


def test_lung_volumes_are_the_phantom_s(examined, small_phantom):
    told = report(examined[0])["lung_ml"]
    ml = small_phantom.volume.voxel_mm3 / 1000
    assert told["right"] == pytest.approx((small_phantom.lungs == 1).sum() * ml, rel=0.08)
    assert told["left"] == pytest.approx((small_phantom.lungs == 2).sum() * ml, rel=0.08)


def test_a_point_outside_the_scan_is_told_with_what_the_scan_covers():
    volume = Volume(np.zeros((4, 5, 6), np.int16), (2.0, 1.0, 1.0), (10.0, 20.0, 30.0))
    assert voxel_at(volume, (12.0, 21.0, 34.0)) == pytest.approx((2.0, 1.0, 2.0))
    with pytest.raises(ValueError, match=r"x 10 to 15, y 20 to 24, z 30 to 36 mm"):
        voxel_at(volume, (100.0, 0.0, 0.0))


def test_what_was_not_asked_for_is_none():
    volume = Volume(np.zeros((2, 2, 2), np.int16), (1.0, 1.0, 1.0))
    told = report(Examination(volume))
    assert told["nodule"] is told["neighbours"] is told["lung_ml"] is told["models"] is None
    assert told["slices"] is told["subject"] is None
    assert set(told["seconds"].values()) == {None}
