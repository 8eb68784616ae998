"""Reading MNIST and files like it."""

import numpy as np
import pytest

from napari_vaemed.io.digits import read_digits


def _written(folder, size=28, **changed):
    rng = np.random.default_rng(0)
    arrays = {
        "x_train": rng.integers(0, 255, (20, size, size), dtype=np.uint8),
        "y_train": np.arange(20, dtype=np.uint8) % 10,
        "x_test": rng.integers(0, 255, (10, size, size), dtype=np.uint8),
        "y_test": np.arange(10, dtype=np.uint8),
    } | changed
    path = folder / "mnist.npz"
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    return path, arrays


def test_both_parts_are_read_as_they_were_written(tmp_path):
    path, arrays = _written(tmp_path)
    digits = read_digits(path)
    np.testing.assert_array_equal(digits.pictures, arrays["x_train"])
    np.testing.assert_array_equal(digits.test_pictures, arrays["x_test"])
    assert digits.labels.tolist() == arrays["y_train"].tolist()
    assert digits.test_labels.tolist() == list(range(10))
    assert digits.classes == tuple("0123456789")


def test_a_file_without_what_is_wanted_says_so(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_digits(tmp_path / "none.npz")
    path, _ = _written(tmp_path, size=16)
    with pytest.raises(ValueError, match=r"are 16 × 16; wanted grey ones of 28 × 28"):
        read_digits(path)
    path, _ = _written(tmp_path, x_test=None, y_test=None)
    with pytest.raises(ValueError, match="lacks the part test"):
        read_digits(path)
    several = np.zeros((20, 3), np.uint8)
    path, _ = _written(tmp_path, y_train=several, y_test=several[:10])
    with pytest.raises(ValueError, match="3 findings each; wanted one class"):
        read_digits(path)


def test_mnist_has_its_seventy_thousand_pictures(real_data):
    digits = read_digits(real_data / "digits" / "mnist.npz")
    assert (len(digits.pictures), len(digits.test_pictures)) == (60_000, 10_000)
    assert digits.test_labels[:5].tolist() == [7, 2, 1, 0, 4]
