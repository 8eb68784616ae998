"""Where a voxel lies, by us and by other readers, on the same files; the table of docs/geometry.md.

Of every scan three are written, whose voxels hold their own patient x, y and z. A reader's answer
is its voxels and the place it gives each; the error is how far that place is from the one the
voxel holds. The napari plugins live in an environment of their own, whose Python is called here:

python -m venv /tmp/peers && /tmp/peers/bin/pip install napari-itk-io==0.4.1 napari-nifti==0.0.20
python benchmarks/geometry.py --python /tmp/peers/bin/python
"""

from __future__ import annotations

import argparse
import json
import runpy
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import nibabel as nib
import numpy as np
import SimpleITK as sitk

from damaged_inputs import SYNTAXES, WRITERS
from napari_vaemed.data.progress import finish
from napari_vaemed.io.ct import CTError, read_ct
from napari_vaemed.io.volumes import write_mask

SHAPE, ORIGIN = (9, 14, 11), np.array([-40.0, 30.5, -120.0])
SPACING, LONG = (2.5, 0.8, 0.7), (5.0, 0.5, 1.1)
HU_PER_MM, LOWEST = 250.0, -1000.0
UIDS = ("1.2.826.0.1.3680043.8.498.1", "1.2.826.0.1.3680043.8.498.2")
SHUFFLED = (3, 0, 8, 1, 2, 7, 5, 4, 6)
TURNS = ("axial head first", "axial feet first", "sagittal", "coronal", "oblique 12°", "reversed")
MASKED = ("axial head first", "sagittal", "oblique 12°")
LPS_OF_RAS = np.diag([-1.0, -1, 1, 1])
REVERSED = np.eye(4)[[2, 1, 0, 3]]

PEER = """
import json, os, sys, warnings
warnings.simplefilter("ignore")
import numpy as np
from napari.layers import Labels
plugin, jobs = sys.argv[1:]
if plugin == "napari-itk-io":
    from napari_itk_io import _reader, _writer
else:
    from napari_nifti import _reader, _writer

def answer(paths, out, mask):
    found = {}
    for n, path in enumerate(paths):
        reader = _reader.napari_get_reader(path)
        if reader is None:
            raise ValueError("not read")
        voxels, layer, _ = reader(path)[0]
        found[f"voxels{n}"] = np.array(voxels)
    np.savez(out, **found, scale=layer["scale"], translate=layer["translate"])
    if mask:
        labels = np.arange(1, voxels.size + 1, dtype=np.uint16).reshape(voxels.shape)
        drawn = Labels(labels, scale=layer["scale"], translate=layer["translate"])
        save = getattr(_writer, "write_single_image", None) or _writer.write_single
        save(mask, *drawn.as_layer_data_tuple()[:2])
        if not os.path.exists(mask):
            raise ValueError("saves nothing")

for number, job in json.load(open(jobs)).items():
    print(number, "begun", flush=True)
    try:
        answer(*job)
        print(number, "done", flush=True)
    except BaseException as error:
        print(number, "failed", str(error).strip().splitlines()[-1:], flush=True)
"""


class RefusedError(Exception):
    """What a reader said, or how it ended."""


@dataclass(frozen=True)
class Case:
    """One way a scan is stored: it writes HU (z, y, x) to a path, which lie at ``places``."""

    name: str
    places: np.ndarray
    spacing: tuple[float, float, float]
    write: Callable[[Path, np.ndarray], object]
    suffix: str = ""
    mask: bool = False


@dataclass(frozen=True)
class Answer:
    """Three ramps' voxels (3, i, j, k), and the matrix (4, 4) that puts (i, j, k) at LPS mm."""

    voxels: np.ndarray
    matrix: np.ndarray
    measured: np.ndarray | bool = True


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--python", type=Path, required=True, help="Python that has the plugins")
    python = options.parse_args().python
    with tempfile.TemporaryDirectory() as folder:
        cases = [*dicom_cases(), *nifti_cases()]
        paths = [write_ramps(Path(folder) / str(n), case) for n, case in enumerate(cases)]
        itk = ask(python, "napari-itk-io", cases, paths)
        nifti = ask(python, "napari-nifti", cases, paths)
        print("| stored as | napari-vaemed | SimpleITK | napari-itk-io | napari-nifti |")
        print("|---|---|---|---|---|")
        for n, case in enumerate(cases):
            asked = (partial(ours, case, paths[n]), partial(simpleitk, case, paths[n]))
            said = [told(read, case) for read in (*asked, itk[n], nifti[n])]
            print(f"| {case.name} | {' | '.join(said)} |", flush=True)


