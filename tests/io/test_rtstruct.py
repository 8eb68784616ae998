"""Contours of a structure set fill the voxels they go around."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, RTStructureSetStorage, generate_uid

from napari_vaemed.data.annotation import LabelMap, PointMarks
from napari_vaemed.data.progress import finish
from napari_vaemed.data.volume import Volume
from napari_vaemed.io.dicom import read_dicom
from napari_vaemed.io.errors import CTError
from napari_vaemed.io.rtstruct import read_structures

SHAPE, SPACING, ORIGIN = (10, 40, 50), (2.5, 0.7, 0.8), (-20.0, -10.0, -90.0)
CENTRE, BESIDE = np.array([0.5, 3.0]), np.array([10.0, 3.0])
AROUND = np.linspace(0, 2 * np.pi, 73)[:-1]


@pytest.fixture
def volume():
    return Volume(np.zeros(SHAPE, np.int16), SPACING, ORIGIN)


def circle(radius, centre=CENTRE):
    """Points (n, 2) as x, y in mm."""
    return np.stack([np.cos(AROUND), np.sin(AROUND)], -1) * radius + centre


def inside_mm(volume, radius, centre=CENTRE):
    """Pixels of a slice whose centre lies inside a circle."""
    y, x = np.indices(volume.shape[1:])
    world = volume.to_world(np.stack([np.zeros_like(y), y, x], -1))
    return np.linalg.norm(world[..., :2] - centre, axis=-1) <= radius


def inside_convex(places, corners):
    """Whether places (..., 2) lie on the inner side of every edge of a polygon."""
    edges = np.roll(corners, -1, axis=0) - corners
    to = places[..., None, :] - corners
    return (edges[:, 0] * to[..., 1] - edges[:, 1] * to[..., 0] >= 0).all(axis=-1)


def at(z, points):
    return np.column_stack([points, np.full(len(points), z)])


def write(path, regions, frame="1.2.3.4.5", **tags):
    """Write regions: name -> list of (kind, (n, 3) points in mm)."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = RTStructureSetStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    file.SOPClassUID, file.SOPInstanceUID = RTStructureSetStorage, meta.MediaStorageSOPInstanceUID
    file.Modality = "RTSTRUCT"
    described, drawn, observed = [], [], []
    for number, (name, contours) in enumerate(regions.items(), 3):
        about, item, seen = Dataset(), Dataset(), Dataset()
        about.ROINumber, about.ROIName, about.ReferencedFrameOfReferenceUID = number, name, frame
        seen.ReferencedROINumber, seen.RTROIInterpretedType = number, "GTV"
        item.ReferencedROINumber, item.ContourSequence = number, []
        for kind, points in contours:
            contour = Dataset()
            contour.ContourGeometricType = kind
            contour.NumberOfContourPoints = len(points)
            contour.ContourData = [f"{v:.6g}" for v in np.ravel(points)]
            item.ContourSequence.append(contour)
        described.append(about)
        drawn.append(item)
        observed.append(seen)
    file.StructureSetROISequence, file.ROIContourSequence = described, drawn
    file.RTROIObservationsSequence = observed
    for tag, value in tags.items():
        setattr(file, tag, value)
    file.save_as(path, enforce_file_format=True)
    return path


def closed(z, points):
    return ("CLOSED_PLANAR", at(z, points))


def test_a_circle_fills_the_pixels_whose_centres_lie_inside(tmp_path, volume):
    contours = [closed(z, circle(6)) for z in (-85.0, -82.5)]
    (found,) = read_structures(write(tmp_path / "r.dcm", {"GTV": contours}), volume)
    assert isinstance(found, LabelMap)
    y, x = np.indices(SHAPE[1:])
    world = volume.to_world(np.stack([np.zeros_like(y), y, x], -1))[..., :2]
    truth = inside_convex(world, circle(6))
    for z in range(SHAPE[0]):
        np.testing.assert_array_equal(found.labels[z] > 0, truth if z in (2, 3) else truth & False)
    assert found.name == "GTV"
    assert found.columns["contours"] == [2]
    assert found.columns["type"] == ["gtv"]
    area = np.count_nonzero(found.labels) * 0.7 * 0.8 / 2
    assert area == pytest.approx(np.pi * 36, rel=0.02)


