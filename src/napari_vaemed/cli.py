"""The `vaemed` command: the same verbs as the window, without one."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_vaemed import __version__
from napari_vaemed.data.progress import Progress, Result, Work, finish

if TYPE_CHECKING:
    from napari_vaemed.data.volume import Volume

NOT_A_DEVICE = "Research software, not a medical device."
EPOCHS, BENCH_EPOCHS = 125, 66


class _Defaults(argparse.ArgumentDefaultsHelpFormatter):
    """Help that tells every default that says something."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default is None or action.default is False:
            return action.help
        return super()._get_help_string(action)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 when it worked, 2 with one line on bad input."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except (ValueError, LookupError, OSError) as error:
        text = error.args[0] if isinstance(error, KeyError) and error.args else error
        print(f"vaemed: {' '.join(str(text).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("vaemed: stopped; nothing half-written was left behind.", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vaemed",
        description=f"Chest CT: lungs, nodules and what they are like. {NOT_A_DEVICE}",
    )
    parser.add_argument("--version", action="version", version=f"vaemed {__version__}")
    verbs = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_volume_verbs(verbs)
    _add_nodule_verbs(verbs)
    _add_model_verbs(verbs)
    return parser


def _verb(verbs: Any, name: str, run: Any, text: str) -> argparse.ArgumentParser:
    verb: argparse.ArgumentParser = verbs.add_parser(
        name, help=text, description=f"{text} {NOT_A_DEVICE}", formatter_class=_Defaults
    )
    verb.set_defaults(run=run)
    return verb


def _ct_verb(verbs: Any, name: str, run: Any, text: str) -> argparse.ArgumentParser:
    verb = _verb(verbs, name, run, text)
    verb.add_argument(
        "path", type=Path, help="DICOM folder (also nested), or a NIfTI, NRRD, MHA or MHD file"
    )
    return verb


def _add_volume_verbs(verbs: Any) -> None:
    info = _ct_verb(verbs, "info", _info, "Say what a CT is: shape, spacing, HU range.")
    info.add_argument("--json", action="store_true", help="print JSON")

    lungs = _ct_verb(verbs, "lungs", _lungs, "Write a lung mask: 1 right, 2 left, 3 airways.")
    lungs.add_argument("-o", "--output", type=Path, required=True, help=".nii.gz, .nrrd or .mha")

    enhance = _ct_verb(verbs, "enhance", _enhance, "Write the CT after CLAHE, in HU.")
    enhance.add_argument("-o", "--output", type=Path, required=True, help=".nii.gz, .nrrd or .mha")
    enhance.add_argument(
        "--window", type=float, nargs=2, metavar=("CENTRE", "WIDTH"), default=(-600.0, 1500.0),
        help="HU window that is equalised",
    )  # fmt: skip
    enhance.add_argument(
        "--clip-limit", type=float, default=0.01, help="0 (off) to 1: largest share of a grey level"
    )


def _add_nodule_verbs(verbs: Any) -> None:
    nodule = _ct_verb(
        verbs,
        "nodule",
        _nodule,
        "Mark and describe the nodule at a point; without one, at the first annotation "
        "beside the scan, else at the most nodule-like spot.",
    )
    _add_point(nodule)
    nodule.add_argument("-o", "--output", type=Path, help="write the mask: .nii.gz, .nrrd or .mha")
    nodule.add_argument("--csv", type=Path, help="write the measurements here")

    near = _verb(verbs, "neighbours", _neighbours, "Nearest known nodules of a nodule.")
    near.add_argument("path", type=Path, nargs="?", help="DICOM folder or volume file to click in")
    near.add_argument("--id", help="a nodule of the index instead, e.g. LIDC-IDRI-0001_R_1")
    _add_point(near)


def _add_point(verb: argparse.ArgumentParser) -> None:
    point = verb.add_mutually_exclusive_group()
    point.add_argument(
        "--world", type=float, nargs=3, metavar=("X", "Y", "Z"),
        help="point in patient coordinates (LPS), mm",
    )  # fmt: skip
    point.add_argument(
        "--voxel", type=float, nargs=3, metavar=("Z", "Y", "X"),
        help="point as voxel index, counted from the feet, the front and the right",
    )  # fmt: skip
    verb.add_argument("-k", type=int, default=10, help="number of neighbours")
    verb.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    verb.add_argument("--model", type=Path, help="model instead of the shipped one")
    verb.add_argument("--index", type=Path, help="index instead of the shipped one")
    verb.add_argument("--json", action="store_true", help="print JSON")


def _read(path: Path) -> Volume:
    from napari_vaemed.io.ct import read_ct

    return _finish(read_ct(path))


