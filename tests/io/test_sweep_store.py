from __future__ import annotations

import json
import sys

import pytest

from napari_vaemed.data.sweep import Choice, Range, Space
from napari_vaemed.io.sweep_report import read_space
from napari_vaemed.io.sweep_store import MOST_TRIES, SweepStore

SPACE = Space("own", "GaussianVAE", (Choice("beta", (1.0, 4.0)),))


def _store(folder, space=SPACE, *, trials=0, settings=None, warm_up=0) -> SweepStore:
    return SweepStore(folder, settings or {}, space, trials=trials, seed=0, warm_up=warm_up)


def test_two_who_share_a_folder_get_different_trials(tmp_path):
    one, other = _store(tmp_path), _store(tmp_path)
    first, second = one.claim(), other.claim()
    assert {first.values["beta"], second.values["beta"]} == {1.0, 4.0}
    assert one.claim() is None
    one.report(first, 1, 0.6)
    one.finish(first, {"epochs": 1}, 0.6)
    kept = {trial.number: trial for trial in other.kept()}
    assert kept[first.number].state == "whole"
    assert kept[first.number].curve == {1: 0.6}
    assert kept[first.number].result == {"epochs": 1}
    assert kept[second.number].state == "under way"


def test_a_trial_let_go_is_gone_on_with_where_it_was(tmp_path):
    store = _store(tmp_path)
    first = store.claim()
    store.report(first, 1, 0.7)
    store.let_go(first)
    others = [store.claim(), store.claim()]
    again = next(claim for claim in others if claim.values == first.values)
    assert again.folder == first.folder
    store.report(again, 2, 0.8)
    store.finish(again, {}, 0.8)
    trial = next(t for t in store.kept() if t.number == again.number)
    assert trial.curve == {1: 0.7, 2: 0.8}
    assert len(store.kept()) == 2


def test_a_trial_that_kills_its_process_again_and_again_is_given_up(tmp_path):
    store = _store(tmp_path, Space("own", "GaussianVAE", (Choice("beta", (1.0,)),)))
    for _ in range(MOST_TRIES):
        store.let_go(store.claim())
    assert store.claim() is None
    (trial,) = store.kept()
    assert trial.state == "failed"
    assert "died 3 times" in trial.result["why"]


def test_a_trial_below_the_median_of_the_others_is_to_stop(tmp_path):
    store = _store(tmp_path, Space("own", "X", (Range("beta", 0.5, 2.0),)), trials=8, warm_up=2)
    for _ in range(5):
        claim = store.claim()
        assert not any(store.report(claim, epoch, 0.9) for epoch in (1, 2))
        store.finish(claim, {}, 0.9)
    worse = store.claim()
    assert not store.report(worse, 1, 0.1)  # it warms up
    assert store.report(worse, 2, 0.1)
    store.finish(worse, {}, 0.1, early=True)
    assert store.kept()[-1].state == "stopped early"


def test_a_search_that_is_gone_on_with_proposes_what_an_unbroken_one_does(tmp_path):
    space = Space("own", "X", (Range("beta", 0.5, 2.0), Range("dims", 2, 90)))
    found = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        values = []
        store = _store(tmp_path / name, space, trials=12)
        for number in range(12):
            if number == 11 and name == "b":  # as another process would go on
                store = _store(tmp_path / name, space, trials=12)
            claim = store.claim()
            values.append(dict(claim.values))
            store.finish(claim, {}, 0.5 + 0.01 * number)
        found.append(values)
    assert found[0] == found[1]
    assert len({each["beta"] for each in found[0]}) == 12


def test_what_is_done_once_is_done_by_one(tmp_path):
    one, other = _store(tmp_path), _store(tmp_path)
    with one.alone() as mine, other.alone() as yours:
        assert (mine, yours) == (True, False)
    with other.alone() as yours:
        assert yours


def test_a_folder_of_other_settings_is_refused(tmp_path):
    _store(tmp_path, settings={"epochs": 3})
    with pytest.raises(ValueError, match="begun with epochs 3, now 4"):
        _store(tmp_path, settings={"epochs": 4})


def test_without_optuna_it_is_told_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)  # as if it were not there
    with pytest.raises(ValueError, match="pip install optuna"):
        _store(tmp_path)


def test_a_space_is_read_from_toml_and_from_json(tmp_path):
    toml, same = tmp_path / "space.toml", tmp_path / "space.json"
    toml.write_text("[axes]\nbeta = {low = 0.5, high = 8.0, log = true}\nlatent_dims = [12, 24]\n")
    axes = {"beta": {"low": 0.5, "high": 8.0, "log": True}, "latent_dims": [12, 24]}
    same.write_text(json.dumps({"axes": axes}))
    found = read_space(toml)
    assert found == read_space(same)
    assert found.axes == (Range("beta", 0.5, 8.0, log=True), Choice("latent_dims", (12, 24)))
    same.write_text("{")
    with pytest.raises(ValueError, match=r"space\.json is damaged"):
        read_space(same)
