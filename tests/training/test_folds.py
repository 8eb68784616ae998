from __future__ import annotations

import numpy as np
import pytest

from napari_vaemed.training.folds import inner_fold, patient_folds

PATIENTS = [f"P{i // 3}" for i in range(60)] + ["LIDC-IDRI-0029", "LIDC-IDRI-0138"]


def test_every_nodule_is_held_out_once():
    held_out = np.concatenate([test for _, test in patient_folds(PATIENTS)])
    assert sorted(held_out) == list(range(len(PATIENTS)))


def test_no_patient_is_both_trained_and_tested_on():
    for train, test in patient_folds(PATIENTS):
        assert not {PATIENTS[i] for i in train} & {PATIENTS[i] for i in test}


def test_two_ids_of_one_scan_stay_together():
    for train, _ in patient_folds(PATIENTS):
        assert (60 in train) == (61 in train)


def test_too_few_patients_are_refused():
    with pytest.raises(ValueError, match="at least 5 patients"):
        list(patient_folds(["a", "b"]))


def test_an_inner_fold_divides_the_patients_of_the_rows_it_is_given():
    outer, _ = next(patient_folds(PATIENTS))
    learn, kept = inner_fold(PATIENTS, outer, seed=3)
    np.testing.assert_array_equal(np.sort(np.concatenate([learn, kept])), outer)
    assert not {PATIENTS[i] for i in learn} & {PATIENTS[i] for i in kept}
    assert 0.05 < len(kept) / len(outer) < 0.25
