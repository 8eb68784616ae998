from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_vaemed.segmentation.morphology import (
    PackedMask,
    close,
    dilate,
    erode,
    grow_apart,
    label,
    of_pieces,
    open_,
    reached,
    spread,
)

SPACING = (2.5, 0.9, 0.7)


@pytest.fixture(scope="module", params=[130, 64, 37])
def mask(request):
    noise = np.random.default_rng(3).normal(size=(20, 50, request.param))
    return ndimage.gaussian_filter(noise, 1.5) > 0.03


def ball(radius):
    half = [int(radius / s) for s in SPACING]
    steps = np.meshgrid(
        *(np.arange(-h, h + 1) * s for h, s in zip(half, SPACING, strict=True)), indexing="ij"
    )
    return sum(s**2 for s in steps) <= radius**2


def test_packing_and_unpacking_gives_the_mask_back(mask):
    packed = PackedMask.of(mask)
    np.testing.assert_array_equal(packed.unpack(), mask)
    np.testing.assert_array_equal((~packed).unpack(), ~mask)
    assert packed.count() == mask.sum()
    assert (~packed).count() == (~mask).sum()


@pytest.mark.parametrize("radius", [1.0, 3.1, 6.0])
def test_dilation_and_erosion_agree_with_scipy(mask, radius):
    packed, element = PackedMask.of(mask), ball(radius)
    np.testing.assert_array_equal(
        dilate(packed, radius, SPACING).unpack(), ndimage.binary_dilation(mask, element)
    )
    np.testing.assert_array_equal(
        erode(packed, radius, SPACING).unpack(),
        ndimage.binary_erosion(mask, element, border_value=1),
    )


def test_closing_only_adds_and_opening_only_removes(mask):
    packed = PackedMask.of(mask)
    assert packed.without(close(packed, 3.0, SPACING)).count() == 0
    assert open_(packed, 3.0, SPACING).without(packed).count() == 0


def test_spreading_reaches_as_far_as_scipys_propagation(mask):
    seed = np.zeros_like(mask)
    seed[tuple(np.argwhere(mask)[len(np.argwhere(mask)) // 2])] = True
    for steps in (1, 5, 1000):
        expected = ndimage.binary_dilation(
            seed, iterations=-1 if steps == 1000 else steps, mask=mask
        )
        grown = spread(PackedMask.of(seed), PackedMask.of(mask), steps)
        np.testing.assert_array_equal(grown.unpack(), expected)


def test_two_masks_growing_apart_meet_halfway():
    corridor = np.ones((1, 1, 101), bool)
    ends = [np.zeros_like(corridor) for _ in range(2)]
    ends[0][..., 0] = ends[1][..., -1] = True
    one, other = grow_apart(*(PackedMask.of(e) for e in ends), PackedMask.of(corridor), 1000)
    assert one.count() + other.count() == 101
    assert abs(one.count() - other.count()) == 1


def test_a_part_can_be_cut_out_and_put_back(mask):
    mask = mask.copy()
    mask[:4] = mask[:, 30:] = False
    packed = PackedMask.of(mask)
    box = packed.bounds(2.0, SPACING)
    np.testing.assert_array_equal(packed.crop(box).unpack(), mask[box])
    np.testing.assert_array_equal(packed.crop(box).placed(box, packed).unpack(), mask)


@pytest.mark.parametrize("factors", [(1, 1, 1), (2, 3, 3), (3, 4, 5)])
def test_blocks_hold_what_any_of_their_voxels_holds(mask, factors):
    packed = PackedMask.of(mask)
    blocks = packed.in_blocks(factors)
    assert blocks.shape == tuple(-(-n // f) for n, f in zip(mask.shape, factors, strict=True))
    for index in np.argwhere(np.ones_like(blocks))[::7]:
        cut = tuple(slice(i * f, i * f + f) for i, f in zip(index, factors, strict=True))
        assert blocks[tuple(index)] == mask[cut].any()
    expected = blocks
    for axis, factor in enumerate(factors):
        expected = np.repeat(expected, factor, axis=axis)
    for box in (packed.box, (slice(3, 19), slice(7, 8), slice(11, mask.shape[2] - 2))):
        spread_out = PackedMask.of_blocks(blocks, factors, box).unpack()
        np.testing.assert_array_equal(spread_out, expected[box])


def test_pieces_take_the_value_of_their_number(mask):
    pieces, sizes = label(mask)
    values = np.arange(len(sizes), dtype=np.uint16) * 3
    np.testing.assert_array_equal(of_pieces(pieces, values), pieces * 3)
    largest = of_pieces(pieces, sizes == sizes.max())
    expected, _ = ndimage.label(mask)
    where = np.bincount(expected[mask]).argmax()
    assert sizes.max() == np.count_nonzero(largest) == np.count_nonzero(expected == where)


@pytest.mark.parametrize("across", [True, False])
def test_pieces_are_those_of_scipy(mask, across):
    faces = ndimage.generate_binary_structure(3, 1)
    if not across:
        faces[0] = faces[2] = False
    expected, count = ndimage.label(mask, faces)
    pieces, sizes = label(mask, across=across)
    np.testing.assert_array_equal(pieces, expected)
    np.testing.assert_array_equal(sizes[1:], np.bincount(expected.ravel(), minlength=count + 1)[1:])


def test_flooding_reaches_the_pieces_of_the_seed_and_stops_at_its_limit(mask):
    pieces, sizes = ndimage.label(mask)[0], np.bincount(ndimage.label(mask)[0].ravel())
    chosen = pieces == sizes[1:].argmax() + 1
    seed = np.zeros_like(mask)
    seed[tuple(np.argwhere(chosen)[0])] = True
    np.testing.assert_array_equal(reached(mask, seed), chosen)
    assert 50 < reached(mask, seed, limit=50).sum() < 60
