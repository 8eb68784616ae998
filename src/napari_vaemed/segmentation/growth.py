"""How fast a nodule grows between two scans: its volume doubling time."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, hypot, log

from napari_vaemed.data.interval import Interval


@dataclass(frozen=True)
class Growth:
    """The change of a volume between two scans.

    Parameters
    ----------
    ratio : Interval
        Volume now over volume before.
    doubling_days : float or None
        Days in which the volume doubles at this pace; None where it does not grow.
    shortest_days, longest_days : float or None
        Ends of its 95 % interval; ``longest_days`` is None where not growing at all is inside it,
        both are None where growing is not.
    """

    ratio: Interval
    doubling_days: float | None
    shortest_days: float | None
    longest_days: float | None

    @property
    def certain(self) -> bool:
        """Whether the change exceeds the error bars of both scans."""
        return not self.ratio.low <= 1.0 <= self.ratio.high


def growth_of(now: Interval, before: Interval, days: float) -> Growth:
    """Growth between two volumes (mm³) measured so many days apart.

    The volume is taken to grow exponentially (Schwartz, Cancer 1961;14:1272). The errors of the
    two scans are independent: in the ratio their logs add in squares.

    Raises
    ------
    ValueError
        When the days or a volume are not positive.
    """
    if days <= 0:
        raise ValueError(f"The scans must lie apart: got {days} days. Swap them if it is negative.")
    if now.low <= 0 or before.low <= 0:
        raise ValueError("A volume of 0 mm³ has no doubling time. Measure both nodules anew.")
    value = log(now.value / before.value)
    down = hypot(log(now.value / now.low), log(before.high / before.value))
    up = hypot(log(now.high / now.value), log(before.value / before.low))
    ratio = Interval(*(exp(v) for v in (value, value - down, value + up)))
    return Growth(
        ratio, _doubling(value, days), _doubling(value + up, days), _doubling(value - down, days)
    )


def _doubling(log_ratio: float, days: float) -> float | None:
    """Days to double; None where it does not grow."""
    return days * log(2) / log_ratio if log_ratio > 1e-9 else None
