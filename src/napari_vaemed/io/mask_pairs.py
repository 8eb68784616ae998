"""Which mask in a folder belongs to which CT, by where the files lie and what they are called.

Three layouts are known, also mixed and in subfolders:

- ``image/7.nii.gz`` and ``mask/7.nii.gz`` (nnU-Net's ``imagesTr`` and ``labelsTr`` too),
- ``7.nii.gz`` and ``7_mask.nii.gz``,
- ``7/ct.nii.gz`` and ``7/mask.nii.gz``.

A CT may also be a folder of DICOM files. ``reference/7.nii.gz`` or ``7_truth.nii.gz`` is a second
mask to compare the first with.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from napari_vaemed.io.series import is_dicom
from napari_vaemed.io.volumes import READ_SUFFIXES, suffix_of

IMAGE, MASK, REFERENCE = "image", "mask", "reference"
ORGANS = ("lungs", "nodules")
WORDS = {
    IMAGE: ("image", "images", "imagestr", "imagests", "ct", "scan", "scans", "dicom", "0000"),
    MASK: ("mask", "masks", "label", "labels", "labelstr", "labelsts", "seg", "segmentation",
           "segmentations", *ORGANS),
    REFERENCE: ("reference", "references", "truth", "gt"),
}  # fmt: skip
ROLES = {word: role for role, words in WORDS.items() for word in words}


@dataclass(frozen=True)
class MaskPair:
    """A CT and a mask of it.

    Parameters
    ----------
    case : str
        What folder and files have in common; may hold a patient's name, so it is only shown.
    image, mask : Path
    reference : Path or None
        Another mask of the same, to compare with.
    """

    case: str
    image: Path
    mask: Path
    reference: Path | None = None


@dataclass(frozen=True)
class MaskPairs:
    """The pairs of a folder in order of their names, and the masks without a CT."""

    pairs: tuple[MaskPair, ...]
    alone: tuple[Path, ...] = ()


def find_mask_pairs(
    folder: str | os.PathLike[str], references: str | os.PathLike[str] | None = None
) -> MaskPairs:
    """Find the image and mask pairs of a folder, subfolders included.

    Parameters
    ----------
    folder : path
    references : path, optional
        A folder of masks of the same names to compare with.

    Raises
    ------
    FileNotFoundError
        There is no such folder.
    ValueError
        It holds no pair, or two CTs or two masks of one case.
    """
    found: dict[str, dict[str, Path]] = {IMAGE: {}, MASK: {}, REFERENCE: {}}
    for path, role, case in _entries(Path(folder)):
        if case in found[role]:
            raise ValueError(
                f"Two files could be the {role} of case {case or 'there'!r}: "
                f"{found[role][case].name} and {path.name}. Leave one of them out."
            )
        found[role][case] = path
    if references is not None:
        found[REFERENCE] = {
            case: path for path, _, case in _entries(Path(references), (REFERENCE,))
        }
    images, masks = found[IMAGE], found[MASK]
    pairs = tuple(
        MaskPair(case or masks[case].parent.name, images[case], masks[case],
                 found[REFERENCE].get(case))
        for case in sorted(masks)
        if case in images
    )  # fmt: skip
    if not pairs:
        raise ValueError(
            f"No CT with a mask was found in {Path(folder).name}. Wanted image/7.nii.gz and "
            "mask/7.nii.gz, or 7.nii.gz and 7_mask.nii.gz, or 7/ct.nii.gz and 7/mask.nii.gz."
        )
    return MaskPairs(
        pairs, tuple(path for case, path in sorted(masks.items()) if case not in images)
    )


def _entries(folder: Path, within: tuple[str, ...] = ()) -> Iterator[tuple[Path, str, str]]:
    """Every volume below a folder: where, what it seems to be, and its case.

    ``within`` are folders above that say what all of them are.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder {folder}.")
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        here = Path(place)
        volumes = [f for f in sorted(files) if suffix_of(f) in READ_SUFFIXES and f[0] != "."]
        for name in volumes:
            stem = name[: -len(suffix_of(name))]
            yield here / name, *_named((*within, *here.relative_to(folder).parts), stem)
        if not volumes and here != folder and any(is_dicom(here / name) for name in files[:1]):
            inside = here.relative_to(folder).parts
            yield here, *_named((*within, *inside[:-1]), inside[-1])


def _named(folders: tuple[str, ...], stem: str) -> tuple[str, str]:
    """What a file is, and its case: folders and stem without the words that say what it is."""
    roles = [ROLES[folder.lower()] for folder in folders if folder.lower() in ROLES]
    # in mask/left-lungs.nii the last word tells cases apart, in left-lungs.nii what it is
    known = {word: role for word, role in ROLES.items() if not (roles and word in ORGANS)}
    said = None
    while (word := re.split(r"[-_. ]", stem)[-1].lower()) in known:
        said = said or known[word]
        stem = stem[: -len(word)].rstrip("-_. ")
    kept = [folder for folder in folders if folder.lower() not in ROLES]
    if said in (None, IMAGE) and roles:  # imagesTr/7_0000, labelsTr/7_0000
        said = roles[-1]
    return said or IMAGE, "/".join([*kept, *([stem] if stem else [])])
