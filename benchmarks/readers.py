"""Our measurements of the nodule of LIDC-IDRI-0001 beside its readers' own.

python benchmarks/readers.py --data ../shared/data
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from napari_vaemed.data.finding import NoduleMask
from napari_vaemed.data.progress import finish
from napari_vaemed.io.annotations import lidc_xml_beside
from napari_vaemed.io.ct import read_ct
from napari_vaemed.io.lidc import match_readers, reader_mask
from napari_vaemed.segmentation.lungs import segment_lungs
from napari_vaemed.segmentation.measure import measure_nodule
from napari_vaemed.workflow.click import METHODS, outline


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--jitter", type=float, default=2.0, help="mm off the readers' centre")
    options.add_argument("--method", choices=METHODS, default=METHODS[0], help="of the click")
    chosen = options.parse_args()
    path = chosen.data / "lidc_scans" / "LIDC-IDRI-0001"
    volume = finish(read_ct(path))
    lungs = finish(segment_lungs(volume))
    print(f"{'who':<12}{'longest':>9}{'across':>9}{'mm³':>9}")
    for finding in match_readers(lidc_xml_beside(path, volume), volume):
        rows, centres = [], []
        for reader in finding.readings:
            measured = measure_nodule(volume, NoduleMask.of(reader_mask(reader, volume)))
            rows.append((measured.longest_mm, measured.perpendicular_mm, measured.volume_mm3))
            centres.append(measured.centre_mm)
            print(f"{'reader':<12}" + "".join(f"{v:9.1f}" for v in rows[-1]))
        centre = np.mean(centres, axis=0)
        rng = np.random.default_rng(0)
        for _ in range(5):
            step = rng.normal(size=3)
            step *= chosen.jitter / np.linalg.norm(step)
            voxel = tuple(volume.to_voxel(centre + step))
            mask = outline(volume, voxel, lungs, method=chosen.method)
            ours = measure_nodule(volume, mask)
            print(
                f"{'ours':<12}{ours.longest_mm:9.1f}{ours.perpendicular_mm:9.1f}"
                f"{ours.volume_mm3:9.1f}"
            )
        low, high = np.min(rows, axis=0), np.max(rows, axis=0)
        print(f"{'readers -15%':<12}" + "".join(f"{v:9.1f}" for v in 0.85 * low))
        print(f"{'readers +15%':<12}" + "".join(f"{v:9.1f}" for v in 1.15 * high))


if __name__ == "__main__":
    main()
