"""The readings of LIDC-IDRI: outlines and ratings of up to four radiologists."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.draw import polygon

from napari_vaemed.data.annotation import Annotation, LabelMap, PointMarks
from napari_vaemed.data.finding import Measurement, NoduleMask
from napari_vaemed.data.nodule import ATTRIBUTES
from napari_vaemed.data.volume import Volume
from napari_vaemed.io.errors import CTError
from napari_vaemed.io.orientation import orientation_code, to_canonical
from napari_vaemed.segmentation.measure import measure_nodule

XML_ATTRIBUTES = {
    "internalStructure": "internal_structure",
    **{name: name for name in ATTRIBUTES if name != "internal_structure"},
}
KINDS = {"nodule": "nodule", "small": "nodule under 3 mm", "no nodule": "no nodule, 3 mm or more"}
MOST_BYTES = 64 * 2**20
"""Far beyond any reading."""


@dataclass(frozen=True, eq=False)
class Outline:
    """One closed outline on one slice.

    Parameters
    ----------
    z_mm : float
        Patient z of the slice, LPS mm.
    points : (n, 2) int
        Column and row of the outline's pixels, in the file's own slice.
    included : bool
        False for an outline around a part that does not belong to the nodule.
    """

    z_mm: float
    points: NDArray[np.intp]
    included: bool = True


@dataclass(frozen=True, eq=False)
class ReaderNodule:
    """One radiologist's mark.

    Parameters
    ----------
    reader : int
        Reading session, from 1.
    id : str
        The reader's own name for it; the same nodule has another with each reader.
    series_uid : str
    outlines : tuple of Outline
    ratings : mapping
        The nine characteristics (see `ATTRIBUTES`); empty for a nodule under 3 mm and for a
        mark that is no nodule.
    kind : str
        ``"nodule"`` (3 mm or more), ``"small"`` (under 3 mm, a single point) or
        ``"no nodule"`` (another finding of 3 mm or more, a single point).
    """

    reader: int
    id: str
    series_uid: str
    outlines: tuple[Outline, ...]
    ratings: Mapping[str, int] = field(default_factory=dict)
    kind: str = "nodule"


@dataclass(frozen=True, eq=False)
class MatchedNodule:
    """What several readers marked at one place, taken for one nodule.

    Parameters
    ----------
    readings : tuple of ReaderNodule
        In the order of the readers.
    centre_mm : (x, y, z)
        Centre of the union of the readers' masks, LPS mm.
    """

    readings: tuple[ReaderNodule, ...]
    centre_mm: tuple[float, float, float]

    @property
    def ratings(self) -> dict[str, float]:
        """Mean over the readers who rated it, by attribute; empty when nobody did."""
        rated = [r.ratings for r in self.readings if r.ratings]
        return {n: float(np.mean([r[n] for r in rated])) for n in ATTRIBUTES} if rated else {}


def read_lidc_xml(path: str | os.PathLike[str]) -> tuple[ReaderNodule, ...]:
    """Read the marks of all reading sessions of an LIDC-IDRI XML file.

    Raises
    ------
    FileNotFoundError
    CTError
        The file is no LIDC reading.
    """
    path = Path(path)
    if path.stat().st_size > MOST_BYTES:
        raise CTError(f"{path.name} is larger than any LIDC reading. Open the scan's own XML.")
    try:
        root = ElementTree.parse(path).getroot()
    except ElementTree.ParseError as error:
        raise CTError(f"{path.name} is no readable XML ({error}).") from error
    if _tag(root) != "LidcReadMessage":
        raise CTError(
            f"{path.name} starts with <{_tag(root)}>; an LIDC CT reading starts with "
            "<LidcReadMessage>."
        )
    series_uid = _text(root, ".//{*}SeriesInstanceUid")
    sessions = root.findall("{*}readingSession")
    try:
        return tuple(
            mark
            for reader, session in enumerate(sessions, 1)
            for mark in _marks(session, reader, series_uid)
        )
    except (ValueError, TypeError) as error:
        raise CTError(f"{path.name} holds a mark that cannot be read ({error}).") from error


def reader_mask(
    nodule: ReaderNodule, volume: Volume, *, with_outline: bool = False
) -> NDArray[np.bool_]:
    """Voxels (z, y, x) of a reader's nodule.

    LIDC readers drew the first pixels outside the nodule, so the outline's own pixels do not
    belong to it and are left out; so are those of an excluded part (a cavity), as in pylidc.

    Parameters
    ----------
    nodule : ReaderNodule
    volume : Volume
        The scan that was read; its file's slices must be axial.
    with_outline : bool
        Count the pixels of outer outlines in.

    Raises
    ------
    CTError
        The outlines do not lie on the volume.
    """
    code = _axial_code(volume)
    columns, rows = volume.shape[2], volume.shape[1]
    mask = np.zeros(volume.shape, bool)
    for included in (True, False):
        for outline in (o for o in nodule.outlines if o.included is included):
            place = _slice_at(outline, volume)
            inside = _fill(
                outline.points, (rows, columns), with_outline=with_outline or not included
            )
            turned = to_canonical(inside[None], code[:2] + "S")[0]
            mask[place] = mask[place] | turned if included else mask[place] & ~turned
    return mask


def measure_reader(
    nodule: ReaderNodule, volume: Volume, *, with_outline: bool = False
) -> Measurement:
    """Diameters, volume and density of a reader's nodule, as of one the user has clicked."""
    mask = reader_mask(nodule, volume, with_outline=with_outline)
    return measure_nodule(volume, NoduleMask.of(mask))


