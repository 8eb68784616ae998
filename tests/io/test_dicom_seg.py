"""Masks become DICOM Segmentations on the CT's slices, and come back on the same voxels."""

from __future__ import annotations

from dataclasses import replace

import highdicom as hd
import numpy as np
import pydicom
import pytest
from pydicom.sr.codedict import codes
from pydicom.uid import generate_uid

from napari_vaemed.data.progress import finish
from napari_vaemed.data.volume import Volume
from napari_vaemed.io.dicom import read_dicom
from napari_vaemed.io.dicom_seg import read_segmentation
from napari_vaemed.io.dicom_seg_writer import write_segmentation
from napari_vaemed.io.errors import CTError
from napari_vaemed.preprocessing.placement import labels_from_slices

ANGLE = np.radians(12)
ORIENTATIONS = {
    "axial": np.eye(3),
    "feet first": np.diag([-1.0, 1.0, -1.0]),
    "sagittal": np.array([[0, 0, 1.0], [1, 0, 0], [0, -1, 0]]),
    "coronal": np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]]),
    "oblique": np.array(
        [
            [np.cos(ANGLE), 0, np.sin(ANGLE)],
            [0, 1, 0],
            [-np.sin(ANGLE), 0, np.cos(ANGLE)],
        ]
    ),
}


@pytest.fixture
def open_ct(tmp_path, write_series, hu):
    """Write a series, with what the test asks for, and open it."""

    def make(name="ct", voxels=hu, **how):
        write_series(tmp_path / name, voxels, **how)
        return finish(read_dicom(tmp_path / name))

    return make


def some_labels(shape):
    """Two labels that touch, lean and reach a corner, so that no turn or flip goes unseen."""
    z, y, x = np.indices(shape)
    labels = np.zeros(shape, np.uint8)
    labels[(x + 2 * y + 3 * z) % 17 < 5] = 1
    labels[z * 3 + y < x] = 7
    labels[0, 0, 0] = 7
    return labels


def marked_by_hand(path):
    """LPS mm of every marked pixel, by segment number, from the file's bytes alone."""
    file = pydicom.dcmread(path)
    shared = file.SharedFunctionalGroupsSequence[0]
    orientation = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, float)
    row_step, column_step = shared.PixelMeasuresSequence[0].PixelSpacing
    bits = np.unpackbits(np.frombuffer(file.PixelData, np.uint8), bitorder="little")
    size = file.Rows * file.Columns
    found = {}
    for n, group in enumerate(file.PerFrameFunctionalGroupsSequence):
        identification = group.get("SegmentIdentificationSequence") or (
            shared.SegmentIdentificationSequence
        )
        corner = np.array(group.PlanePositionSequence[0].ImagePositionPatient, float)
        frame = bits[n * size : (n + 1) * size].reshape(file.Rows, file.Columns)
        row, column = np.nonzero(frame)
        places = (
            corner
            + np.outer(column * column_step, orientation[:3])
            + np.outer(row * row_step, orientation[3:])
        )
        number = identification[0].ReferencedSegmentNumber
        found.setdefault(number, []).append(places)
    return {number: np.concatenate(places) for number, places in found.items()}


def as_sets(places):
    return {tuple(p) for p in np.round(places, 2) + 0.0}


@pytest.mark.parametrize("name", ORIENTATIONS)
def test_a_mask_lies_on_the_same_millimetres_when_read_by_hand(tmp_path, open_ct, name):
    ct = open_ct(direction=ORIENTATIONS[name])
    labels = some_labels(ct.shape)
    assert write_segmentation(tmp_path / "m.dcm", labels, ct) == ()
    found = marked_by_hand(tmp_path / "m.dcm")
    for number, label in ((1, 1), (2, 7)):
        expected = ct.to_world(np.argwhere(labels == label))
        assert len(found[number]) == len(expected)
        nearest = np.linalg.norm(found[number][:, None] - expected, axis=-1).min(axis=1)
        assert nearest.max() < 0.01


@pytest.mark.parametrize("name", ORIENTATIONS)
def test_it_refers_to_the_slices_it_was_drawn_on(tmp_path, open_ct, name):
    ct = open_ct(direction=ORIENTATIONS[name])
    labels = some_labels(ct.shape)
    write_segmentation(tmp_path / "m.dcm", labels, ct)
    slices = {
        pydicom.dcmread(p).SOPInstanceUID: pydicom.dcmread(p) for p in (tmp_path / "ct").iterdir()
    }
    file = pydicom.dcmread(tmp_path / "m.dcm")
    first = next(iter(slices.values()))
    assert file.FrameOfReferenceUID == first.FrameOfReferenceUID
    assert file.StudyInstanceUID == first.StudyInstanceUID
    assert file.ReferencedSeriesSequence[0].SeriesInstanceUID == first.SeriesInstanceUID
    for group in file.PerFrameFunctionalGroupsSequence:
        uid = group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        np.testing.assert_allclose(
            group.PlanePositionSequence[0].ImagePositionPatient,
            slices[uid].ImagePositionPatient,
            atol=1e-6,
        )


