"""Commands about the whole CT: info, lungs, enhance."""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.cli.verbs import add_ct_verb, print_json, read, run, tell
from napari_vaemed.preprocessing.enhance import (
    LUNGS,
    METHODS,
    WHERE,
    Enhancement,
    enhance,
    region_where,
)
from napari_vaemed.workflow.lungs import LUNG_METHODS

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
    lungs.add_argument(
        "--method", choices=LUNG_METHODS, default=LUNG_METHODS[0],
        help="threshold: lungs that hold air, in seconds; network: the shipped U-Net, dense lung "
        "included; r231: lungmask's, with its file as --weights",
    )  # fmt: skip
    lungs.add_argument(
        "--weights", type=Path,
        help="a network made by train-lungs instead of the shipped one, or R231's .pth",
    )  # fmt: skip
    lungs.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")

    _add_enhance(verbs)


def _add_enhance(verbs: Any) -> None:
    default = Enhancement()
    enhance = add_ct_verb(
        verbs, "enhance", _enhance, "Write the CT with even contrast or less noise, in HU."
    )
    enhance.add_argument("-o", "--output", type=Path, required=True, help=".nii.gz, .nrrd or .mha")
    enhance.add_argument(
        "--method", choices=METHODS, default=default.method,
        help="histogram equalisation, contrast-limited by tiles, both, or anisotropic diffusion",
    )  # fmt: skip
    enhance.add_argument(
        "--where", choices=WHERE, default=WHERE[0], help="which voxels are counted and changed"
    )
    enhance.add_argument(
        "--three-d", action="store_true", help="in space instead of slice by slice"
    )
    enhance.add_argument(
        "--remove-background", action="store_true",
        help="make everything outside the body, or the lungs with --where lungs, air",
    )  # fmt: skip
    enhance.add_argument(
        "--window", type=float, nargs=2, metavar=("CENTRE", "WIDTH"), default=default.window,
        help="HU window that HE and CLAHE even out",
    )  # fmt: skip
    numbers = {
        "clip_limit": "contrast is raised at most so many times; a share of voxels times --levels",
        "tile_mm": "side of a tile",
        "levels": "of the histograms, up to 65536",
        "smoothing_mm": "how far diffusion smooths where nothing is an edge",
        "edge_hu_per_mm": "slopes well above it stay under diffusion",
    }
    for name, text in numbers.items():
        value = getattr(default, name)
        flag = f"--{name.replace('_', '-')}"
        enhance.add_argument(flag, type=type(value), default=value, help=text)


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
    from napari_vaemed.segmentation.lungs import lung_ml
    from napari_vaemed.workflow.lungs import find_lungs, told_of

    check_mask_path(options.output)
    how = {"method": options.method, "weights": options.weights, "device": options.device}
    told = told_of(**how)
    volume = read(options.path)
    check_mask_path(options.output, volume)
    labels = run(find_lungs(volume, **how))
    tell(save_mask(options.output, labels, volume, LUNG_NAMES))
    sizes = lung_ml(labels, volume.spacing)
    print(f"right {sizes['right']:.0f} ml, left {sizes['left']:.0f} ml -> {options.output}")
    print(told)


def _enhance(options: argparse.Namespace) -> None:
    from napari_vaemed.io.volumes import check_writable, write_volume
    from napari_vaemed.preprocessing.body import body_mask, remove_background

    check_writable(options.output)
    chosen = {each.name: getattr(options, each.name) for each in fields(Enhancement)}
    how = Enhancement(**{**chosen, "window": tuple(options.window)})
    volume = read(options.path)
    region = region_where(volume, options.where, _lungs_for(volume, options.where))
    hu = run(enhance(volume, how, inside=region))
    if options.remove_background:
        inside = region.kept > 0 if region.kept.size else body_mask(volume)
        hu = remove_background(hu, inside)
    write_volume(options.output, hu, volume)
    print(f"{METHODS[how.method]} of {volume.description} -> {options.output}")


def _lungs_for(volume: Volume, where: str) -> NDArray[np.uint8] | None:
    from napari_vaemed.segmentation.lungs import segment_lungs

    return run(segment_lungs(volume)) if where == LUNGS else None