def dicom_cases() -> list[Case]:
    """Every way to store a scan as DICOM that the tests have too."""
    write = runpy.run_path(str(WRITERS))
    tests = runpy.run_path(str(WRITERS.with_name("test_dicom_geometry.py")))
    turns, lean = tests["ORIENTATIONS"], tests["leaning"](np.eye(3), 15)

    def series(
        title: str,
        axes: np.ndarray = turns["axial head first"],
        spacing: tuple[float, float, float] = SPACING,
        **how: object,
    ) -> Case:
        def save(folder: Path, hu: np.ndarray) -> None:
            write["_write_series"](
                folder, hu, origin=tuple(ORIGIN), spacing=spacing, direction=axes, uid=UIDS[0],
                **how,
            )  # fmt: skip

        where = places(axes, spacing, how.get("shift", lambda _: np.zeros(3)))
        return Case(title, where, spacing, save)

    def frames(name: str, order: tuple[int, ...]) -> Case:
        def save(folder: Path, hu: np.ndarray) -> None:
            write["_write_enhanced"](folder / "all.dcm", hu, origin=tuple(ORIGIN), order=order)

        return Case(name, places(np.eye(3)), SPACING, save)

    def twice(folder: Path, hu: np.ndarray) -> None:
        alone.write(folder, hu)
        others = tuple(k for k in range(len(hu)) if k not in (3, 7))
        write["_write_series"](
            folder, hu, origin=tuple(ORIGIN), uid=UIDS[0], leave_out=others, name="{}a".format
        )

    def two(folder: Path, hu: np.ndarray) -> None:
        alone.write(folder, hu)
        write["_write_series"](
            folder, hu[::2], origin=tuple(ORIGIN), spacing=(5.0, *SPACING[1:]), uid=UIDS[1],
            name="{}b".format, SeriesDescription="thick",
        )  # fmt: skip

    alone = series("")
    made = [series(name, turns[name]) for name in TURNS]
    made += [
        series("gantry tilt 15°", shift=lean),
        series("file names in another order", name=lambda k: f"{SHUFFLED[k]}.dcm"),
        series("anisotropic, 5 × 0.5 × 1.1 mm", spacing=LONG),
        frames("multi-frame", tuple(range(SHAPE[0]))),
        frames("multi-frame, frames in another order", SHUFFLED),
        series("one slice missing", leave_out=(4,)),
        Case("two slices stored twice", alone.places, SPACING, twice),
        Case("two series in one folder", alone.places, SPACING, two),
    ]
    packed = ("JPEG lossless", "JPEG-LS", "JPEG 2000", "RLE")
    made += [series(kind, syntax=SYNTAXES[kind]) for kind in packed]
    return [*made, *(with_mask(case, "DICOM") for case in made if case.name in MASKED)]


def nifti_cases() -> list[Case]:
    turns = runpy.run_path(str(WRITERS.with_name("test_dicom_geometry.py")))["ORIENTATIONS"]

    def nifti(name: str) -> Case:
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = turns[name] * SPACING[::-1], ORIGIN

        def save(path: Path, hu: np.ndarray) -> None:
            nib.save(nib.Nifti1Image(hu.T, LPS_OF_RAS @ matrix), path)

        return Case(name, places(turns[name]), SPACING, save, ".nii.gz")

    made = [nifti(name) for name in TURNS]
    masked = [with_mask(case, "NIfTI") for case in made if case.name in MASKED]
    return [*(replace(case, name=f"NIfTI, {case.name}") for case in made), *masked]


