"""What choosing the next nodule to annotate is worth beside chance, on LIDC-IDRI's labels.

    python benchmarks/label_next.py --data ../shared/data

The annotation of the nodules with a clear malignancy is played again: ten first labels at random,
then as many as stand in the table, chosen by each way from the patients that are not held out. A
logistic regression learns from them (mask features and principal components); its AUC on the
held-out patients is printed as the mean over seeds, with the 95 % interval of its difference from
chance with the same first labels and patients.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from napari_vaemed.data.progress import finish
from napari_vaemed.workflow.label_next import learning_curves


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ask.add_argument("--data", type=Path, required=True)
    ask.add_argument("--task", default="malignancy")
    ask.add_argument("--seeds", type=int, default=10)
    given = ask.parse_args()
    curves = finish(
        learning_curves(given.data / "lidc_nodules", task=given.task, seeds=given.seeds)
    )
    print(f"AUC of {given.task} on held-out patients, {given.seeds} seeds")
    print("labels  " + "".join(f"{curve.by:<34}" for curve in curves))
    for place, count in enumerate(curves[0].counts):
        cells = []
        for curve in curves:
            over = curve.over_chance[place]
            cells.append(
                f"{curve.auc[place].value:.3f}  {over.value:+.3f} "
                f"[{over.low:+.3f}, {over.high:+.3f}]"
            )
        print(f"{count:>6}  " + "".join(f"{cell:<34}" for cell in cells))


if __name__ == "__main__":
    main()
