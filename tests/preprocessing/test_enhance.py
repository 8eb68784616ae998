from __future__ import annotations

import numpy as np
import pytest

from napari_vaemed.data.labels import in_lungs
from napari_vaemed.data.progress import finish
from napari_vaemed.data.volume import Volume
from napari_vaemed.preprocessing.enhance import (
    METHODS,
    EnhancedPlanes,
    Enhancement,
    Region,
    enhance,
    region_where,
)


@pytest.fixture(scope="module")
def slab(small_phantom):
    volume = small_phantom.volume
    return Volume(volume.hu[40:52], volume.spacing, padding=volume.padding)


@pytest.fixture(scope="module")
def lungs(small_phantom):
    return small_phantom.lungs[40:52]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("three_d", [False, True])
@pytest.mark.parametrize("where", ["everywhere", "lungs"])
def test_a_plane_alone_is_that_of_the_whole(slab, lungs, method, three_d, where):
    how = Enhancement(method, three_d=three_d)
    region = region_where(slab, where, lungs)
    whole = finish(enhance(slab, how, inside=region))
    planes = EnhancedPlanes(slab, how, region)
    finish(planes.prepare())
    for index in (0, 7):
        np.testing.assert_array_equal(planes.plane(index), whole[index])


def test_each_method_changes_the_lungs_and_only_them(slab, lungs):
    inside, before = in_lungs(lungs), slab.hu.copy()
    for method in METHODS:
        out = finish(enhance(slab, Enhancement(method), inside=inside))
        shown = slab.hu if method == "diffusion" else np.clip(slab.hu, -1350, 150)
        np.testing.assert_array_equal(out[~inside], shown[~inside])
        assert (out != shown)[inside].mean() > 0.5
    np.testing.assert_array_equal(slab.hu, before)


def test_where_is_what_its_name_says(slab, lungs):
    assert region_where(slab, "everywhere").kept.size == 0
    body = region_where(slab, "body")
    assert body.kept[in_lungs(lungs)].all()
    assert not body.kept[:, 0, 0].any()
    np.testing.assert_array_equal(region_where(slab, "lungs", lungs).kept, in_lungs(lungs))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda v: Enhancement("sharpen"), "he, clahe, he\\+clahe, diffusion"),
        (lambda v: Enhancement(clip_limit=0.5), "clip limit"),
        (lambda v: Enhancement("diffusion", smoothing_mm=0.0), "positive smoothing"),
        (lambda v: region_where(v, "heart"), "everywhere, body, lungs"),
        (lambda v: region_where(v, "lungs"), "find them first"),
        (lambda v: Region.of(v, np.ones((1, 1, 1), bool)), "mask has shape"),
    ],
)
def test_what_makes_no_sense_is_refused(slab, make, message):
    with pytest.raises(ValueError, match=message):
        make(slab)
