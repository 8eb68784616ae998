"""What several tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

REAL_DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real scans beside the checkout; tests that need it skip without it."""
    if not REAL_DATA.is_dir():
        pytest.skip("no real data beside this checkout")
    return REAL_DATA


@pytest.fixture(scope="session")
def small_phantom():
    """A whole chest, coarse enough to be made in about a second."""
    from napari_vaemed.data.phantoms import chest_phantom

    return chest_phantom(shape=(96, 160, 160), spacing=(3.0, 2.2, 2.2), seed=7)
