from __future__ import annotations

import mmap

import numpy as np
import pytest

from napari_vaemed.data.posterior import Posterior
from napari_vaemed.retrieval.mapped import _file, expect, scattered


@pytest.fixture
def mapped(tmp_path) -> Posterior:
    values = np.random.default_rng(0).normal(size=(5000, 3)).astype(np.float32)
    (tmp_path / "file").write_bytes(bytes(5000) + values.tobytes())
    array = np.asarray(
        np.memmap(tmp_path / "file", np.float32, "r", offset=5000, shape=values.shape)
    )
    return Posterior(array, array)


def test_advice_changes_no_value(mapped):
    before = np.array(mapped.mean)
    for rows in (slice(0, 10), slice(4990, 6000), slice(9000, 9001)):
        expect(mapped, rows)
    with scattered(mapped):
        np.testing.assert_array_equal(mapped.mean[[4999, 7]], before[[4999, 7]])
    np.testing.assert_array_equal(mapped.mean, before)


def test_the_file_of_a_part_is_found_and_memory_has_none(mapped):
    assert isinstance(_file(mapped[7:9].mean), mmap.mmap)
    assert _file(np.array(mapped.mean)) is None
    with scattered(Posterior(np.zeros(3), np.ones(3))):
        expect(Posterior(np.zeros((2, 3)), np.ones((2, 3))), slice(0, 2))
