"""What the nodules of an index can be coloured by, and the colours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_vaemed.data.guideline import DENSITIES
from napari_vaemed.data.index import NoduleIndex
from napari_vaemed.data.latent_map import Colouring
from napari_vaemed.data.nodule import ATTRIBUTES
from napari_vaemed.retrieval.filters import rated_density
from napari_vaemed.retrieval.neighbours import known_volumes

RGB = tuple[int, int, int]

CLASS_COLOURS: tuple[RGB, ...] = (
    (0, 114, 178), (230, 159, 0), (0, 158, 115), (204, 121, 167),
    (86, 180, 233), (213, 94, 0), (240, 228, 66), (90, 90, 90),
)  # fmt: skip
"""Of classes, in turn; colour-blind readers tell them apart (Okabe and Ito)."""
MALIGNANCY_COLOURS: tuple[RGB, ...] = ((0, 114, 178), (189, 189, 189), (213, 94, 0))
"""Benign, undecided, malignant."""
NUMBER_COLOURS: tuple[RGB, ...] = (
    (68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37),
)  # fmt: skip
"""Of other numbers, low to high, ever lighter (viridis)."""
UNKNOWN: RGB = (160, 160, 160)

READERS = "readers' consensus"
_ENDS = (1.0, 99.0)  # percentiles that the scale of colours spans


def of_ratings(index: NoduleIndex) -> Iterable[Colouring]:
    """Malignancy, the other ratings, and the density that two of them make."""
    for name in sorted(ATTRIBUTES, key=lambda name: name != "malignancy"):
        values = np.array([record.ratings.get(name, np.nan) for record in index.records])
        highest = 6.0 if name == "calcification" else 5.0
        if not np.isnan(values).all():
            told = f"{READERS}, 1 to {highest:g}"
            yield _numbers(name.replace("_", " "), told, values, (1.0, highest))
    density = [rated_density(record) for record in index.records]
    if any(density):
        labels = [DENSITIES.index(each) if each else -1 for each in density]
        told = f"from the {READERS} of texture and calcification"
        yield _classes("density", told, labels, DENSITIES)


def of_sizes(index: NoduleIndex) -> Iterable[Colouring]:
    """Diameter and volume."""
    diameter = [record.diameter_mm for record in index.records]
    yield _numbers("diameter", "of the ball of the volume that most readers marked", diameter,
                   unit="mm")  # fmt: skip
    clicked = sum(record.clicked_mm3 is not None for record in index.records)
    told = f"clicked for {clicked}, else the diameter's ball; logarithm to base 10"
    yield _numbers("log volume", told, np.log10(known_volumes(index)), unit="log mm³")


def of_patients(index: NoduleIndex) -> Iterable[Colouring]:
    """Patients with several nodules: where they lie together the code may know the patient."""
    counts = Counter(record.patient for record in index.records)
    several = [patient for patient, count in counts.items() if count > 1]
    if several:
        place = {patient: number for number, patient in enumerate(several)}
        labels = [place.get(record.patient, -1) for record in index.records]
        told = "patients with several nodules; colours repeat"
        yield replace(_classes("patient", told, labels, several), unknown="no other nodule")


def of_latents(index: NoduleIndex, named: Iterable[tuple[int, str]]) -> Iterable[Colouring]:
    """Means of some latents, each (dim, name)."""
    for dim, name in named:
        values = np.atleast_2d(index.posterior.mean)[:, dim]
        told = f"posterior mean of latent {dim}, by model {index.model_sha256[:8]}"
        yield _numbers(f"z{dim} · {name}", told, values)


def colours_of(colouring: Colouring) -> NDArray[np.uint8]:
    """Colour of every nodule, (n, 3); `UNKNOWN` where it is not known."""
    colours = np.full((len(colouring.known), 3), UNKNOWN, np.uint8)
    known = colouring.known
    if colouring.labels is not None:
        palette = np.array(CLASS_COLOURS, np.uint8)
        colours[known] = palette[colouring.labels[known] % len(palette)]
    elif colouring.values is not None:
        colours[known] = scale_colours(colouring, colouring.values[known])
    return colours


def scale_colours(colouring: Colouring, values: ArrayLike) -> NDArray[np.uint8]:
    """Colours (m, 3) of numbers (m,) on a colouring's scale."""
    ramp = MALIGNANCY_COLOURS if colouring.name == "malignancy" else NUMBER_COLOURS
    low, high = colouring.ends
    shares = (np.asarray(values, float) - low) / max(high - low, 1e-12)
    at = np.clip(shares, 0.0, 1.0) * (len(ramp) - 1)
    channels = [np.interp(at, range(len(ramp)), channel) for channel in zip(*ramp, strict=True)]
    return np.rint(np.stack(channels, axis=-1)).astype(np.uint8)


def _numbers(
    name: str,
    told: str,
    values: ArrayLike,
    ends: tuple[float, float] | None = None,
    unit: str = "",
) -> Colouring:
    numbers = np.asarray(values, np.float32)
    if ends is None:
        low, high = np.nanpercentile(numbers, _ENDS)
        ends = float(low), float(high)
    known = int((~np.isnan(numbers)).sum())
    return Colouring(name, "number", f"{told} (n = {known})", numbers, ends=ends, unit=unit)


def _classes(name: str, told: str, labels: Sequence[int], names: Sequence[str]) -> Colouring:
    places = np.asarray(labels, np.int32)
    known = int((places >= 0).sum())
    return Colouring(name, "class", f"{told} (n = {known})", labels=places, names=tuple(names))
