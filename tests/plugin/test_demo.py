"""The demo walks the main job in a real window."""

import json

import pytest
from skimage.io import imread

from napari_vaemed.plugin.demo import Stuck, walk


def test_the_demo_clicks_where_it_is_told_and_reports(
    make_napari_viewer, tmp_path, small_phantom, small_phantom_file
):
    planted = max(
        (n for n in small_phantom.planted if n.kind == "solid"), key=lambda n: n.diameter_mm
    )
    viewer = make_napari_viewer(show=True)
    steps = walk(viewer, tmp_path, small_phantom_file, planted.centre_mm)
    told = json.loads((tmp_path / "report.json").read_text())
    assert told["nodule"]["centre_mm"] == pytest.approx(planted.centre_mm, abs=3)
    assert told["neighbours"]
    assert told["slices"]
    assert told["subject"]["reason"]
    assert [used["name"] for used in told["models"]] == ["ClickNet", "GaussianVAE", "SliceResNet"]
    assert {path.name for path in steps.pictures} >= {
        "1_ct.png",
        "3_nodule.png",
        "4_twins.png",
        "6_latent.png",
        "8_classify.png",
    }
    assert all(imread(path).std() > 5 for path in steps.pictures)


def test_the_demo_says_what_it_could_not_open(make_napari_viewer, tmp_path):
    viewer = make_napari_viewer()
    with pytest.raises(Stuck, match="nothing at"):
        walk(viewer, tmp_path, tmp_path / "missing.nii.gz", None)
