"""Labelled images in one ``.npz``: MedMNIST's layout, and that of Keras' MNIST.

Read without the ``medmnist`` package, which asks for a torch of its own.
"""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.labelled_images import LabelledImages, Stacked
from napari_vaemed.io.sources import LOCAL_HEADER

LAYOUTS = (("{}_images", "{}_labels"), ("x_{}", "y_{}"))
PARTS = ("train", "val", "test")
CHEST = (
    "atelectasis", "cardiomegaly", "effusion", "infiltration", "mass", "nodule", "pneumonia",
    "pneumothorax", "consolidation", "edema", "emphysema", "fibrosis", "pleural", "hernia",
)  # fmt: skip
WORDS = {
    "chestmnist": CHEST,
    "pneumoniamnist": ("normal", "pneumonia"),
    "nodulemnist3d": ("benign", "malignant"),
}
"""Labels of the sets that show a chest, as MedMNIST names them; those of others are numbered."""
MEDMNIST = (
    "MedMNIST v2: Yang J et al., Scientific Data 10, 41 (2023), doi 10.1038/s41597-022-01721-8; "
    "every set has its own licence"
)


def holds_images(path: Path) -> bool:
    """Whether a file is an archive of labelled images, from the names in it."""
    try:
        with zipfile.ZipFile(path) as archive:
            return _layout(archive) is not None
    except (OSError, zipfile.BadZipFile):
        return False


def read_image_archive(path: Path) -> LabelledImages:
    """Read a ``.npz`` of images and labels in parts train, val and test.

    Images are (n, y, x), (n, y, x, 3) or (n, z, y, x) uint8, labels (n,), (n, 1) or, for several
    findings, (n, m). Arrays that are stored without compression are mapped, not read.

    Raises
    ------
    FileNotFoundError
    ValueError
        It is no such archive, or its arrays do not fit together.
    """
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    try:
        with zipfile.ZipFile(path) as archive:
            layout = _layout(archive)
            held = sorted(name.removesuffix(".npy") for name in archive.namelist())
    except zipfile.BadZipFile as error:
        raise ValueError(f"{path.name} is no .npz archive ({error}). Download it again.") from error
    if layout is None:
        raise ValueError(
            f"{path.name} holds {', '.join(held) or 'nothing'}; wanted train_images and "
            "train_labels as in MedMNIST, or x_train and y_train."
        )
    parts = [part for part in PARTS if layout[0].format(part) in held]
    images, labels = [], []
    for part in parts:
        image, label = (_array(path, name.format(part)) for name in layout)
        _check(path.name, part, image, label)
        images.append(image)
        labels.append(label.reshape(len(label), -1).astype(np.float32))
    if len({array.shape[1:] for array in images}) > 1 or len({a.shape[1] for a in labels}) > 1:
        raise ValueError(f"The parts of {path.name} differ in the shape of images or labels.")
    return _labelled(path, parts, images, np.concatenate(labels))


def _labelled(
    path: Path, parts: list[str], images: list[NDArray], labels: NDArray[np.float32]
) -> LabelledImages:
    flag = re.sub(r"_\d+$", "", path.stem.lower())
    words = WORDS.get(flag, ())
    several = labels.shape[1] > 1
    count = labels.shape[1] if several else int(labels.max()) + 1
    if len(words) != count:
        words = tuple(f"finding {i}" if several else str(i) for i in range(max(count, 2)))
    names = [f"{part} {i}" for part, array in zip(parts, images, strict=True) for i in
             range(len(array))]  # fmt: skip
    of_medmnist = flag.endswith(("mnist", "mnist3d")) and flag != "mnist"
    return LabelledImages(
        names=tuple(names),
        images=Stacked(tuple(images)),
        labels=labels,
        tasks=words if several else ("class",),
        classes=() if several else words,
        parts=tuple(name.split()[0] for name in names),
        groups=tuple(names),
        source=f"{path.stem}, {MEDMNIST}" if of_medmnist else path.stem,
    )


def _layout(archive: zipfile.ZipFile) -> tuple[str, str] | None:
    held = {name.removesuffix(".npy") for name in archive.namelist()}
    return next((pair for pair in LAYOUTS if {n.format("train") for n in pair} <= held), None)


def _array(path: Path, name: str) -> NDArray:
    """One array, mapped where the archive stores it as it is."""
    try:
        with zipfile.ZipFile(path) as archive:
            info = archive.getinfo(f"{name}.npy")
            with archive.open(info) as member:
                version = np.lib.format.read_magic(member)
                read = (
                    np.lib.format.read_array_header_1_0
                    if version == (1, 0)
                    else np.lib.format.read_array_header_2_0
                )
                shape, fortran, dtype = read(member)
                begin = member.tell()
        if info.compress_type != zipfile.ZIP_STORED or dtype.hasobject:
            with np.load(path, allow_pickle=False) as arrays:
                return np.asarray(arrays[name])
        with path.open("rb") as file:
            file.seek(info.header_offset)
            lengths = LOCAL_HEADER.unpack(file.read(LOCAL_HEADER.size))
        offset = info.header_offset + LOCAL_HEADER.size + sum(lengths) + begin
        order: Literal["F", "C"] = "F" if fortran else "C"
        return np.memmap(path, dtype, "r", offset=offset, shape=shape, order=order)
    except (KeyError, ValueError, OSError, zipfile.BadZipFile) as error:
        raise ValueError(f"{name} of {path.name} cannot be read ({error}).") from error


def _check(file: str, part: str, image: NDArray, label: NDArray) -> None:
    if image.dtype != np.uint8 or image.ndim not in (3, 4):
        raise ValueError(
            f"The {part} images of {file} are {image.dtype} of shape {image.shape}; wanted uint8 "
            "(n, y, x), (n, y, x, 3) or (n, z, y, x)."
        )
    if label.dtype.kind not in "iub" or label.ndim not in (1, 2) or len(label) != len(image):
        raise ValueError(
            f"The {part} labels of {file} are {label.dtype} of shape {label.shape} for "
            f"{len(image)} images; wanted whole numbers (n,), (n, 1) or (n, m)."
        )
