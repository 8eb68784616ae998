"""The command line, run as a user runs it."""

import json

import numpy as np
import pytest
import SimpleITK as sitk

from napari_vaemed.cli import main


def run_json(capsys, *arguments):
    assert main([str(a) for a in arguments]) == 0
    return json.loads(capsys.readouterr().out)


def test_info_tells_shape_and_spacing_as_z_y_x(capsys, small_phantom, small_phantom_file):
    told = run_json(capsys, "info", small_phantom_file, "--json")
    assert tuple(told["shape"]) == small_phantom.volume.shape
    assert told["spacing_mm"] == pytest.approx(small_phantom.volume.spacing, abs=1e-4)
    image = sitk.ReadImage(str(small_phantom_file))
    assert told["shape"] == list(image.GetSize()[::-1])
    assert told["hu_range"] == [
        int(sitk.GetArrayViewFromImage(image).min()),
        int(sitk.GetArrayViewFromImage(image).max()),
    ]


def test_lungs_are_written_on_the_file_s_own_grid(tmp_path, small_phantom, small_phantom_file):
    out = tmp_path / "lungs.nii.gz"
    assert main(["lungs", str(small_phantom_file), "-o", str(out)]) == 0
    image, mask = sitk.ReadImage(str(small_phantom_file)), sitk.ReadImage(str(out))
    assert mask.GetSize() == image.GetSize()
    assert mask.GetOrigin() == pytest.approx(image.GetOrigin(), abs=1e-3)
    assert mask.GetDirection() == pytest.approx(image.GetDirection(), abs=1e-6)
    both = np.isin(sitk.GetArrayFromImage(mask), (1, 2))
    truth = np.isin(small_phantom.lungs, (1, 2))
    assert 2 * (both & truth).sum() / (both.sum() + truth.sum()) > 0.93


def test_enhance_writes_a_ct_of_the_same_shape(tmp_path, small_phantom, small_phantom_file):
    out = tmp_path / "clahe.nrrd"
    assert main(["enhance", str(small_phantom_file), "-o", str(out)]) == 0
    assert sitk.GetArrayFromImage(sitk.ReadImage(str(out))).shape == small_phantom.volume.shape


def solid(phantom):
    return max((n for n in phantom.planted if n.kind == "solid"), key=lambda n: n.diameter_mm)


def test_nodule_reports_every_key(capsys, tmp_path, small_phantom, small_phantom_file):
    planted = solid(small_phantom)
    mask = tmp_path / "nodule.nrrd"
    told = run_json(
        capsys, "nodule", small_phantom_file, "--json", "-o", mask, "--world", *planted.centre_mm
    )
    assert set(told["lung_ml"]) == {"left", "right"}
    assert np.linalg.norm(np.subtract(told["nodule"]["centre_mm"], planted.centre_mm)) < 3
    assert told["nodule"]["longest_mm"] >= told["nodule"]["perpendicular_mm"] > 0
    assert len(told["neighbours"]) == 10
    assert set(told["neighbours"][0]) == {
        "id", "patient", "same_patient", "malignancy", "distance",
    }  # fmt: skip
    assert told["seconds"]["clahe"] is None
    assert all(told["seconds"][s] >= 0 for s in ("read", "lungs", "nodule", "encode", "neighbours"))
    assert len(told["models"][0]["sha256"]) == 64
    voxels = sitk.GetArrayFromImage(sitk.ReadImage(str(mask))).sum()
    volume = voxels * small_phantom.volume.voxel_mm3
    assert volume == pytest.approx(told["nodule"]["volume_mm3"], rel=0.05)


def test_world_and_voxel_name_the_same_place(capsys, small_phantom, small_phantom_file):
    centre = solid(small_phantom).centre_mm
    voxel = small_phantom.volume.to_voxel(centre)
    by_world = run_json(capsys, "nodule", small_phantom_file, "--json", "--world", *centre)
    by_voxel = run_json(capsys, "nodule", small_phantom_file, "--json", "--voxel", *voxel)
    assert by_world["nodule"] == by_voxel["nodule"]
    assert by_world["neighbours"] == by_voxel["neighbours"]


def test_a_click_outside_any_nodule_says_why(capsys, small_phantom, small_phantom_file):
    told = run_json(capsys, "nodule", small_phantom_file, "--json", "--voxel", 3, 3, 3)
    assert told["nodule"] is None
    assert told["neighbours"] is None
    assert told["reasons"]


def test_the_nearest_of_an_indexed_nodule_is_itself(capsys):
    told = run_json(capsys, "neighbours", "--id", "LIDC-IDRI-0001_R_1", "--json", "-k", 3)
    assert told[0]["id"] == "LIDC-IDRI-0001_R_1"
    assert told[0]["distance"] == pytest.approx(0, abs=1e-3)
    assert told[0]["same_patient"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["info", "no/such/file.nii.gz"],
        ["info", "pyproject.toml"],
        ["lungs", "CT", "-o", "mask.jpg"],
        ["nodule", "CT", "--world", "9999", "0", "0"],
        ["nodule", "CT", "--voxel", "-5", "0", "0"],
        ["nodule", "CT", "--voxel", "5", "5", "5", "-k", "0"],
        ["nodule", "CT", "--voxel", "5", "5", "5", "--device", "abacus"],
        ["neighbours", "--id", "LIDC-IDRI-9999_R_1"],
        ["neighbours"],
        ["train", "no/such/folder", "-o", "run"],
        ["index", "no/such/folder", "-o", "run"],
    ],
)
def test_bad_input_gives_one_line_and_exit_code_2(arguments, capsys, tmp_path, small_phantom_file):
    here = [str(small_phantom_file) if a == "CT" else a for a in arguments]
    here = [str(tmp_path / a) if a in ("run", "mask.jpg") else a for a in here]
    assert main(here) == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith("vaemed: ")
    assert len(said.splitlines()) == 1
    assert "Traceback" not in said


@pytest.mark.parametrize(
    "verb", ["info", "lungs", "enhance", "nodule", "classify", "train", "index", "neighbours"]
)
def test_every_verb_has_help(verb, capsys):
    with pytest.raises(SystemExit) as left:
        main([verb, "--help"])
    assert left.value.code == 0
    assert "not a medical device" in " ".join(capsys.readouterr().out.split())
