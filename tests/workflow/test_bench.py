from __future__ import annotations

import json

import numpy as np
import pytest

from napari_vaemed.data.nodule import NoduleRecord
from napari_vaemed.data.nodule_set import NoduleSet
from napari_vaemed.data.progress import finish
from napari_vaemed.data.run_settings import RunSettings
from napari_vaemed.data.volume import Volume
from napari_vaemed.training.fit import Epoch
from napari_vaemed.workflow.bench import bench, crop_heights
from napari_vaemed.workflow.bench_codes import entrants, entrants_named

QUICK = RunSettings(epochs=1, batch=4, device="cpu")


@pytest.fixture(scope="module")
def benched(nodule_folder, tmp_path_factory):
    """A bench of one trained model, and what it said on its way."""
    out = tmp_path_factory.mktemp("bench")
    seen = []
    work = bench(
        nodule_folder, out, models=("Autoencoder",), distances=("euclidean", "wasserstein2"),
        folds=2, run=QUICK,
    )  # fmt: skip
    return finish(work, seen.append), out, seen


def test_a_bench_has_the_rulers_and_the_floors_whatever_was_asked(benched):
    rows, _, seen = benched
    ways = {(row.entrant, row.distance) for row in rows}
    assert {"log volume", "mask features", "PCA", "random", "Autoencoder"} == {w[0] for w in ways}
    assert ("Autoencoder", "Euclidean") in ways
    assert ("Autoencoder", "2-Wasserstein") not in ways  # points have no spread
    assert ("random", "2-Wasserstein") in ways
    assert sum(isinstance(step, Epoch) for step in seen) == 2  # an epoch a fold


def test_larger_balls_are_worse_so_the_ruler_is_right_about_all(benched):
    rows, out, _ = benched
    ruler = next(row for row in rows if (row.entrant, row.distance) == ("log volume", "itself"))
    assert ruler.auc.value == ruler.auc.low == 1.0
    assert ruler.auc_small is None  # all of 6 to 10 mm are benign
    told = json.loads((out / "bench.json").read_text())
    assert (told["n"], told["malignant"], told["n_6_to_10_mm"]) == (10, 5, 5)
    assert {path.name for path in out.glob("*.png")} == {
        "latent_map.png", "neighbours.png", "table.png",
    }  # fmt: skip


def test_a_second_run_trains_nothing_and_says_the_same(benched, nodule_folder):
    rows, out, _ = benched
    seen = []
    work = bench(
        nodule_folder, out, models=("Autoencoder",), distances=("euclidean", "wasserstein2"),
        folds=2, run=QUICK,
    )  # fmt: skip
    assert finish(work, seen.append) == rows
    assert not any(isinstance(step, Epoch) for step in seen)


def test_results_of_other_settings_are_not_taken_for_these(benched, nodule_folder):
    _, out, _ = benched
    other = RunSettings(epochs=2, batch=4, device="cpu")
    with pytest.raises(ValueError, match="Give another folder"):
        finish(bench(nodule_folder, out, models=("Autoencoder",), folds=2, run=other))


def test_every_model_of_the_package_takes_part():
    from napari_vaemed.models import VAES

    assert {cls.__name__ for cls in VAES} <= {entrant.name for entrant in entrants()}
    with pytest.raises(ValueError, match="There is no model 'Transformer'"):
        entrants_named(("Transformer",))


def test_the_height_of_a_crop_counts_on_both_sides_of_the_centre():
    volume = Volume(np.zeros((6, 4, 4), np.int16), (2.0, 1.0, 1.0))
    record = NoduleRecord("N", "P", "1.2", (1.0, 1.0, 1.0), 8.0, {"malignancy": 3.0})
    mask = np.ones(volume.shape, bool)
    nodules = NoduleSet((record,), (volume,), (mask,), (mask,), "made here")
    np.testing.assert_allclose(crop_heights(nodules, within_mm=np.inf), 10.0)
    np.testing.assert_allclose(crop_heights(nodules, within_mm=1.5), 2.5)
