"""Numbers of neighbours as they are told, rounded as the field rounds."""

from __future__ import annotations


def chance_text(chance: float) -> str:
    """A probability to 1 %, never 0 or 100."""
    if chance < 0.01:
        return "<1 %"
    return ">99 %" if chance > 0.99 else f"{100 * chance:.0f} %"


def similarity_text(similarity: float) -> str:
    """A similarity from 0 to 1, to two digits; in many dimensions most overlaps are tiny."""
    return "<0.001" if similarity < 0.001 else f"{similarity:.2g}"


def percentile_text(percentile: float) -> str:
    """A percentile, rounded down: 100 would say something of pairs that were not drawn."""
    return f"{min(int(10 * percentile) / 10, 99.9):.1f} %"
