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


@pytest.fixture(scope="session")
def nodule_folder(tmp_path_factory) -> Path:
    """Ten patients, one ball in lung each, 6 to 15 mm, laid out as LIDC-IDRI; larger is worse."""
    import numpy as np
    import SimpleITK as sitk

    from napari_vaemed.data.nodule import ATTRIBUTES

    folder = tmp_path_factory.mktemp("nodules")
    lines = ["patient_id,nodule_id,seriesuid,coordX,coordY,coordZ,diameter_mm,"]
    lines[0] += ",".join(name.title().replace("_", "") + "_value" for name in ATTRIBUTES)
    at = np.moveaxis(np.indices((24, 44, 44)), 0, -1) - (11.5, 21.5, 21.5)
    for number, diameter in enumerate(range(6, 16)):
        mask = np.linalg.norm(at * (1.0, 0.7, 0.7), axis=-1) <= diameter / 2
        for kind, array in (("image", np.where(mask, 30, -850)), ("mask", mask)):
            image = sitk.GetImageFromArray(array.astype(np.int16 if kind == "image" else np.uint8))
            image.SetSpacing((0.7, 0.7, 1.0))
            (folder / kind).mkdir(exist_ok=True)
            sitk.WriteImage(image, str(folder / kind / f"P{number}_R_1.nii.gz"))
        scores = ",".join(["1" if number < 5 else "5"] * len(ATTRIBUTES))
        lines.append(f"P{number},1,1.2.{number},15.05,15.05,11.5,{diameter},{scores}")
    (folder / "nodules.csv").write_text("\n".join(lines) + "\n")
    return folder
