"""Commands about nodules: suggest, nodule, neighbours."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from napari_vaemed.cli.verbs import add_ct_verb, add_verb, print_json, run, tell
from napari_vaemed.data.finding import ErrorBars
from napari_vaemed.data.guideline import Context
from napari_vaemed.data.intended_use import NOT_A_DEVICE
from napari_vaemed.io.weights import shipped_nodule_models


def add_verbs(verbs: Any) -> None:
    """Add suggest, nodule and neighbours."""
    suggest = add_ct_verb(
        verbs, "suggest", _suggest, "Suggest nodules, unchecked: places that look like some."
    )
    suggest.add_argument(
        "--score", type=float, help="least score of what is suggested; by default the window's"
    )
    suggest.add_argument("--csv", type=Path, help="write one line a suggestion here")
    suggest.add_argument("--json", action="store_true", help="print JSON")

    nodule = add_ct_verb(
        verbs,
        "nodule",
        _nodule,
        "Mark and describe the nodule at a point; without one, at the first annotation "
        "beside the scan, else at the most nodule-like spot.",
    )
    _add_point(nodule)
    nodule.add_argument(
        "-o", "--output", type=Path, help="write the mask: .nii.gz, .nrrd, .mha or .dcm (DICOM SEG)"
    )
    nodule.add_argument("--csv", type=Path, help="write the measurements here")
    nodule.add_argument(
        "--answer", action="append", default=[], metavar="KEY=VALUE",
        help="an answer for the follow-up guideline, for example setting=screening; what has to "
        "be answered is told",
    )  # fmt: skip

    near = add_verb(verbs, "neighbours", _neighbours, "Nearest known nodules of a nodule.")
    near.add_argument("path", type=Path, nargs="?", help="DICOM folder or volume file to click in")
    near.add_argument(
        "--id", action="append", default=[],
        help="a nodule of the index instead, e.g. LIDC-IDRI-0001_R_1; for a figure several, each "
        "after its own --id",
    )  # fmt: skip
    near.add_argument(
        "--distance", metavar="NAME",
        help="distance between posteriors: by default wasserstein2, for a Dirichlet model "
        "hellinger; a wrong name lists them all",
    )  # fmt: skip
    near.add_argument(
        "--exclude-same-patient", action="store_true", help="only nodules of other patients"
    )
    near.add_argument(
        "--figure", type=Path, metavar="OUT.png",
        help="write each query beside its five nearest of other patients, in three planes",
    )  # fmt: skip
    near.add_argument(
        "--crops", type=Path, metavar="DIR",
        help="folder of the index's crops (image/<id>.nii.gz), for true CT in the figure",
    )  # fmt: skip
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
    verb.add_argument("-k", "--k", type=int, default=10, help="number of neighbours")
    verb.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    verb.add_argument(
        "--model", type=Path,
        help="model instead of the shipped nodule VAE: a file, or the name of another that is "
        f"shipped: {', '.join(shipped.name for shipped in shipped_nodule_models()[1:])}",
    )  # fmt: skip
    verb.add_argument("--index", type=Path, help="index instead of the shipped one")
    verb.add_argument("--json", action="store_true", help="print JSON")


def _suggest(options: argparse.Namespace) -> None:
    from napari_vaemed.io.reports import write_measurements_csv
    from napari_vaemed.workflow.suggest import figure_values, suggest_on, suggestion_values

    volume, found, least = run(suggest_on(options.path, options.score))
    rows, figures = suggestion_values(found), figure_values(least)
    if options.csv:
        write_measurements_csv(options.csv, rows)
    if options.json:
        print_json({"suggestions": rows, "least_score": round(least, 4), "measured": figures,
                    "notes": list(volume.notes), "warning": NOT_A_DEVICE})  # fmt: skip
        return
    print(f"{'suggestion':<12}{'score':>6}{'mm':>6}{'slice':>7}  centre, mm (LPS)")
    for row in rows:
        centre = ", ".join(map(str, row["centre_mm"]))
        print(f"{row['suggestion']:<12}{row['score']:>6.1f}{row['diameter_mm']:>6.1f}"
              f"{row['slice']:>7}  {centre}")  # fmt: skip
    print(f"{len(rows)} suggestions with a score from {least:.1f}, none of them checked.")
    for each in figures:
        print(f"measured from {each['score']:.1f}: {each['said']}")
    print(NOT_A_DEVICE)


def _expert(options: argparse.Namespace) -> Any:
    from napari_vaemed.workflow.examine import load_expert

    return load_expert(options.device, options.model, options.index)


def _context(answers: list[str]) -> Context:
    """What was answered, ``yes`` and ``no`` for questions that have no other words."""
    known: dict[str, object] = {}
    for answer in answers:
        key, equals, value = answer.partition("=")
        if not equals:
            raise ValueError(f"An answer is KEY=VALUE, for example risk=low; got {answer!r}.")
        known[key] = {"yes": True, "no": False}.get(value, value)
    return Context.of(known)


def _examine(options: argparse.Namespace, context: Context | None = None) -> Any:
    from napari_vaemed.workflow.report import examine

    if options.k < 1:
        raise ValueError(f"-k must be at least 1; got {options.k}.")
    return run(
        examine(
            options.path,
            world=options.world and tuple(options.world),
            voxel=options.voxel and tuple(options.voxel),
            k=options.k,
            expert=_expert(options),
            context=context,
        )
    )


def _nodule(options: argparse.Namespace) -> None:
    from napari_vaemed.io.masks import check_mask_path, save_mask
    from napari_vaemed.io.reports import write_measurements_csv
    from napari_vaemed.workflow.report import report

    context = _context(options.answer)
    if options.output:
        check_mask_path(options.output)
    found = _examine(options, context)
    values = report(found)
    if found.marked and options.output:
        mask = found.marked.mask.full(found.volume.shape)
        tell(save_mask(options.output, mask, found.volume, {1: "Finding 1"}))
    if found.marked and options.csv:
        write_measurements_csv(options.csv, [{"finding": 1, **values["nodule"]}])
    if options.json:
        print_json(values)
        return
    for reason in found.reasons:
        print(reason)
    if values["nodule"]:
        _print_sizes(values["nodule"], found.bars)
        _print_follow_up(values["follow_up"])
        _print_neighbours(values["neighbours"], found.expert)


def _print_sizes(n: dict[str, Any], bars: ErrorBars) -> None:
    """The numbers, each with its 95 % interval."""
    print(f"centre         {', '.join(map(str, n['centre_mm']))} mm (LPS)")
    for name, key, interval, unit in (
        ("longest", "longest_mm", bars.longest_mm, "mm"),
        ("perpendicular", "perpendicular_mm", bars.perpendicular_mm, "mm"),
        ("mean diameter", "mean_mm", bars.mean_mm, "mm"),
        ("volume", "partial_volume_mm3", bars.volume_mm3, "mm³"),
    ):
        digits = 0 if unit == "mm³" else 1
        told = f"{n[key]:.{digits}f}" if interval is None else interval.text(digits)
        print(f"{name:<15}{told} {unit}")
    print(f"mean           {n['mean_hu']:.0f} HU, {n['density']}")
    if bars.refused:
        print(f"no error bars  {bars.refused}")


def _print_follow_up(said: dict[str, Any]) -> None:
    """The guideline's line, or what it asks."""
    for rule in said["rules"]:
        category = f"{rule['category']}: " if rule["category"] else ""
        print(f"{said['guideline']}: {category}{rule['next']} ({rule['line']}; {rule['source']})")
    if said["straddles"]:
        print("  The error bar reaches across a limit: all lines it reaches are told.")
    for question in said["asks"]:
        words = {True: "yes", False: "no"}
        answers = "|".join(str(words.get(a, a)) for a in question["answers"])
        print(f"asked: {question['question']}  --answer {question['key']}={answers}")
    if said["refused"]:
        print(said["refused"])


