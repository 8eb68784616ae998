"""Findings kept between sittings: lines in a journal, a small file a mask beside it.

A finding is a line of ``journal.csv`` (see `io.journal`) that names its series and its image by
their SHA-256, and a file ``masks/<sha256>.npz`` with the mask's bits and its numbers. The file is
written first, the line after it, so that whenever the program dies every line has its file; one
taken away is a further line. Nothing says whose they are.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.finding import ErrorBars, Measurement, NoduleMask, SolidPart
from napari_vaemed.data.interval import Interval
from napari_vaemed.data.kept_finding import KeptFinding
from napari_vaemed.data.volume import Volume
from napari_vaemed.io.atomic import replacing
from napari_vaemed.io.journal import Entry, append_entry, read_journal, withdraw

DESK, MARKED = "findings", "marked"
JOURNAL, MASKS = "journal.csv", "masks"
FORMAT = 1


@dataclass(frozen=True)
class ImageKey:
    """What findings belong to: SHA-256 of the series' UID, empty without one, and of the image."""

    series: str
    image: str


@dataclass(frozen=True)
class KeptFindings:
    """What a store holds of one image.

    Parameters
    ----------
    findings : tuple of KeptFinding
        By number.
    since : str
        The day the newest was marked, YYYY-MM-DD; empty without any.
    elsewhere : int
        So many lie on another image of the same series; they are not given.
    damaged : int
        So many could not be read.
    """

    findings: tuple[KeptFinding, ...] = ()
    since: str = ""
    elsewhere: int = 0
    damaged: int = 0


def series_sha256(volume: Volume) -> str:
    """SHA-256 of the series' UID; empty without one."""
    uid = volume.series_uid
    return hashlib.sha256(uid.encode()).hexdigest() if uid else ""


def image_key(volume: Volume) -> ImageKey:
    """What findings of a volume are kept under; a pass over all voxels.

    The image's counts its voxels in HU, their number and spacing: not where its files lie, nor
    how they are packed.
    """
    about = (volume.shape, [round(float(s), 4) for s in volume.spacing])
    digest = hashlib.sha256(repr(about).encode())
    for plane in volume.hu:
        digest.update(np.ascontiguousarray(plane, "<i2").data)
    return ImageKey(series_sha256(volume), digest.hexdigest())


def may_hold(folder: Path, volume: Volume) -> bool:
    """Whether a store can hold findings of a volume; without a pass over its voxels."""
    series = series_sha256(volume)
    return any(entry.case == series for entry in _standing(folder))


def read_findings(folder: Path, key: ImageKey) -> KeptFindings:
    """What a store holds of an image; nothing where there is no store.

    Of several lines about one number the newest counts.

    Raises
    ------
    ValueError
        The journal is some other file.
    """
    newest: dict[int, tuple[KeptFinding, str]] = {}
    elsewhere = damaged = 0
    for entry in _standing(folder):
        if entry.file_sha256 != key.image:
            elsewhere += bool(key.series) and entry.case == key.series
            continue
        try:
            finding = _read_record(_record(folder, entry.mask_sha256))
        except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
            damaged += 1
        else:
            newest[finding.label] = finding, entry.time[:10]
    found = tuple(newest[label][0] for label in sorted(newest))
    since = max((day for _, day in newest.values()), default="")
    return KeptFindings(found, since, elsewhere, damaged)


def keep_findings(
    folder: Path, key: ImageKey, before: Sequence[KeptFinding], now: Sequence[KeptFinding]
) -> None:
    """Note what came and what went since ``before``; the folder is made when it is not there.

    Only the difference is written, so that two windows on one CT keep each other's findings.

    Raises
    ------
    OSError
        The disk is full, or must not be written to.
    """
    (folder / MASKS).mkdir(mode=0o700, parents=True, exist_ok=True)
    was = {record_sha256(key, each): each for each in before}
    stays = {record_sha256(key, each): each for each in now}
    standing: dict[str, list[Entry]] = {}
    for entry in _standing(folder):
        if entry.file_sha256 == key.image:
            standing.setdefault(entry.mask_sha256, []).append(entry)
    for sha, finding in stays.items():
        known = was.get(sha)
        if known is None or _details(known) != _details(finding):
            _write_record(_record(folder, sha), finding)
        if sha not in standing:
            comment = finding.title or f"Finding {finding.label}"
            append_entry(
                folder / JOURNAL,
                Entry(DESK, MARKED, comment, key.series, key.image, sha),
            )
    for sha in (was.keys() - stays.keys()) & standing.keys():
        for entry in standing[sha]:
            withdraw(folder / JOURNAL, entry)


