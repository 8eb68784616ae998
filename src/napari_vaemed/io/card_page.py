"""A model's card as a page of Markdown, whatever the model; never edited by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from napari_vaemed.io.bench_report import markdown_table

Rows = Sequence[Mapping[str, Any]]


def card_page(name: str, about: Mapping[str, Any]) -> str:
    """Markdown of what `io.checkpoints.read_about` gives.

    Every entry of the card is told, in its order: words as a paragraph, numbers as a list, figures
    of one kind as a table. Three numbers are a figure with its 95 % interval.

    Parameters
    ----------
    name : str
        Of the weights file, without its ending.
    """
    card: Mapping[str, Any] = about["card"]
    parts = [
        f"# Model card: {name}",
        f"<!-- made by `vaemed card {name}`; to change it, change the card and make it again -->",
        f"{card.get('what', about['class'])}",
    ]
    words = {k: v for k, v in card.items() if isinstance(v, str | int | float) and k != "what"}
    parts += [f"**{_title(key)}.** {_cell(value)}" for key, value in words.items()]
    for key, value in card.items():
        if not isinstance(value, str | int | float):
            parts += _section(_title(key), value, 2)
    weights = {"class": about["class"], **about["arguments"], "SHA-256": about["sha256"]}
    parts += _section("Weights", weights, 2)
    return "\n\n".join(parts) + "\n"


def _section(title: str, value: Any, level: int) -> list[str]:
    """A heading with what stands below it."""
    parts = [f"{'#' * level} {title}"]
    if isinstance(value, Mapping):
        tables = {k: v for k, v in value.items() if isinstance(v, Mapping)}
        own = {k: v for k, v in value.items() if k not in tables}
        if own:
            parts.append("\n".join(f"- {_title(k)}: {_cell(v)}" for k, v in own.items()))
        alike = {k: _joined(v) for k, v in tables.items() if not _nested(v) or "auc" in v}
        if alike:
            parts += _tables(alike)
        for key, inner in tables.items():
            if key not in alike:
                parts += _section(_title(key), inner, level + 1)
        strata = {k: v["strata"] for k, v in tables.items() if v.get("strata")}
        if strata:
            parts += [f"{'#' * (level + 1)} AUC inside strata", *_tables(strata)]
    elif value and all(isinstance(each, Mapping) for each in value):
        parts.append(_table([dict(each) for each in value]))
    else:
        parts.append("\n".join(f"- {_cell(each)}" for each in value))
    return parts


def _tables(named: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """One table for all mappings that have a column in common, each named in the first column."""
    groups: list[tuple[set[str], list[dict[str, Any]]]] = []
    for name, row in named.items():
        line = {"": name, **row}
        for columns, lines in groups:
            if columns & set(row):
                lines.append(line)
                columns |= set(row)
                break
        else:
            groups.append((set(row), [line]))
    return [_table(lines) for _, lines in groups]


def _table(rows: Rows) -> str:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    lines = [[_cell(row.get(column)) for column in columns] for row in rows]
    return markdown_table([_title(column) if column else "" for column in columns], lines)


def _joined(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row whose AUCs are told with their ends in one cell, without its strata."""
    row = {k: v for k, v in row.items() if k != "strata"}
    for name, low, high in (
        ("auc", "from", "to"), ("auc_6_to_10_mm", "6_to_10_mm_from", "6_to_10_mm_to"),
    ):  # fmt: skip
        if low in row:
            row[name] = [row[name], row.pop(low), row.pop(high)]
    return row


def _nested(value: Mapping[str, Any]) -> bool:
    return any(isinstance(inner, Mapping) for inner in value.values())


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        if len(value) == 3 and all(isinstance(each, float) for each in value):
            return f"{value[0]:.3f} [{value[1]:.3f}, {value[2]:.3f}]"
        return "; ".join(_cell(each) for each in value)
    return str(value).replace("|", "\\|")


def _title(key: str) -> str:
    """A key as a person reads it."""
    text = key.replace("_", " ")
    text = text.replace("auc", "AUC").replace(" to 10 mm", "–10 mm") if "auc" in key else text
    return text[:1].upper() + text[1:]
