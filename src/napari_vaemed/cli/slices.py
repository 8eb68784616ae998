"""Commands about the slices of a CT: classify."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_vaemed.cli.verbs import add_ct_verb, print_json, run
from napari_vaemed.data.intended_use import NOT_A_DEVICE

if TYPE_CHECKING:
    from napari_vaemed.workflow.classify import Classified

MOST_ROWS = 12


def add_verbs(verbs: Any) -> None:
    """Add classify."""
    classify = add_ct_verb(
        verbs,
        "classify",
        _classify,
        "Score the slices inside the lungs: COVID-19 against other; and the scan as a whole, or "
        "why not.",
    )
    classify.add_argument("-o", "--output", type=Path, help="write one line a slice here, as CSV")
    classify.add_argument("--batch", type=int, default=16, help="slices scored at once")
    classify.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    classify.add_argument("--model", type=Path, help="model instead of the shipped one")
    classify.add_argument("--json", action="store_true", help="print JSON")


def _classify(options: argparse.Namespace) -> None:
    from napari_vaemed.io.reports import write_measurements_csv
    from napari_vaemed.workflow.classify import load_slice_model, slice_rows
    from napari_vaemed.workflow.report import examine_slices, report

    if options.batch < 1:
        raise ValueError(f"--batch must be at least 1; got {options.batch}.")
    model = load_slice_model(options.device, options.model)
    found = run(examine_slices(options.path, model, batch=options.batch))
    assert found.classified is not None
    rows = slice_rows(found.classified, found.volume)
    if options.output:
        write_measurements_csv(options.output, rows)
    if options.json:
        print_json(report(found))
        return
    for reason in found.reasons:
        print(reason)
    _print_highest(rows, found.volume.shape[0])
    _print_subject(found.classified)


def _print_highest(rows: list[dict[str, Any]], slices: int) -> None:
    print(f"{len(rows)} of {slices} slices show enough lung to be scored")
    if not rows:
        return
    print(f"{'slice':>5}{'z mm':>10}{'COVID-19':>10}{'unlike':>8}")
    for row in sorted(rows, key=lambda row: -row["covid_probability"])[:MOST_ROWS]:
        print(
            f"{row['slice']:>5}{row['z_mm']:>10.1f}{row['covid_probability']:>10.2f}"
            f"{row['unlike']:>8.2f}"
        )


def _print_subject(said: Classified) -> None:
    value, card = said.subject.covid_probability, said.card
    print(f"scan   {'no value' if value is None else f'{value:.2f}'}: {said.subject.reason}")
    split, auc = card.get("split", {}), card.get("figures", {}).get("auc")
    print(f"by {said.model} {said.sha256[:12]}, learned from {split.get('train', '?')} slices")
    if auc:
        held_out = f"{split.get('test', '?')} held-out slices, split {split.get('how', '?')}"
        print(f"AUC {auc[0]:.2f} ({auc[1]:.2f} to {auc[2]:.2f}) on {held_out}")
    print(f"{card.get('data', '')}\n{card.get('use', '')}\n{NOT_A_DEVICE}")