def with_mask(case: Case, kind: str) -> Case:
    return replace(case, name=f"mask drawn on {kind}, {case.name}, saved as NIfTI", mask=True)


def places(
    axes: np.ndarray,
    spacing: tuple[float, float, float] = SPACING,
    shift: Callable[[int], np.ndarray] = lambda _: np.zeros(3),
) -> np.ndarray:
    """Patient positions (z, y, x, 3) of the voxels as they are stored."""
    steps = np.moveaxis(np.indices(SHAPE)[::-1], 0, -1) * spacing[::-1]
    moved = np.stack([shift(k) for k in range(SHAPE[0])])
    return ORIGIN + steps @ np.asarray(axes).T + moved[:, None, None]


def write_ramps(folder: Path, case: Case) -> list[Path]:
    """The scan three times; its voxels hold their patient x, then y, then z."""
    folder.mkdir()
    lowest = case.places.min(axis=(0, 1, 2))
    written = []
    for axis in range(3):
        hu = np.rint(HU_PER_MM * (case.places[..., axis] - lowest[axis]) + LOWEST)
        written.append(folder / f"{'xyz'[axis]}{case.suffix}")
        case.write(written[-1], hu.astype(np.int16))
    return written


def told(read: Callable[[], Answer], case: Case) -> str:
    """A cell of the table: the largest error in mm, and in which way it is wrong."""
    try:
        answer = read()
    except RefusedError as error:
        return str(error)
    lowest = case.places.min(axis=(0, 1, 2))
    truth = np.moveaxis((answer.voxels - LOWEST) / HU_PER_MM, 0, -1) + lowest
    index = np.moveaxis(np.indices(truth.shape[:3]), 0, -1)
    given = index @ answer.matrix[:3, :3].T + answer.matrix[:3, 3]
    keep = np.broadcast_to(answer.measured, truth.shape[:3])
    error = float(np.linalg.norm(given - truth, axis=-1)[keep].max())
    return f"{error:.3f}" if error <= 0.01 else f"{error:.2f}: {fault(answer, index, truth, case)}"


def fault(answer: Answer, index: np.ndarray, truth: np.ndarray, case: Case) -> str:
    """What is wrong with the places given, in few words."""
    where = np.c_[index.reshape(-1, 3), np.ones(index[..., 0].size)]
    right, *_ = np.linalg.lstsq(where, truth.reshape(-1, 3), rcond=None)
    steps = np.linalg.norm(answer.matrix[:3, :3], axis=0)
    wrong = [step for step in steps if np.abs(np.subtract(case.spacing, step)).min() > 0.01]
    count = len(index[..., 0].ravel()) // (SHAPE[1] * SHAPE[2])
    if count > SHAPE[0]:
        return (
            f"{count} planes of {SHAPE[0]}, spacing "
            + " × ".join(f"{s:.4g}" for s in steps)
            + " mm"
        )
    if wrong:
        return "spacing " + ", ".join(f"{step:.4g}" for step in wrong) + " mm"
    if np.abs(where @ right - truth.reshape(-1, 3)).max() > 0.05:
        return "planes out of place"
    if np.abs(answer.matrix[:3, :3] - right[:3].T).max() > 0.01:
        mirrored = np.abs(np.abs(answer.matrix[:3, :3]) - np.abs(right[:3].T)).max() < 0.01
        return "mirrored" if mirrored else "direction lost"
    return "shifted"


def ours(case: Case, paths: list[Path]) -> Answer:
    try:
        volumes = [finish(read_ct(path)) for path in paths]
    except (CTError, ValueError) as error:
        raise RefusedError(f"refused: {error}") from error
    one = volumes[0]
    matrix = placed(one.direction, one.spacing[::-1], one.origin)
    inside = np.all([v.padding is None or v.hu > v.padding for v in volumes], axis=0)
    answer = Answer(np.stack([v.hu for v in volumes]), matrix, inside)
    if not case.mask:
        return answer
    path = paths[0].with_name("ours.nii.gz")
    write_mask(path, running_labels(one.shape), one)
    return saved(answer, path)


