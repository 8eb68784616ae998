from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_vaemed.data.progress import finish
from napari_vaemed.io.image_folders import read_image_folder, read_image_table, read_picture
from napari_vaemed.io.labelled_images import read_labelled_images
from napari_vaemed.io.slices import read_slice_set


def write(path: Path, value: int = 7) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((4, 6), value, np.uint8)).save(path)


def test_pictures_keep_their_bits(tmp_path):
    deep = np.arange(24, dtype=np.uint16).reshape(4, 6) * 2000
    Image.fromarray(deep).save(tmp_path / "deep.png")
    colour = np.random.default_rng(0).integers(0, 256, (4, 6, 3)).astype(np.uint8)
    Image.fromarray(colour).save(tmp_path / "colour.png")
    write(tmp_path / "grey.png")
    np.testing.assert_array_equal(read_picture(tmp_path / "deep.png"), deep)
    np.testing.assert_array_equal(read_picture(tmp_path / "colour.png"), colour)
    np.testing.assert_array_equal(read_picture(tmp_path / "grey.png"), np.full((4, 6), 7))


def test_a_folder_a_class_groups_by_the_folder_below(tmp_path):
    for name in ("no/a.png", "no/b.png", "yes/p1/a.png", "yes/p1/b.jpg", "yes/p2/a.png"):
        write(tmp_path / name)
    (tmp_path / "yes" / "notes.txt").write_text("no picture")
    images = read_image_folder(tmp_path)
    assert images.classes == ("no", "yes")
    assert images.labels[:, 0].tolist() == [0, 0, 1, 1, 1]
    assert images.groups == ("no/a.png", "no/b.png", "p1", "p1", "p2")
    assert set(images.parts) == {""}


def test_folders_for_parts_may_lie_above_the_classes(tmp_path):
    for name in ("train/no/a.png", "train/yes/a.png", "valid/no/b.png", "test/yes/c.png"):
        write(tmp_path / name)
    images = read_image_folder(tmp_path)
    assert images.parts == ("test", "train", "train", "val")
    assert images.names[0] == "test/yes/c.png"


def test_a_table_of_classes_with_parts_and_patients(tmp_path):
    for name in ("a.png", "b.png", "c.png"):
        write(tmp_path / name)
    (tmp_path / "set.csv").write_text(
        "file,label,split,group\na.png,oedema,train,p1\nb.png,none,val,p2\nc.png,,test,p2\n"
    )
    images = read_image_table(tmp_path / "set.csv")
    assert images.classes == ("none", "oedema")
    np.testing.assert_array_equal(images.labels[:, 0], [1, 0, np.nan])
    assert (images.parts, images.groups) == (("train", "val", "test"), ("p1", "p2", "p2"))


def test_a_table_of_findings(tmp_path):
    write(tmp_path / "a.png")
    (tmp_path / "set.csv").write_text("file,mass,effusion\na.png,1,\n")
    images = read_image_table(tmp_path / "set.csv")
    assert (images.tasks, images.classes) == (("mass", "effusion"), ())
    np.testing.assert_array_equal(images.labels, [[1, np.nan]])


def test_any_class_can_be_told_from_the_rest_by_the_slice_classifier(tmp_path):
    for name in ("scar/a.png", "mass/a.png", "none/a.png"):
        write(tmp_path / name)
    slices = finish(read_slice_set(tmp_path, "mass"))
    assert [(record.id, record.label) for record in slices.records] == [
        ("mass/a.png", 1), ("none/a.png", 0), ("scar/a.png", 0)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("file,label\n", "no rows"),
        ("name,label\na.png,1\n", "wanted file"),
        ("file\na.png\n", "wanted file"),
        ("file,mass\na.png,some\n", "wanted a number"),
        ("file,mass\na.png,2\n", "whole numbers"),
        ("file,label\na.png,1,2\n", "more or fewer fields"),
        ("file,label,split\na.png,1,half\n", "A split is"),
    ],
)
def test_tables_that_do_not_fit_are_refused_in_words(tmp_path, table, told):
    (tmp_path / "set.csv").write_text(table)
    with pytest.raises(ValueError, match=told):
        read_image_table(tmp_path / "set.csv")


def test_what_holds_no_labelled_images_is_told(tmp_path):
    write(tmp_path / "only" / "a.png")
    with pytest.raises(ValueError, match=r"at least two sub-folders .* found only"):
        read_labelled_images(tmp_path)
    (tmp_path / "a.txt").write_text("text")
    with pytest.raises(ValueError, match="no labelled images"):
        read_labelled_images(tmp_path / "a.txt")
    with pytest.raises(ValueError, match="no picture that can be read"):
        read_picture(tmp_path / "a.txt")
    with pytest.raises(FileNotFoundError):
        read_labelled_images(tmp_path / "none")