def _finish(work: Work[Result]) -> Result:
    """Run a job, showing its steps on a terminal."""
    if not sys.stderr.isatty():
        return finish(work)
    result = finish(work, _show)
    print("\r\033[K", end="", file=sys.stderr, flush=True)
    return result


def _show(step: Progress) -> None:
    how_far = f" {step.done}/{step.total}" if step.total else ""
    print(f"\r\033[K{step.doing}{how_far}", end="", file=sys.stderr, flush=True)


def _print_json(values: Any) -> None:
    print(json.dumps(values, indent=2, allow_nan=False))


def _info(options: argparse.Namespace) -> None:
    volume = _read(options.path)
    low, high = volume.measured_range()
    values = {
        "description": volume.description,
        "shape": list(volume.shape),
        "spacing_mm": [round(s, 6) for s in volume.spacing],
        "origin_mm": [round(float(o), 4) for o in volume.origin],
        "direction": volume.direction.round(6).tolist(),
        "stored_axes": volume.stored_axes,
        "hu_range": [low, high],
        "padding": volume.padding,
        "notes": list(volume.notes),
    }
    if options.json:
        _print_json(values)
        return
    print(f"{volume.description}")
    print(f"shape (z, y, x)    {' × '.join(map(str, volume.shape))}")
    print(f"spacing (z, y, x)  {' × '.join(f'{s:.4g}' for s in volume.spacing)} mm")
    print(f"origin (x, y, z)   {', '.join(f'{o:.2f}' for o in volume.origin)} mm (LPS)")
    print(f"HU                 {low} to {high}")
    print(f"axes in the file   {volume.stored_axes}")
    for note in volume.notes:
        print(f"note: {note}")


def _lungs(options: argparse.Namespace) -> None:
    from napari_vaemed.io.volumes import check_writable, write_mask
    from napari_vaemed.segmentation.lungs import lung_ml, segment_lungs

    check_writable(options.output)
    volume = _read(options.path)
    labels = _finish(segment_lungs(volume))
    write_mask(options.output, labels, volume)
    sizes = lung_ml(labels, volume.spacing)
    print(f"right {sizes['right']:.0f} ml, left {sizes['left']:.0f} ml -> {options.output}")


def _enhance(options: argparse.Namespace) -> None:
    from napari_vaemed.io.volumes import check_writable, write_volume
    from napari_vaemed.preprocessing.intensity import clahe

    check_writable(options.output)
    volume = _read(options.path)
    work = clahe(volume, window=tuple(options.window), clip_limit=options.clip_limit)
    write_volume(options.output, _finish(work), volume)
    print(f"CLAHE of {volume.description} -> {options.output}")


def _expert(options: argparse.Namespace) -> Any:
    from napari_vaemed.workflow.examine import load_expert

    return load_expert(options.device, options.model, options.index)


def _examine(options: argparse.Namespace) -> Any:
    from napari_vaemed.workflow.report import examine

    if options.k < 1:
        raise ValueError(f"-k must be at least 1; got {options.k}.")
    return _finish(
        examine(
            options.path,
            world=options.world and tuple(options.world),
            voxel=options.voxel and tuple(options.voxel),
            k=options.k,
            expert=_expert(options),
        )
    )


def _nodule(options: argparse.Namespace) -> None:
    from napari_vaemed.io.reports import write_measurements_csv
    from napari_vaemed.io.volumes import check_writable, write_mask
    from napari_vaemed.workflow.report import report

    if options.output:
        check_writable(options.output)
    found = _examine(options)
    values = report(found)
    if found.marked and options.output:
        write_mask(options.output, found.marked.mask.full(found.volume.shape), found.volume)
    if found.marked and options.csv:
        write_measurements_csv(options.csv, [{"finding": 1, **values["nodule"]}])
    if options.json:
        _print_json(values)
        return
    for reason in found.reasons:
        print(reason)
    if values["nodule"]:
        n = values["nodule"]
        print(f"centre         {', '.join(map(str, n['centre_mm']))} mm (LPS)")
        print(f"longest        {n['longest_mm']:.1f} mm")
        print(f"perpendicular  {n['perpendicular_mm']:.1f} mm")
        print(f"volume         {n['volume_mm3']:.0f} mm³")
        print(f"mean           {n['mean_hu']:.0f} HU")
        _print_neighbours(values["neighbours"], found.expert)


def _neighbours(options: argparse.Namespace) -> None:
    from napari_vaemed.workflow.examine import neighbours_of_record
    from napari_vaemed.workflow.report import near_values, report

    if (options.path is None) == (options.id is None):
        raise ValueError("Give either a CT to click in (PATH with --world or --voxel) or --id.")
    if options.id is None:
        found = _examine(options)
        expert, rows = found.expert, report(found)["neighbours"]
        if rows is None:
            raise LookupError(" ".join(found.reasons))
    else:
        expert = _expert(options)
        rows = [near_values(n) for n in neighbours_of_record(expert, options.id, options.k)]
    if options.json:
        _print_json(rows)
    else:
        _print_neighbours(rows, expert)


