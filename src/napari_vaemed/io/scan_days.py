"""How many days lie between two scans, from the headers of their DICOM files."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from napari_vaemed.data.progress import Work
from napari_vaemed.io.errors import CTError
from napari_vaemed.io.series import find_series, is_dicom


def days_between(
    paths: tuple[Path, Path], series_uids: tuple[str | None, str | None]
) -> Work[float | None]:
    """Days from the second scan to the first; None where one of them has no date.

    The dates themselves are kept nowhere.

    Parameters
    ----------
    paths : two paths
        What the scans were read from.
    series_uids : two texts or None
        Which of the series found there they are.
    """
    now = yield from _day(paths[0], series_uids[0])
    before = yield from _day(paths[1], series_uids[1])
    return None if now is None or before is None else float((now - before).days)


def _day(path: Path, series_uid: str | None) -> Work[date | None]:
    """The day of a series; None where there is none."""
    if path.is_file() and path.suffix.lower() != ".zip":
        path = path.parent if is_dicom(path) else path
    if series_uid is None or not (path.is_dir() or path.suffix.lower() == ".zip"):
        return None
    try:
        found = yield from find_series(path)
        days = [each.date for each in found if each.first.series_uid == series_uid and each.date]
        return date.fromisoformat(days[0]) if days else None
    except (CTError, ValueError):
        return None
