"""A nodule others have looked at: who, where, and what they said of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

ATTRIBUTES = (
    "subtlety",
    "internal_structure",
    "calcification",
    "sphericity",
    "margin",
    "lobulation",
    "spiculation",
    "texture",
    "malignancy",
)
"""The nine LIDC-IDRI characteristics, in the order of the readers' XML."""

UNDECIDED = 3.0
"""The malignancy score of readers who take no side."""


@dataclass(frozen=True)
class NoduleRecord:
    """One labelled nodule.

    Parameters
    ----------
    id : str
        For example ``"LIDC-IDRI-0001_R_1"``.
    patient, series_uid : str
        As published.
    centre_mm : (x, y, z)
        Patient position in LPS mm.
    diameter_mm : float
        About that of a sphere with the volume that most readers marked.
    ratings : mapping
        Reader consensus by attribute (see `ATTRIBUTES`), 1 to 5 (6 for calcification).
    clicked_mm3 : float or None
        What a click at the centre measures, so that a clicked nodule is compared with its like;
        None where it was not clicked or the click was refused.
    """

    id: str
    patient: str
    series_uid: str
    centre_mm: tuple[float, float, float]
    diameter_mm: float
    ratings: Mapping[str, float] = field(default_factory=dict)
    clicked_mm3: float | None = None

    @property
    def malignancy(self) -> float:
        """Readers' malignancy score, 1 (highly unlikely) to 5 (highly suspicious)."""
        return self.ratings["malignancy"]
