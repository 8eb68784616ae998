from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from napari_vaemed.data.index import NoduleIndex
from napari_vaemed.data.nodule import NoduleRecord
from napari_vaemed.data.posterior import DirichletPosterior, Posterior
from napari_vaemed.io.indexes import (
    append_index,
    index_files,
    map_posterior,
    read_index,
    write_index,
)
from napari_vaemed.io.weights import shipped_index_path


def make(start: int, stop: int, model: str = "abc") -> NoduleIndex:
    rng = np.random.default_rng(start)
    records = tuple(
        NoduleRecord(
            f"N{i}",
            f"P{i}",
            "1.2.3",
            (1.5, -2.25, 3.125),
            7.5,
            {"malignancy": 4.0},
            i * 9.5 or None,
        )
        for i in range(start, stop)
    )
    mean, sd = rng.normal(size=(2, stop - start, 3)).astype(np.float32)
    return NoduleIndex(records, Posterior(mean, np.abs(sd)), model, "a source – cited")


@pytest.fixture
def index() -> NoduleIndex:
    return make(0, 5)


@pytest.fixture
def path(tmp_path, index) -> Path:
    write_index(tmp_path / "index.safetensors", index)
    return tmp_path / "index.safetensors"


def test_an_index_comes_back_as_it_was(index, path):
    read = read_index(path)
    assert read.records == index.records
    assert (read.model_sha256, read.source) == (index.model_sha256, index.source)
    np.testing.assert_array_equal(read.posterior.mean, index.posterior.mean)
    np.testing.assert_array_equal(read.posterior.sd, index.posterior.sd)


def test_the_files_are_open_formats_that_others_read(index, path):
    tensors = load_file(path)
    np.testing.assert_array_equal(tensors["mean"], index.posterior.mean)
    about = json.loads(path.with_suffix(".json").read_text("utf-8"))
    assert [entry["id"] for entry in about["records"]] == ["N0", "N1", "N2", "N3", "N4"]


def test_what_is_appended_follows_what_was_there(index, path):
    before = {file: file.read_bytes() for file in path.parent.iterdir()}
    append_index(path, make(5, 8))
    append_index(path, make(8, 9))
    read = read_index(path)
    assert [record.id for record in read.records] == [f"N{i}" for i in range(9)]
    parts = [index.posterior.mean, make(5, 8).posterior.mean, make(8, 9).posterior.mean]
    np.testing.assert_array_equal(read.posterior.mean, np.concatenate(parts))
    assert all(file.read_bytes() == data for file, data in before.items())


def test_nodules_of_another_model_are_not_appended(path):
    with pytest.raises(ValueError, match=r"model abc; this is model other.*cannot be compared"):
        append_index(path, make(5, 6, model="other"))
    assert len(read_index(path)) == 5


def test_nodules_that_are_there_already_are_not_appended(path):
    with pytest.raises(ValueError, match="holds N3, N4 already"):
        append_index(path, make(3, 7))


def test_an_index_says_how_its_patches_were_cut_and_one_cut_otherwise_is_refused(index, path):
    assert "32×32×32 voxels of 1 mm" in read_index(path).preprocessing
    write_index(path, replace(index, preprocessing="20×20×20 voxels of 2 mm"))
    with pytest.raises(ValueError, match=r"20×20×20.*32×32×32.*Build the index again"):
        read_index(path)


