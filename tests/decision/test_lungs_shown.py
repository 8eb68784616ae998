from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_vaemed.data.volume import Volume
from napari_vaemed.decision.lungs_shown import lung_areas, missing_lungs


@pytest.fixture(scope="module")
def chest(small_phantom):
    return small_phantom.volume, small_phantom.lungs


def cut(volume: Volume, lungs, *where: slice) -> str | None:
    return missing_lungs(replace(volume, hu=volume.hu[where]), lungs[where])


def lung_box(lungs) -> tuple[slice, ...]:
    inside = np.argwhere((lungs == 1) | (lungs == 2))
    return tuple(slice(a, b + 1) for a, b in zip(inside.min(0), inside.max(0), strict=True))


def test_areas_are_those_of_drawn_rectangles_without_airways():
    lungs = np.zeros((3, 20, 30), np.uint8)
    lungs[1, 2:12, 3:8], lungs[1, 2:12, 15:20], lungs[2, :4, :4] = 1, 2, 3
    np.testing.assert_allclose(lung_areas(lungs, (5.0, 2.0, 1.0)), [0, 2.0, 0])


def test_a_whole_chest_misses_nothing(chest):
    assert missing_lungs(*chest) is None


def test_no_lungs_and_a_single_lung_are_told(chest):
    volume, lungs = chest
    assert "No lungs" in missing_lungs(volume, np.zeros_like(lungs))
    right = np.where(lungs == 2, 0, lungs)
    said = missing_lungs(volume, right)
    assert "Only one lung" in said
    assert "left 0 ml" in said


def test_lungs_cut_at_either_end_are_told_with_numbers(chest):
    volume, lungs = chest
    z, _, _ = lung_box(lungs)
    middle = (z.start + z.stop) // 2
    areas = lung_areas(lungs, volume.spacing)
    lower = cut(volume, lungs, slice(None, middle))
    assert f"highest slice still shows {areas[middle - 1]:.0f} cm²" in lower
    assert "lowest slice" not in lower
    upper = cut(volume, lungs, slice(middle, None))
    assert f"lowest slice still shows {areas[middle]:.0f} cm²" in upper
    one = cut(volume, lungs, slice(middle, middle + 1))
    assert "lowest" in one
    assert "highest" in one
    assert "100 %" in one


def test_the_tips_of_the_lungs_may_be_cut(chest):
    volume, lungs = chest
    z, _, _ = lung_box(lungs)
    assert cut(volume, lungs, slice(z.start + 1, z.stop - 1)) is None


def test_lungs_beyond_the_field_of_view_are_told(chest):
    volume, lungs = chest
    _, y, x = lung_box(lungs)
    every = slice(None)
    side = cut(volume, lungs, every, every, slice(x.start + 12, None))
    assert "edge of the field of view" in side
    front = cut(volume, lungs, every, slice(y.start + 12, None), every)
    assert "edge of the field of view" in front
    assert cut(volume, lungs, every, every, slice(x.start - 2, None)) is None


def test_lungs_beyond_a_round_field_of_view_are_told(chest):
    volume, lungs = chest
    _, y, x = lung_box(lungs)
    at_y, at_x = np.ogrid[: volume.shape[1], : volume.shape[2]]
    middle = (y.start + y.stop) / 2, (x.start + x.stop) / 2

    def seen_within(pixels: float) -> str | None:
        seen = np.hypot(at_y - middle[0], at_x - middle[1]) <= pixels
        hu = np.where(seen, volume.hu, np.int16(-2000))
        return missing_lungs(replace(volume, hu=hu, padding=-2000), lungs * seen)

    assert "edge of the field of view" in seen_within((x.stop - x.start) / 2 - 8)
    assert seen_within(volume.shape[1] / 2 + 10) is None
