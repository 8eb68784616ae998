from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_vaemed.data.progress import finish
from napari_vaemed.io.slices import papers_of, read_grey, read_slice_set


def _write(path: Path, value: int = 100, mode: str = "L") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (6, 4), value).convert(mode).save(path)


@pytest.fixture
def folder(tmp_path) -> Path:
    """Two slices a class, laid out as COVID-CT."""
    rows = ["file,label,split"]
    for name, label, part in (
        ("Images/CT_COVID/2020.02.25.20021568-p24-111_5.png", "covid", "train"),
        ("Images/CT_COVID/2020.02.25.20021568-p23-108_1.png", "covid", "test"),
        ("Images/CT_NonCOVID/63_3.jpg", "noncovid", "train"),
        ("Images/CT_NonCOVID/1057.png", "noncovid", "val"),
    ):
        _write(tmp_path / name)
        rows.append(f"{name},{label},{part}")
    (tmp_path / "split.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


def test_a_folder_with_a_split_is_read_with_labels_papers_parts_and_its_citation(folder):
    slices = finish(read_slice_set(folder))
    assert slices.labels.tolist() == [1, 1, 0, 0]
    assert slices.groups == ["2020.02.25.20021568"] * 2 + ["case 63", "figure 1057"]
    assert [record.part for record in slices.records] == ["train", "test", "train", "val"]
    assert slices.pictures[0].shape == (4, 6)
    assert "arXiv:2003.13865" in slices.source


def test_a_manifest_may_give_its_own_groups_and_no_split(folder):
    (folder / "mine.csv").write_text(
        "file,label,group\nImages/CT_COVID/2020.02.25.20021568-p24-111_5.png,1,anna\n"
        "Images/CT_NonCOVID/63_3.jpg,0,\n"
    )
    slices = finish(read_slice_set(folder / "mine.csv"))
    assert slices.groups == ["anna", "case 63"]
    assert [record.part for record in slices.records] == ["", ""]


def test_a_folder_of_one_sub_folder_per_class_is_read(tmp_path):
    for name in ("covid/a.png", "normal/b.png", "normal/deep/c.jpg", "notes/d.png"):
        _write(tmp_path / name)
    slices = finish(read_slice_set(tmp_path))
    assert [record.id for record in slices.records] == ["covid/a.png", "normal/b.png",
                                                        "normal/deep/c.jpg"]  # fmt: skip
    assert slices.labels.tolist() == [1, 0, 0]
    assert slices.source == tmp_path.name


def test_papers_are_told_from_names_as_covid_ct_gives_them():
    names = {
        "2020.03.01.20029769-p21-73_1_0.png": "2020.03.01.20029769",
        "2020.03.12.20034686-p17-91-4.png": "2020.03.12.20034686",
        "PIIS0140673620301549_0_1.png": "PIIS0140673620301549",
        "bmj.m606.full-p4-22_2.png": "bmj.m606.full",
        "ehaa254-p0-63_2.png": "ehaa254",
        "kjr-21-e24-p2-8.png": "kjr-21-e24",
        "Ni2020_Article_CombinationOfWesternMedicineAn-p4-13_1.png":
            "Ni2020_Article_CombinationOfWesternMedicineAn",
        "20.jpg": "case 20",
        "20_1.jpg": "case 20",
        "575.png": "figure 575",
        "578.png": "figure 575",
        "580.png": "figure 575",
        "584.png": "figure 584",
        "something else.png": "something else",
    }  # fmt: skip
    assert papers_of([f"Images/{name}" for name in names]) == list(names.values())


def test_colours_become_grey_and_a_palette_or_alpha_does_not_matter(tmp_path):
    for mode in ("L", "RGB", "RGBA", "P", "LA"):
        _write(tmp_path / f"{mode}.png", 77, mode)
        grey = read_grey(tmp_path / f"{mode}.png")
        assert grey.dtype == np.uint8
        assert (grey == 77).all()


def test_more_than_8_bits_are_refused_in_words(tmp_path):
    Image.fromarray(np.full((4, 4), 3000, np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(ValueError, match="more than 8 bits"):
        read_grey(tmp_path / "deep.png")


def test_what_is_wrong_is_said(tmp_path, folder):
    with pytest.raises(FileNotFoundError, match=r"split\.csv"):
        finish(read_slice_set(tmp_path / "nowhere"))
    (tmp_path / "a.csv").write_text("name,label\nx,1\n")
    with pytest.raises(ValueError, match="columns file and label"):
        finish(read_slice_set(tmp_path / "a.csv"))
    (tmp_path / "b.csv").write_text("file,label\nx.png,maybe\n")
    with pytest.raises(ValueError, match="'maybe'; known are"):
        finish(read_slice_set(tmp_path / "b.csv"))
    (tmp_path / "c.csv").write_text("file,label\nx.png,covid\n")
    with pytest.raises(FileNotFoundError, match=r"no picture at .*x\.png"):
        finish(read_slice_set(tmp_path / "c.csv"))
    (tmp_path / "d.csv").write_text("file,label\nImages/CT_NonCOVID/63_3.jpg,0\n")
    with pytest.raises(ValueError, match="both classes"):
        finish(read_slice_set(tmp_path / "d.csv"))
    (tmp_path / "words.png").write_text("no picture")
    with pytest.raises(ValueError, match="no picture that can be read"):
        read_grey(tmp_path / "words.png")


def test_the_published_split_has_its_published_sizes(real_data):
    slices = finish(read_slice_set(real_data / "covid_ct_png"))
    sizes = {part: np.bincount(slices.labels[slices.rows(part)]).tolist()
             for part in ("train", "val", "test")}  # fmt: skip
    assert sizes == {"train": [234, 191], "val": [58, 60], "test": [105, 98]}
