"""`vaemed neighbours`, run as a user runs it."""

import json

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
