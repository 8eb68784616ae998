"""Indexes of known nodules on disk: posteriors as safetensors, records as JSON; no pixels.

An index is a pair of files of one name, and as many parts as were appended to it:

    nodules.safetensors        ``mean`` and ``sd``, of Dirichlets ``concentration``, (n, d) float32
    nodules.json               source, model, preprocessing, checksum of the first, records
    nodules.part1.safetensors  the same of what was appended first
    nodules.part1.json         and which file it follows

A part counts once its JSON is there, and as long as that names the checksum of the JSON before it.
So an append writes only what is new, one that breaks off leaves the index as it was, and parts of
an index that was written anew are not taken for parts of the new one. One program may write at a
time; any number may read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from napari_vaemed.data.index import NoduleIndex
from napari_vaemed.data.nodule import NoduleRecord
from napari_vaemed.data.posterior import AnyPosterior
from napari_vaemed.io.atomic import replacing
from napari_vaemed.io.posteriors import posterior_of, posterior_tensors
from napari_vaemed.preprocessing.patch import PATCH_SHAPE, PATCH_SPACING

_LONGEST_HEAD = 100_000_000  # bytes, by the definition of safetensors


def write_index(path: Path, index: NoduleIndex) -> None:
    """Write ``path`` (.safetensors: the posteriors) and the same name with .json.

    An index that does not say how its patches were cut is taken to be made by this version.
    """
    about = {
        "source": index.source,
        "model_sha256": index.model_sha256,
        "preprocessing": index.preprocessing or _preprocessing(),
    }
    _write_pair(path, about, index)
    number = 1
    while (part := _part(path, number)).exists():  # of the index that stood here before
        for stale in (part.with_suffix(".json"), part):
            stale.unlink(missing_ok=True)
        number += 1


def append_index(path: Path, more: NoduleIndex) -> None:
    """Add nodules to an index without writing anew what it holds.

    Raises
    ------
    ValueError
        If they come from another model or another preprocessing, or are in the index already.
    """
    files = _read_files(path)
    about = files[0].about
    known = {entry["id"] for file in files for entry in file.about["records"]}
    again = [record.id for record in more.records if record.id in known]
    if again:
        raise ValueError(f"The index holds {', '.join(again[:3])} already. Leave such nodules out.")
    _check_same("model", about["model_sha256"], more.model_sha256)
    _check_same("preprocessing", about.get("preprocessing", ""), more.preprocessing)
    held = map_posterior(path)
    _check_same("family", type(held).__name__, type(more.posterior).__name__)
    if more.posterior.dims != held.dims:
        raise ValueError(
            f"The index holds codes of {held.dims} numbers; those to be added have "
            f"{more.posterior.dims}."
        )
    _write_pair(_part(path, len(files)), {"follows": files[-1].sha256}, more)


def read_index(path: Path) -> NoduleIndex:
    """Read what `write_index` and `append_index` wrote.

    Raises
    ------
    FileNotFoundError
        If one of the two files is missing.
    ValueError
        If they are damaged, do not belong together, or were made with patches cut otherwise than
        this version cuts them.
    """
    files = _read_files(path)
    about = files[0].about
    try:
        stated = about.get("preprocessing", "")
        _check_same("preprocessing", stated, _preprocessing() if stated else "")
        tensors = [_read_posterior(file) for file in files]
        posterior = posterior_of(
            {name: np.concatenate([held[name] for held in tensors]) for name in tensors[0]}
        )
        records = tuple(_record(entry) for file in files for entry in file.about["records"])
        return NoduleIndex(records, posterior, about["model_sha256"], about["source"], stated)
    except (SafetensorError, KeyError, TypeError) as error:
        raise ValueError(f"The index {path.name} is damaged ({error!r}). Build it again.") from None


def index_files(path: Path) -> tuple[Path, ...]:
    """The .safetensors files of an index, in the order of its records."""
    return tuple(file.path for file in _read_files(path))


def map_posterior(path: Path) -> AnyPosterior:
    """Posteriors of one .safetensors file, mapped: only what is used is read from disk.

    For search in an index larger than memory.

    Raises
    ------
    ValueError
        If the file is damaged.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        head = file.read(min(length, _LONGEST_HEAD))
    try:
        tensors = json.loads(head)
        return posterior_of(
            {
                name: _mapped(path, tensor, 8 + length)
                for name, tensor in tensors.items()
                if name != "__metadata__"
            }
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"The index {path.name} is damaged ({error!r}). Build it again.") from None