@pytest.mark.parametrize("name", ORIENTATIONS)
def test_it_comes_back_voxel_for_voxel(tmp_path, open_ct, name):
    ct = open_ct(direction=ORIENTATIONS[name])
    labels = some_labels(ct.shape)
    write_segmentation(tmp_path / "m.dcm", labels, ct, {1: "Left lung"})
    (found,) = read_segmentation(tmp_path / "m.dcm", ct)
    np.testing.assert_array_equal(found.labels, np.array([0, 1, 2])[np.minimum(labels, 2)])
    assert found.columns["name"] == ["Left lung", "Label 7"]
    assert found.columns["type"] == ["Left lung", "Tissue"]
    assert found.notes == ()


def highdicom_seg(ct, masks, kind="BINARY", folder="ct", tmp_path=None, **more):
    """A segmentation as another program makes it from the CT's own files."""
    images = [pydicom.dcmread(p) for p in sorted((tmp_path / folder).iterdir())]
    for image in images:
        image.PatientSex = image.AccessionNumber = image.StudyID = ""
        image.StudyDate = image.StudyTime = None
    images.sort(key=lambda i: float(i.ImagePositionPatient[2]))
    described = [
        hd.seg.SegmentDescription(n, f"Part {n}", codes.SCT.Tissue, codes.SCT.Tissue, "MANUAL")
        for n in range(1, masks.shape[-1] + 1)
    ]
    file = hd.seg.Segmentation(
        images, masks, kind, described, generate_uid(), 1, generate_uid(), 1, "m", "m", "1", "1",
        **more,
    )  # fmt: skip
    file.save_as(tmp_path / "s.dcm")
    return tmp_path / "s.dcm"


def test_overlapping_segments_of_another_program_become_two_maps(tmp_path, open_ct):
    ct = open_ct()
    masks = np.zeros((*ct.shape, 3), np.uint8)
    masks[1:5, 2:9, 3:8, 0] = masks[3:7, 5:12, 5:10, 1] = masks[8, :, :, 2] = 1
    one, two = read_segmentation(highdicom_seg(ct, masks, tmp_path=tmp_path), ct)
    np.testing.assert_array_equal(one.labels == 1, masks[..., 0] > 0)
    np.testing.assert_array_equal(one.labels == 3, masks[..., 2] > 0)
    np.testing.assert_array_equal(two.labels == 2, masks[..., 1] > 0)
    assert two.name == "Part 2"


def test_fractions_count_from_half_and_label_maps_by_their_values(tmp_path, open_ct):
    ct = open_ct()
    fractions = np.random.default_rng(0).random((*ct.shape, 1)).astype(np.float32)
    path = highdicom_seg(ct, fractions, "FRACTIONAL", tmp_path=tmp_path)
    (found,) = read_segmentation(path, ct)
    np.testing.assert_array_equal(found.labels > 0, np.rint(fractions[..., 0] * 255) >= 127.5)
    masks = np.zeros((*ct.shape, 2), np.uint8)
    masks[1:5, ..., 0] = masks[6:, ..., 1] = 1
    (found,) = read_segmentation(highdicom_seg(ct, masks, "LABELMAP", tmp_path=tmp_path), ct)
    np.testing.assert_array_equal(found.labels, masks[..., 0] + 2 * masks[..., 1])


def test_slices_without_a_mark_stay_empty_between_others(tmp_path, open_ct):
    ct = open_ct()
    masks = np.zeros((*ct.shape, 1), np.uint8)
    masks[1, 2:5, 3:6] = masks[7, 5:8, 2:4] = 1
    path = highdicom_seg(ct, masks, tmp_path=tmp_path)
    assert pydicom.dcmread(path).NumberOfFrames == 2
    (found,) = read_segmentation(path, ct)
    np.testing.assert_array_equal(found.labels, masks[..., 0])


def test_without_its_ct_a_segmentation_keeps_its_own_grid(tmp_path, open_ct):
    ct = open_ct(direction=ORIENTATIONS["coronal"])
    labels = some_labels(ct.shape)
    write_segmentation(tmp_path / "m.dcm", labels, ct)
    (found,) = read_segmentation(tmp_path / "m.dcm")
    ours = as_sets(found.volume.to_world(np.argwhere(found.labels == 2)))
    assert ours == as_sets(ct.to_world(np.argwhere(labels == 7)))