def keyhole(outer, inner):
    """One outline that enters through a channel without width and goes around the hole."""
    return np.concatenate([outer, outer[:1], inner[:1], inner[::-1], outer[:1]])


@pytest.mark.parametrize(
    "contours",
    [
        [closed(-85.0, circle(8)), closed(-85.0, circle(4))],
        [closed(-85.0, circle(4)), closed(-85.0, circle(8))],
        [closed(-85.0, keyhole(circle(8), circle(4)))],
        [("CLOSEDPLANAR_XOR", at(-85.0, circle(8))), ("CLOSEDPLANAR_XOR", at(-85.0, circle(4)))],
    ],
    ids=["nested", "inner first", "keyhole", "xor"],
)
def test_holes_are_holes_however_they_are_written(tmp_path, volume, contours):
    (found,) = read_structures(write(tmp_path / "r.dcm", {"Wall": contours}), volume)
    truth = inside_mm(volume, 8) & ~inside_mm(volume, 4)
    differs = (found.labels[2] > 0) ^ truth
    assert differs.sum() <= 0.02 * truth.sum()
    assert not found.labels[2][inside_mm(volume, 3.5)].any()


def test_an_island_in_a_hole_a_neighbour_and_a_repeated_contour_are_filled(tmp_path, volume):
    beside = circle(2, BESIDE)
    contours = [closed(-85.0, p) for p in (circle(8), circle(5), circle(2), beside, beside)]
    (found,) = read_structures(write(tmp_path / "r.dcm", {"x": contours}), volume)
    marked = found.labels[2] > 0
    assert marked[inside_mm(volume, 1.5)].all()
    assert not marked[inside_mm(volume, 4.5) & ~inside_mm(volume, 2.5)].any()
    assert marked[inside_mm(volume, 1.5, BESIDE)].all()


def test_overlapping_regions_become_two_maps_and_points_stay_points(tmp_path, volume):
    regions = {
        "Lung": [closed(-85.0, circle(9))],
        "GTV": [closed(-85.0, circle(3))],
        "Marker": [("POINT", [[1.0, 2.0, -80.0]])],
        "Needle": [("OPEN_PLANAR", [[1.0, 2.0, -80.0], [3.0, 2.0, -80.0]])],
    }
    lung, gtv, points = read_structures(write(tmp_path / "r.dcm", regions), volume)
    assert (lung.name, gtv.name) == ("Lung", "GTV")
    assert isinstance(points, PointMarks)
    assert points.columns["name"] == ["Marker", "Needle", "Needle"]
    assert points.columns["kind"] == ["point", "open contour", "open contour"]
    np.testing.assert_allclose(points.positions_mm[:2], [[1, 2, -80]] * 2, atol=1e-9)


@pytest.mark.parametrize("name", ["feet first", "sagittal", "coronal", "oblique"])
def test_contours_on_slices_of_any_orientation_land_on_them(tmp_path, write_series, hu, name):
    a = np.radians(12)
    direction = {
        "feet first": np.diag([-1.0, 1.0, -1.0]),
        "sagittal": np.array([[0, 0, 1.0], [1, 0, 0], [0, -1, 0]]),
        "coronal": np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]]),
        "oblique": np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]]),
    }[name]
    write_series(tmp_path / "ct", hu, direction=direction)
    ct = finish(read_dicom(tmp_path / "ct"))
    slices = [pydicom.dcmread(p) for p in (tmp_path / "ct").iterdir()]
    chosen = sorted(slices, key=lambda s: s.InstanceNumber)[3]
    columns, rows = np.array([2.5, 7.5, 7.5, 2.5]), np.array([3.5, 3.5, 10.5, 10.5])
    points = (
        np.array(chosen.ImagePositionPatient)
        + np.outer(columns * 0.7, direction[:, 0])
        + np.outer(rows * 0.8, direction[:, 1])
    )
    path = write(
        tmp_path / "r.dcm",
        {"Box": [("CLOSED_PLANAR", points)]},
        frame=chosen.FrameOfReferenceUID,
    )
    (found,) = read_structures(path, ct)
    row, column = (v.ravel() for v in np.mgrid[4:11, 3:8])
    pixels = (
        np.array(chosen.ImagePositionPatient)
        + np.outer(column * 0.7, direction[:, 0])
        + np.outer(row * 0.8, direction[:, 1])
    )
    expected = np.zeros(ct.shape, bool)
    expected[tuple(np.rint(ct.to_voxel(pixels)).astype(int).T)] = True
    np.testing.assert_array_equal(found.labels > 0, expected)
    with pytest.raises(CTError, match="another frame of reference"):
        read_structures(write(tmp_path / "o.dcm", {"Box": [("CLOSED_PLANAR", points)]}), ct)


