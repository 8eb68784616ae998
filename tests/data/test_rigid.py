import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from napari_vaemed.data.rigid import RigidTransform


def test_there_and_back_is_where_it_was():
    turn = Rotation.from_euler("xyz", (10, -20, 30), degrees=True)
    there = RigidTransform(turn.as_matrix(), np.array([5.0, -3.0, 8.0]))
    points = np.random.default_rng(0).normal(size=(7, 3)) * 100
    assert there(points) == pytest.approx(turn.apply(points) + np.array([5, -3, 8]))
    assert there.inverse()(there(points)) == pytest.approx(points)
    assert there.degrees == pytest.approx(np.degrees(turn.magnitude()))


@pytest.mark.parametrize("matrix", [np.diag((1, 1, 2)), np.diag((1, 1, -1)), np.eye(2)])
def test_what_is_no_rotation_is_refused(matrix):
    with pytest.raises(ValueError, match="rotation"):
        RigidTransform(matrix, np.zeros(3))
