"""From the scores of slices to one answer for the scan, or to the reason why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.slice_scores import SliceScores, SubjectAnswer

UPPER_SHARE = 0.2
"""Share of the lungs' volume that the scan's value is the mean over."""


def subject_answer(
    scores: SliceScores,
    areas: NDArray[np.floating],
    missing: str | None,
    card: Mapping[str, Any],
) -> SubjectAnswer:
    """One value for the scan, or why there should be none.

    What is wrong with the scan is told before what is wrong with the model.

    Parameters
    ----------
    scores : SliceScores
        Of the slices that show enough lung.
    areas : (n,)
        Lung on each scored slice, in any unit.
    missing : str or None
        What of the lungs the scan does not show; see `lungs_shown.missing_lungs`.
    card : mapping
        The model's. ``separates`` says whether it told the known scans in ``subject_check`` apart,
        by ``separates_rule``; without that it gives no value.
    """
    reason = missing or _unlike(scores) or _not_shown_to_work(card)
    if reason:
        return SubjectAnswer(None, reason)
    return SubjectAnswer(
        upper_mean(scores.covid, areas),
        f"Mean over the highest-scoring {100 * UPPER_SHARE:.0f} % of the lungs' volume on "
        f"{len(scores)} slices.",
    )


def upper_mean(
    covid: NDArray[np.floating], areas: NDArray[np.floating], share: float = UPPER_SHARE
) -> float:
    """Mean probability of that share of the lungs, by volume, that scores highest.

    Slices of one scan are equally far apart, so lung area stands for lung volume. The value
    depends on how the probability is spread over the lungs, not on how many slices they were cut
    into; one wrong slice counts by its own share only. A fifth, because pneumonia may spare most
    of the lungs. (In finance the same mean is called the expected shortfall.)

    Parameters
    ----------
    covid, areas : (n,)
        Probability and lung of each slice.
    """
    highest = np.argsort(-np.asarray(covid, float), kind="stable")
    parts = np.asarray(areas, float)[highest] / np.sum(areas, dtype=float)
    before = np.cumsum(parts) - parts
    counted = np.clip(share - before, 0.0, parts)
    return float(counted @ np.asarray(covid, float)[highest] / counted.sum())


def _unlike(scores: SliceScores) -> str | None:
    if not len(scores):
        return "No slice shows enough lung to be scored."
    unlike = int((scores.unlike > 1).sum())
    if 2 * unlike <= len(scores):
        return None
    return (
        f"This scan is unlike the pictures the model learned from: {unlike} of {len(scores)} "
        "scored slices lie farther from them than 99 % of the pictures kept back from training."
    )


def _not_shown_to_work(card: Mapping[str, Any]) -> str | None:
    """Why a model is not asked about whole scans; its check on known scans is named."""
    if card.get("separates") is True:
        return None
    checked = ", ".join(
        f"{scan['scan']} ({scan['truth']}) {scan['value']:.2f}"
        for scan in card.get("subject_check", ())
    )
    if not checked:
        return (
            "It is not known whether this model tells scans with and without COVID-19 apart: its "
            "card names no check on known scans."
        )
    return (
        "This model did not tell known scans with and without COVID-19 apart; it gave them: "
        f"{checked}. Needed: {card.get('separates_rule', 'a higher value for COVID-19.')}"
    )