def match_readers(nodules: tuple[ReaderNodule, ...], volume: Volume) -> tuple[MatchedNodule, ...]:
    """Join the readers' nodules of 3 mm or more that overlap.

    Two marks are one nodule when their masks, outlines counted in, share a voxel. The result
    is ordered by number of readers, then by size, the most agreed first.

    Raises
    ------
    CTError
        A mark does not lie on the volume.
    """
    marks = [n for n in nodules if n.kind == "nodule"]
    if not marks:
        return ()
    voxels = [np.flatnonzero(reader_mask(n, volume, with_outline=True)) for n in marks]
    group = _overlapping(voxels)
    matched = []
    for number in range(max(group) + 1):
        members = [i for i, g in enumerate(group) if g == number]
        union = np.unique(np.concatenate([voxels[i] for i in members]))
        centre = volume.to_world(np.mean(np.unravel_index(union, volume.shape), axis=1))
        readings = tuple(sorted((marks[i] for i in members), key=lambda n: n.reader))
        readers = len({n.reader for n in readings})
        nodule = MatchedNodule(readings, (float(centre[0]), float(centre[1]), float(centre[2])))
        matched.append((readers, len(union), nodule))
    matched.sort(key=lambda entry: (-entry[0], -entry[1]))
    return tuple(nodule for *_, nodule in matched)


def lidc_annotations(marks: tuple[ReaderNodule, ...], volume: Volume) -> tuple[Annotation, ...]:
    """A reading as labels, one map a reader, and its single-point marks as points.

    A nodule several readers marked has the same number in each reader's map: the place that
    `match_readers` gives it, from 1. Nodules under 3 mm and marks that are no nodules stay
    apart, as points.

    Raises
    ------
    CTError
        A mark does not lie on the volume.
    """
    matched = match_readers(marks, volume)
    maps = [_reader_map(reader, matched, volume) for reader in sorted({m.reader for m in marks})]
    points = [m for m in marks if m.kind != "nodule"]
    # an outline without any pixel inside is a place, no mask
    points += [m for m in marks if m.kind == "nodule" and not reader_mask(m, volume).any()]
    found: list[Annotation] = [m for m in maps if m.labels.any()]
    if points:
        columns: dict[str, list[Any]] = {
            "reader": [m.reader for m in points],
            "kind": [KINDS[m.kind] for m in points],
            "id": [m.id for m in points],
        }
        positions = np.array([_middle_mm(m, volume) for m in points])
        found.append(PointMarks("Single-point marks", positions, volume, columns))
    return tuple(found)


def _reader_map(reader: int, matched: tuple[MatchedNodule, ...], volume: Volume) -> LabelMap:
    labels = np.zeros(volume.shape, np.uint8 if len(matched) < 256 else np.uint16)
    rows: list[dict[str, Any]] = []
    for number, nodule in enumerate(matched, 1):
        marked = [r for r in nodule.readings if r.reader == reader]
        masks = [reader_mask(r, volume) for r in marked]
        inside = np.any(masks, axis=0) if masks else np.zeros(0, bool)
        if not inside.any():
            continue
        labels[inside] = number
        size = measure_nodule(volume, NoduleMask.of(inside))
        ratings = next((r.ratings for r in marked if r.ratings), {})
        rows.append(
            {
                "index": number,
                "finding": f"Finding {number}",
                "reader": reader,
                "readers": len({r.reader for r in nodule.readings}),
                "id": ", ".join(r.id for r in marked),
                "diameter_mm": round(size.longest_mm, 2),
                "volume_mm3": round(size.volume_mm3, 1),
                **{name: ratings.get(name, np.nan) for name in ATTRIBUTES},
            }
        )
    columns = {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}
    return LabelMap(f"Reader {reader}", labels, volume, columns)


