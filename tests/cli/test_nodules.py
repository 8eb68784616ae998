"""`vaemed neighbours`, run as a user runs it."""

import csv
import json
import math

import pytest

from napari_vaemed.cli import main


def run_json(capsys, *arguments):
    assert main([str(a) for a in arguments]) == 0
    return json.loads(capsys.readouterr().out)


def test_neighbours_by_another_distance_and_of_other_patients(capsys):
    query = ["neighbours", "--id", "LIDC-IDRI-0001_R_1", "--json", "-k", 4]
    default = run_json(capsys, *query)
    others = run_json(capsys, *query, "--distance", "hellinger", "--exclude-same-patient")
    assert default[0]["same_patient"]
    assert default[0]["similarity"] == 1
    assert len(others) == 4
    assert not any(row["same_patient"] for row in others)
    assert [row["distance"] for row in others] == sorted(row["distance"] for row in others)
    assert all(row["distance"] <= 1 for row in others)


@pytest.mark.parametrize(
    "wrong",
    [["--distance", "manhattan"], ["-k", "0"], ["--id", "LIDC-IDRI-9999_R_1"]],
)
def test_a_wrong_option_gives_one_line_and_exit_code_2(capsys, wrong):
    assert main(["neighbours", "--id", "LIDC-IDRI-0001_R_1", *wrong]) == 2
    said = capsys.readouterr().err.strip()
    assert len(said.splitlines()) == 1


INCIDENTAL = ("setting=incidental", "age_35=yes", "cancer=no", "immune=no", "several=no",
              "risk=low")  # fmt: skip


def answers(*given):
    return [part for answer in given for part in ("--answer", answer)]


@pytest.fixture(scope="module")
def at_a_nodule(small_phantom, small_phantom_file):
    planted = max(
        (n for n in small_phantom.planted if n.kind == "solid"), key=lambda n: n.diameter_mm
    )
    return ["nodule", small_phantom_file, "--world", *planted.centre_mm]


def test_every_size_has_its_interval_in_json_and_csv(capsys, at_a_nodule, tmp_path):
    told = run_json(
        capsys, *at_a_nodule, "--json", "--csv", tmp_path / "m.csv", *answers(*INCIDENTAL)
    )
    nodule = told["nodule"]
    for name, value in (
        ("longest_mm", nodule["longest_mm"]),
        ("perpendicular_mm", nodule["perpendicular_mm"]),
        ("mean_mm", nodule["mean_mm"]),
        ("volume_mm3", nodule["partial_volume_mm3"]),
    ):
        assert nodule[f"{name}_low"] <= value <= nodule[f"{name}_high"]
    assert nodule["cannot_be_measured"] is None
    assert nodule["side"] in ("right", "left")
    assert nodule["rounded_mm"] == int(nodule["mean_mm"] + 0.5)
    with (tmp_path / "m.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert float(row["longest_mm_low"]) == nodule["longest_mm_low"]
    assert float(row["volume_mm3"]) == nodule["volume_mm3"]
    said = told["follow_up"]
    assert said["guideline"] == "Fleischner 2017"
    assert said["next"] == said["rules"][0]["next"]
    assert "MacMahon" in said["rules"][0]["source"]
    assert any(step["unit"] == "mm" and step["low"] <= step["value"] for step in said["trace"])


def test_without_answers_the_questions_are_told(capsys, at_a_nodule):
    assert main([str(a) for a in at_a_nodule]) == 0
    said = capsys.readouterr().out
    assert "--answer setting=incidental|screening" in said
    assert " ± " in said


@pytest.mark.parametrize("wrong", ["risk=medium", "shoe_size=43", "risk"])
def test_a_wrong_answer_gives_one_line_and_exit_code_2(capsys, at_a_nodule, wrong):
    assert main([str(a) for a in [*at_a_nodule, "--answer", wrong]]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_suggestions_say_that_nobody_checked_them_and_what_was_measured(
    capsys, small_phantom, small_phantom_file, tmp_path
):
    path = tmp_path / "suggestions.csv"
    told = run_json(capsys, "suggest", small_phantom_file, "--json", "--csv", path)
    rows = told["suggestions"]
    assert rows
    assert not any(row["checked"] for row in rows)
    assert min(row["score"] for row in rows) >= told["least_score"] - 0.001
    gaps = [
        math.dist(rows[0]["centre_mm"], planted.centre_mm) - planted.diameter_mm / 2
        for planted in small_phantom.planted
    ]
    assert min(gaps) < 1
    assert {each["on"] for each in told["measured"]} == {"crops", "patients", "phantoms"}
    with path.open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == len(rows)
    assert float(lines[0]["centre_mm_x"]) == rows[0]["centre_mm"][0]


def test_the_small_models_are_known_by_name_however_it_is_hyphened(capsys):
    query = ["neighbours", "--id", "LIDC-IDRI-0001_R_1", "--json", "-k", 2, "--model"]
    assert run_json(capsys, *query, "dirichlet_vae") == run_json(capsys, *query, "dirichlet-vae")


def test_a_model_without_its_index_is_told_what_is_missing(capsys):
    from napari_vaemed.io.weights import shipped_nodule_models, shipped_slice_model_path

    query = ["neighbours", "--id", "LIDC-IDRI-0001_R_1", "--model"]
    assert main([*query, str(shipped_nodule_models()[1].model)]) == 2
    assert "Give the index that goes with the model" in capsys.readouterr().err
    assert main([*query, str(shipped_slice_model_path())]) == 2
    assert "A model of nodules is wanted" in capsys.readouterr().err
