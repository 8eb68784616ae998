"""Read MNIST, Fashion-MNIST, or another ``.npz`` of 28 × 28 pictures with one class each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.labelled_images import LabelledImages
from napari_vaemed.io.medmnist import read_image_archive

SIZE = 28


@dataclass(frozen=True, eq=False)
class DigitSet:
    """Pictures to learn from, and others to test on.

    Parameters
    ----------
    pictures, test_pictures : (n, 28, 28) and (m, 28, 28) uint8
    labels, test_labels : (n,) and (m,) int64
        Counted from 0.
    classes : tuple of str
        Names of the classes.
    source : str
    """

    pictures: NDArray[np.uint8]
    labels: NDArray[np.int64]
    test_pictures: NDArray[np.uint8]
    test_labels: NDArray[np.int64]
    classes: tuple[str, ...]
    source: str


def read_digits(path: Path) -> DigitSet:
    """Read a ``.npz`` with the parts train and test, in MedMNIST's layout or that of Keras.

    Raises
    ------
    FileNotFoundError
    ValueError
        If it is no such archive, its pictures are of another size or in colour, or they have
        several findings instead of one class.
    """
    images = read_image_archive(path)
    if not images.classes:
        raise ValueError(
            f"The pictures of {path.name} have {len(images.tasks)} findings each; wanted one class."
        )
    missing = {"train", "test"} - set(images.parts)
    if missing:
        raise ValueError(f"{path.name} lacks the part {' and '.join(sorted(missing))}.")
    shape = images.images[0].shape
    if shape != (SIZE, SIZE):
        raise ValueError(
            f"The pictures of {path.name} are {' × '.join(map(str, shape))}; wanted grey ones of "
            f"{SIZE} × {SIZE}, as in MNIST and Fashion-MNIST."
        )
    train, test = (_part(images, name) for name in ("train", "test"))
    return DigitSet(*train, *test, images.classes, images.source)


def _part(images: LabelledImages, name: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    rows = [row for row, part in enumerate(images.parts) if part == name]
    pictures = np.stack([images.images[row] for row in rows])
    return pictures, images.labels[rows, 0].astype(np.int64)
