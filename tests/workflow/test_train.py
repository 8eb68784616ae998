from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from napari_vaemed.data.nodule import ATTRIBUTES
from napari_vaemed.data.progress import Progress, finish
from napari_vaemed.io.checkpoints import read_model
from napari_vaemed.io.nodules import read_nodule_set
from napari_vaemed.training.fit import Epoch
from napari_vaemed.workflow.index import build_index
from napari_vaemed.workflow.train import MODEL_FILE, train

SMALL = {"latent_dims": 4, "encoder_width": 8, "decoder_width": 8}
QUICK = {"arguments": SMALL, "batch": 5, "device": "cpu", "seed": 2}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Ten patients, one ball in lung each, 6 to 15 mm; the larger, the worse."""
    folder = tmp_path_factory.mktemp("nodules")
    lines = ["patient_id,nodule_id,seriesuid,coordX,coordY,coordZ,diameter_mm,"]
    lines[0] += ",".join(name.title().replace("_", "") + "_value" for name in ATTRIBUTES)
    at = np.moveaxis(np.indices((24, 44, 44)), 0, -1) - (11.5, 21.5, 21.5)
    for number, diameter in enumerate(range(6, 16)):
        mask = np.linalg.norm(at * (1.0, 0.7, 0.7), axis=-1) <= diameter / 2
        for kind, array in (("image", np.where(mask, 30, -850)), ("mask", mask)):
            image = sitk.GetImageFromArray(array.astype(np.int16 if kind == "image" else np.uint8))
            image.SetSpacing((0.7, 0.7, 1.0))
            (folder / kind).mkdir(exist_ok=True)
            sitk.WriteImage(image, str(folder / kind / f"P{number}_R_1.nii.gz"))
        scores = ",".join(["1" if number < 5 else "5"] * len(ATTRIBUTES))
        lines.append(f"P{number},1,1.2.{number},15.05,15.05,11.5,{diameter},{scores}")
    (folder / "nodules.csv").write_text("\n".join(lines) + "\n")
    return folder


def _run(work) -> tuple[object, list]:
    seen = []
    return finish(work, seen.append), seen


def test_training_reports_its_epochs_and_writes_a_model_with_its_card(folder, tmp_path):
    model, seen = _run(train(folder, tmp_path, epochs=2, bench_epochs=1, **QUICK))
    epochs = [step for step in seen if isinstance(step, Epoch) and step.total == 2]
    assert [epoch.number for epoch in epochs] == [1, 2]
    assert any(isinstance(step, Progress) for step in seen)
    read = read_model(tmp_path / MODEL_FILE, "cpu")
    assert read.sha256 == model.sha256
    figures = read.card["figures"]
    assert (figures["n"], figures["folds"], figures["epochs"]) == (10, 5, 1)
    assert 0 <= figures["latent"]["auc"] <= 1
    assert figures["log volume"]["auc_6_to_10_mm"] is None  # all of these are benign
    assert "Research only" in read.card["use"]


def test_a_stopped_training_goes_on_to_the_same_weights(folder, tmp_path):
    whole, _ = _run(train(folder, tmp_path / "a", epochs=3, bench_epochs=0, **QUICK))
    stopped = train(folder, tmp_path / "b", epochs=3, bench_epochs=0, save_every=1, **QUICK)
    for step in stopped:
        if isinstance(step, Epoch) and step.number == 2:
            break
    stopped.close()
    resumed = train(folder, tmp_path / "b", epochs=3, bench_epochs=0, resume=True, **QUICK)
    model, seen = _run(resumed)
    assert [step.number for step in seen if isinstance(step, Epoch)] == [3]
    assert model.sha256 == whole.sha256


def test_an_unknown_model_is_refused_in_words(folder, tmp_path):
    with pytest.raises(ValueError, match="must be one of GaussianVAE"):
        finish(train(folder, tmp_path, model="Transformer"))


def test_an_index_holds_a_posterior_of_every_nodule(folder, tmp_path):
    model, _ = _run(train(folder, tmp_path, epochs=1, bench_epochs=0, **QUICK))
    nodules = finish(read_nodule_set(folder))
    index = finish(build_index(model, nodules))
    assert [record.id for record in index.records] == [record.id for record in nodules.records]
    sphere = [np.pi / 6 * record.diameter_mm**3 for record in nodules.records]
    np.testing.assert_allclose([r.clicked_mm3 for r in index.records], sphere, rtol=0.3)
    assert index.posterior.mean.shape == (10, 4)
    assert index.model_sha256 == model.sha256
    assert index.source == nodules.source
