import json

import pytest

from napari_vaemed.cli import main
from napari_vaemed.data.phantom_prior import chest_scanned_twice
from napari_vaemed.io.volumes import write_volume


@pytest.fixture(scope="module")
def twice(tmp_path_factory):
    made = chest_scanned_twice(
        shape=(90, 140, 140), spacing=(3.0, 2.4, 2.4),
        prior_shape=(100, 130, 130), prior_spacing=(2.8, 2.6, 2.6),
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("twice")
    for name in ("current", "prior"):
        volume = getattr(made, name)
        write_volume(folder / f"{name}.nii.gz", volume.hu, volume)
    return made, folder


def test_a_nodule_is_followed_to_the_prior(twice, capsys, tmp_path, monkeypatch):
    made, folder = twice
    at = [f"{c:.1f}" for c in made.grown]
    scans = [str(folder / f"{name}.nii.gz") for name in ("current", "prior")]
    table = tmp_path / "pairs.csv"
    assert main(["prior", *scans, "--at", *at, "--days", "90", "--json", "--csv", str(table)]) == 0
    said = json.loads(capsys.readouterr().out)
    (nodule,) = said["nodules"]
    assert (nodule["current"], nodule["prior"], nodule["verdict"]) == (1, 1, "grown")
    assert said["days"] == 90
    assert nodule["volume_ratio"] == pytest.approx(1.4**3, rel=0.35)
    assert table.read_text().count("\n") == 2


def test_without_findings_there_is_nothing_to_pair(twice, capsys, tmp_path, monkeypatch):
    _, folder = twice
    monkeypatch.setenv("NAPARI_VAEMED_DATA", str(tmp_path / "data"))
    scans = [str(folder / f"{name}.nii.gz") for name in ("current", "prior")]
    assert main(["prior", *scans]) == 0
    assert "lungs correlate" in capsys.readouterr().out
    assert main(["findings", scans[0], "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_places_and_a_table_together_are_refused(twice, capsys):
    _, folder = twice
    scans = [str(folder / f"{name}.nii.gz") for name in ("current", "prior")]
    assert main(["prior", *scans, "--at", "0", "0", "0", "--findings", "a.csv"]) == 2
    assert "not both" in capsys.readouterr().err
