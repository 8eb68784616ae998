"""A viewer with a coarse phantom, and a model that knows nothing, for tests of the window."""

from __future__ import annotations

import gc

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

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


@pytest.fixture(scope="session")
def untrained_slice_model():
    """A small slice classifier that was never trained, to which nothing is unlike."""
    import torch

    from napari_vaemed.io.checkpoints import Model
    from napari_vaemed.models.classifiers.resnet import SliceResNet

    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = SliceResNet(size=48, width=4, blocks=1).eval()
    module.limit.fill_(1e6)
    card = {"what": "untrained", "data": "nothing at all. Really.", "separates": True}
    return Model(type(module).__name__, module, "0" * 64, card, "cpu")


@pytest.fixture(autouse=True)
def data_folder(tmp_path, monkeypatch):
    """A folder of its own for what a test's window keeps."""
    folder = tmp_path / "vaemed-data"
    monkeypatch.setenv("NAPARI_VAEMED_DATA", str(folder))
    return folder


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
    qtbot.waitUntil(gc.isenabled, timeout=10_000)  # no thread works any more


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


@pytest.fixture(scope="session")
def write_dicom():
    """A writer of (n, rows, columns) HU as DICOM files; the last file lies lowest.

    The direction's columns are where columns, rows and slices run to in the patient.
    """

    def write(
        folder,
        hu,
        spacing=(2.5, 0.8, 0.7),
        origin=(-40.0, 30.0, -120.0),
        leave_out=(),
        direction=None,
        **tags,
    ):
        axes = np.eye(3) if direction is None else np.asarray(direction)
        folder.mkdir(parents=True, exist_ok=True)
        series = generate_uid()
        for k in sorted(set(range(len(hu))) - set(leave_out)):
            plane = hu[k]
            file = _dicom_object(CTImageStorage)
            file.SeriesInstanceUID, file.BodyPartExamined = series, "CHEST"
            file.Rows, file.Columns = plane.shape
            file.ImageOrientationPatient = [round(c, 10) for c in axes[:, :2].T.ravel().tolist()]
            place = np.array(origin) + axes[:, 2] * spacing[0] * k
            file.ImagePositionPatient = [round(c, 8) for c in place.tolist()]
            file.PixelSpacing, file.SliceThickness = list(spacing[1:]), spacing[0]
            file.RescaleSlope, file.RescaleIntercept = 1, 0
            file.SamplesPerPixel, file.PhotometricInterpretation = 1, "MONOCHROME2"
            file.BitsAllocated, file.BitsStored, file.HighBit = 16, 16, 15
            file.PixelRepresentation, file.PixelData = 1, plane.astype("<i2").tobytes()
            for name, value in tags.items():
                setattr(file, name, value)
            pydicom.dcmwrite(folder / f"{len(hu) - k:03d}.dcm", file, enforce_file_format=True)
        return folder

    return write


@pytest.fixture(scope="session")
def write_dose_report():
    """A writer of a dose report, which is DICOM without an image."""

    def write(folder, **tags):
        folder.mkdir(parents=True, exist_ok=True)
        file = _dicom_object("1.2.840.10008.5.1.4.1.1.88.67")
        file.SeriesInstanceUID, file.Modality = generate_uid(), "SR"
        for name, value in tags.items():
            setattr(file, name, value)
        pydicom.dcmwrite(folder / "dose", file, enforce_file_format=True)

    return write


def _dicom_object(sop_class):
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID = sop_class, ExplicitVRLittleEndian
    meta.MediaStorageSOPInstanceUID = generate_uid()
    file = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    file.SOPClassUID, file.SOPInstanceUID = sop_class, meta.MediaStorageSOPInstanceUID
    file.PatientName, file.PatientID, file.Modality = "Murnau^Friedrich", "case-17", "CT"
    file.StudyInstanceUID = "1.2.840.1"
    return file


@pytest.fixture
def lung_chest(chest, small_phantom, untrained_slice_model):
    """The session with the phantom open, its lungs known, and the untrained slice model."""
    chest.case.lungs = small_phantom.lungs
    chest.slices.use(untrained_slice_model, "auto")
    return chest


@pytest.fixture
def scored_chest(lung_chest, idle):
    """The same with its slices scored."""
    lung_chest.slices.score()
    idle(lung_chest)
    return lung_chest
