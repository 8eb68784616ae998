"""Commands about the whole CT: info, lungs, enhance."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_vaemed.cli.verbs import add_ct_verb, print_json, read, run, tell

if TYPE_CHECKING:
    from napari_vaemed.data.volume import Volume


def add_verbs(verbs: Any) -> None:
    """Add info, lungs and enhance."""
    info = add_ct_verb(verbs, "info", _info, "Say what a CT is: shape, spacing, HU range.")
    info.add_argument("--json", action="store_true", help="print JSON")
    info.add_argument(
        "--identify", action="store_true", help="also say whose it is: name, birth date, …"
    )

    lungs = add_ct_verb(verbs, "lungs", _lungs, "Write a lung mask: 1 right, 2 left, 3 airways.")
    lungs.add_argument(
        "-o", "--output", type=Path, required=True, help=".nii.gz, .nrrd, .mha, or .dcm (DICOM SEG)"
    )

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
        "intake": volume.intake and volume.intake.as_dict(),
    }
    if options.identify:
        values["patient"] = _identity(options.path, volume)
    if options.json:
        print_json(values)
        return
    print(f"{volume.description}")
    for name, text in values.get("patient", {}).items():
        print(f"{name:<25}{text}")
    print(f"shape (z, y, x)    {' × '.join(map(str, volume.shape))}")
    print(f"spacing (z, y, x)  {' × '.join(f'{s:.4g}' for s in volume.spacing)} mm")
    print(f"origin (x, y, z)   {', '.join(f'{o:.2f}' for o in volume.origin)} mm (LPS)")
    print(f"HU                 {low} to {high}")
    print(f"axes in the file   {volume.stored_axes}")
    for line in volume.intake.lines() if volume.intake else volume.notes:
        print(f"note: {line}")


def _identity(path: Path, volume: Volume) -> dict[str, str]:
    """What the CT's DICOM files say of their patient; nothing for another format."""
    from napari_vaemed.io.privacy import IDENTITY, read_identity

    if volume.source is None:
        return {}
    header = read_identity(path, volume.source.study_uid)
    return {name: str(header.get(name)) for name in IDENTITY if header.get(name)}


def _lungs(options: argparse.Namespace) -> None:
    from napari_vaemed.data.labels import LUNG_NAMES
    from napari_vaemed.io.masks import check_mask_path, save_mask
    from napari_vaemed.segmentation.lungs import lung_ml, segment_lungs

    check_mask_path(options.output)
    volume = read(options.path)
    check_mask_path(options.output, volume)
    labels = run(segment_lungs(volume))
    tell(save_mask(options.output, labels, volume, LUNG_NAMES))
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