def _print_neighbours(rows: list[dict[str, Any]], expert: Any) -> None:
    print(f"{'nodule':<22}{'malignancy':>10}{'distance':>10}")
    for row in rows:
        same = "  same patient" if row["same_patient"] else ""
        print(f"{row['id']:<22}{row['malignancy']:>10.1f}{row['distance']:>10.3f}{same}")
    model = f"{expert.model.name} {expert.model.sha256[:12]}"
    print(f"by {model} from {len(expert.index)} known nodules")
    print(f"{expert.index.source}\n{NOT_A_DEVICE}")


def _add_model_verbs(verbs: Any) -> None:
    folder = (
        "folder of nodule crops in HU: nodules.csv, image/ID.nii.gz, mask/ID.nii.gz and, where "
        "there are several readers, readers/ID.nii.gz"
    )
    train = _verb(verbs, "train", _train, "Train the nodule VAE on labelled crops.")
    train.add_argument("folder", type=Path, help=folder)
    train.add_argument("-o", "--output", type=Path, required=True, help="folder for the model")
    train.add_argument("--model", default="GaussianVAE", help="class of the model")
    train.add_argument("--epochs", type=int, default=EPOCHS, help="passes over the nodules")
    train.add_argument("--batch", type=int, default=96, help="nodules a step")
    train.add_argument("--lr", type=float, default=3e-3, help="highest learning rate")
    train.add_argument("--seed", type=int, default=0, help="of weights, order and variations")
    train.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    train.add_argument("--precision", choices=["auto", "bf16", "fp32"], default="auto",
                       help="auto: bf16 on CUDA, else fp32")  # fmt: skip
    train.add_argument("--resume", action="store_true", help="go on from the last saved epoch")
    train.add_argument("--save-every", type=int, default=10, help="epochs between checkpoints")
    train.add_argument(
        "--bench-epochs", type=int, default=BENCH_EPOCHS,
        help="passes of each of the five fold models behind the printed AUC; 0 leaves it out",
    )  # fmt: skip

    index = _verb(verbs, "index", _index, "Build the index of known nodules with a model.")
    index.add_argument("folder", type=Path, help=folder)
    index.add_argument("-o", "--output", type=Path, required=True, help="index file, .safetensors")
    index.add_argument("--model", type=Path, help="model instead of the shipped one")
    index.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")


def _train(options: argparse.Namespace) -> None:
    from napari_vaemed.workflow.train import train

    for name in ("epochs", "batch", "save_every"):
        if getattr(options, name) < 1:
            raise ValueError(f"--{name.replace('_', '-')} must be at least 1.")
    work = train(
        options.folder, options.output, model=options.model, epochs=options.epochs,
        batch=options.batch, lr=options.lr, seed=options.seed, device=options.device,
        precision=options.precision, resume=options.resume, save_every=options.save_every,
        bench_epochs=options.bench_epochs,
    )  # fmt: skip
    trained = finish(work, _show_training)
    print(f"\n{trained.name} {trained.sha256[:12]} -> {options.output}")
    if figures := trained.card.get("figures"):
        _print_json(figures)


def _show_training(step: Any) -> None:
    """Show a step on a terminal; elsewhere one line an epoch, for the log."""
    if isinstance(step, Progress):
        if sys.stderr.isatty():
            _show(step)
        return
    losses = "  ".join(f"{name} {value:.3g}" for name, value in step.losses.items())
    line = f"epoch {step.number}/{step.total}  {step.seconds:.0f} s on {step.device}  {losses}"
    start, end = ("\r\033[K", "") if sys.stderr.isatty() else ("", "\n")
    print(f"{start}{line}", end=end, file=sys.stderr, flush=True)


def _index(options: argparse.Namespace) -> None:
    from napari_vaemed.io.checkpoints import read_model
    from napari_vaemed.io.indexes import write_index
    from napari_vaemed.io.nodules import read_nodule_set
    from napari_vaemed.io.weights import shipped_model_path
    from napari_vaemed.workflow.index import build_index

    if options.output.suffix != ".safetensors":
        raise ValueError(f"The index is a .safetensors file; got {options.output.name!r}.")
    model = read_model(options.model or shipped_model_path(), device=options.device)
    index = _finish(build_index(model, _finish(read_nodule_set(options.folder))))
    options.output.parent.mkdir(parents=True, exist_ok=True)
    write_index(options.output, index)
    print(f"{len(index)} nodules by {model.name} {model.sha256[:12]} -> {options.output}")


if __name__ == "__main__":
    sys.exit(main())
