"""Why a known nodule lies near another: which named latents agree and which differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_vaemed.data.posterior import AnyPosterior
from napari_vaemed.explanation.traversal import LatentAxis

FAR = 0.5
"""Latents at least so far apart, in standard deviations over the index, differ."""


@dataclass(frozen=True)
class LatentGap:
    """One latent of two nodules.

    Parameters
    ----------
    axis : LatentAxis
    apart : float
        The twin's mean less the query's, in standard deviations of the known nodules' means.
    share : float
        Of the squared 2-Wasserstein distance, 0 to 1.
    """

    axis: LatentAxis
    apart: float
    share: float


def latent_gaps(
    query: AnyPosterior, twin: AnyPosterior, axes: Sequence[LatentAxis]
) -> tuple[LatentGap, ...]:
    """How far two nodules (d,) are apart in each informative latent, most informative first."""
    means = np.asarray(twin.mean, float) - query.mean
    squares = means**2 + (np.asarray(twin.sd, float) - query.sd) ** 2
    whole = max(float(squares.sum()), 1e-12)
    return tuple(
        LatentGap(
            axis,
            float(means[axis.dim]) / max((axis.high - axis.low) / 6.0, 1e-9),
            float(squares[axis.dim]) / whole,
        )
        for axis in axes
    )


def agreeing(gaps: Sequence[LatentGap], most: int = 3) -> tuple[LatentGap, ...]:
    """The most informative latents in which they hardly differ."""
    return tuple(gap for gap in gaps if abs(gap.apart) < FAR)[:most]


def differing(gaps: Sequence[LatentGap], most: int = 3) -> tuple[LatentGap, ...]:
    """The latents that make up most of their distance."""
    far = [gap for gap in gaps if abs(gap.apart) >= FAR]
    return tuple(sorted(far, key=lambda gap: -gap.share)[:most])
