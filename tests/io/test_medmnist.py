from __future__ import annotations

import numpy as np
import pytest

from napari_vaemed.data.progress import finish
from napari_vaemed.io.medmnist import holds_images, read_image_archive
from napari_vaemed.io.slices import read_slice_set

RNG = np.random.default_rng(4)
SIZES = {"train": 6, "val": 3, "test": 4}


def arrays(shape: tuple[int, ...], findings: int = 1) -> dict[str, np.ndarray]:
    """MedMNIST's layout with random images, and labels 0, 1, 0, 1, …"""
    made = {}
    for part, n in SIZES.items():
        made[f"{part}_images"] = RNG.integers(0, 256, (n, *shape)).astype(np.uint8)
        made[f"{part}_labels"] = np.add.outer(np.arange(n), np.arange(findings)) % 2
    return made


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("shape", [(28, 28), (28, 28, 3), (28, 28, 28)])
def test_images_of_all_parts_come_back(tmp_path, save, shape):
    path, held = tmp_path / "nodulemnist3d_64.npz", arrays(shape)
    save(path, **held)
    images = read_image_archive(path)
    assert images.parts == ("train",) * 6 + ("val",) * 3 + ("test",) * 4
    assert images.classes == ("benign", "malignant")
    everything = np.concatenate([held[f"{part}_images"] for part in SIZES])
    np.testing.assert_array_equal([images.images[i] for i in range(13)], everything)
    np.testing.assert_array_equal(images.labels[6:9, 0], [0, 1, 0])
    assert "MedMNIST" in images.source


def test_arrays_stored_as_they_are_are_mapped(tmp_path):
    np.savez(tmp_path / "plain.npz", **arrays((28, 28)))
    mapped = read_image_archive(tmp_path / "plain.npz").images.arrays
    assert all(isinstance(array, np.memmap) for array in mapped)


def test_arrays_in_fortran_order_are_mapped_rightly(tmp_path):
    held = {name: np.asfortranarray(array) for name, array in arrays((5, 7)).items()}
    np.savez(tmp_path / "turned.npz", **held)
    images = read_image_archive(tmp_path / "turned.npz")
    np.testing.assert_array_equal(images.images[7], held["val_images"][1])


def test_several_findings_are_columns_by_name(tmp_path):
    np.savez(tmp_path / "chestmnist.npz", **arrays((28, 28), findings=14))
    images = read_image_archive(tmp_path / "chestmnist.npz")
    assert images.classes == ()
    assert (images.tasks[0], images.tasks[13], len(images.tasks)) == ("atelectasis", "hernia", 14)
    assert images.counts(images.rows("val"))["hernia"] == {"no": 1, "yes": 2}


def test_the_layout_of_digits_is_read_too(tmp_path):
    x, y = RNG.integers(0, 256, (20, 16, 16)).astype(np.uint8), np.arange(20, dtype=np.uint8) % 10
    np.savez(tmp_path / "usps.npz", x_train=x[:15], y_train=y[:15], x_test=x[15:], y_test=y[15:],
             raw_train=x[:15] / 7)  # fmt: skip
    images = read_image_archive(tmp_path / "usps.npz")
    assert images.classes == tuple("0123456789")
    np.testing.assert_array_equal(images.labels[:, 0], y)


def test_the_digits_beside_the_checkout_are_read(real_data):
    images = read_image_archive(real_data / "digits" / "mnist.npz")
    assert (len(images.rows("train")), len(images.rows("test"))) == (60000, 10000)
    assert images.counts(images.rows("test"))["class"]["1"] == 1135


def test_two_classes_feed_the_slice_classifier(tmp_path):
    np.savez(tmp_path / "pneumoniamnist.npz", **arrays((28, 28)))
    slices = finish(read_slice_set(tmp_path / "pneumoniamnist.npz"))
    assert slices.labels.tolist() == [0, 1] * 3 + [0, 1, 0] + [0, 1] * 2
    assert len(slices.rows("val")) == 3


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"train_labels": np.zeros(3, int)}, "train labels .* for 6 images"),
        ({"train_images": np.zeros((6, 28, 28))}, "train images .* float64"),
        ({"val_images": np.zeros((3, 14, 14), np.uint8)}, "differ in the shape"),
        ({"train_labels": np.array([None] * 6)}, "train_labels .* cannot be read"),
        ({"val_labels": None}, "val_labels .* cannot be read"),
    ],
)
def test_what_does_not_fit_together_is_told(tmp_path, change, told):
    held = {k: v for k, v in {**arrays((28, 28)), **change}.items() if v is not None}
    np.savez(tmp_path / "odd.npz", **held)
    with pytest.raises(ValueError, match=told):
        read_image_archive(tmp_path / "odd.npz")


def test_other_archives_are_known_for_such(tmp_path):
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04 and no more")
    np.savez(tmp_path / "good.npz", **arrays((28, 28)))
    told = {name: holds_images(tmp_path / f"{name}.npz") for name in ("other", "broken", "good")}
    assert told == {"other": False, "broken": False, "good": True}
    with pytest.raises(ValueError, match="holds a; wanted train_images"):
        read_image_archive(tmp_path / "other.npz")
    with pytest.raises(ValueError, match=r"no \.npz archive"):
        read_image_archive(tmp_path / "broken.npz")
    with pytest.raises(FileNotFoundError):
        read_image_archive(tmp_path / "none.npz")
