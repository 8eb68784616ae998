"""Look through masks: scores against another mask, and flags, one CT or a folder of them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data import mask_check
from napari_vaemed.data.mask_check import Flag, LabelScores, MaskCheck
from napari_vaemed.data.progress import Progress, Work
from napari_vaemed.data.volume import Volume
from napari_vaemed.decision.mask_flags import WHOLE_MM, flag_mask, guess_kind, volumes_ml
from napari_vaemed.io.ct import read_ct
from napari_vaemed.io.errors import CTError
from napari_vaemed.io.mask_pairs import MaskPair, find_mask_pairs
from napari_vaemed.io.volumes import read_labels, same_grid
from napari_vaemed.preprocessing.placement import labels_on
from napari_vaemed.segmentation.lungs import NoLungs, segment_lungs
from napari_vaemed.segmentation.mask_scores import score_labels

Labels = NDArray[np.integer]
FIGURES = ("dice", "iou", "surface_dice_1mm", "surface_dice_3mm", "hausdorff95_mm")


@dataclass(frozen=True, eq=False)
class CheckedMask:
    """A mask with its CT, as it is to be looked at.

    Parameters
    ----------
    check : MaskCheck
    volume : Volume or None
        The CT; None where it could not be read, then the masks are None too.
    labels, reference : (z, y, x) or None
        On the CT's grid.
    pair : MaskPair or None
        The files it came from.
    """

    check: MaskCheck
    volume: Volume | None = None
    labels: Labels | None = None
    reference: Labels | None = None
    pair: MaskPair | None = None


def check_mask(
    volume: Volume,
    labels: Labels,
    of: str | None = None,
    *,
    reference: Labels | None = None,
    lungs: Labels | None = None,
    case: str = "",
) -> Work[MaskCheck]:
    """Flags of a mask on its CT, and its scores against another.

    Parameters
    ----------
    volume : Volume
    labels : (z, y, x)
    of : str, optional
        One of `data.mask_check.KINDS`; guessed by the volume of the mask when not told.
    reference : (z, y, x), optional
        Another mask of the same.
    lungs : (z, y, x) labels, optional
        To know where nodules may lie; found in a whole CT when not given.

    Raises
    ------
    ValueError
        Shapes differ.
    """
    kind = of or guess_kind(labels if reference is None else reference, volume.spacing)
    if kind == mask_check.NODULES and lungs is None and labels.any():
        lungs = yield from _lungs_of(volume)
    yield Progress("Looking for flags")
    flags = flag_mask(labels, volume, kind, lungs)
    scores: tuple[LabelScores, ...] = ()
    if reference is not None:
        yield Progress("Comparing the masks")
        scores = score_labels(labels, reference, volume.spacing)
    return MaskCheck(case, kind, flags, volumes_ml(labels, volume.spacing), scores)


def check_on_ct(
    volume: Volume,
    mask: Volume,
    of: str | None = None,
    *,
    reference: Volume | None = None,
    case: str = "",
) -> Work[CheckedMask]:
    """Check a mask that may lie on another grid than its CT; it is put onto the CT's then.

    Parameters
    ----------
    mask, reference : Volume
        Their labels stand in ``hu``, as `io.volumes.read_labels` gives them.
    """
    labels, flags = _placed(mask, volume, "mask")
    other: Labels | None = None
    if reference is not None:
        other, more = _placed(reference, volume, "reference")
        flags += more
    check = yield from check_mask(volume, labels, of, reference=other, case=case)
    return CheckedMask(replace(check, flags=flags + check.flags), volume, labels, other)


def compare_masks(mask: Volume, reference: Volume) -> Work[MaskCheck]:
    """Scores of a mask against another without their CT; no flags.

    Raises
    ------
    ValueError
        They lie on different grids.
    """
    yield Progress("Comparing the masks")
    if not same_grid(mask, reference):
        raise ValueError(
            f"The masks lie on different grids: {_grid(mask)}, and {_grid(reference)}. "
            "Open their CT, and both are put onto its voxels."
        )
    scores = score_labels(mask.hu, reference.hu, mask.spacing)
    ml = {score.label: score.first_ml for score in scores if score.first_ml}
    return MaskCheck("", guess_kind(reference.hu, mask.spacing), (), ml, scores)


def check_pair(pair: MaskPair, of: str | None = None) -> Work[CheckedMask]:
    """Read a CT with its mask and check it.

    A file that cannot be read gives the flag `data.mask_check.UNREADABLE`.
    """
    try:
        volume = yield from read_ct(pair.image)
        yield Progress("Reading the mask")
        mask = read_labels(pair.mask)
        reference = None if pair.reference is None else read_labels(pair.reference)
    except (CTError, OSError) as error:
        flag = Flag(mask_check.UNREADABLE, str(error))
        return CheckedMask(MaskCheck(pair.case, of or "", (flag,)), pair=pair)
    checked = yield from check_on_ct(volume, mask, of, reference=reference, case=pair.case)
    return replace(checked, pair=pair)


def check_masks(
    folder: str | os.PathLike[str],
    of: str | None = None,
    references: str | os.PathLike[str] | None = None,
) -> Work[tuple[MaskCheck, ...]]:
    """Check every mask of a folder; see `io.mask_pairs` for how it may be laid out.

    Raises
    ------
    FileNotFoundError
    ValueError
        No pairs are there.
    """
    pairs = find_mask_pairs(folder, references).pairs
    checks = []
    for number, pair in enumerate(pairs):
        yield Progress(f"Checking {pair.case}", number, len(pairs))
        checked = yield from check_pair(pair, of)
        checks.append(checked.check)
    return tuple(checks)


def check_rows(checks: Iterable[MaskCheck]) -> list[dict[str, Any]]:
    """One row a label of each mask, for a table or CSV; what does not apply is None.

    Flags about the whole mask stand in every row of it.
    """
    return [row for check in checks for row in _rows(check)]


def _rows(check: MaskCheck) -> Iterable[dict[str, Any]]:
    scores = {score.label: score for score in check.scores}
    labels = sorted({*check.volumes_ml, *scores, *(f.label for f in check.flags if f.label)})
    for label in labels or [0]:
        flags = [flag for flag in check.flags if flag.label in (0, label)]
        score = scores.get(label)
        yield {
            "case": check.case,
            "of": check.of,
            "label": label or None,
            "flags": "; ".join(dict.fromkeys(flag.kind for flag in flags)),
            "seen": " ".join(flag.text for flag in flags),
            "ml": round(check.volumes_ml.get(label, 0.0), 4),
            "reference_ml": None if score is None else round(score.second_ml, 4),
            **{name: _figure(score, name) for name in FIGURES},
            "worst_slice": None if score is None else score.worst_slice,
        }


def _figure(score: LabelScores | None, name: str) -> float | None:
    value = float("nan") if score is None else float(getattr(score, name))
    return round(value, 4) if np.isfinite(value) else None


def _placed(mask: Volume, volume: Volume, what: str) -> tuple[Labels, tuple[Flag, ...]]:
    """The labels on the CT's grid, and a flag when they lay on another."""
    if same_grid(mask, volume):
        return mask.hu, ()
    text = f"The {what} has {_grid(mask)}, the CT {_grid(volume)}; it was put onto the CT's voxels."
    placed: Labels = labels_on(mask.hu, mask, volume).astype(np.int16, copy=False)
    return placed, (Flag(mask_check.WRONG_GRID, text),)


def _grid(volume: Volume) -> str:
    counts = " × ".join(map(str, volume.shape))
    steps = " × ".join(f"{s:.4g}" for s in volume.spacing)
    corner = ", ".join(f"{o:.4g}" for o in volume.origin)
    return f"{counts} voxels of {steps} mm from ({corner})"


def _lungs_of(volume: Volume) -> Work[Labels | None]:
    """The lungs of a whole CT; a crop shows none."""
    across = (n * s for n, s in zip(volume.shape[1:], volume.spacing[1:], strict=True))
    if min(across) < WHOLE_MM:
        return None
    try:
        return (yield from segment_lungs(volume))
    except NoLungs:
        return None
