"""A viewer with a coarse phantom, and a model that knows nothing, for tests of the window."""

from __future__ import annotations

import numpy as np
import pytest

from napari_vaemed.plugin.layers import volume_to_layer
from napari_vaemed.plugin.session import session_of


@pytest.fixture(scope="session")
def untrained_expert():
    """An expert of the right make that was never trained, with sixty made-up nodules."""
    import torch

    from napari_vaemed.data.index import NoduleIndex
    from napari_vaemed.data.nodule import ATTRIBUTES, NoduleRecord
    from napari_vaemed.data.posterior import Posterior
    from napari_vaemed.explanation.traversal import latent_axes
    from napari_vaemed.io.checkpoints import Model
    from napari_vaemed.models import VAES
    from napari_vaemed.workflow.examine import Expert

    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = VAES[0]().eval()
    rng, n, d = np.random.default_rng(0), 60, module.latent_dims
    mean = rng.normal(size=(n, d)).astype(np.float32)
    sd = np.full((n, d), 0.3, np.float32)
    mean[:, d // 2 :], sd[:, d // 2 :] = 0.0, 1.0  # the second half is dead
    records = tuple(
        NoduleRecord(
            f"LIDC-IDRI-{i:04d}_R_1",
            f"LIDC-IDRI-{i:04d}",
            f"1.2.{i}",
            (0.0, 0.0, 0.0),
            float(rng.uniform(4, 25)),
            {name: float(rng.integers(1, 6)) for name in ATTRIBUTES},
        )
        for i in range(n)
    )
    index = NoduleIndex(records, Posterior(mean, sd), "0" * 64, "made up for a test")
    model = Model(type(module).__name__, module, "0" * 64, {"what": "untrained"}, "cpu")
    return Expert(model, index, latent_axes(index))


@pytest.fixture
def viewer(mock_app_model):
    """A viewer's model with the plugin's readers and writers, without a window."""
    from napari.components import ViewerModel
    from napari.plugins import _initialize_plugins

    _initialize_plugins.cache_clear()
    _initialize_plugins()
    return ViewerModel()


@pytest.fixture
def window(make_napari_viewer, qtbot, untrained_expert):
    """A viewer's session that answers with the untrained expert; all its work ends with it."""
    viewer = make_napari_viewer()
    session = session_of(viewer)
    session.answers.use(untrained_expert, "auto")
    yield session
    session.close()


@pytest.fixture
def idle(qtbot):
    """Wait until a session has nothing left to do."""

    def wait(session, timeout=30_000):
        qtbot.waitUntil(lambda: not session.busy, timeout=timeout)

    return wait


@pytest.fixture
def chest(window, small_phantom):
    """The session with the phantom open."""
    window.add(volume_to_layer(small_phantom.volume))
    return window


@pytest.fixture
def voxels(small_phantom):
    """Where the phantom's nodules of 9 mm and more lie, as voxels (z, y, x)."""
    return [
        small_phantom.volume.to_voxel(nodule.centre_mm)
        for nodule in small_phantom.planted
        if nodule.diameter_mm >= 9
    ]
