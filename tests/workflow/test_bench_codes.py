from __future__ import annotations

import numpy as np

from napari_vaemed.data.progress import finish
from napari_vaemed.data.run_settings import RunSettings
from napari_vaemed.io.nodules import read_nodule_set
from napari_vaemed.training.samples import nodule_samples
from napari_vaemed.training.steps import before_step
from napari_vaemed.workflow.bench_cases import bench_set
from napari_vaemed.workflow.bench_codes import Entrant, codes_of


def test_labelled_nodules_come_as_often_as_an_entrant_says(nodule_folder):
    nodules = finish(read_nodule_set(nodule_folder))
    data, samples = finish(bench_set(nodules)), finish(nodule_samples(nodules, views=1))
    known = np.arange(6)
    clear = sum(record.malignancy != 3 for record in nodules.records[:6])
    small = {"encoder_width": 8, "decoder_width": 8}
    steps = []
    token = before_step.set(lambda: steps.append(1))
    try:
        for repeats in (1, 4):
            entrant = Entrant("few", "SelfTraining", small, repeats=repeats)
            run = RunSettings(epochs=1, batch=1, device="cpu")
            finish(codes_of(entrant, data, samples, known, run))
    finally:
        before_step.reset(token)
    assert len(steps) == 6 + (6 + 3 * clear)
