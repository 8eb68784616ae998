"""What a training on digits came to: a table as Markdown, all of it as JSON, pictures as PNG."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_vaemed.io.atomic import replacing
from napari_vaemed.io.bench_report import markdown_table
from napari_vaemed.io.reports import write_report

REPORT = "digits"
"""Name of the report's files."""


def write_digit_report(
    out: Path, report: Mapping[str, Any], pictures: Mapping[str, NDArray[np.uint8]]
) -> None:
    """Write ``digits.json``, ``digits.md`` and the pictures, (y, x) each, into a folder."""
    write_report(out / f"{REPORT}.json", report)
    with replacing(out / f"{REPORT}.md") as beside:
        beside.write_text(markdown(report), encoding="utf-8")
    for name, grey in pictures.items():
        with replacing(out / f"{name}.png") as beside:
            Image.fromarray(grey).save(beside, format="PNG")


def markdown(report: Mapping[str, Any]) -> str:
    """A line a seed, and their median."""
    named = list(report["median"])
    rows = [
        [str(seed["seed"]), *(_number(seed[name]) for name in named)] for seed in report["seeds"]
    ]
    rows.append(["median", *(_number(report["median"][name]) for name in named)])
    head = (
        f"{report['model']} on {report['data']}, {report['test']} test pictures, "
        f"{report['epochs']} epochs, {report['labelled']} of {report['pictures']} labels: "
        f"`{report['command']}`"
    )
    return f"{head}\n\n{markdown_table(['seed', *named], rows)}\n"


def _number(value: float) -> str:
    return f"{value:.0f}" if value > 1 else f"{value:.4f}"