def record_sha256(key: ImageKey, finding: KeptFinding) -> str:
    """What a finding's line and file are known by: its image, number and voxels."""
    mask = finding.mask
    about = (key.image, finding.label, tuple(map(int, mask.start)), mask.voxels.shape)
    return hashlib.sha256(repr(about).encode() + _bits(mask.voxels).tobytes()).hexdigest()


def _standing(folder: Path) -> list[Entry]:
    journal = read_journal(folder / JOURNAL)
    return [e for e in journal.standing if e.desk == DESK and e.verdict == MARKED]


def _record(folder: Path, sha: str) -> Path:
    return folder / MASKS / f"{sha}.npz"


def _bits(voxels: NDArray[np.bool_]) -> NDArray[np.uint8]:
    return np.packbits(np.ascontiguousarray(voxels))


def _details(finding: KeptFinding) -> dict[str, Any]:
    """Everything but the mask, as JSON's values."""
    return {
        "format": FORMAT,
        "label": finding.label,
        "voxel": [float(v) for v in finding.voxel],
        "title": finding.title,
        "method": finding.method,
        "measurement": asdict(finding.measurement),
        "bars": None if finding.bars is None else asdict(finding.bars),
    }


def _write_record(path: Path, finding: KeptFinding) -> None:
    text = json.dumps(_details(finding), default=float, allow_nan=True)
    mask = finding.mask
    with replacing(path) as beside:
        np.savez_compressed(
            beside,
            bits=_bits(mask.voxels),
            shape=np.array(mask.voxels.shape, np.int32),
            start=np.array(mask.start, np.int32),
            details=np.frombuffer(text.encode(), np.uint8),
        )


def _read_record(path: Path) -> KeptFinding:
    with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
        shape = tuple(int(n) for n in file["shape"])
        voxels = np.unpackbits(file["bits"], count=int(np.prod(shape))).astype(bool)
        z, y, x = (int(n) for n in file["start"])
        said = json.loads(file["details"].tobytes())
    if said["format"] != FORMAT:
        raise ValueError(f"{path.name} has format {said['format']}; this version reads {FORMAT}.")
    a, b, c = said["voxel"]
    return KeptFinding(
        int(said["label"]),
        (a, b, c),
        NoduleMask(voxels.reshape(shape), (z, y, x)),
        _measurement(said["measurement"]),
        said["title"],
        said["method"],
        None if said["bars"] is None else _error_bars(said["bars"]),
    )


def _measurement(said: Mapping[str, Any]) -> Measurement:
    given = {name: _tuples(value) for name, value in _known(Measurement, said).items()}
    if given.get("solid") is not None:
        given["solid"] = SolidPart(**_known(SolidPart, said["solid"]))
    return Measurement(**given)


def _error_bars(said: Mapping[str, Any]) -> ErrorBars:
    given: dict[str, Any] = {
        name: Interval(**value) if isinstance(value, dict) else value
        for name, value in _known(ErrorBars, said).items()
    }
    return ErrorBars(**given)


def _known(noun: type, said: Mapping[str, Any]) -> dict[str, Any]:
    """What this version's noun has of what another version may have written."""
    names = {each.name for each in fields(noun)}
    return {name: value for name, value in said.items() if name in names}


def _tuples(value: Any) -> Any:
    return tuple(_tuples(each) for each in value) if isinstance(value, list) else value
