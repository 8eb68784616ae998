"""What all commands share: how a verb is added, run and shown."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_vaemed.data.form import Value, form_of
from napari_vaemed.data.intended_use import NOT_A_DEVICE
from napari_vaemed.data.progress import Progress, Result, Work, finish

if TYPE_CHECKING:
    from napari_vaemed.data.volume import Volume


class Defaults(argparse.ArgumentDefaultsHelpFormatter):
    """Help that tells every default that says something."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default is None or action.default is False:
            return action.help
        return super()._get_help_string(action)


def add_verb(verbs: Any, name: str, run: Any, text: str) -> argparse.ArgumentParser:
    """Add a command that calls ``run`` with its options."""
    verb: argparse.ArgumentParser = verbs.add_parser(
        name, help=text, description=f"{text} {NOT_A_DEVICE}", formatter_class=Defaults
    )
    verb.set_defaults(run=run)
    return verb


def add_ct_verb(verbs: Any, name: str, run: Any, text: str) -> argparse.ArgumentParser:
    """Add a command that takes a CT."""
    verb = add_verb(verbs, name, run, text)
    verb.add_argument(
        "path", type=Path, help="DICOM folder (also nested), or a NIfTI, NRRD, MHA or MHD file"
    )
    return verb


def arguments_of(model: str, given: Iterable[str]) -> dict[str, Value]:
    """Arguments of a nodule VAE from ``name=value``, of the types that its constructor says.

    Of a model that there is not: none, it is refused elsewhere.

    Raises
    ------
    ValueError
        If it has no such argument, or the value is not what it wants.
    """
    from napari_vaemed.models import VAES

    fields = {
        field.name: field for cls in VAES if cls.__name__ == model for field in form_of(cls).fields
    }
    found: dict[str, Value] = {}
    for text in given if fields else ():
        name, _, value = text.partition("=")
        if name not in fields:
            raise ValueError(f"A {model} has no {name!r}; it has {', '.join(fields)}.")
        found[name] = _typed(value, fields[name].default, text)
    return found


def _typed(value: str, like: Value, text: str) -> Value:
    if isinstance(like, bool):
        if value.lower() not in ("true", "false"):
            raise ValueError(f"{text}: wanted true or false.")
        return value.lower() == "true"
    try:
        return type(like)(value)
    except ValueError:
        raise ValueError(f"{text}: wanted a number like {like}.") from None


def read(path: Path) -> Volume:
    """Open a CT, showing the steps on a terminal."""
    from napari_vaemed.io.ct import read_ct

    return run(read_ct(path))


def run(work: Work[Result]) -> Result:
    """Run a job, showing its steps on a terminal."""
    if not sys.stderr.isatty():
        return finish(work)
    result = finish(work, show)
    print("\r\033[K", end="", file=sys.stderr, flush=True)
    return result


def show(step: Progress) -> None:
    """Write one step over the last."""
    how_far = f" {step.done}/{step.total}" if step.total else ""
    print(f"\r\033[K{step.doing}{how_far}", end="", file=sys.stderr, flush=True)


def show_trainings(step: Any, told: tuple[str, ...]) -> None:
    """Show every step of many trainings on a terminal; elsewhere where each of them ended.

    ``told`` are the beginnings of what else is worth a line in a log.
    """
    if sys.stderr.isatty():
        show_training(step)
    elif not isinstance(step, Progress):
        if step.number == step.total:
            show_training(step)
    elif step.doing.startswith(told):
        print(step.doing, file=sys.stderr, flush=True)


def show_training(step: Any) -> None:
    """Show a step on a terminal; elsewhere one line an epoch, for the log."""
    if isinstance(step, Progress):
        if sys.stderr.isatty():
            show(step)
        return
    losses = "  ".join(f"{name} {value:.3g}" for name, value in step.losses.items())
    line = f"epoch {step.number}/{step.total}  {step.seconds:.0f} s on {step.device}  {losses}"
    if step.held_out:
        line += f"  held out {sum(step.held_out.values()):.4g}, lowest in epoch {step.best}"
    start, end = ("\r\033[K", "") if sys.stderr.isatty() else ("", "\n")
    print(f"{start}{line}", end=end, file=sys.stderr, flush=True)
    for note in step.notes:
        print(f"{start and chr(10)}note: {note}", file=sys.stderr, flush=True)


def tell(notes: Iterable[str]) -> None:
    """Say what is worth knowing, beside the output."""
    for note in notes:
        print(f"note: {note}", file=sys.stderr)


def print_json(values: Any) -> None:
    """Print JSON without the NaN that JSON does not have."""
    print(json.dumps(values, indent=2, allow_nan=False))
