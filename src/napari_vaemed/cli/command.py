"""One command of `vaemed`: read its arguments, run it, say in one line what was wrong."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from napari_vaemed import __version__
from napari_vaemed.cli import (
    anomalies,
    bench,
    cards,
    datasets,
    digits,
    maps,
    masks,
    nodules,
    prior,
    resampling,
    slices,
    sweep,
    training,
    twins,
    volumes,
)
from napari_vaemed.data.intended_use import NOT_A_DEVICE


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 when it worked, 2 with one line on bad input."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except (ValueError, LookupError, OSError) as error:
        text = error.args[0] if isinstance(error, KeyError) and error.args else error
        print(f"vaemed: {' '.join(str(text).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("vaemed: stopped; nothing half-written was left behind.", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vaemed",
        description=f"Chest CT: lungs, nodules and what they are like. {NOT_A_DEVICE}",
    )
    parser.add_argument("--version", action="version", version=f"vaemed {__version__}")
    verbs = parser.add_subparsers(required=True, metavar="COMMAND")
    for group in (
        volumes, resampling, nodules, prior, slices, masks, training, bench, cards, twins,
        sweep, datasets, digits, anomalies, maps,
    ):  # fmt: skip
        group.add_verbs(verbs)
    return parser


if __name__ == "__main__":
    sys.exit(main())
