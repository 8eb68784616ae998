"""Commands about findings on two scans, and findings kept: prior, findings."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, cast

from napari_vaemed.cli.verbs import add_ct_verb, print_json, read, run, tell
from napari_vaemed.data.pairing import WITHIN_MM, Sized


def add_verbs(verbs: Any) -> None:
    """Add prior and findings."""
    prior = add_ct_verb(
        verbs,
        "prior",
        _prior,
        "Lay an earlier scan on a CT by the lungs, pair the nodules and say what changed. "
        "Without --at or --findings, those kept of the two scans are compared.",
    )
    prior.add_argument("prior", type=Path, help="the earlier scan, of the same kinds")
    for option, which in (("", "the CT"), ("prior-", "the prior")):
        prior.add_argument(
            f"--{option}at", type=float, nargs=3, action="append", default=[],
            metavar=("X", "Y", "Z"),
            help=f"a nodule on {which}, patient coordinates (LPS) in mm; several times for several",
        )  # fmt: skip
        prior.add_argument(
            f"--{option}findings", type=Path, metavar="CSV",
            help=f"findings of {which} as the window saves them",
        )  # fmt: skip
    prior.add_argument("--days", type=float, help="days between the scans; else from their files")
    prior.add_argument(
        "--within", type=float, default=WITHIN_MM, metavar="MM",
        help="findings further apart are not one nodule",
    )  # fmt: skip
    prior.add_argument("--csv", type=Path, help="write one line a nodule here")
    prior.add_argument("--json", action="store_true", help="print JSON")

    kept = add_ct_verb(verbs, "findings", _findings, "List the findings kept of a CT.")
    kept.add_argument("--json", action="store_true", help="print JSON")


def _prior(options: argparse.Namespace) -> None:
    from napari_vaemed.io.reports import write_measurements_csv
    from napari_vaemed.workflow.prior import compare_scans, followed_values

    current, prior = read(options.path), read(options.prior)
    told = options.at or options.findings or options.prior_at or options.prior_findings
    found = run(
        compare_scans(
            current,
            prior,
            _given(options.at, options.findings) if told else _kept(current),
            _given(options.prior_at, options.prior_findings) if told else _kept(prior),
            paths=(options.path, options.prior),
            days=options.days,
            within_mm=options.within,
        )
    )
    rows = [followed_values(each) for each in found.followed]
    tell(found.warnings)
    if options.csv:
        write_measurements_csv(options.csv, rows)
    if options.json:
        print_json(
            {
                "likeness": round(found.transform.likeness or 0.0, 3),
                "days": found.days,
                "warnings": found.warnings,
                "nodules": rows,
            }
        )
        return
    _print(found, rows)


def _print(found: Any, rows: list[dict[str, Any]]) -> None:
    apart = "days not known" if found.days is None else f"{found.days:.0f} days apart"
    print(f"lungs correlate by {found.transform.likeness:.2f}, {apart}")
    print(f"{'now':>4}{'prior':>7}{'mean mm':>16}{'volume':>22}{'doubles in':>20}  since then")
    for each, row in zip(found.followed, rows, strict=True):
        change = each.change
        mean = "" if change is None else change.mean_mm.text()
        ratio = None if change is None else change.ratio
        volume = "" if ratio is None else f"x{ratio.value:.2f} ({ratio.low:.2f}-{ratio.high:.2f})"
        days = row["doubling_days"]
        doubles = "" if days is None else f"{days:.0f} days"
        numbers = (f"{n if n is not None else '–'}" for n in (row["current"], row["prior"]))
        now, before = numbers
        print(f"{now:>4}{before:>7}{mean:>16}{volume:>22}{doubles:>20}  {each.verdict}")


def _findings(options: argparse.Namespace) -> None:
    rows = [
        {
            "finding": each.label,
            "name": each.name,
            "centre_mm": [round(float(c), 1) for c in each.centre_mm],
            "mean_mm": each.mean_mm.text(),
            "volume_mm3": each.volume_mm3.text(0),
        }
        for each in _kept(read(options.path))
    ]
    if options.json:
        print_json(rows)
        return
    for row in rows:
        x, y, z = cast("list[float]", row["centre_mm"])
        place = f"{x:.0f}, {y:.0f}, {z:.0f} mm"
        print(f"{row['finding']:>3} {row['name']:<24}{place:<24}"
              f"{row['mean_mm']:>14} mm{row['volume_mm3']:>14} mm³")  # fmt: skip


def _given(at: list[list[float]], findings: Path | None) -> list[Any]:
    """Findings of a table, or else places."""
    from napari_vaemed.io.finding_tables import read_findings_csv

    if findings is not None and at:
        raise ValueError("Give places or a table of findings, not both.")
    return list(read_findings_csv(findings)) if findings is not None else list(at)


def _kept(volume: Any) -> list[Sized]:
    from napari_vaemed.io.finding_store import image_key, read_findings
    from napari_vaemed.io.user_data import user_data_folder

    kept = read_findings(user_data_folder(), image_key(volume))
    if kept.elsewhere:
        tell([f"{kept.elsewhere} findings are kept of other voxels of the same series."])
    return [Sized.of(f.label, f.measurement, f.bars, f.title) for f in kept.findings]
