"""Commands that put a CT onto other slices: resample, slabs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_vaemed.cli.verbs import add_ct_verb, read, run
from napari_vaemed.preprocessing.geometry import Lattice, isotropic, with_slices
from napari_vaemed.preprocessing.resampling import DISTANCE, INTERPOLATIONS, LINEAR, OF_MASKS
from napari_vaemed.preprocessing.slabs import KINDS, MIP, PLANES

if TYPE_CHECKING:
    from napari_vaemed.data.volume import Volume


def add_verbs(verbs: Any) -> None:
    """Add resample and slabs."""
    resample = add_ct_verb(verbs, "resample", _resample, "Write the CT on other voxels.")
    resample.add_argument("-o", "--output", type=Path, required=True, help=".nii.gz, .nrrd or .mha")
    size = resample.add_mutually_exclusive_group(required=True)
    size.add_argument(
        "--isotropic", metavar="MM", help="cubes of so many mm; or finest, or coarsest axis"
    )
    size.add_argument(
        "--spacing", type=float, nargs=3, metavar=("Z", "Y", "X"), help="mm of the new voxels"
    )
    size.add_argument(
        "--slices", type=int, metavar="N", help="so many slices over the same stretch"
    )
    resample.add_argument("--by", choices=INTERPOLATIONS, default=LINEAR, help="interpolation")
    resample.add_argument("--mask", type=Path, help="mask on the CT's grid, to be resampled too")
    resample.add_argument("--mask-output", type=Path, help="where that mask goes")
    resample.add_argument(
        "--mask-by", choices=OF_MASKS, default=DISTANCE,
        help="by the nearest voxel, or by the distance to the mask's surface",
    )  # fmt: skip

    slabs = add_ct_verb(verbs, "slabs", _slabs, "Write the CT's thick slabs.")
    slabs.add_argument("-o", "--output", type=Path, required=True, help=".nii.gz, .nrrd or .mha")
    slabs.add_argument("--kind", choices=KINDS, default=MIP, help="maximum, minimum or mean")
    slabs.add_argument("--thickness-mm", type=float, default=10.0, help="of a slab")
    slabs.add_argument("--step-mm", type=float, help="from slab to slab; else one slice")
    slabs.add_argument("--plane", choices=PLANES, default=PLANES[0], help="of the slabs")


def _resample(options: argparse.Namespace) -> None:
    from napari_vaemed.io.volumes import check_writable, read_mask, write_mask, write_volume
    from napari_vaemed.preprocessing.resampling import resample, resample_labels

    if (options.mask is None) != (options.mask_output is None):
        raise ValueError("A mask needs both --mask and --mask-output.")
    for path in (options.output, options.mask_output):
        if path is not None:
            check_writable(path)
    volume = read(options.path)
    lattice = _lattice(volume, options)
    if options.mask is not None:
        labels = read_mask(options.mask, volume)
    made = run(resample(volume, lattice, options.by))
    write_volume(options.output, made.hu, made)
    if options.mask is not None:
        mapped = run(resample_labels(labels, volume, lattice, options.mask_by))
        write_mask(options.mask_output, mapped, made)
    print(f"{made.notes[-1]} -> {options.output}")


def _lattice(volume: Volume, options: argparse.Namespace) -> Lattice:
    if options.slices is not None:
        return with_slices(volume, options.slices)
    if options.spacing is not None:
        z, y, x = options.spacing
        return Lattice.of_spacing(volume, (z, y, x))
    return isotropic(volume, options.isotropic)


def _slabs(options: argparse.Namespace) -> None:
    from napari_vaemed.io.volumes import check_writable, write_volume
    from napari_vaemed.preprocessing.slabs import thick_slabs

    check_writable(options.output)
    volume = read(options.path)
    made = run(
        thick_slabs(
            volume,
            options.kind,
            options.thickness_mm,
            step_mm=options.step_mm,
            plane=options.plane,
        )
    )
    write_volume(options.output, made.hu, made)
    print(f"{made.notes[-1]} -> {options.output}")
