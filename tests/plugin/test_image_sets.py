"""An archive of labelled images opens with its labels on it."""

from __future__ import annotations

import numpy as np
import pytest

from napari_vaemed.plugin.readers import get_reader

RNG = np.random.default_rng(2)


def save(path, shape, labels):
    parts = {"train": 5, "test": 3}
    held = {f"{p}_images": RNG.integers(0, 256, (n, *shape)).astype(np.uint8)
            for p, n in parts.items()}  # fmt: skip
    np.savez(path, **held, **{f"{p}_labels": labels[:n] for p, n in parts.items()})
    return held


@pytest.mark.parametrize(("shape", "rgb"), [((8, 8), False), ((8, 8, 3), True), ((6, 8, 8), False)])
def test_images_and_their_classes_open_in_a_viewer(viewer, tmp_path, shape, rgb):
    path = tmp_path / "pneumoniamnist.npz"
    held = save(path, shape, np.array([[0], [1], [1], [0], [1]]))
    viewer.open(str(path), plugin="napari-vaemed")
    images, labels = viewer.layers["train images"], viewer.layers["train labels"]
    np.testing.assert_array_equal(images.data, held["train_images"])
    assert images.rgb is rgb
    assert list(labels.features["label"]) == ["normal", "pneumonia", "pneumonia", "normal",
                                              "pneumonia"]  # fmt: skip
    assert not viewer.layers["test images"].visible
    np.testing.assert_array_equal(labels.data[:, 0], np.arange(5))
    if len(shape) == 3 and not rgb:  # on the slice that is shown at first
        assert set(labels.data[:, 1]) == {viewer.dims.current_step[1]}


def test_findings_are_columns_of_the_table(viewer, tmp_path):
    save(tmp_path / "some.npz", (8, 8), np.array([[0, 1], [0, 0], [1, 1], [0, 1], [0, 1]]))
    viewer.open(str(tmp_path / "some.npz"), plugin="napari-vaemed")
    features = viewer.layers["train labels"].features
    assert list(features["label"])[:3] == ["finding 1", "none", "finding 0, finding 1"]
    assert list(features["finding 0"]) == [0, 0, 1, 0, 0]


def test_other_archives_of_arrays_are_left_to_others(tmp_path):
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    assert get_reader(str(tmp_path / "other.npz")) is None
