"""Readers' outlines become masks on the right voxels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage
from skimage.segmentation import find_boundaries

from napari_vaemed.data.annotation import PointMarks
from napari_vaemed.data.nodule import ATTRIBUTES
from napari_vaemed.data.progress import finish
from napari_vaemed.data.volume import Volume
from napari_vaemed.io.annotations import lidc_xml_beside
from napari_vaemed.io.dicom import read_dicom
from napari_vaemed.io.errors import CTError
from napari_vaemed.io.lidc import (
    lidc_annotations,
    match_readers,
    measure_reader,
    read_lidc_xml,
    reader_mask,
)
from napari_vaemed.io.orientation import to_canonical

UID = "1.2.826.0.1.3680043.8.498.1"
TAGS = (
    "subtlety",
    "internalStructure",
    "calcification",
    "sphericity",
    "margin",
    "lobulation",
    "spiculation",
    "texture",
    "malignancy",
)
SHAPE, SPACING, ORIGIN = (10, 40, 50), (2.5, 0.7, 0.7), (-20.0, -10.0, -90.0)


@pytest.fixture
def volume():
    return Volume(np.zeros(SHAPE, np.int16), SPACING, ORIGIN, series_uid=UID)


def disc(row, column, radius):
    rows, columns = np.indices(SHAPE[1:])
    return (rows - row) ** 2 + (columns - column) ** 2 <= radius**2


def edge_maps(inside):
    """Pixels just outside a shape in the order a reader would draw them."""
    ring = np.argwhere(find_boundaries(inside, connectivity=1, mode="outer"))
    centre = ring.mean(axis=0)
    ring = ring[np.argsort(np.arctan2(*(ring - centre).T))]
    return "".join(f"<edgeMap><xCoord>{x}</xCoord><yCoord>{y}</yCoord></edgeMap>" for y, x in ring)


def roi(z, maps, included=True):
    return (
        f"<roi><imageZposition>{z} </imageZposition><imageSOP_UID>1.2</imageSOP_UID>"
        f"<inclusion>{str(included).upper()}</inclusion>{maps}</roi>"
    )


def nodule(rois, scores=(5, 1, 6, 3, 3, 2, 4, 5, 4)):
    ratings = "".join(f"<{t}>{s}</{t}>" for t, s in zip(TAGS, scores, strict=True))
    return (
        "<unblindedReadNodule><noduleID>N</noduleID>"
        f"<characteristics>{ratings}</characteristics>{rois}</unblindedReadNodule>"
    )


POINT = "<edgeMap><xCoord>4</xCoord><yCoord>5</yCoord></edgeMap>"
SMALL = f"<unblindedReadNodule><noduleID>S</noduleID>{roi(-80, POINT)}</unblindedReadNodule>"
OTHER = (
    "<nonNodule><nonNoduleID>X</nonNoduleID><imageZposition>-85</imageZposition>"
    "<locus><xCoord>7</xCoord><yCoord>8</yCoord></locus></nonNodule>"
)


def write_xml(path, *sessions, uid=UID):
    body = "".join(f"<readingSession>{marks}</readingSession>" for marks in sessions)
    path.write_text(
        '<?xml version="1.0"?><LidcReadMessage xmlns="http://www.nih.gov"><ResponseHeader>'
        f"<SeriesInstanceUid>{uid}</SeriesInstanceUid></ResponseHeader>{body}</LidcReadMessage>"
    )
    return path


def test_outline_pixels_lie_outside_the_nodule(tmp_path, volume):
    inside = disc(20, 25, 8)
    path = write_xml(tmp_path / "a.xml", nodule(roi(-85, edge_maps(inside))) + SMALL + OTHER)
    mark, small, other = read_lidc_xml(path)
    expected = np.zeros(SHAPE, bool)
    expected[2] = inside
    np.testing.assert_array_equal(reader_mask(mark, volume), expected)
    expected[2] = ndimage.binary_dilation(inside)
    np.testing.assert_array_equal(reader_mask(mark, volume, with_outline=True), expected)
    assert tuple(mark.ratings) == ATTRIBUTES
    assert (mark.ratings["internal_structure"], mark.ratings["malignancy"]) == (1, 4)
    assert (small.kind, small.ratings, other.kind) == ("small", {}, "no nodule")
    assert (mark.reader, mark.series_uid) == (1, UID)


def test_an_excluded_cavity_is_cut_out_with_its_outline(tmp_path, volume):
    outer, cavity = disc(20, 25, 10), disc(20, 25, 4)
    rois = roi(-85, edge_maps(cavity), included=False) + roi(-85, edge_maps(outer))
    (mark,) = read_lidc_xml(write_xml(tmp_path / "a.xml", nodule(rois)))
    cut = ndimage.binary_dilation(cavity)
    np.testing.assert_array_equal(reader_mask(mark, volume)[2], outer & ~cut)


@pytest.mark.parametrize("code", ["LPS", "RAS", "RPI", "LAI"])
def test_outlines_follow_the_file_s_axes(tmp_path, volume, code):
    inside = disc(12, 30, 6)
    (mark,) = read_lidc_xml(write_xml(tmp_path / "a.xml", nodule(roi(-80, edge_maps(inside)))))
    stored = np.zeros(SHAPE, bool)
    stored[4 if code[2] == "S" else 5] = inside
    expected = to_canonical(stored, code)
    found = reader_mask(mark, replace(volume, stored_axes=code))
    np.testing.assert_array_equal(found, expected)


def test_a_disc_measures_its_area_and_diameter(tmp_path, volume):
    (mark,) = read_lidc_xml(
        write_xml(tmp_path / "a.xml", nodule(roi(-85, edge_maps(disc(20, 25, 9)))))
    )
    size = measure_reader(mark, volume)
    assert size.volume_mm3 == pytest.approx(np.pi * (9.0 * 0.7) ** 2 * 2.5, rel=0.03)
    assert size.longest_mm == pytest.approx(19 * 0.7, rel=0.04)


def test_readers_that_overlap_saw_one_nodule(tmp_path, volume):
    shared = [nodule(roi(-85, edge_maps(disc(20, 25, r))), (r,) * 9) for r in (4, 5, 3)]
    lone = nodule(roi(-70, edge_maps(disc(10, 10, 7))))
    path = write_xml(tmp_path / "a.xml", shared[0] + lone, shared[1] + SMALL, shared[2])
    first, second = match_readers(read_lidc_xml(path), volume)
    assert [r.reader for r in first.readings] == [1, 2, 3]
    assert first.ratings["malignancy"] == 4
    np.testing.assert_allclose(first.centre_mm, volume.to_world((2, 20, 25)), atol=1e-6)
    np.testing.assert_allclose(second.centre_mm, volume.to_world((8, 10, 10)), atol=1e-6)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<a><b></a>", "no readable XML"),
        ("<IdriReadMessage/>", "starts with <IdriReadMessage>"),
        (
            "<LidcReadMessage><readingSession><unblindedReadNodule><roi><edgeMap/></roi>"
            "</unblindedReadNodule></readingSession></LidcReadMessage>",
            "a mark that cannot be read",
        ),
    ],
)
def test_other_xml_is_refused(tmp_path, text, words):
    (tmp_path / "a.xml").write_text(text)
    with pytest.raises(CTError, match=words):
        read_lidc_xml(tmp_path / "a.xml")


def test_outlines_off_the_volume_are_refused(tmp_path, volume):
    far = write_xml(tmp_path / "a.xml", nodule(roi(-30, edge_maps(disc(20, 25, 5)))))
    wide = nodule(roi(-85, POINT + "<edgeMap><xCoord>400</xCoord><yCoord>5</yCoord></edgeMap>"))
    for path in (far, write_xml(tmp_path / "b.xml", wide)):
        (mark,) = read_lidc_xml(path)
        with pytest.raises(CTError, match="another series"):
            reader_mask(mark, volume)
    (mark,) = read_lidc_xml(far)
    with pytest.raises(CTError, match="axial slices"):
        reader_mask(mark, replace(volume, stored_axes="PSL"))


def test_each_reader_is_a_label_map_and_small_marks_are_points(tmp_path, volume):
    shared = [nodule(roi(-85, edge_maps(disc(20, 25, r))), (r,) * 9) for r in (4, 5)]
    lone = nodule(roi(-70, edge_maps(disc(10, 10, 7))))
    path = write_xml(tmp_path / "a.xml", shared[0] + lone + OTHER, shared[1] + SMALL)
    one, two, points = lidc_annotations(read_lidc_xml(path), volume)
    assert (one.name, two.name, points.name) == ("Reader 1", "Reader 2", "Single-point marks")
    np.testing.assert_array_equal(one.labels[2] == 1, disc(20, 25, 4))
    np.testing.assert_array_equal(two.labels[2] == 1, disc(20, 25, 5))
    np.testing.assert_array_equal(one.labels[8] == 2, disc(10, 10, 7))
    assert one.columns["index"] == [1, 2]
    assert one.columns["readers"] == [2, 1]
    assert (one.columns["malignancy"], two.columns["malignancy"]) == ([4, 4], [5])
    assert one.columns["diameter_mm"][0] == pytest.approx(9 * 0.7, abs=0.7)
    assert isinstance(points, PointMarks)
    assert points.columns["kind"] == ["no nodule, 3 mm or more", "nodule under 3 mm"]
    np.testing.assert_allclose(
        points.positions_mm, volume.to_world([(2, 8, 7), (4, 5, 4)]), atol=1e-9
    )


@pytest.mark.parametrize("code", ["LPS", "RAS", "RPI", "LAI"])
def test_single_points_follow_the_file_s_axes(tmp_path, volume, code):
    stored = np.zeros(SHAPE, bool)
    stored[4 if code[2] == "S" else 5, 5, 4] = True
    turned = replace(volume, stored_axes=code)
    (points,) = lidc_annotations(read_lidc_xml(write_xml(tmp_path / "a.xml", SMALL)), turned)
    (voxel,) = np.argwhere(to_canonical(stored, code))
    np.testing.assert_allclose(turned.to_voxel(points.positions_mm[0]), voxel, atol=1e-9)


def test_an_outline_with_nothing_inside_stays_as_a_point(tmp_path, volume):
    two = POINT + "<edgeMap><xCoord>5</xCoord><yCoord>5</yCoord></edgeMap>"
    path = write_xml(tmp_path / "a.xml", nodule(roi(-80, two)))
    (points,) = lidc_annotations(read_lidc_xml(path), volume)
    assert points.columns["kind"] == ["nodule"]


def test_the_published_scan_gives_the_published_volumes(real_data):
    folder = real_data / "lidc_scans" / "LIDC-IDRI-0001"
    if not folder.is_dir():
        pytest.skip("no LIDC scan beside this checkout")
    volume = finish(read_dicom(folder))
    marks = [m for m in lidc_xml_beside(folder, volume) if m.kind == "nodule"]
    volumes = sorted(measure_reader(m, volume).volume_mm3 for m in marks)
    np.testing.assert_allclose(volumes, [5701.5, 6124.2, 6795.3, 7298.4], atol=0.1)
    (nodule,) = match_readers(tuple(marks), volume)
    assert len(nodule.readings) == 4
    np.testing.assert_allclose(nodule.centre_mm, (56.2, 86.3, -115.9), atol=0.2)
    union = real_data / "lidc_nodules" / "mask" / "LIDC-IDRI-0001_R_1.nii.gz"
    if union.is_file():
        crop = sitk.GetArrayFromImage(sitk.ReadImage(str(union)))
        ours = np.any([reader_mask(m, volume) for m in marks], axis=0)
        assert int((crop > 0).sum()) == int(ours.sum())
