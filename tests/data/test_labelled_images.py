from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_vaemed.data.labelled_images import LabelledImages, Stacked, as_slices

PICTURES = np.arange(5 * 4 * 3, dtype=np.uint8).reshape(5, 4, 3)


def of_classes(*labels: float, classes=("a", "b", "c")) -> LabelledImages:
    n = len(labels)
    return LabelledImages(
        names=tuple(f"image {i}" for i in range(n)),
        images=Stacked((PICTURES[:2], PICTURES[2:n])),
        labels=np.array(labels, np.float32)[:, None],
        tasks=("class",),
        classes=classes,
        parts=("train", "train", "val", "test", "test")[:n],
        groups=("p", "p", "q", "q", "r")[:n],
        source="made up",
    )


def test_images_of_several_arrays_follow_each_other():
    stacked = Stacked((PICTURES[:2], PICTURES[2:]))
    assert len(stacked) == 5
    np.testing.assert_array_equal([stacked[i] for i in range(5)], PICTURES)
    with pytest.raises(IndexError):
        stacked[5]


def test_the_summary_counts_labels_and_patients_by_part():
    told = of_classes(0, 2, 2, np.nan, 1).summary()
    assert (told["n"], told["groups"], told["kind"]) == (5, 3, "one class each")
    assert told["parts"]["train"] == {
        "n": 2, "groups": 1, "labels": {"class": {"a": 1, "b": 0, "c": 1}}
    }  # fmt: skip
    assert told["parts"]["test"]["labels"]["class"] == {"a": 0, "b": 1, "c": 0, "not said": 1}


def test_one_class_against_the_rest_makes_slices_and_unsaid_ones_stay_out():
    slices = as_slices(of_classes(0, 2, 2, np.nan, 1), "c")
    assert slices.labels.tolist() == [0, 1, 1, 0]
    assert slices.groups == ["p", "p", "q", "r"]
    assert [record.part for record in slices.records] == ["train", "train", "val", "test"]
    np.testing.assert_array_equal(slices.pictures[3], PICTURES[4])


def test_one_finding_makes_slices():
    findings = replace(
        of_classes(0, 0, 0),
        labels=np.array([[0, 1], [1, np.nan], [1, 0]], np.float32),
        tasks=("edema", "fracture"),
        classes=(),
    )
    assert as_slices(findings, "edema").labels.tolist() == [0, 1, 1]
    assert as_slices(findings, "fracture").labels.tolist() == [1, 0]


def test_of_two_classes_the_second_is_the_positive_one():
    assert as_slices(of_classes(0, 1, 1, classes=("no", "yes"))).labels.tolist() == [0, 1, 1]


@pytest.mark.parametrize(("positive", "told"), [("", "Name one"), ("d", "no 'd'")])
def test_what_is_positive_must_be_named(positive, told):
    with pytest.raises(ValueError, match=told):
        as_slices(of_classes(0, 1, 2), positive)


def test_colours_become_their_luminance():
    colour = np.zeros((2, 4, 3, 3), np.uint8)
    colour[0, ..., 1] = 200
    images = replace(of_classes(0, 1, classes=("no", "yes")), images=Stacked((colour,)))
    assert as_slices(images).pictures[0][0, 0] == round(0.587 * 200)


def test_volumes_are_no_slices():
    images = replace(
        of_classes(0, 1, classes=("no", "yes")), images=Stacked((np.zeros((2, 5, 4, 4), np.uint8),))
    )
    with pytest.raises(ValueError, match="8-bit pictures"):
        as_slices(images)


@pytest.mark.parametrize("labels", [(0, 3), (0, -1), (0, 0.5)])
def test_labels_off_the_classes_are_refused(labels):
    with pytest.raises(ValueError, match="whole numbers"):
        of_classes(*labels)