def _middle_mm(mark: ReaderNodule, volume: Volume) -> NDArray[np.float64]:
    """Centre of a mark's outlines, (x, y, z) in LPS mm."""
    code = _axial_code(volume)
    depth = np.mean([_slice_at(o, volume) for o in mark.outlines])
    column, row = np.concatenate([o.points for o in mark.outlines]).mean(axis=0)
    x = volume.shape[2] - 1 - column if code[0] == "R" else column
    y = volume.shape[1] - 1 - row if code[1] == "A" else row
    voxel = (depth, y, x)
    if not volume.contains(voxel):
        raise CTError(
            f"A mark lies at column {column:g}, row {row:g}; the slices have {volume.shape[2]} × "
            f"{volume.shape[1]} pixels. The reading belongs to another series."
        )
    return volume.to_world(voxel)


def _overlapping(voxels: list[NDArray[np.intp]]) -> list[int]:
    """Group number of each voxel set; sets that share a voxel are in one group."""
    group = list(range(len(voxels)))
    for i, one in enumerate(voxels):
        for j in range(i):
            if group[i] != group[j] and np.intersect1d(one, voxels[j], True).size:
                old, new = group[i], group[j]
                group = [new if g == old else g for g in group]
    numbers = sorted(set(group))
    return [numbers.index(g) for g in group]


def _axial_code(volume: Volume) -> str:
    code = volume.stored_axes
    upright = abs(volume.direction[2, 2]) > 0.999
    if code[0] not in "LR" or code[1] not in "AP" or not upright:
        raise CTError(
            "LIDC outlines lie on axial slices; this volume was stored as "
            f"{code} with direction {orientation_code(volume.direction)}. Open the original DICOM."
        )
    return code


def _slice_at(outline: Outline, volume: Volume) -> int:
    place = (outline.z_mm - volume.origin[2]) / (volume.spacing[0] * volume.direction[2, 2])
    nearest = round(place)
    if not 0 <= nearest < volume.shape[0] or abs(place - nearest) > 0.45:
        raise CTError(
            f"An outline lies at z = {outline.z_mm:g} mm, where the volume has no slice. "
            "The reading belongs to another series."
        )
    return nearest


def _fill(
    points: NDArray[np.intp], shape: tuple[int, int], *, with_outline: bool
) -> NDArray[np.bool_]:
    """Pixels (rows, columns) inside a closed outline."""
    low, high = points.min(axis=0), points.max(axis=0)
    if (low < 0).any() or high[0] >= shape[1] or high[1] >= shape[0]:
        raise CTError(
            f"An outline reaches column {high[0]}, row {high[1]}; the slices have "
            f"{shape[1]} × {shape[0]} pixels. The reading belongs to another series."
        )
    columns, rows = (points - low).T
    box = np.zeros((high - low + 1)[::-1], bool)
    box[polygon(rows, columns, box.shape)] = True
    box[rows, columns] = with_outline
    mask = np.zeros(shape, bool)
    mask[low[1] : high[1] + 1, low[0] : high[0] + 1] = box
    return mask


def _marks(session: ElementTree.Element, reader: int, series_uid: str) -> Iterator[ReaderNodule]:
    for element in session.findall("{*}unblindedReadNodule"):
        outlines = tuple(_outline(roi) for roi in element.findall("{*}roi"))
        outlines = tuple(o for o in outlines if len(o.points))
        ratings = _ratings(element)
        single = len(outlines) == 1 and len(outlines[0].points) == 1
        kind = "small" if single else "nodule"
        # some readings leave the characteristics of small nodules out, others write zeros
        complete = set(ratings) == set(ATTRIBUTES) and kind == "nodule"
        if outlines:
            name = _text(element, "{*}noduleID")
            yield ReaderNodule(
                reader, name, series_uid, outlines, ratings if complete else {}, kind
            )
    for element in session.findall("{*}nonNodule"):
        point = np.array([[int(_text(element, f".//{{*}}{axis}Coord")) for axis in "xy"]])
        outline = Outline(float(_text(element, "{*}imageZposition")), point)
        name = _text(element, "{*}nonNoduleID")
        yield ReaderNodule(reader, name, series_uid, (outline,), {}, "no nodule")


def _outline(roi: ElementTree.Element) -> Outline:
    points = [
        [int(_text(edge, "{*}xCoord")), int(_text(edge, "{*}yCoord"))]
        for edge in roi.findall("{*}edgeMap")
    ]
    return Outline(
        z_mm=float(_text(roi, "{*}imageZposition")),
        points=np.array(points, np.intp).reshape(-1, 2),
        included=_text(roi, "{*}inclusion").upper() != "FALSE",
    )


def _ratings(element: ElementTree.Element) -> dict[str, int]:
    found = {}
    for child in element.findall("{*}characteristics/*"):
        name = XML_ATTRIBUTES.get(_tag(child))
        if name and child.text and child.text.strip():
            found[name] = int(child.text)
    return {name: found[name] for name in ATTRIBUTES if found.get(name)}


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rsplit("}", 1)[-1]


def _text(element: ElementTree.Element, where: str) -> str:
    return (element.findtext(where) or "").strip()
