from __future__ import annotations

import numpy as np
import pytest

from napari_vaemed.preprocessing.intensity import WINDOWS, lowest_measured, window

LUNG = WINDOWS["lung"]


def test_window_runs_from_nought_at_its_low_end_to_one_at_its_high_end():
    shown = window(np.array([-3000, -1350, -600, 150, 3000], np.int16), *LUNG)
    np.testing.assert_allclose(shown, [0, 0, 0.5, 1, 1])
    assert shown.dtype == np.float32


@pytest.mark.parametrize("width", [0, -5, float("nan")])
def test_a_window_without_width_is_refused(width):
    with pytest.raises(ValueError, match="positive width"):
        window(np.zeros(3), 40, width)


@pytest.mark.parametrize(
    ("padding", "lowest"), [(None, -1499), (-2000, -1499), (-1200, -1199), (-1000, -1499)]
)
def test_a_padding_as_high_as_air_says_nothing_of_a_voxel(padding, lowest):
    assert lowest_measured(padding) == lowest
