from __future__ import annotations

import numpy as np

from napari_vaemed.data.volume import Volume
from napari_vaemed.preprocessing.geometry import grid_around


def test_points_of_a_grid_lie_around_the_centre_along_the_patients_axes():
    turn = np.array([[-1.0, 0, 0], [0, -1, 0], [0, 0, 1]])
    volume = Volume(
        np.zeros((8, 9, 10), np.int16), (2.5, 0.7, 0.7), (-20.0, 30.0, 5.0), direction=turn
    )
    grid = grid_around(volume, (1.0, 2.0, 3.0), (3, 3, 3), 2.0)
    world = volume.to_world(np.moveaxis(grid.voxels(), 0, -1))
    np.testing.assert_allclose(world[1, 1, 1], (1.0, 2.0, 3.0), atol=1e-9)
    np.testing.assert_allclose(world[2, 1, 0], (-1.0, 2.0, 5.0), atol=1e-9)
