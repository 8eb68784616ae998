"""Which settings of a model a sweep tries, and what came of each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import product
from typing import Any

from napari_vaemed.data.interval import Interval

Value = bool | int | float | str
"""Of one setting."""

OF_THE_RUN = ("lr", "batch")
"""Axes that are settings of the training, not arguments of the model."""


@dataclass(frozen=True)
class Choice:
    """A setting and the values it may take."""

    name: str
    values: tuple[Value, ...]

    def __post_init__(self) -> None:
        if not self.values or any(not isinstance(value, Value) for value in self.values):
            raise ValueError(
                f"{self.name} needs one or more numbers, truths or texts; got {self.values}."
            )
        if len(set(self.values)) < len(self.values):
            raise ValueError(f"{self.name} names a value twice: {self.values}.")


@dataclass(frozen=True)
class Range:
    """A setting and the least and largest number it may be.

    Parameters
    ----------
    name : str
    low, high : int or float
        Two whole numbers give whole numbers.
    log : bool
        Equal ratios are equally likely, instead of equal differences.
    """

    name: str
    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        if not self.low < self.high or (self.log and self.low <= 0):
            raise ValueError(
                f"{self.name} needs two rising numbers{', above 0' if self.log else ''}; got "
                f"{self.low} and {self.high}."
            )

    @property
    def whole(self) -> bool:
        """Whether only whole numbers are meant."""
        return isinstance(self.low, int) and isinstance(self.high, int)


Axis = Choice | Range


@dataclass(frozen=True)
class Space:
    """What a sweep may choose from.

    Parameters
    ----------
    name : str
        As it is called in the table.
    model : str
        A class of `models.VAES`.
    axes : tuple of Axis
        Its constructor's arguments by name, or `OF_THE_RUN`; all else stays at its default.
    """

    name: str
    model: str
    axes: tuple[Axis, ...]

    def __post_init__(self) -> None:
        names = [axis.name for axis in self.axes]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"A sweep needs settings to vary, each once; got {names or 'none'}.")

    def cells(self) -> list[dict[str, Value]]:
        """Every combination of the choices.

        Raises
        ------
        ValueError
            If an axis is a range, which has no end of values.
        """
        for axis in self.axes:
            if isinstance(axis, Range):
                raise ValueError(
                    f"{axis.name} is a range, which a grid cannot exhaust. Name its values, or "
                    "search freely with --trials."
                )
        choices = [axis.values for axis in self.axes if isinstance(axis, Choice)]
        names = [axis.name for axis in self.axes]
        return [dict(zip(names, cell, strict=True)) for cell in product(*choices)]

    def told(self) -> dict[str, Any]:
        """The same as JSON-able values, as `space_of` reads them."""
        axes = {
            axis.name: list(axis.values)
            if isinstance(axis, Choice)
            else {k: v for k, v in asdict(axis).items() if k != "name"}
            for axis in self.axes
        }
        return {"name": self.name, "model": self.model, "axes": axes}


GRID = Space(
    "latent size × β × likelihood × width",
    "GaussianVAE",
    (
        Choice("latent_dims", (12, 24)),
        Choice("beta", (1.0, 4.0)),
        Choice("likelihood", ("tempered", "sigma")),
        Choice("encoder_width", (24, 48)),
    ),
)
"""Sixteen configurations, the shipped recipe one of them; the source does not tell its axes."""

FREE = Space(
    "recipe",
    "GaussianVAE",
    (
        Range("latent_dims", 8, 48),
        Range("beta", 0.25, 8.0, log=True),
        Choice("likelihood", ("tempered", "sigma")),
        Choice("encoder_width", (24, 32, 48, 64)),
        Range("mask_weight", 30.0, 1000.0, log=True),
        Range("rating_weight", 10.0, 400.0, log=True),
        Range("kinship_weight", 30.0, 1000.0, log=True),
        Range("lr", 1e-3, 6e-3, log=True),
    ),
)
"""Where a free search looks unless it is told otherwise."""


def space_of(told: Mapping[str, Any]) -> Space:
    """A space from JSON or TOML: ``model``, ``axes`` (a list, or ``low``, ``high``), ``name``.

    Raises
    ------
    ValueError
        If something is missing, unknown or no axis.
    """
    unknown = set(told) - {"name", "model", "axes"}
    if unknown or not isinstance(told.get("axes"), Mapping):
        raise ValueError(
            "A space has a table of axes, and may have a name and a model; got "
            f"{', '.join(sorted(told)) or 'nothing'}."
        )
    axes = tuple(_axis(name, values) for name, values in told["axes"].items())
    return Space(str(told.get("name", "own")), str(told.get("model", GRID.model)), axes)


def choice_of(text: str) -> Choice:
    """An axis from ``"name=a,b,c"``; values are numbers or truths where JSON reads them so."""
    name, values = _split(text, "name=a,b,c")
    return Choice(name, tuple(_value(value) for value in values.split(",")))


def range_of(text: str) -> Range:
    """An axis from ``"name=low:high"`` or ``"name=low:high:log"``."""
    name, values = _split(text, "name=low:high or name=low:high:log")
    low, _, rest = values.partition(":")
    high, _, log = rest.partition(":")
    ends = _value(low), _value(high)
    if log not in ("", "log") or not all(isinstance(end, int | float) for end in ends):
        raise ValueError(f"A range is name=low:high or name=low:high:log; got {text!r}.")
    return Range(name, *ends, log=bool(log))  # type: ignore[arg-type]


@dataclass(frozen=True)
class SweepRow:
    """One configuration of a sweep and how well its neighbours vote on the inner fold.

    Parameters
    ----------
    number : int
        In the order they were begun.
    values : mapping
        Of each axis.
    state : {"whole", "stopped early", "failed", "under way", "waiting"}
    epochs : int
        Passes that were done.
    auc, auc_small : Interval or None
        Of all inner held-out nodules with a clear score, and of those of 6 to 10 mm; mean over
        the seeds.
    below_best : Interval or None
        By how much its AUC is below the highest of the whole ones; paired.
    seconds : float
        Of training, all seeds and folds together.
    curve : mapping
        AUC by epoch.
    why : str
        It failed.
    """

    number: int
    values: Mapping[str, Value]
    state: str
    epochs: int = 0
    auc: Interval | None = None
    auc_small: Interval | None = None
    below_best: Interval | None = None
    seconds: float = 0.0
    curve: Mapping[int, float] = field(default_factory=dict)
    why: str = ""


def best_of(rows: Sequence[SweepRow]) -> SweepRow | None:
    """The row of the highest AUC that was trained to the end; the first of equals."""
    whole = [row for row in rows if row.state == "whole" and row.auc is not None]
    return max(whole, key=lambda row: row.auc.value if row.auc else 0.0, default=None)


def _axis(name: str, values: Any) -> Axis:
    if isinstance(values, Mapping):
        if not {"low", "high"} <= set(values) <= {"low", "high", "log"}:
            raise ValueError(f"{name} needs low and high, and may have log; got {dict(values)}.")
        return Range(name, values["low"], values["high"], bool(values.get("log", False)))
    if isinstance(values, list | tuple):
        return Choice(name, tuple(values))
    return Choice(name, (values,))


def _split(text: str, form: str) -> tuple[str, str]:
    name, equals, values = text.partition("=")
    if not (name.strip() and equals and values.strip()):
        raise ValueError(f"An axis is {form}; got {text!r}.")
    return name.strip(), values.strip()


def _value(text: str) -> Value:
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return text.strip()
    return value if isinstance(value, Value) else text.strip()