@pytest.mark.parametrize("left", ["part", "part and a beginning of its words", "older words"])
def test_an_append_that_broke_off_leaves_the_index_as_it_was(path, left):
    whole = path.parent / "whole" / path.name
    whole.parent.mkdir()
    write_index(whole, make(0, 5))
    append_index(whole, make(5, 8))
    part = path.with_name("index.part1.safetensors")
    part.write_bytes(whole.with_name(part.name).read_bytes())
    words = whole.with_name("index.part1.json").read_text("utf-8")
    if left == "part and a beginning of its words":
        part.with_suffix(".json").write_text(words[: len(words) // 2], "utf-8")
    if left == "older words":
        part.with_suffix(".json").write_text(
            words.replace('"follows": "', '"follows": "0'), "utf-8"
        )
    assert len(read_index(path)) == 5
    append_index(path, make(5, 7))
    assert len(read_index(path)) == 7


def test_an_index_written_anew_forgets_its_parts(path):
    append_index(path, make(5, 8))
    write_index(path, make(20, 22))
    assert [record.id for record in read_index(path).records] == ["N20", "N21"]
    assert len(list(path.parent.iterdir())) == 2


APPEND_FOREVER = """
import sys
sys.path.insert(0, {here!r})
from pathlib import Path
from napari_vaemed.io.indexes import append_index
from {module} import make
path = Path({path!r})
print("ready", flush=True)
for i in range(5, 10_000):
    append_index(path, make(i, i + 1))
    print(i, flush=True)
"""


def test_killing_a_process_that_appends_leaves_a_whole_index(path):
    here = Path(__file__)
    code = APPEND_FOREVER.format(here=str(here.parent), module=here.stem, path=str(path))
    for delay in (0.0, 0.013, 0.031):
        start = len(read_index(path))
        running = subprocess.Popen(
            [sys.executable, "-c", code.replace("range(5", f"range({start}")],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert running.stdout is not None
        said = [running.stdout.readline() for _ in range(4)]
        time.sleep(delay)
        os.kill(running.pid, signal.SIGKILL)
        said += running.stdout.readlines()
        running.wait()
        running.stdout.close()
        read = read_index(path)
        assert [record.id for record in read.records] == [f"N{i}" for i in range(len(read))]
        assert len(read) >= int(said[-1]) + 1
        np.testing.assert_array_equal(
            read.posterior.mean[-1], make(len(read) - 1, len(read)).posterior.mean[0]
        )


def test_posteriors_can_be_mapped_instead_of_read(index, path):
    append_index(path, make(5, 8))
    files = index_files(path)
    mapped = [map_posterior(file) for file in files]
    assert isinstance(mapped[0].mean.base, np.memmap)
    assert [len(p) for p in mapped] == [5, 3]
    np.testing.assert_array_equal(mapped[0].sd, index.posterior.sd)
    np.testing.assert_array_equal(mapped[1].mean, make(5, 8).posterior.mean)


def test_the_shipped_index_is_read_and_mapped():
    read = read_index(shipped_index_path())
    np.testing.assert_array_equal(map_posterior(shipped_index_path()).mean, read.posterior.mean)
    assert len(read.model_sha256) == 64


def test_an_index_of_version_0_1_is_read(index, path):
    """It names neither checksum nor preprocessing."""
    words = path.with_suffix(".json")
    about = json.loads(words.read_text("utf-8"))
    for new in ("posterior_sha256", "preprocessing"):
        del about[new]
    words.write_text(json.dumps(about), "utf-8")
    assert read_index(path).records == index.records
    append_index(path, make(5, 6))
    assert len(read_index(path)) == 6


def test_an_index_that_is_not_there_says_how_to_make_one(tmp_path):
    with pytest.raises(FileNotFoundError, match="vaemed index"):
        read_index(tmp_path / "index.safetensors")


def test_files_that_do_not_belong_together_are_refused_in_words(path, tmp_path):
    (tmp_path / "other").mkdir()
    write_index(tmp_path / "other" / path.name, make(10, 15))
    path.write_bytes((tmp_path / "other" / path.name).read_bytes())
    with pytest.raises(ValueError, match="checksum differs"):
        read_index(path)


@pytest.mark.parametrize("words", ["{", "[]", "{}", '{"records": 3}'])
def test_damaged_words_are_refused_in_words(path, words):
    path.with_suffix(".json").write_text(words)
    with pytest.raises(ValueError, match="Build it again"):
        read_index(path)


def test_damaged_numbers_are_refused_in_words(path):
    path.write_bytes(b"nothing")
    with pytest.raises(ValueError, match="Build it again"):
        read_index(path)
    with pytest.raises(ValueError, match="Build it again"):
        map_posterior(path)


def of_shares(start: int, stop: int) -> NoduleIndex:
    """Dirichlet posteriors of the same nodules."""
    rng = np.random.default_rng(start)
    numbers = rng.uniform(0.02, 9, (stop - start, 3)).astype(np.float32)
    return replace(make(start, stop), posterior=DirichletPosterior(numbers))


def test_concentrations_survive_a_round_trip_an_append_and_mapping(tmp_path):
    path, first, more = tmp_path / "i.safetensors", of_shares(0, 5), of_shares(5, 8)
    write_index(path, first)
    assert set(load_file(path)) == {"concentration"}
    mapped = map_posterior(path)
    assert np.array_equal(mapped.concentration, first.posterior.concentration)
    append_index(path, more)
    whole = read_index(path)
    assert isinstance(whole.posterior, DirichletPosterior)
    both = [first.posterior.concentration, more.posterior.concentration]
    assert np.array_equal(whole.posterior.concentration, np.concatenate(both))


def test_gaussians_are_not_appended_to_dirichlets(tmp_path):
    write_index(tmp_path / "i.safetensors", of_shares(0, 5))
    with pytest.raises(ValueError, match="made with family DirichletPosterior"):
        append_index(tmp_path / "i.safetensors", make(5, 8))
