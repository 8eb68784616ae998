from __future__ import annotations

import csv
import json

import numpy as np
from PIL import Image

from napari_vaemed.data.bench import BenchRow
from napari_vaemed.data.interval import Interval
from napari_vaemed.io.bench_report import write_bench

ROWS = (
    BenchRow(
        "GaussianVAE", "2-Wasserstein", 2, Interval(0.91, 0.88, 0.94), None, auc_sd=0.01,
        over_mask=Interval(-0.02, -0.04, 0.01), p_mask=0.2,
        strata={"6–10 mm": None, "solid": Interval(0.9, 0.8, 0.95)},
        facts={"active_units": 20.0, "elbo": None, "rmse_hu": 100.4},
    ),
    BenchRow("log volume", "itself", 2, Interval.exact(0.9), None,
             strata={"6–10 mm": None, "solid": None}),
)  # fmt: skip


def test_a_bench_is_written_as_words_numbers_and_pictures(tmp_path):
    picture = np.full((4, 6, 3), 200, np.uint8)
    write_bench(tmp_path, ROWS, {"n": 10, "seeds": 2}, {"latent_map": picture})
    told = (tmp_path / "bench.md").read_text(encoding="utf-8")
    assert "| GaussianVAE | 2-Wasserstein | 0.910 [0.880, 0.940] | 0.010 | – | – |" in told
    assert "-0.020 [-0.040, +0.010] | 0.200" in told
    assert "| GaussianVAE | 20.0 | – | – | – | 100 |" in told
    with (tmp_path / "bench.csv").open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    assert [row["entrant"] for row in rows] == ["GaussianVAE", "log volume"]
    assert (rows[0]["auc"], rows[0]["auc low"], rows[0]["auc, solid high"]) == (
        "0.91", "0.88", "0.95",
    )  # fmt: skip
    assert rows[1]["rmse_hu"] == rows[1]["p_mask"] == ""
    whole = json.loads((tmp_path / "bench.json").read_text(encoding="utf-8"))
    assert (whole["n"], whole["rows"][0]["auc"]["low"]) == (10, 0.88)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "latent_map.png")), picture)
