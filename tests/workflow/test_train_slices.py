from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from napari_vaemed.data.progress import Progress, finish
from napari_vaemed.data.run_settings import RunSettings
from napari_vaemed.io.checkpoints import read_model
from napari_vaemed.training.fit import Epoch
from napari_vaemed.workflow.classify import load_slice_model
from napari_vaemed.workflow.score_slices import score_pictures
from napari_vaemed.workflow.train_slices import MODEL_FILE, train_slices

SMALL = {"size": 32, "width": 4, "blocks": 1, "dropout": 0.0}
RUN = RunSettings(epochs=3, batch=8, device="cpu", lr=1e-2, seed=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """48 slices of 24 cases; COVID-19 fills half of one lung."""
    folder = tmp_path_factory.mktemp("slices")
    rng = np.random.default_rng(0)
    y, x = np.indices((60, 80)) - np.array([29.5, 39.5])[:, None, None]
    rows = ["file,label,split"]
    for i in range(48):
        grey = rng.integers(190, 230, (60, 80))
        for centre in (-18, 18):
            inside = (y / 22) ** 2 + ((x - centre) / 14) ** 2 <= 1
            grey[inside] = rng.integers(30, 60, inside.sum())
            if i % 2 and centre < 0:
                grey[inside & (y > 0)] = 140
        name = f"{'covid' if i % 2 else 'normal'}/p{i // 4}-p1-{i}.png"
        (folder / name).parent.mkdir(exist_ok=True)
        Image.fromarray(grey.astype(np.uint8)).save(folder / name)
        part = "train" if i < 24 else "val" if i < 32 else "test"
        rows.append(f"{name},{name.split('/')[0]},{part}")
    (folder / "split.csv").write_text("\n".join(rows) + "\n")
    return folder


def _train(folder, out, run):
    return train_slices(folder, out, arguments=SMALL, run=run)


def _run(work):
    seen = []
    return finish(work, seen.append), seen


def test_training_learns_a_planted_sign_and_says_how_well_on_the_test_part(folder, tmp_path):
    model, seen = _run(_train(folder, tmp_path, replace(RUN, epochs=40)))
    epochs = [step for step in seen if isinstance(step, Epoch)]
    assert [epoch.number for epoch in epochs] == list(range(1, 41))
    assert any(isinstance(step, Progress) for step in seen)
    read = read_model(tmp_path / MODEL_FILE, "cpu")
    assert read.sha256 == model.sha256
    figures = read.card["figures"]
    assert (figures["n"], figures["validation"]["n"]) == (16, 8)
    value, low, high = figures["auc"]
    assert low <= value <= high
    assert value > 0.85
    assert read.card["split"] == {
        "how": "as published", "train": 24, "val": 8, "test": 16, "groups": 12,
    }  # fmt: skip
    assert "no diagnostic value" in read.card["use"]
    pictures = np.zeros((3, 32, 32), np.uint8)
    covid, unlike = score_pictures(read, pictures)
    assert covid.shape == unlike.shape == (3,)
    assert (unlike > 1).all()  # black is no slice


def test_a_stopped_training_goes_on_to_the_same_weights(folder, tmp_path):
    whole, _ = _run(_train(folder, tmp_path / "a", RUN))
    stopped = _train(folder, tmp_path / "b", RUN)
    for step in stopped:
        if isinstance(step, Epoch) and step.number == 2:
            break
    stopped.close()
    model, seen = _run(_train(folder, tmp_path / "b", replace(RUN, resume=True)))
    assert [step.number for step in seen if isinstance(step, Epoch)] == [3]
    assert model.sha256 == whole.sha256


def test_without_a_split_one_is_drawn_by_groups(folder, tmp_path):
    for name in ("covid", "normal"):
        (tmp_path / name).symlink_to(folder / name)
    model, _ = _run(_train(tmp_path, tmp_path / "out", replace(RUN, epochs=1)))
    split = model.card["split"]
    assert split["how"] == "by group, seed 1"
    assert split["train"] + split["val"] + split["test"] == 48


def test_an_unknown_model_and_a_part_without_a_class_are_refused_in_words(folder, tmp_path):
    with pytest.raises(ValueError, match="must be one of SliceResNet"):
        finish(train_slices(folder, tmp_path, model="Transformer"))
    table = (folder / "split.csv").read_text().replace(",val", ",train")
    (folder / "other.csv").write_text(table)
    with pytest.raises(ValueError, match="The part val must hold slices of both classes"):
        finish(train_slices(folder / "other.csv", tmp_path))


def test_a_model_of_another_finding_says_so_and_is_not_asked_about_covid(folder, tmp_path):
    with pytest.raises(ValueError, match="normal"):
        finish(train_slices(folder / "split.csv", tmp_path, positive="plaque", run=RUN))
    model, _ = _run(
        train_slices(
            folder / "split.csv",
            tmp_path,
            arguments=SMALL,
            positive="normal",
            run=replace(RUN, epochs=1),
        )
    )
    assert model.card["finding"] == "normal"
    assert "COVID" not in str(model.card)
    with pytest.raises(ValueError, match=r"tells normal from other; wanted is a model of COVID-19"):
        load_slice_model("cpu", tmp_path / MODEL_FILE)
