from __future__ import annotations

import numpy as np
import pytest

from napari_vaemed.data.index import NoduleIndex
from napari_vaemed.data.nodule import NoduleRecord
from napari_vaemed.data.posterior import Posterior
from napari_vaemed.distances import DISTANCES
from napari_vaemed.io.checkpoints import write_model
from napari_vaemed.models.vae.gaussian import GaussianVAE
from napari_vaemed.workflow.compare import (
    Query,
    distance_named,
    neighbour_values,
    neighbours,
    query_of_record,
)
from napari_vaemed.workflow.examine import Expert, describe, mark


@pytest.fixture(scope="module")
def expert(tmp_path_factory) -> Expert:
    small = GaussianVAE(latent_dims=4, encoder_width=8, decoder_width=8)
    model = write_model(tmp_path_factory.mktemp("model") / "small.safetensors", small, {})
    rng = np.random.default_rng(0)
    records = tuple(
        NoduleRecord(
            f"N{i}", f"P{i // 2}", f"1.{i // 2}", (0.0, 0.0, 0.0), 8.0, {"malignancy": 3.0}
        )
        for i in range(20)
    )
    mean = rng.normal(size=(20, 4)).astype(np.float32)
    posterior = Posterior(mean, np.exp(0.3 * rng.normal(size=(20, 4))).astype(np.float32))
    return Expert(model, NoduleIndex(records, posterior, model.sha256, "made here"), ())


@pytest.mark.parametrize("distance", DISTANCES, ids=lambda d: d.__name__)
def test_neighbours_by_any_distance_come_in_its_order(expert, distance):
    query = query_of_record(expert, "N4")
    found = neighbours(expert, query, k=20, distance=distance.__name__)
    apart = distance(query.posterior, expert.index.posterior)[0]
    assert [n.row for n in found] == np.argsort(apart, kind="stable").tolist()
    assert found[0].record.id == "N4"
    assert found[0].similarity == pytest.approx(1.0)
    assert all(0 <= n.similarity <= 1 for n in found)


def test_nodules_of_the_same_patient_are_left_out_when_asked(expert):
    query = query_of_record(expert, "N4")
    found = neighbours(expert, query, k=20, exclude_same_patient=True)
    assert len(found) == 18
    assert not {"N4", "N5"} & {n.record.id for n in found}
    by_series = Query(query.posterior, None, query.series_uid)
    assert len(neighbours(expert, by_series, k=20, exclude_same_patient=True)) == 18


def test_the_command_and_the_twins_of_the_window_give_the_same(expert, small_phantom):
    volume = small_phantom.volume
    solid = next(n for n in small_phantom.planted if n.kind == "solid" and n.diameter_mm > 8)
    marked = mark(volume, volume.to_voxel(np.array(solid.centre_mm)), small_phantom.lungs)
    twins = describe(expert, volume, marked, k=7)
    query = Query(twins.posterior, volume.patient, volume.series_uid)
    assert neighbours(expert, query, k=7) == twins.neighbours


def test_a_scan_without_a_patient_cannot_have_its_own_left_out(expert):
    query = Query(query_of_record(expert, "N4").posterior, None, None)
    with pytest.raises(ValueError, match="not known"):
        neighbours(expert, query, exclude_same_patient=True)


def test_a_distance_that_is_not_there_lists_those_that_are():
    assert distance_named("fisher-rao").__name__ == "fisher_rao"
    with pytest.raises(ValueError, match=r"wasserstein2, fisher_rao"):
        distance_named("manhattan")


def test_an_id_that_is_not_there_shows_one_that_is(expert):
    with pytest.raises(LookupError, match="'N0'"):
        query_of_record(expert, "N99")


def test_values_are_plain_and_hold_the_overlap(expert):
    values = neighbour_values(neighbours(expert, query_of_record(expert, "N4"), k=2)[1])
    assert set(values) >= {"id", "distance", "similarity", "same_patient"}
    assert 0 < values["similarity"] < 1