def simpleitk(case: Case, paths: list[Path]) -> Answer:
    try:
        images = [simpleitk_image(path) for path in paths]
    except RuntimeError as error:
        raise RefusedError(f"refused: {str(error).splitlines()[-1]}") from error
    one = images[0]
    matrix = placed(np.reshape(one.GetDirection(), (3, 3)), one.GetSpacing(), one.GetOrigin())
    answer = Answer(np.stack([sitk.GetArrayFromImage(image) for image in images]), matrix)
    if not case.mask:
        return answer
    path = paths[0].with_name("simpleitk.nii.gz")
    mask = sitk.GetImageFromArray(running_labels(answer.voxels.shape[1:]))
    mask.CopyInformation(one)
    sitk.WriteImage(mask, str(path))
    return saved(answer, path)


def simpleitk_image(path: Path) -> sitk.Image:
    if path.is_file():
        return sitk.ReadImage(str(path))
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(path)))
    image = reader.Execute()
    return image[..., 0] if image.GetDimension() == 4 else image  # a multi-frame file alone


def ask(
    python: Path, name: str, cases: list[Case], paths: list[list[Path]]
) -> list[Callable[[], Answer]]:
    """A napari plugin's answers, in its environment; after a crash it is started again."""
    beside = [ramps[0].with_name(name) for ramps in paths]
    jobs = {
        n: ([str(p) for p in paths[n]], f"{beside[n]}.npz", case.mask and f"{beside[n]}.nii.gz")
        for n, case in enumerate(cases)
        if name != "napari-nifti" or case.suffix
    }
    said = dict.fromkeys(range(len(cases)), "–")
    listed = beside[0].with_suffix(".json")
    while jobs:
        listed.write_text(json.dumps(jobs))
        ran = subprocess.run(
            [python, "-c", PEER, name, listed], stdout=subprocess.PIPE, text=True, check=False
        )
        begun = [line.split(" ", 2) for line in ran.stdout.splitlines() if line[:1].isdigit()]
        if not begun:
            raise SystemExit(f"{name} cannot be started in {python}.")
        for number, state, *words in begun:
            said[int(number)] = "crashed" if state == "begun" else " ".join(words).strip("[]'")
            jobs.pop(int(number), None)
    return [partial(layer, name, said[n], beside[n], case) for n, case in enumerate(cases)]


def layer(name: str, said: str, beside: Path, case: Case) -> Answer:
    """A plugin's layer; its world (z, y, x) reversed is the patient's."""
    if said:
        raise RefusedError(said)
    with np.load(f"{beside}.npz") as file:
        voxels = np.stack([file[f"voxels{n}"] for n in range(3)])
        if voxels.ndim != 4:
            raise RefusedError(f"opens with shape {voxels.shape[1:]}")
        matrix = np.diag([*file["scale"], 1.0])
        matrix[:3, 3] = file["translate"]
    matrix = REVERSED @ matrix
    if name == "napari-nifti":
        matrix = LPS_OF_RAS @ matrix
    answer = Answer(voxels, matrix)
    return saved(answer, Path(f"{beside}.nii.gz")) if case.mask else answer


def placed(
    direction: np.ndarray, spacing: tuple[float, ...], origin: tuple[float, ...]
) -> np.ndarray:
    """Matrix from voxel (z, y, x) to LPS mm; spacing and direction's columns are x, y, z."""
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = (direction * spacing)[:, ::-1], origin
    return matrix


def running_labels(shape: tuple[int, ...]) -> np.ndarray:
    """Every voxel its own label, from 1."""
    return np.arange(1, np.prod(shape) + 1, dtype=np.uint16).reshape(shape)


def saved(answer: Answer, path: Path) -> Answer:
    """The voxels the labels were drawn on, where nibabel finds the labels."""
    image = nib.load(path)
    drawn_on = np.asarray(image.dataobj).astype(int) - 1
    measured = np.broadcast_to(answer.measured, answer.voxels.shape[1:]).ravel()[drawn_on]
    voxels = answer.voxels.reshape(3, -1)[:, drawn_on]
    return Answer(voxels, LPS_OF_RAS @ image.affine, measured)


if __name__ == "__main__":
    main()
