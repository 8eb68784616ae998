"""The report of what was done to the data says it in words and as JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest

from napari_vaemed.data.intake import Intake
from napari_vaemed.data.volume import Volume


def test_a_plain_scan_has_a_short_report():
    intake = Intake(
        "DICOM", series="CT, 9 slices", sort_key="position along the slice normal", slices=9,
        spacing_mm=(2.5, 0.7, 0.7), hu_range=(-1000, 900), scale=((1.0, -1024.0),),
        stored_bits="12 of 16 bits, unsigned", compression="JPEG lossless", padding=-1024,
        restores="A saved mask lies on the stored grid, voxel for voxel.",
    )  # fmt: skip
    assert intake.lines() == (
        "Read from DICOM: CT, 9 slices.",
        "9 slices sorted by position along the slice normal.",
        "No slice is missing or repeated.",
        "Voxels of 2.5 × 0.7 × 0.7 mm (z, y, x).",
        "Axes as stored, LPS.",
        "-1000 to 900 HU, stored in 12 of 16 bits, unsigned (JPEG lossless), slope 1, "
        "intercept -1024.",
        "Voxels of -1024 HU or less were never measured.",
        "Nothing was resampled: every voxel is as stored.",
        "A saved mask lies on the stored grid, voxel for voxel.",
    )


def test_what_was_mended_is_told():
    intake = Intake(
        "DICOM", left_out=("MR, 3 slices",), sort_key="position", slices=7, missing=1, repeated=2,
        others=4, damaged=1, spacing_mm=(1.5, 0.7, 0.7), thickness_mm=3.0, stored_axes="RAI",
        oblique_deg=12.0, scale=((1.0, 0.0), (2.0, 0.0)), findings=("1 slice is missing.",),
        resampled="Resampled linearly: 1 missing slice.",
    )  # fmt: skip
    told = "\n".join(intake.lines())
    for words in (
        "Left out: MR, 3 slices.",
        "1 missing and filled, 2 repeated and dropped, 4 of another reconstruction",
        "3 mm thick and overlap",
        "Axes turned from RAI to LPS, 12.0° oblique.",
        "2 different slopes or intercepts",
        "1 file could not be read.",
        "1 slice is missing.",
        "Resampled linearly: 1 missing slice.",
    ):
        assert words in told
    assert "Nothing was resampled" not in told


def test_the_report_is_json():
    intake = Intake("NIfTI", scale=((1.0, -1024.0),), spacing_mm=(2.5, 0.1 + 0.2, 1.0))
    values = json.loads(json.dumps(intake.as_dict(), allow_nan=False))
    assert values["spacing_mm"] == [2.5, 0.3, 1.0]
    assert values["scale"] == [[1.0, -1024.0]]
    assert set(values) == set(Intake.__dataclass_fields__)


@pytest.mark.parametrize("padding", [None, -2048, -3024, -32768])
def test_the_measured_range_leaves_padding_out(padding):
    hu = np.random.default_rng(0).integers(-1024, 3000, (4, 5, 6)).astype(np.int16)
    framed = hu.copy()
    if padding is not None:
        framed[:, 0] = padding
        framed[1, 0] = min(padding, -3000)
    volume = Volume(framed, (1.0, 1.0, 1.0), padding=padding)
    inside = framed if padding is None else framed[framed > padding]
    assert volume.measured_range() == (inside.min(), inside.max())


def test_a_volume_of_padding_has_no_range():
    with pytest.raises(ValueError, match="nothing to measure"):
        Volume(np.full((2, 2, 2), -2048, np.int16), (1, 1, 1), padding=-2000).measured_range()
