from __future__ import annotations

import numpy as np
import pytest

from napari_vaemed.data.index import NoduleIndex
from napari_vaemed.data.nodule import NoduleRecord
from napari_vaemed.data.posterior import Posterior
from napari_vaemed.retrieval.filters import of_same_patient, of_size, of_texture


@pytest.fixture
def index():
    rows = [  # patient, diameter, texture, calcification, clicked volume
        ("LIDC-IDRI-0029", 10.0, 5.0, 6.0, None),
        ("LIDC-IDRI-0138", 12.0, 3.0, 6.0, None),
        ("P", 8.0, 1.0, 6.0, None),
        ("P", 8.0, 5.0, 3.0, np.pi / 6 * 10.0**3),
    ]
    records = tuple(
        NoduleRecord(
            f"N{n}", patient, f"1.{patient}", (0.0, 0.0, 0.0), diameter,
            {"malignancy": 3.0, "texture": texture, "calcification": calcium}, clicked,
        )
        for n, (patient, diameter, texture, calcium, clicked) in enumerate(rows)
    )  # fmt: skip
    return NoduleIndex(records, Posterior(np.zeros((4, 2)), np.ones((4, 2))), "0", "here")


def test_two_ids_of_one_scan_are_one_patient(index):
    assert of_same_patient(index, "LIDC-IDRI-0138", None).tolist() == [True, True, False, False]
    assert of_same_patient(index, None, "1.P").tolist() == [False, False, True, True]
    assert not of_same_patient(index, None, None).any()
    assert not of_same_patient(index, "somebody else", None).any()


def test_size_is_compared_by_what_a_click_measures(index):
    volume = np.pi / 6 * 10.0**3
    assert of_size(index, volume, 0.1).tolist() == [True, False, False, True]
    assert of_size(index, volume, 0.21).all()


def test_texture_follows_the_readers_and_calcium_comes_first(index):
    found = {
        name: of_texture(index, name).tolist().index(True)
        for name in ("solid", "part-solid", "ground-glass", "calcified")
    }
    assert found == {"solid": 0, "part-solid": 1, "ground-glass": 2, "calcified": 3}
