"""A collection of pictures or small volumes, each with one label or several."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.slice_set import PARTS, SliceRecord, SliceSet

LUMINANCE = (0.299, 0.587, 0.114)
"""Of red, green and blue; ITU-R 601."""


class Images(Protocol):
    """Pictures by number; they may be read only when asked for."""

    def __len__(self) -> int: ...

    def __getitem__(self, number: int) -> NDArray: ...


@dataclass(frozen=True, eq=False)
class Stacked:
    """Arrays (n, …) one after the other, as one row of images.

    Parameters
    ----------
    arrays : tuple of (n, …) array
        May be mapped from a file.
    """

    arrays: tuple[NDArray, ...]

    def __len__(self) -> int:
        return sum(len(array) for array in self.arrays)

    def __getitem__(self, number: int) -> NDArray:
        for array in self.arrays:
            if number < len(array):
                return np.asarray(array[number])
            number -= len(array)
        raise IndexError(number)


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """Images with their labels.

    Either each image belongs to one of several classes (one column of labels, counted from 0), or
    each of several findings is there or not (a column of 0 and 1 each).

    Parameters
    ----------
    names : tuple of str, length n
        What each image is called, without a patient's name.
    images : Images, length n
        (y, x), (y, x, 3) or (z, y, x) each; 8 or 16 bits.
    labels : (n, m) float32
        NaN where nobody said.
    tasks : tuple of str, length m
        What each column is about.
    classes : tuple of str
        Names of the classes; empty when the columns are findings.
    parts : tuple of str, length n
        ``"train"``, ``"val"``, ``"test"``, or ``""`` where nobody said.
    groups : tuple of str, length n
        Images of one group (patient) belong on one side of a split.
    source : str
        Where they come from.
    """

    names: tuple[str, ...]
    images: Images
    labels: NDArray[np.float32]
    tasks: tuple[str, ...]
    classes: tuple[str, ...]
    parts: tuple[str, ...]
    groups: tuple[str, ...]
    source: str

    def __post_init__(self) -> None:
        lengths = {len(self.names), len(self.images), len(self.labels), len(self.parts),
                   len(self.groups)}  # fmt: skip
        if lengths != {len(self.names)} or not self.names:
            raise ValueError(
                f"{len(self.images)} images, {len(self.labels)} rows of labels, {len(self.parts)} "
                f"parts and {len(self.groups)} groups: they must match, and be one at least."
            )
        if self.labels.shape != (len(self.names), len(self.tasks)):
            raise ValueError(
                f"Labels of shape {self.labels.shape} for {len(self.tasks)} tasks: wanted (n, m)."
            )
        if unknown := set(self.parts) - set(PARTS):
            raise ValueError(f"A part is train, val, test or empty; got {sorted(unknown)}.")
        most = len(self.classes) - 1 if self.classes else 1
        said = self.labels[np.isfinite(self.labels)]
        if said.size and (said.min() < 0 or said.max() > most or (said != np.rint(said)).any()):
            raise ValueError(
                f"Labels run from {said.min():g} to {said.max():g}; wanted whole numbers from 0 to "
                f"{most}."
            )

    def __len__(self) -> int:
        return len(self.names)

    def rows(self, part: str) -> NDArray[np.int_]:
        """Which images are meant for this part."""
        return np.flatnonzero([each == part for each in self.parts])

    def counts(self, rows: NDArray[np.integer]) -> dict[str, dict[str, int]]:
        """How often each label stands in these rows, by task."""
        told = {}
        for column, task in enumerate(self.tasks):
            words = self.classes or ("no", "yes")
            values = self.labels[rows, column]
            found = Counter(words[int(v)] for v in values[np.isfinite(values)])
            told[task] = {word: found[word] for word in words}
            if unsaid := int(np.isnan(values).sum()):
                told[task]["not said"] = unsaid
        return told

    def summary(self) -> dict[str, Any]:
        """What the collection holds, as JSON: number, size, and labels by part."""
        first = self.images[0]
        parts = {}
        for part in PARTS:
            rows = self.rows(part)
            if len(rows):
                parts[part or "no part"] = {
                    "n": len(rows),
                    "groups": len({self.groups[row] for row in rows}),
                    "labels": self.counts(rows),
                }
        return {
            "source": self.source,
            "n": len(self),
            "first_image": {"shape": list(first.shape), "dtype": str(first.dtype)},
            "kind": "one class each" if self.classes else "several findings each",
            "groups": len(set(self.groups)),
            "parts": parts,
        }


def as_slices(images: LabelledImages, positive: str = "") -> SliceSet:
    """Two classes for the slice classifier: what is ``positive``, and everything else.

    Images whose label nobody said are left out; colours become their luminance.

    Parameters
    ----------
    positive : str
        A class or a finding; may be left out where there are just two classes: the second.

    Raises
    ------
    ValueError
        There is no such class or finding, or the images are no 8-bit pictures.
    """
    choices = images.classes or images.tasks
    if not positive and len(choices) == (2 if images.classes else 1):
        positive = choices[-1]
    if positive not in choices:
        raise ValueError(
            f"Which of these is to be told from the rest: {', '.join(choices)}? "
            f"{f'There is no {positive!r}.' if positive else 'Name one.'}"
        )
    number = choices.index(positive)
    label = images.labels[:, 0] == number if images.classes else images.labels[:, number] == 1
    said = np.isfinite(images.labels[:, 0 if images.classes else number])
    rows = np.flatnonzero(said)
    records = (
        SliceRecord(images.names[i], int(label[i]), images.groups[i], images.parts[i]) for i in rows
    )
    pictures = tuple(_grey(images.images[int(i)]) for i in rows)
    return SliceSet(tuple(records), pictures, images.source, finding=positive)


def _grey(image: NDArray) -> NDArray[np.uint8]:
    colour = image.ndim == 3 and image.shape[-1] == 3
    if image.dtype != np.uint8 or not (image.ndim == 2 or colour):
        raise ValueError(
            f"The slice classifier reads 8-bit pictures (y, x); this is {image.dtype} of shape "
            f"{image.shape}."
        )
    return np.asarray(np.rint(image @ LUMINANCE), np.uint8) if colour else image
