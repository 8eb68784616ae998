"""The lung commands with the network."""

import numpy as np

from napari_vaemed.cli.command import main
from napari_vaemed.io.volumes import read_mask


def test_lungs_by_network_are_written_and_their_origin_is_told(
    small_phantom, small_phantom_file, tmp_path, capsys
):
    out = tmp_path / "lungs.nii.gz"
    command = ["lungs", str(small_phantom_file), "-o", str(out), "--method", "network"]
    assert main([*command, "--device", "cpu"]) == 0
    told = capsys.readouterr().out
    assert "U-Net" in told
    assert "LIDC-IDRI" in told
    labels = read_mask(out, small_phantom.volume)
    both = np.isin(labels, (1, 2)), np.isin(small_phantom.lungs, (1, 2))
    assert 2 * np.count_nonzero(both[0] & both[1]) / (both[0].sum() + both[1].sum()) > 0.95


def test_r231_without_its_file_is_told_before_anything_is_read(small_phantom_file, capsys):
    assert main(["lungs", str(small_phantom_file), "-o", "m.nii.gz", "--method", "r231"]) != 0
    assert "unet_r231-*.pth" in capsys.readouterr().err


def test_train_lungs_asks_for_something_to_learn_from(tmp_path, capsys):
    assert main(["train-lungs", "-o", str(tmp_path), "--phantoms", "0"]) != 0
    assert "Give masks, scans or phantoms" in capsys.readouterr().err
