"""Commands about collections of labelled images: lidc-nodules, dataset."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from napari_vaemed.cli.verbs import add_verb, print_json, run


def add_verbs(verbs: Any) -> None:
    """Add lidc-nodules and dataset."""
    lidc = add_verb(
        verbs,
        "lidc-nodules",
        _lidc_nodules,
        "Cut the nodules of a LIDC-IDRI download out of their scans, to train and index with. "
        "Stopped, it goes on where it was when called again.",
    )
    lidc.add_argument("download", type=Path, help="folder of TCIA's download: DICOM and XML")
    lidc.add_argument(
        "-o", "--output", type=Path, required=True, help="folder to make, or to go on with"
    )
    lidc.add_argument(
        "--readers", type=int, default=3, help="how many of the four must have marked a nodule"
    )
    lidc.add_argument(
        "--margin", type=float, metavar="MM",
        help="room around what any reader marked; by default as the published crops: 15 %% of its "
        "length, in the plane at least 43 pixels in all",
    )  # fmt: skip
    lidc.add_argument("--json", action="store_true", help="print JSON: what became of every scan")

    dataset = add_verb(
        verbs, "dataset", _dataset, "Say what a collection of labelled images holds."
    )
    dataset.add_argument(
        "path", type=Path,
        help="MedMNIST's or MNIST's .npz, CheXpert's folder or one of its tables, a CSV with "
        "columns file and label (or a column of 0 and 1 a finding), or a folder with one "
        "sub-folder of pictures a class",
    )  # fmt: skip
    dataset.add_argument(
        "--uncertain", choices=("ignore", "zero", "one"), default="ignore",
        help="what CheXpert's uncertain labels become",
    )  # fmt: skip
    dataset.add_argument(
        "--view", choices=("all", "frontal", "lateral"), default="all", help="of CheXpert"
    )
    dataset.add_argument("--json", action="store_true", help="print JSON")


def _lidc_nodules(options: argparse.Namespace) -> None:
    from napari_vaemed.workflow.import_lidc import DONE, import_lidc

    done = run(
        import_lidc(
            options.download,
            options.output,
            least_readers=options.readers,
            margin_mm=options.margin,
        )
    )
    if options.json:
        alone = list(done.readings_alone)
        print_json(
            {
                "folder": str(options.output),
                "nodules": done.nodules,
                "patients_complete_before": done.complete_before,
                "scans": [vars(scan) for scan in done.scans],
                "readings_without_scan": alone,
            }
        )
        return
    for scan in done.scans:
        if scan.remark:
            print(f"{scan.patient_id}  {scan.outcome}: {scan.remark} ({scan.seriesuid})")
    for name in done.readings_alone:
        print(f"{name}  its scan is not in the download")
    read = [scan for scan in done.scans if scan.outcome == DONE]
    places = sum(scan.places_marked for scan in read)
    print(
        f"{done.nodules} nodules that {options.readers} or more readers marked, of {places} places "
        f"marked on {len(read)} of {len(done.scans)} scans -> {options.output}"
    )
    if done.complete_before:
        print(f"{done.complete_before} patients were complete before")


def _dataset(options: argparse.Namespace) -> None:
    from napari_vaemed.io.labelled_images import read_labelled_images

    images = read_labelled_images(options.path, uncertain=options.uncertain, view=options.view)
    told = images.summary()
    if options.json:
        print_json(told)
        return
    size = " × ".join(map(str, told["first_image"]["shape"]))
    print(f"{told['source']}\n{told['n']} images of {told['groups']} groups, {told['kind']}")
    print(f"the first: {size}, {told['first_image']['dtype']}")
    for name, part in told["parts"].items():
        print(f"{name}: {part['n']} of {part['groups']} groups")
        for task, counts in part["labels"].items():
            said = ", ".join(f"{word} {count}" for word, count in counts.items())
            print(f"  {task}: {said}")
