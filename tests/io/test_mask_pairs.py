import pytest

from napari_vaemed.io.mask_pairs import find_mask_pairs


def tree(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


def named(found, folder):
    return [(p.case, str(p.image.relative_to(folder)), str(p.mask.relative_to(folder)))
            for p in found.pairs]  # fmt: skip


@pytest.mark.parametrize(
    ("image", "mask", "case"),
    [
        ("image/0001_R_1.nii.gz", "mask/0001_R_1.nii.gz", "0001_R_1"),
        ("imagesTr/lung_001_0000.nii.gz", "labelsTr/lung_001.nii.gz", "lung_001"),
        ("7.nii.gz", "7_mask.nrrd", "7"),
        ("7_ct.mha", "7-seg.mha", "7"),
        ("7/ct.nii.gz", "7/mask.nii.gz", "7"),
        ("a/7/CT.nii.gz", "a/7/CT_lungs.nii.gz", "a/7"),
        ("set/images/7.nii", "set/masks/7.nii", "set/7"),
        ("image/left-lungs.nii", "mask/left-lungs.nii", "left-lungs"),
    ],
)
def test_layouts(tmp_path, image, mask, case):
    assert named(find_mask_pairs(tree(tmp_path, image, mask)), tmp_path) == [(case, image, mask)]


def test_a_folder_of_dicom_files_can_be_the_ct(tmp_path, write_series, hu):
    write_series(tmp_path / "7" / "dicom", hu)
    tree(tmp_path, "7/mask.nii.gz")
    (pair,) = find_mask_pairs(tmp_path).pairs
    assert (pair.case, pair.image) == ("7", tmp_path / "7" / "dicom")


def test_references_stand_beside_or_in_a_folder_of_their_own(tmp_path):
    tree(tmp_path / "a", "7.nii", "7_mask.nii", "7_truth.nii")
    (pair,) = find_mask_pairs(tmp_path / "a").pairs
    assert pair.reference == tmp_path / "a" / "7_truth.nii"
    tree(tmp_path / "b", "7.nrrd")
    (pair,) = find_mask_pairs(tmp_path / "a", tmp_path / "b").pairs
    assert pair.reference == tmp_path / "b" / "7.nrrd"


def test_a_mask_without_its_ct_is_named_not_dropped_in_silence(tmp_path):
    found = find_mask_pairs(tree(tmp_path, "7.nii", "7_mask.nii", "8_mask.nii"))
    assert [path.name for path in found.alone] == ["8_mask.nii"]


def test_what_cannot_be_told_apart_is_refused(tmp_path):
    with pytest.raises(ValueError, match="Two files could be the mask"):
        find_mask_pairs(tree(tmp_path / "a", "7.nii", "7_mask.nii", "7_seg.nii"))
    with pytest.raises(ValueError, match="No CT with a mask"):
        find_mask_pairs(tree(tmp_path / "b", "7.nii", "8_mask.nii"))
    with pytest.raises(FileNotFoundError):
        find_mask_pairs(tmp_path / "nowhere")
