"""Indexes of known nodules on disk: posteriors as safetensors, records as JSON; no pixels."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.numpy import load, save

from napari_vaemed.data.index import NoduleIndex
from napari_vaemed.data.nodule import NoduleRecord
from napari_vaemed.data.posterior import Posterior
from napari_vaemed.io.atomic import replacing


def write_index(path: Path, index: NoduleIndex) -> None:
    """Write ``path`` (.safetensors: ``mean`` and ``sd``) and the same name with .json."""
    posterior = {"mean": index.posterior.mean, "sd": index.posterior.sd}
    about = {
        "source": index.source,
        "model_sha256": index.model_sha256,
        "records": [_plain(record) for record in index.records],
    }
    with replacing(path) as beside:
        beside.write_bytes(save(posterior))
    with replacing(path.with_suffix(".json")) as beside:
        beside.write_text(json.dumps(about, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")


def read_index(path: Path) -> NoduleIndex:
    """Read what `write_index` wrote.

    Raises
    ------
    FileNotFoundError
        If one of the two files is missing.
    ValueError
        If they are damaged or do not belong together.
    """
    for needed in (path, path.with_suffix(".json")):
        if not needed.is_file():
            raise FileNotFoundError(
                f"No index at {needed}. An index is two files of one name, .safetensors and "
                ".json; make one with: vaemed index"
            )
    try:
        about = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        numbers = load(path.read_bytes())
        records = tuple(_record(entry) for entry in about["records"])
        posterior = Posterior(numbers["mean"], numbers["sd"])
        return NoduleIndex(records, posterior, about["model_sha256"], about["source"])
    except (SafetensorError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"The index {path.name} is damaged ({error!r}). Build it again.") from None


def _plain(record: NoduleRecord) -> dict[str, Any]:
    plain = asdict(record)
    plain["ratings"] = dict(record.ratings)
    plain["centre_mm"] = [round(value, 3) for value in record.centre_mm]
    plain["diameter_mm"] = round(record.diameter_mm, 3)
    if record.clicked_mm3 is not None:
        plain["clicked_mm3"] = round(record.clicked_mm3, 1)
    return plain


def _record(entry: dict[str, Any]) -> NoduleRecord:
    x, y, z = entry["centre_mm"]
    return NoduleRecord(**{**entry, "centre_mm": (x, y, z)})
