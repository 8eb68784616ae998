"""The slice classifier on the command line."""

import csv
import json

import pytest

from napari_vaemed.cli import main
from napari_vaemed.data.progress import finish
from napari_vaemed.io.weights import shipped_model_path
from napari_vaemed.segmentation.lungs import segment_lungs
from napari_vaemed.workflow.classify import classify, load_slice_model


def test_json_tells_what_the_window_tells(capsys, tmp_path, small_phantom, small_phantom_file):
    out = tmp_path / "slices.csv"
    arguments = ["classify", str(small_phantom_file), "--json", "--batch", "5", "-o", str(out)]
    assert main(arguments) == 0
    told = json.loads(capsys.readouterr().out)
    lungs = finish(segment_lungs(small_phantom.volume))
    said = finish(classify(small_phantom.volume, lungs, load_slice_model()))
    assert [row["index"] for row in told["slices"]] == said.scores.indices.tolist()
    assert [row["covid_probability"] for row in told["slices"]] == pytest.approx(
        said.scores.covid.tolist(), abs=1e-4
    )
    assert told["subject"]["reason"] == said.subject.reason
    assert told["subject"]["covid_probability"] == pytest.approx(
        said.subject.covid_probability, abs=1e-4
    )
    assert told["models"] == [{"name": said.model, "sha256": said.sha256}]
    assert told["seconds"]["classify"] > 0
    assert told["nodule"] is told["neighbours"] is None
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["slice"]) for row in rows] == said.scores.indices.tolist()
    assert rows[0]["sha256"] == said.sha256


def test_a_person_reads_the_highest_slices_the_scan_and_the_source(capsys, small_phantom_file):
    assert main(["classify", str(small_phantom_file)]) == 0
    said = capsys.readouterr().out
    assert "of 96 slices show enough lung" in said
    assert "\nscan   " in said
    assert load_slice_model().sha256[:12] in said
    assert "not a medical device" in said


@pytest.mark.parametrize(
    "arguments",
    [
        ["no/such/folder"],
        ["pyproject.toml"],
        ["CT", "--batch", "0"],
        ["CT", "--device", "abacus"],
        ["CT", "--model", "no/such/model.safetensors"],
        ["CT", "--model", str(shipped_model_path())],
        ["CT", "-o", "no/such/folder/slices.csv"],
    ],
)
def test_bad_input_gives_one_line_and_exit_code_2(arguments, capsys, small_phantom_file):
    here = [str(small_phantom_file) if a == "CT" else a for a in arguments]
    assert main(["classify", *here]) == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith("vaemed: ")
    assert len(said.splitlines()) == 1
