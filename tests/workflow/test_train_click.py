from __future__ import annotations

import numpy as np
import pytest

from napari_vaemed.data.nodule import NoduleRecord
from napari_vaemed.data.nodule_set import NoduleSet
from napari_vaemed.data.progress import finish
from napari_vaemed.data.volume import Volume
from napari_vaemed.models.segmenters.click_net import ClickNet
from napari_vaemed.training.fit import fit
from napari_vaemed.workflow.train_click import click_samples, held_out_figures, model_card


@pytest.fixture(scope="module")
def nodules() -> NoduleSet:
    """Six balls in lung beside a vessel."""
    at = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in (10, 22, 22)), indexing="ij"), -1)
    at = at * (1.25, 0.7, 0.7)
    vessel = (at[..., 1] - 11) ** 2 + at[..., 0] ** 2 < 2**2
    volumes, masks, records = [], [], []
    for number in range(6):
        mask = np.linalg.norm(at, axis=-1) < 2.5 + 0.4 * number
        hu = np.where(mask | vessel, 30, -850).astype(np.int16)
        volumes.append(Volume(hu, (1.25, 0.7, 0.7)))
        masks.append(mask)
        centre = tuple(volumes[-1].to_world((10, 22, 22)).tolist())
        records.append(NoduleRecord(f"P{number}_R_1", f"P{number}", "1.2", centre, 6.0))
    return NoduleSet(tuple(records), tuple(volumes), tuple(masks), tuple(masks), "balls")


def test_a_short_training_runs_on_known_nodules_alone_and_is_judged(nodules):
    rows = np.arange(6)
    samples = finish(click_samples(nodules, rows, scans=(), phantoms=0, views=2, seed=0))
    assert int(samples.nodule.sum()) == 12  # each counts twice
    assert not samples.nodule.all()
    network = ClickNet(width=8, fine_width=4)
    epochs = []
    network = finish(fit(network, samples, epochs=1, batch=7, device="cpu"), epochs.append)
    figures = finish(held_out_figures(network, nodules, rows[:2]))
    assert figures["nodules held out"] == 2
    assert 0 <= figures["Dice median"] <= 1
    assert epochs[0].losses.keys() == {"border", "overlap", "volume", "presence"}


def test_the_card_names_its_source_and_what_was_held_out(nodules):
    card = model_card(nodules, 5, 1, {"epochs": 2})
    assert card["data"] == "balls"
    assert "5 of 6" in card["split"]
    assert "Research only" in card["use"]
