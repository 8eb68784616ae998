"""How a nodule has changed between two scans: its diameter, its volume, its doubling time."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, hypot, log

from napari_vaemed.data.interval import Interval
from napari_vaemed.data.pairing import Sized

GROWN, SHRUNK, SAME = "grown", "shrunk", "within the error bars"
UNKNOWN, UNMEASURED = "error not known", "cannot be measured"
"""What can be said of a change."""


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


@dataclass(frozen=True)
class Change:
    """What became of one nodule between two scans.

    Parameters
    ----------
    mean_mm : Interval
        Mean diameter now less the one before.
    ratio : Interval or None
        Volume now over volume before; None where a volume of 0 is inside an error bar.
    growth : Growth or None
        None where there is no ratio, or the days between the scans are not known.
    verdict : str
        `GROWN` or `SHRUNK` where the volume's change exceeds the error bars of both scans (the
        diameter's, where there is no ratio), `SAME` where it does not, `UNKNOWN` without error
        bars, `UNMEASURED` where one of the two cannot be measured.
    """

    mean_mm: Interval
    ratio: Interval | None
    growth: Growth | None
    verdict: str


def change_of(now: Sized, before: Sized, days: float | None = None) -> Change:
    """The change between two measurements of one nodule.

    Parameters
    ----------
    days : float, optional
        Between the scans.

    Raises
    ------
    ValueError
        When the days are not positive.
    """
    mean = _difference(now.mean_mm, before.mean_mm)
    measured = now.volume_mm3.low > 0 and before.volume_mm3.low > 0
    ratio = _ratio(now.volume_mm3, before.volume_mm3) if measured else None
    growth = None
    if measured and days is not None:
        growth = growth_of(now.volume_mm3, before.volume_mm3, days)
    if now.refused is not None or before.refused is not None:
        return Change(mean, ratio, growth, UNMEASURED)
    if ratio is not None and now.volume_mm3.known and before.volume_mm3.known:
        return Change(mean, ratio, growth, _verdict(ratio, 1.0))
    if now.mean_mm.known and before.mean_mm.known:
        return Change(mean, ratio, growth, _verdict(mean, 0.0))
    return Change(mean, ratio, growth, UNKNOWN)


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
    ratio = _ratio(now, before)
    ends = (_doubling(log(value), days) for value in (ratio.value, ratio.high, ratio.low))
    return Growth(ratio, *ends)


def _ratio(now: Interval, before: Interval) -> Interval:
    """Now over before; the logs of independent errors add in squares."""
    value = log(now.value / before.value)
    down = hypot(log(now.value / now.low), log(before.high / before.value))
    up = hypot(log(now.high / now.value), log(before.value / before.low))
    return Interval(*(exp(v) for v in (value, value - down, value + up)))


def _difference(now: Interval, before: Interval) -> Interval:
    """Now less before; independent errors add in squares."""
    value = now.value - before.value
    down = hypot(now.value - now.low, before.high - before.value)
    up = hypot(now.high - now.value, before.value - before.low)
    return Interval(value, value - down, value + up)


def _verdict(change: Interval, none: float) -> str:
    if change.low <= none <= change.high:
        return SAME
    return GROWN if change.value > none else SHRUNK


def _doubling(log_ratio: float, days: float) -> float | None:
    """Days to double; None where it does not grow."""
    return days * log(2) / log_ratio if log_ratio > 1e-9 else None
