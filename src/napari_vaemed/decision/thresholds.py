"""Published tables laid on numbers that are known within an interval only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import floor
from typing import Any

from napari_vaemed.data.guideline import QUESTIONS, Context, Question, Rule
from napari_vaemed.data.interval import Interval


@dataclass(frozen=True)
class Graded:
    """A number with the limits a table lays on it.

    Parameters
    ----------
    number : Interval
    limits : tuple of float
        Where another line of the table begins, above or at the limit.
    unit : float
        What the guideline rounds to.
    """

    number: Interval
    limits: tuple[float, ...]
    unit: float

    @property
    def values(self) -> tuple[float, ...]:
        """The number as the guideline rounds it, then what else its interval holds.

        One value for every stretch between limits is enough, and those at and next to a limit
        are the ones that tell "less than" from "up to".
        """
        low, value, high = (
            rounded(v, self.unit) for v in (self.number.low, self.number.value, self.number.high)
        )
        around = [
            rounded(limit + step, self.unit)
            for limit in self.limits
            for step in (-self.unit, 0.0, self.unit)
        ]
        inside = sorted({v for v in around if low <= v <= high} | {low, high})
        return (value, *(v for v in inside if v != value))


def rounded(value: float, unit: float) -> float:
    """To the nearest multiple of ``unit``, halves upwards, as people round."""
    return round(floor(value / unit + 0.5 + 1e-9) * unit, 6)


def rules_within(line: Callable[..., Rule], looked_at: Sequence[Sequence[Any]]) -> tuple[Rule, ...]:
    """The line of a table that fires on the first of all values, then the others that may fire.

    Lines that ask for the same are told once.

    Parameters
    ----------
    line : function
        Takes one value of each of ``looked_at``.
    """
    found: dict[tuple[str | None, str], Rule] = {}
    for values in product(*looked_at):
        rule = line(*values)
        found.setdefault((rule.category, rule.next), rule)
    return tuple(found.values())


def straddling(line: Callable[..., Rule], looked_at: Sequence[Sequence[Any]]) -> tuple[bool, ...]:
    """For each of ``looked_at`` whether its values alone reach into a line that asks for else."""
    first = [values[:1] for values in looked_at]
    return tuple(
        len(rules_within(line, [*first[:i], values, *first[i + 1 :]])) > 1
        for i, values in enumerate(looked_at)
    )


def check_limits(by: str, limits: Mapping[str, Any]) -> None:
    """Refuse to go by what a table has no limits for."""
    if by not in limits:
        raise ValueError(f"Limits are by {' or '.join(limits)}; got {by!r}.")


def unanswered(context: Context, *keys: str) -> tuple[Question, ...]:
    """Which of these questions nobody has answered yet."""
    return tuple(QUESTIONS[key] for key in keys if getattr(context, key) is None)


def words(context: Context, key: str) -> str:
    """An answer in the words of its question."""
    answer = getattr(context, key)
    return next(told for value, told in QUESTIONS[key].choices if value == answer)
