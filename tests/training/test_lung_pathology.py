import numpy as np
import pytest

from napari_vaemed.data.labels import in_lungs
from napari_vaemed.training.lung_pathology import LEARNED_KINDS, UNSEEN_KINDS, noise_of, paste

EVERY = pytest.mark.parametrize(
    "kind", [*LEARNED_KINDS, *UNSEEN_KINDS], ids=lambda kind: kind.__name__
)


@pytest.fixture(scope="module")
def chest(small_phantom):
    volume = small_phantom.volume
    return volume.hu.astype(np.float32), small_phantom.lungs, volume.spacing


@EVERY
def test_dense_lung_is_painted_in_one_lung_and_at_its_edge_only(chest, kind):
    hu, labels, spacing = chest
    painted = paste(hu, labels, spacing, (kind,), np.random.default_rng(5))
    changed = np.abs(painted - hu) > 50
    assert changed.any()
    assert (painted >= hu).all()  # nothing gets lighter
    touched = [np.count_nonzero(changed & (labels == side)) for side in (1, 2)]
    assert min(touched) < 0.05 * max(touched)
    assert np.count_nonzero(changed & in_lungs(labels)) > 0.9 * np.count_nonzero(changed)
    assert not (changed & ~in_lungs(labels) & (hu >= -150)).any()


def test_the_same_seed_paints_the_same(chest):
    hu, labels, spacing = chest
    first, second = (
        paste(hu, labels, spacing, LEARNED_KINDS[:2], np.random.default_rng(1)) for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)


def test_noise_is_measured_in_soft_tissue():
    rng = np.random.default_rng(0)
    hu = (40 + rng.normal(0, 12, (20, 60, 60))).astype(np.float32)
    assert noise_of(hu, np.zeros(hu.shape, np.uint8)) == pytest.approx(12, rel=0.05)


def test_what_is_kept_back_is_not_taught():
    assert not set(LEARNED_KINDS) & set(UNSEEN_KINDS)
