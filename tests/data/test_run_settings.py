from __future__ import annotations

import inspect
from dataclasses import fields

import pytest

from napari_vaemed.data.run_settings import FREE, NODULE_RUN, NoduleLessons, RunSettings
from napari_vaemed.training.fit import fit


@pytest.mark.parametrize("name", ["epochs", "batch", "devices", "save_every"])
def test_a_count_of_nothing_is_refused(name):
    with pytest.raises(ValueError, match=f"{name} must be at least 1; got 0"):
        RunSettings(**{"epochs": 1, "batch": 1, name: 0})


def test_the_loop_takes_all_settings_that_are_its_own():
    assert set(NODULE_RUN.for_fit()) <= set(inspect.signature(fit).parameters)


def test_what_may_change_on_a_resume_are_settings():
    assert set(FREE) <= {field.name for field in fields(RunSettings)}


def test_the_card_tells_of_patience_only_where_there_was_some():
    assert not {"patience", "schedule"} & set(NODULE_RUN.for_card())
    assert RunSettings(epochs=1, batch=1, schedule="constant").for_card()["schedule"] == "constant"
    assert RunSettings(epochs=1, batch=1, patience=3).for_card()["patience"] == 3


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"labels": 1.5}, r"from 0 to 1; got 1\.5"),
        ({"labels": float("nan")}, "from 0 to 1; got nan"),
        ({"repeats": 0}, "at least 1; got 0"),
        ({"bench_epochs": -1}, "0 or more; got -1"),
    ],
)
def test_lessons_that_cannot_be_are_refused(wrong, said):
    with pytest.raises(ValueError, match=said):
        NoduleLessons(**wrong)
