"""Resampling from the command line, checked with SimpleITK."""

import numpy as np
import pytest
import SimpleITK as sitk

from napari_vaemed.cli import main
from napari_vaemed.io.volumes import write_mask


def outer_edges(image):
    """Outer corners of an image's first and last voxel, LPS mm."""
    last = np.array(image.GetSize()) - 0.5
    return [
        np.array(image.TransformContinuousIndexToPhysicalPoint(end))
        for end in ([-0.5] * 3, last.tolist())
    ]


def test_slices_and_mask_cover_the_same_patient(tmp_path, small_phantom, small_phantom_file):
    mask, out, mask_out = (tmp_path / name for name in ("m.nrrd", "out.nrrd", "mask.nrrd"))
    write_mask(mask, small_phantom.lungs, small_phantom.volume)
    assert main([
        "resample", str(small_phantom_file), "-o", str(out), "--slices", "40", "--by", "area",
        "--mask", str(mask), "--mask-output", str(mask_out),
    ]) == 0  # fmt: skip
    before, after, labels = (sitk.ReadImage(str(p)) for p in (small_phantom_file, out, mask_out))
    assert after.GetSize() == (160, 160, 40)
    assert labels.GetSize() == after.GetSize()
    for one, other in zip(outer_edges(before), outer_edges(after), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-3)
    ml = [
        (sitk.GetArrayFromImage(i) == 1).sum() * np.prod(i.GetSpacing()) / 1000
        for i in (sitk.ReadImage(str(mask)), labels)
    ]
    assert ml[1] == pytest.approx(ml[0], rel=0.02)


def test_cubes_of_the_size_asked_for(tmp_path, small_phantom_file, capsys):
    out = tmp_path / "cubes.nii.gz"
    assert main(["resample", str(small_phantom_file), "-o", str(out), "--isotropic", "5"]) == 0
    assert sitk.ReadImage(str(out)).GetSpacing() == pytest.approx((5, 5, 5))
    assert "5 × 5 × 5 mm" in capsys.readouterr().out


def test_slabs_are_brighter_by_maximum_than_by_minimum(tmp_path, small_phantom_file):
    made = {}
    for kind in ("MIP", "MinIP"):
        out = tmp_path / f"{kind}.nrrd"
        assert main(["slabs", str(small_phantom_file), "-o", str(out), "--kind", kind]) == 0
        made[kind] = sitk.GetArrayFromImage(sitk.ReadImage(str(out)))
    assert (made["MIP"] >= made["MinIP"]).all()
    assert made["MIP"].mean() > made["MinIP"].mean() + 50


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--isotropic", "tiny"], "finest, coarsest"),
        (["--slices", "10", "--mask", "m.nrrd"], "--mask-output"),
    ],
)
def test_what_makes_no_sense_is_told_in_a_line(tmp_path, small_phantom_file, capsys, more, said):
    out = tmp_path / "out.nrrd"
    assert main(["resample", str(small_phantom_file), "-o", str(out), *more]) == 2
    assert said in capsys.readouterr().err
    assert not out.exists()


def test_enhance_leaves_air_around_the_lungs(tmp_path, small_phantom, small_phantom_file):
    out = tmp_path / "lungs.nrrd"
    assert main([
        "enhance", str(small_phantom_file), "-o", str(out), "--method", "he+clahe",
        "--where", "lungs", "--remove-background", "--three-d", "--clip-limit", "4",
    ]) == 0  # fmt: skip
    made = sitk.GetArrayFromImage(sitk.ReadImage(str(out)))
    outside = small_phantom.lungs == 0
    assert (made[outside] == -1000).mean() > 0.97
    assert made[~outside].std() > small_phantom.volume.hu[~outside].std()


def test_the_old_clip_limit_is_refused_with_the_way_to_the_new(
    tmp_path, small_phantom_file, capsys
):
    out = tmp_path / "out.nrrd"
    said = main(["enhance", str(small_phantom_file), "-o", str(out), "--clip-limit", "0.01"])
    assert said == 2
    assert "multiplied by 256" in capsys.readouterr().err
