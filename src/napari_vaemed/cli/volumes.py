"""Commands about the whole CT: info, lungs, enhance."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from napari_vaemed.cli.verbs import add_ct_verb, print_json, read, run


def add_verbs(verbs: Any) -> None:
    """Add info, lungs and enhance."""
    info = add_ct_verb(verbs, "info", _info, "Say what a CT is: shape, spacing, HU range.")
    info.add_argument("--json", action="store_true", help="print JSON")

    lungs = add_ct_verb(verbs, "lungs", _lungs, "Write a lung mask: 1 right, 2 left, 3 airways.")
    lungs.add_argument("-o", "--output", type=Path, required=True, help=".nii.gz, .nrrd or .mha")

    enhance = add_ct_verb(verbs, "enhance", _enhance, "Write the CT after CLAHE, in HU.")
    enhance.add_argument("-o", "--output", type=Path, required=True, help=".nii.gz, .nrrd or .mha")
    enhance.add_argument(
        "--window", type=float, nargs=2, metavar=("CENTRE", "WIDTH"), default=(-600.0, 1500.0),
        help="HU window that is equalised",
    )  # fmt: skip
    enhance.add_argument(
        "--clip-limit", type=float, default=0.01, help="0 (off) to 1: largest share of a grey level"
    )


def _info(options: argparse.Namespace) -> None:
    volume = read(options.path)
    low, high = volume.measured_range()
    values = {
        "description": volume.description,
        "shape": list(volume.shape),
        "spacing_mm": [round(s, 6) for s in volume.spacing],
        "origin_mm": [round(float(o), 4) for o in volume.origin],
        "direction": volume.direction.round(6).tolist(),
        "stored_axes": volume.stored_axes,
        "hu_range": [low, high],
        "padding": volume.padding,
        "notes": list(volume.notes),
    }
    if options.json:
        print_json(values)
        return
    print(f"{volume.description}")
    print(f"shape (z, y, x)    {' × '.join(map(str, volume.shape))}")
    print(f"spacing (z, y, x)  {' × '.join(f'{s:.4g}' for s in volume.spacing)} mm")
    print(f"origin (x, y, z)   {', '.join(f'{o:.2f}' for o in volume.origin)} mm (LPS)")
    print(f"HU                 {low} to {high}")
    print(f"axes in the file   {volume.stored_axes}")
    for note in volume.notes:
        print(f"note: {note}")


def _lungs(options: argparse.Namespace) -> None:
    from napari_vaemed.io.volumes import check_writable, write_mask
    from napari_vaemed.segmentation.lungs import lung_ml, segment_lungs

    check_writable(options.output)
    volume = read(options.path)
    labels = run(segment_lungs(volume))
    write_mask(options.output, labels, volume)
    sizes = lung_ml(labels, volume.spacing)
    print(f"right {sizes['right']:.0f} ml, left {sizes['left']:.0f} ml -> {options.output}")


def _enhance(options: argparse.Namespace) -> None:
    from napari_vaemed.io.volumes import check_writable, write_volume
    from napari_vaemed.preprocessing.intensity import clahe

    check_writable(options.output)
    volume = read(options.path)
    work = clahe(volume, window=tuple(options.window), clip_limit=options.clip_limit)
    write_volume(options.output, run(work), volume)
    print(f"CLAHE of {volume.description} -> {options.output}")