@dataclass(frozen=True)
class _File:
    """One pair of an index: the path of its posteriors, its JSON, and the checksum of that."""

    path: Path
    about: Mapping[str, Any]
    sha256: str


def _read_files(path: Path) -> list[_File]:
    """The pair at ``path`` and the parts that follow it."""
    for needed in (path, path.with_suffix(".json")):
        if not needed.is_file():
            raise FileNotFoundError(
                f"No index at {needed}. An index is two files of one name, .safetensors and "
                ".json; make one with: vaemed index"
            )
    try:
        files = [_read_file(path)]
        if not isinstance(files[0].about["records"], list):
            raise TypeError("records is no list")
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"The index {path.name} is damaged ({error!r}). Build it again.") from None
    with suppress(FileNotFoundError, json.JSONDecodeError):
        while (part := _read_file(_part(path, len(files)))).about.get("follows") == files[
            -1
        ].sha256:
            files.append(part)
    return files


def _read_file(path: Path) -> _File:
    data = path.with_suffix(".json").read_bytes()
    return _File(path, json.loads(data), hashlib.sha256(data).hexdigest())


def _read_posterior(file: _File) -> dict[str, NDArray[np.float32]]:
    data = file.path.read_bytes()
    # Indexes written by version 0.1 do not name the checksum.
    expected = file.about.get("posterior_sha256", "")
    if expected and hashlib.sha256(data).hexdigest() != expected:
        raise ValueError(
            f"{file.path.name} is not the file {file.path.with_suffix('.json').name} was written "
            "for (its checksum differs): a writing broke off, or one of the two was replaced. "
            "Build it again."
        )
    tensors: dict[str, NDArray[np.float32]] = load(data)
    return tensors


def _write_pair(path: Path, about: Mapping[str, Any], index: NoduleIndex) -> None:
    data = save(posterior_tensors(index.posterior))
    whole = {
        **about,
        "posterior_sha256": hashlib.sha256(data).hexdigest(),
        "records": [_plain(record) for record in index.records],
    }
    text = json.dumps(whole, ensure_ascii=False, indent=0) + "\n"
    with replacing(path.with_suffix(".json")) as json_beside:  # both stand ready before one moves
        json_beside.write_text(text, encoding="utf-8")
        with replacing(path) as beside:
            beside.write_bytes(data)


def _part(path: Path, number: int) -> Path:
    return path.with_name(f"{path.stem}.part{number}{path.suffix}")


def _mapped(path: Path, tensor: Mapping[str, Any], start: int) -> NDArray[np.float32]:
    if tensor["dtype"] != "F32":
        raise ValueError(f"numbers are {tensor['dtype']}, not F32")
    begin, _ = tensor["data_offsets"]
    shape = tuple(tensor["shape"])
    mapped = np.memmap(path, np.dtype("<f4"), "r", offset=start + begin, shape=shape)
    return np.asarray(mapped)  # the same memory; slices of a memmap cost more than of an array


def _preprocessing() -> str:
    """How this version makes of CT what a model reads, in words that can be compared."""
    from napari_vaemed.models.networks import HU_RANGE

    shape = "×".join(map(str, PATCH_SHAPE))
    return f"{shape} voxels of {PATCH_SPACING:g} mm, HU {HU_RANGE[0]:g} to {HU_RANGE[1]:g}"


def _check_same(what: str, of_index: str, of_other: str) -> None:
    if of_index and of_other and of_index != of_other:
        raise ValueError(
            f"The index was made with {what} {of_index}; this is {what} {of_other}. Their codes "
            "cannot be compared. Build the index again."
        )


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
