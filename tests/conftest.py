"""What several tests share."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

# napari remembers window sizes between runs; tests must not read or write a user's settings.
os.environ["NAPARI_CONFIG"] = str(Path(tempfile.mkdtemp(prefix="napari-")) / "settings.yaml")

# Small tensors: a second thread waits more than it works, above all on a busy machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")

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


@pytest.fixture(scope="session")
def small_phantom_file(small_phantom, tmp_path_factory) -> Path:
    """The same chest as a NIfTI file."""
    from napari_vaemed.io.volumes import write_volume

    path = tmp_path_factory.mktemp("phantom") / "chest.nii.gz"
    write_volume(path, small_phantom.volume.hu, small_phantom.volume)
    return path
