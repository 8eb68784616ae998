import signal
import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk

from napari_vaemed.cli import main
from napari_vaemed.data.anomaly import (
    CONFIDENT,
    NEIGHBOURS,
    READERS,
    SAME_SCAN,
    Anomalies,
    Anomaly,
    Evidence,
)
from napari_vaemed.data.bench import Codes
from napari_vaemed.data.index import NoduleIndex
from napari_vaemed.data.nodule import ATTRIBUTES, NoduleRecord
from napari_vaemed.data.posterior import Posterior
from napari_vaemed.data.progress import finish
from napari_vaemed.io.bench_results import write_codes
from napari_vaemed.io.journal import read_journal
from napari_vaemed.plugin.disagreement_work import open_folder
from napari_vaemed.workflow.anomalies import anomaly_rows, search_folder, search_index
from napari_vaemed.workflow.fold_places import blind_to_labels

COUNT = 36
WRONG = (7, 20)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Balls of 36 patients, dense ones malignant; two labels wrong, the last a copy of the first.

    The copy's crop is one voxel smaller on a side, its label the other. Of patient 5 single readers
    marked far more than most.
    """
    made = tmp_path_factory.mktemp("doubtful")
    rng = np.random.default_rng(0)
    lines = ["patient_id,nodule_id,seriesuid,coordX,coordY,coordZ,diameter_mm,Diagnosis_value,"]
    lines[0] += ",".join(name.title().replace("_", "") + "_value" for name in ATTRIBUTES)
    for kind in ("image", "mask", "readers"):
        (made / kind).mkdir()
    at = np.moveaxis(np.indices((16, 22, 22)), 0, -1) - (7.5, 10.5, 10.5)
    distance = np.linalg.norm(at * (2.0, 1.0, 1.0), axis=-1)
    first = np.empty(0)
    for number in range(COUNT):
        copied = number == COUNT - 1
        worse = not copied and number % 2 == 1
        hu = np.where(distance <= rng.uniform(4.5, 5.5), 100 if worse else -600, -850)
        hu = first if copied else hu + rng.normal(0, 60, hu.shape)
        first = hu if number == 0 else first
        x, y = (0.09 * place for place in divmod(0 if copied else number, 11))
        start = int(copied)
        counts = np.where(distance <= (3 if number == 5 else 6), 3, distance <= 6)
        arrays = {"image": hu.astype(np.int16), "mask": (distance <= 6).astype(np.uint8),
                  "readers": counts.astype(np.uint8)}  # fmt: skip
        for kind, array in arrays.items():
            image = sitk.GetImageFromArray(array[:, :, start:])
            image.SetSpacing((1.0, 1.0, 2.0))
            image.SetOrigin((x + start, y, 0.0))
            sitk.WriteImage(image, str(made / kind / f"P{number:03d}_R_1.nii.gz"))
        score = "5" if copied or worse != (number in WRONG) else "1"
        called = "1" if worse else "0"
        scores = ",".join([score] * len(ATTRIBUTES))
        lines.append(f"P{number:03d},1,1.2.{number},{10.5 + x},{10.5 + y},15,10,{called},{scores}")
    (made / "nodules.csv").write_text("\n".join(lines) + "\n")
    readers = ["id,n_readers,majority_voxels,union_voxels"]
    readers += [f"P{number:03d}_R_1,3,1,2" for number in range(COUNT)]
    (made / "readers.csv").write_text("\n".join(readers) + "\n")
    return made


@pytest.fixture(scope="module")
def searched(folder):
    return finish(search_folder(folder))


def test_wrong_labels_and_one_scan_under_two_ids_come_first(searched):
    found = searched.anomalies
    names = [found.records[entry.row].patient for entry in found.queue]
    assert set(names[:2]) == {"P000", "P035"}
    assert set(names[2:4]) == {"P007", "P020"}
    wrong = found.queue[2]
    assert {NEIGHBOURS, CONFIDENT} <= set(wrong.kinds)
    assert wrong.score > 0.9
    near = wrong.of_kind(NEIGHBOURS)
    label = found.records[wrong.row].malignancy
    assert {found.records[other].malignancy for other in near.others} == {6 - label}
    assert f"{len(near.others)} of its" in near.text
    same = found.queue[0].of_kind(SAME_SCAN)
    assert "100 % of the voxels common to both crops are equal" in same.text


def test_readers_apart_are_told_by_outlines_and_by_the_table(searched):
    rows = {searched.anomalies.records[e.row].patient: e for e in searched.anomalies.queue}
    assert "Most readers marked" in rows["P005"].of_kind(READERS).text
    assert "half of the readers scored above 3" in rows["P007"].of_kind(READERS).text
    assert rows["P005"].kinds == (READERS,)


def test_a_kind_is_listed_by_its_own_score_and_rows_name_what_contradicts(searched):
    rows = anomaly_rows(searched.anomalies, NEIGHBOURS)
    assert [row["place"] for row in rows] == list(range(1, len(rows) + 1))
    assert all(row["other_malignancy"] != row["malignancy"] for row in rows)
    assert all(NEIGHBOURS in row["kinds"] for row in rows)


def test_codes_of_a_bench_take_the_place_of_principal_components(searched, folder, tmp_path):
    (tmp_path / "codes").mkdir()
    rng = np.random.default_rng(1)
    settings = {"model": "GaussianVAE", "arguments": {"rating_weight": 1.0}, "training": {"e": 1},
                "seed": 0, "nodules": COUNT, "folds": 3}  # fmt: skip
    for fold in range(3):
        mean = rng.normal(size=(COUNT, 4)).astype(np.float32)
        codes = Codes(Posterior(mean, np.ones_like(mean)), mean, {})
        path = tmp_path / "codes" / f"VAE-seed0-fold{fold}.safetensors"
        write_codes(path, codes, {**settings, "fold": fold})
    found = finish(search_folder(folder, tmp_path, "VAE"))
    assert len(found.places.folds) == 3
    assert "learned from the ratings" in found.anomalies.notes[0]
    assert {found.anomalies.records[e.row].patient for e in found.anomalies.queue[2:4]} == {
        "P007", "P020"
    }  # fmt: skip
    with pytest.raises(FileNotFoundError, match="vaemed bench"):
        finish(search_folder(folder, tmp_path, "other"))


def test_encoders_that_saw_ratings_are_known():
    def settings(**weights):
        return {"arguments": weights, "training": {"epochs": 1}}

    assert blind_to_labels(settings(rating_weight=0.0, mask_weight=300.0))
    assert blind_to_labels(settings())
    for name in ("rating_weight", "label_weight", "kinship_weight"):
        assert not blind_to_labels(settings(**{name: 50.0}))
        assert blind_to_labels({**settings(**{name: 50.0}), "training": {}})


def test_an_index_is_looked_through_in_sample_and_says_so():
    rng = np.random.default_rng(0)
    score = np.where(np.arange(40) % 2 == 1, 5.0, 1.0)
    mean = (rng.normal(size=(40, 4)) + score[:, None]).astype(np.float32)
    score[11] = 1.0
    records = tuple(
        NoduleRecord(f"P{i}_R_1", f"P{i}", f"1.{i}", (0, 0, 0), 9.0, {"malignancy": s})
        for i, s in enumerate(score)
    )
    index = NoduleIndex(records, Posterior(mean, np.ones_like(mean)), "0" * 64, "made up")
    found = finish(search_index(index)).anomalies
    assert found.queue[0].row == 11
    assert "In sample" in found.notes[0]


def test_of_kind_sorts_and_other_is_the_first_that_contradicts():
    plain = Evidence(READERS, 0.5, "far apart")
    near = Evidence(NEIGHBOURS, 0.9, "contradicted", (3, 4))
    one, two = Anomaly(0, 0.1, (plain,)), Anomaly(1, 0.0, (near, plain))
    found = Anomalies((), (one, two), "", "")
    assert found.of_kind(NEIGHBOURS) == (two,)
    assert found.counts() == {READERS: 2, NEIGHBOURS: 1}
    assert (one.other, two.other) == (None, 3)


def test_commands_print_the_queue_and_what_to_label_next(folder, tmp_path, capsys):
    assert main(["anomalies", str(folder), "-n", "1", "--csv", str(tmp_path / "queue.csv")]) == 0
    out = capsys.readouterr().out
    assert "of 36 nodules to look at" in out
    assert out.count("doubt") == 1
    assert (tmp_path / "queue.csv").read_text().count("\n") > 4
    assert main(["label-next", str(folder)]) == 2
    assert "nothing waits for a label" in capsys.readouterr().err
    curve = tmp_path / "curve.csv"
    assert main(["label-next", str(folder), "--curve", str(curve), "--seeds", "2"]) == 0
    assert curve.read_text().startswith("labels,by,auc,auc_low,auc_high,over_chance")


DECIDE = """
import sys
from pathlib import Path
from napari_vaemed.plugin.disagreement_work import entry_of, write
for number in range(10_000):
    entry = write(Path(sys.argv[1]), entry_of("flip", "", "", f"{number:064x}", ""))
    print(entry.number, flush=True)
"""


def test_the_audit_file_survives_being_killed(folder):
    journal = folder / "disagreement.csv"
    command = [sys.executable, "-c", DECIDE, str(journal)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        told = [process.stdout.readline().strip() for _ in range(25)]
        process.send_signal(signal.SIGKILL)
    entries = read_journal(journal).entries
    assert [entry.number for entry in entries[:25]] == told
    opened = finish(open_folder(folder))
    assert opened.said == {}  # none of these is of a nodule here
    assert len(set(opened.shas)) == COUNT