def test_contours_on_tilted_slices_fill_the_straightened_scan(tmp_path, write_series, hu):
    tilt = np.array([0, np.tan(np.radians(15)) * 2.5, 0])
    big = np.repeat(np.repeat(hu, 4, 1), 4, 2)
    write_series(tmp_path / "ct", big, shift=lambda k: k * tilt)
    ct = finish(read_dicom(tmp_path / "ct"))
    first = pydicom.dcmread(next((tmp_path / "ct").iterdir()))
    middle = ct.to_world(np.array(ct.shape) // 2)
    assert ct.stored is not None
    heights = ct.stored.positions[:, 2]
    ball = [
        closed(z, circle(np.sqrt(64 - (z - middle[2]) ** 2), middle[:2]))
        for z in heights
        if abs(z - middle[2]) < 8
    ]
    path = write(tmp_path / "r.dcm", {"Ball": ball}, frame=first.FrameOfReferenceUID)
    (found,) = read_structures(path, ct)
    world = ct.to_world(np.moveaxis(np.indices(ct.shape), 0, -1))
    truth = np.linalg.norm(world - middle, axis=-1) <= 8
    dice = 2 * (truth & (found.labels > 0)).sum() / (truth.sum() + (found.labels > 0).sum())
    assert dice > 0.97


def test_contours_between_slices_are_drawn_on_the_nearest_and_counted(tmp_path, volume):
    path = write(tmp_path / "r.dcm", {"x": [closed(-84.0, circle(4)), closed(-80.0, circle(4))]})
    (found,) = read_structures(path, volume)
    assert np.flatnonzero(found.labels.any(axis=(1, 2))).tolist() == [2, 4]
    assert "1 contours lie between slices" in found.notes[-1]


def test_a_region_named_after_the_patient_is_called_by_its_number(tmp_path, volume):
    regions = {"GTV Murnau": [closed(-85.0, circle(4))]}
    path = write(tmp_path / "r.dcm", regions, PatientName="Murnau^Friedrich")
    (found,) = read_structures(path, volume)
    assert found.name == "Region 1"
    assert "Murnau" not in str(found.columns)


def slanted():
    points = at(-85.0, circle(6))
    points[:, 2] += np.linspace(0, 9, len(points))
    return {"x": [("CLOSED_PLANAR", points)]}


@pytest.mark.parametrize(
    ("regions", "words"),
    [
        (slanted(), "do not lie in the CT's slices"),
        ({"x": [("CLOSED_PLANAR", [[1.0, 2.0]])]}, "no points"),
        ({"x": [closed(300.0, circle(4))]}, "marks nothing on this scan"),
        ({}, "marks nothing on this scan"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_one_line(tmp_path, volume, regions, words):
    with pytest.raises(CTError, match=words) as told:
        read_structures(write(tmp_path / "r.dcm", regions), volume)
    assert "\n" not in str(told.value)


def test_other_files_are_no_structure_sets(tmp_path, volume, write_series, hu):
    (tmp_path / "t.dcm").write_text("a letter")
    ct = write_series(tmp_path / "ct", hu)[0]
    for path, words in ((tmp_path / "t.dcm", "cannot be read"), (ct, "of another kind")):
        with pytest.raises(CTError, match=words):
            read_structures(path, replace(volume, series_uid="1"))
    with pytest.raises(FileNotFoundError, match="no file"):
        read_structures(tmp_path / "none.dcm", volume)