def test_on_a_finer_ct_the_nearest_voxel_counts_and_it_is_said(tmp_path, open_ct, hu):
    coarse = open_ct()
    labels = some_labels(coarse.shape)
    write_segmentation(tmp_path / "m.dcm", labels, coarse)
    fine = replace(
        coarse, hu=np.zeros((18, 28, 22), np.int16), spacing=tuple(s / 2 for s in coarse.spacing)
    )
    (found,) = read_segmentation(tmp_path / "m.dcm", fine)
    assert found.notes == ("Resampled to the CT's voxels (nearest).",)
    index = np.indices(fine.shape).reshape(3, -1).T
    nearest = np.ceil(coarse.to_voxel(fine.to_world(index)) - 0.5 - 1e-6).astype(int)
    inside = (nearest < coarse.shape).all(axis=1)
    expected = np.zeros(len(index), int)
    expected[inside] = labels[tuple(nearest[inside].T)]
    np.testing.assert_array_equal(found.labels.ravel(), np.minimum(expected, 2))


def test_a_missing_slice_has_nothing_to_refer_to(tmp_path, open_ct):
    ct = open_ct(leave_out=(4,))
    labels = np.zeros(ct.shape, bool)
    labels[3:6, 2:5, 2:5] = True
    (said,) = write_segmentation(tmp_path / "m.dcm", labels, ct)
    assert said.startswith("9 marked voxels lie on interpolated slices")
    (found,) = read_segmentation(tmp_path / "m.dcm", ct)
    labels[4] = False
    np.testing.assert_array_equal(found.labels > 0, labels)
    labels[[3, 5]] = False
    labels[4, 2, 2] = True
    with pytest.raises(ValueError, match="interpolated slices alone"):
        write_segmentation(tmp_path / "m.dcm", labels, ct)


