"""A measured number and how far it can be trusted."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Interval:
    """A number with the ends of its 95 % interval, all in one unit.

    Without an interval both ends are the number itself.
    """

    value: float
    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low <= self.value <= self.high:
            raise ValueError(
                f"An interval's number must lie between its ends; got {self.value} in "
                f"{self.low} to {self.high}."
            )

    @classmethod
    def exact(cls, value: float) -> Interval:
        """A number whose uncertainty is not known, or that has none."""
        return cls(value, value, value)

    @property
    def half_width(self) -> float:
        """Half the distance between the ends."""
        return (self.high - self.low) / 2

    @property
    def known(self) -> bool:
        """Whether it has a width at all."""
        return self.high > self.low

    def text(self, digits: int = 1) -> str:
        """For example ``"8.4 ± 0.9"``; ``"8.4"`` where no interval is known."""
        told = f"{self.value:.{digits}f}"
        return f"{told} ± {self.half_width:.{digits}f}" if self.known else told
