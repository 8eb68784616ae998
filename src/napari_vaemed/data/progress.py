"""What a long piece of work says while it runs."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TypeVar

Result = TypeVar("Result")
Step = TypeVar("Step")


@dataclass(frozen=True)
class Progress:
    """One step of a job: what is being done, and how far it is (``total`` 0: not known)."""

    doing: str
    done: int = 0
    total: int = 0


Work = Generator[Progress, None, Result]
"""Long work: a generator that yields `Progress` and returns its result."""


def finish(
    work: Generator[Step, None, Result], on_progress: Callable[[Step], object] = lambda _: None
) -> Result:
    """Run a job to its end in this thread and give its result."""
    while True:
        try:
            on_progress(next(work))
        except StopIteration as stop:
            result: Result = stop.value
            return result