def test_a_mask_on_a_straightened_scan_goes_back_to_its_tilted_slices(tmp_path, open_ct, hu):
    tilted = np.array([0, np.tan(np.radians(15)) * 2.5, 0])
    big = np.repeat(np.repeat(hu, 3, 1), 3, 2)
    ct = open_ct(voxels=big, shift=lambda k: k * tilted)
    assert ct.stored is not None
    z, y, x = np.indices(ct.shape)
    middle = ct.to_world(np.array(ct.shape) // 2)
    radius = np.linalg.norm(ct.to_world(np.stack([z, y, x], -1)) - middle, axis=-1)
    labels = radius < 8
    (said,) = write_segmentation(tmp_path / "m.dcm", labels, ct)
    assert said.startswith("The labels went back to the stored slices")
    found = marked_by_hand(tmp_path / "m.dcm")[1]
    stored = [pydicom.dcmread(p) for p in (tmp_path / "ct").iterdir()]
    corners = as_sets([s.ImagePositionPatient for s in stored])
    frames = pydicom.dcmread(tmp_path / "m.dcm").PerFrameFunctionalGroupsSequence
    assert as_sets([f.PlanePositionSequence[0].ImagePositionPatient for f in frames]) <= corners
    voxel = max(ct.spacing)
    assert np.linalg.norm(found - middle, axis=1).max() < 8 + voxel
    assert len(found) * np.prod(ct.spacing) == pytest.approx(4 / 3 * np.pi * 8**3, rel=0.05)
    (back,) = read_segmentation(tmp_path / "m.dcm", ct)
    dice = 2 * (labels & (back.labels > 0)).sum() / (labels.sum() + (back.labels > 0).sum())
    assert dice > 0.97
    with pytest.raises(CTError, match="shifted sideways"):
        read_segmentation(tmp_path / "m.dcm")


def test_of_a_multi_frame_ct_the_right_frames_are_named(tmp_path, write_enhanced, hu):
    order = (4, 0, 8, 2, 6, 1, 3, 5, 7)
    path = write_enhanced(tmp_path / "e" / "ct.dcm", hu, order=order)
    ct = finish(read_dicom(tmp_path / "e"))
    labels = some_labels(ct.shape)
    write_segmentation(tmp_path / "m.dcm", labels, ct)
    (found,) = read_segmentation(tmp_path / "m.dcm", ct)
    np.testing.assert_array_equal(found.labels > 0, labels > 0)
    (reference,) = pydicom.dcmread(tmp_path / "m.dcm").SourceImageSequence
    stored = pydicom.dcmread(path)
    assert reference.ReferencedSOPInstanceUID == stored.SOPInstanceUID
    for group in pydicom.dcmread(tmp_path / "m.dcm").PerFrameFunctionalGroupsSequence:
        named = group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber
        source = stored.PerFrameFunctionalGroupsSequence[named - 1].PlanePositionSequence[0]
        ours = group.PlanePositionSequence[0].ImagePositionPatient
        np.testing.assert_allclose(ours, source.ImagePositionPatient, atol=1e-6)


def test_another_frame_of_reference_is_refused_in_words(tmp_path, open_ct):
    ct = open_ct()
    write_segmentation(tmp_path / "m.dcm", some_labels(ct.shape), ct)
    other = replace(ct, source=replace(ct.source, frame_of_reference_uid="1.2.3.4.5.6.7"))
    with pytest.raises(CTError, match="another frame of reference than the CT"):
        read_segmentation(tmp_path / "m.dcm", other)
    (found,) = read_segmentation(tmp_path / "m.dcm", replace(ct, source=None))
    assert "millimetres alone" in found.notes[0]


def test_the_patient_is_left_out_unless_asked_for(tmp_path, open_ct):
    ct = open_ct(AccessionNumber="ACC-4711")
    labels = some_labels(ct.shape)
    write_segmentation(tmp_path / "m.dcm", labels, ct)
    plain = (tmp_path / "m.dcm").read_bytes()
    for word in (b"Murnau", b"Friedrich", b"18881228", b"ACC-4711", b"case-17"):
        assert word not in plain
    assert pydicom.dcmread(tmp_path / "m.dcm").PatientIdentityRemoved == "YES"
    write_segmentation(tmp_path / "n.dcm", labels, ct, identity_from=tmp_path / "ct")
    kept = pydicom.dcmread(tmp_path / "n.dcm")
    assert (kept.PatientName, kept.PatientBirthDate) == ("Murnau^Friedrich", "18881228")
    assert kept.AccessionNumber == "ACC-4711"
    assert "PatientIdentityRemoved" not in kept
    with pytest.raises(CTError, match="no file of the CT's study"):
        write_segmentation(tmp_path / "o.dcm", labels, ct, identity_from=tmp_path / "m")
    assert not (tmp_path / "o.dcm").exists()


def test_what_cannot_be_written_is_said(tmp_path, open_ct, hu):
    ct = open_ct()
    labels = some_labels(ct.shape)
    for mask, volume, words in (
        (labels, Volume(hu, (1, 1, 1)), "came from none"),
        (labels, replace(ct, source=replace(ct.source, study_uid="")), "name no study"),
        (labels[1:], ct, "has shape"),
        (labels * 0, ct, "mask is empty"),
        (labels.astype(int) - 1, ct, "run from -1"),
    ):
        with pytest.raises(ValueError, match=words):
            write_segmentation(tmp_path / "m.dcm", mask, volume)
    assert not (tmp_path / "m.dcm").exists()


def damaged_geometry(file):
    del file.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence


def too_few_frames(file):
    file.NumberOfFrames = 3


def cut_pixels(file):
    file.PixelData = file.PixelData[:10]


def a_million_frames(file):
    file.NumberOfFrames = 10**6


def uneven(file):
    groups = file.PerFrameFunctionalGroupsSequence
    groups[-1].PlanePositionSequence[0].ImagePositionPatient[2] += 1.3


def turned(file):
    file.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (damaged_geometry, "where its frames lie"),
        (too_few_frames, "promises 3 frames"),
        (cut_pixels, "holds fewer"),
        (a_million_frames, "promises 1000000 frames"),
        (uneven, "unevenly spaced"),
        (turned, "of another kind"),
    ],
)
def test_a_damaged_segmentation_is_refused_in_one_line(tmp_path, open_ct, harm, words):
    ct = open_ct()
    write_segmentation(tmp_path / "m.dcm", some_labels(ct.shape), ct)
    file = pydicom.dcmread(tmp_path / "m.dcm")
    harm(file)
    file.save_as(tmp_path / "m.dcm")
    with pytest.raises(CTError, match=words) as told:
        read_segmentation(tmp_path / "m.dcm", ct)
    assert "\n" not in str(told.value)


def test_ill_formed_names_of_an_anonymiser_are_taken_as_they_are(tmp_path, open_ct):
    ct = open_ct()
    labels = some_labels(ct.shape)
    write_segmentation(tmp_path / "m.dcm", labels, ct)
    data = (tmp_path / "m.dcm").read_bytes()
    uid = ct.source.frame_of_reference_uid
    ill = "1.02..3" + uid[7:]
    (tmp_path / "m.dcm").write_bytes(data.replace(uid.encode(), ill.encode()))
    named = replace(ct, source=replace(ct.source, frame_of_reference_uid=ill))
    (found,) = read_segmentation(tmp_path / "m.dcm", named)
    np.testing.assert_array_equal(found.labels > 0, labels > 0)


def test_stored_labels_need_a_resampled_volume(open_ct):
    ct = open_ct()
    with pytest.raises(ValueError, match="was not resampled"):
        labels_from_slices(np.zeros(ct.shape, np.uint8), ct)