def _neighbours(options: argparse.Namespace) -> None:
    from napari_vaemed.distances.families import distance_named
    from napari_vaemed.io.neighbour_figure import check_figure_path
    from napari_vaemed.workflow import compare

    if (options.path is None) == (not options.id):
        raise ValueError("Give either a CT to click in (PATH with --world or --voxel) or --id.")
    if len(options.id) > 1 and not options.figure:
        raise ValueError("Several --id make a figure: give --figure OUT.png.")
    if options.distance is not None:
        distance_named(options.distance)  # before anything is read
    if options.figure:
        check_figure_path(options.figure)
    if not options.id:
        found = _examine(options)
        expert, query = found.expert, compare.query_of(found)
    else:
        found, expert = None, _expert(options)
        query = compare.query_of_record(expert, options.id[0])
    near = compare.neighbours(
        expert, query, k=options.k, distance=options.distance,
        exclude_same_patient=options.exclude_same_patient,
    )  # fmt: skip
    if options.figure:
        _draw(options, expert, found)
    rows = [compare.neighbour_values(neighbour) for neighbour in near]
    if options.json:
        print_json(rows)
    else:
        _print_neighbours(rows, expert)


def _draw(options: argparse.Namespace, expert: Any, found: Any) -> None:
    """Write the figure of the clicked nodule, or of those of the index that are named."""
    from napari_vaemed.workflow import neighbour_figures as figures

    queries = (
        figures.queries_of_records(expert, options.id, options.crops, options.distance)
        if found is None
        else [figures.query_of_examination(found, options.distance)]
    )
    figures.write_twins_figure(options.figure, expert, queries, folder=options.crops)
    for name, _, twins in queries:
        tell([f"{name}: {figures.vote_said(twins)}"])
    tell([f"Figure: {options.figure}"])


def _print_neighbours(rows: list[dict[str, Any]], expert: Any) -> None:
    print(f"{'nodule':<22}{'malignancy':>10}{'distance':>10}")
    for row in rows:
        same = "  same patient" if row["same_patient"] else ""
        print(f"{row['id']:<22}{row['malignancy']:>10.1f}{row['distance']:>10.3f}{same}")
    model = f"{expert.model.name} {expert.model.sha256[:12]}"
    print(f"by {model} from {len(expert.index)} known nodules")
    print(f"{expert.index.source}\n{NOT_A_DEVICE}")
