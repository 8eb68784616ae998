from __future__ import annotations

import numpy as np
import pytest

from napari_vaemed.data.index import NoduleIndex
from napari_vaemed.data.latent_map import Colouring
from napari_vaemed.data.nodule import NoduleRecord
from napari_vaemed.data.posterior import Posterior
from napari_vaemed.retrieval.map_colours import (
    CLASS_COLOURS,
    MALIGNANCY_COLOURS,
    UNKNOWN,
    colours_of,
    of_latents,
    of_patients,
    of_ratings,
    of_sizes,
    scale_colours,
)


@pytest.fixture(scope="module")
def index() -> NoduleIndex:
    ratings = [{"malignancy": 1.0, "texture": 5.0}, {"malignancy": 5.0}, {"malignancy": np.nan}, {}]
    records = tuple(
        NoduleRecord(f"N{i}", ("A0", "A0", "B1", "C1")[i], "1", (0.0, 0.0, 0.0),
                     10.0, each, 100.0 if i else None)
        for i, each in enumerate(ratings)
    )  # fmt: skip
    mean = np.arange(8, dtype=np.float32).reshape(4, 2)
    return NoduleIndex(records, Posterior(mean, mean + 1), "abcdef0123456789", "made here")


def test_ratings_are_known_of_whom_readers_rated(index):
    found = {each.name: each for each in of_ratings(index)}
    assert next(iter(found)) == "malignancy"
    assert set(found) == {"malignancy", "texture", "density"}
    np.testing.assert_array_equal(found["malignancy"].known, [True, True, False, False])
    assert "n = 2" in found["malignancy"].told
    assert found["malignancy"].ends == (1.0, 5.0)
    assert found["malignancy"].told_of(1) == "5"
    assert found["malignancy"].told_of(3) == ""
    assert found["density"].told_of(0) == "solid"
    assert found["density"].told_of(1) == ""


def test_sizes_come_from_clicks_where_there_are_some(index):
    diameter, volume = of_sizes(index)
    assert diameter.unit == "mm"
    np.testing.assert_allclose(diameter.values, 10.0)
    assert volume.values[0] == pytest.approx(np.log10(np.pi / 6 * 1000), rel=1e-6)
    assert volume.values[1] == pytest.approx(2.0)
    assert "clicked for 3" in volume.told


def test_patients_with_one_nodule_are_not_told_apart(index):
    (found,) = of_patients(index)
    assert found.names == ("A0",)
    assert found.labels.tolist() == [0, 0, -1, -1]
    assert found.unknown == "no other nodule"


def test_latents_are_the_posterior_means(index):
    (found,) = of_latents(index, [(1, "volume +0.71")])
    assert found.name == "z1 · volume +0.71"
    np.testing.assert_array_equal(found.values, [1, 3, 5, 7])
    assert "abcdef01" in found.told


def test_malignancy_goes_from_blue_over_grey_to_vermilion():
    scale = Colouring("malignancy", "number", "", np.array([1, 3, 5, np.nan]), ends=(1.0, 5.0))
    np.testing.assert_array_equal(colours_of(scale), [*MALIGNANCY_COLOURS, UNKNOWN])


def test_numbers_beyond_the_ends_take_the_colours_of_the_ends():
    scale = Colouring("diameter", "number", "", np.array([5.0]), ends=(5.0, 20.0))
    low, under, over, high = scale_colours(scale, [5.0, -9.0, 99.0, 20.0]).tolist()
    assert low == under
    assert over == high
    lightness = scale_colours(scale, np.linspace(5, 20, 9)) @ [0.299, 0.587, 0.114]
    assert (np.diff(lightness) > 0).all()


def test_colours_of_classes_repeat_in_turn():
    count = len(CLASS_COLOURS)
    labels = np.array([0, 1, count, -1], np.int32)
    scale = Colouring("patient", "class", "", labels=labels, names=("x",) * (count + 1))
    found = colours_of(scale).tolist()
    assert found[0] == found[2] != found[1]
    assert tuple(found[3]) == UNKNOWN


def test_a_colouring_without_what_it_colours_by_is_refused():
    with pytest.raises(ValueError, match="wants labels"):
        Colouring("clusters", "class", "", values=np.zeros(3, np.float32))
