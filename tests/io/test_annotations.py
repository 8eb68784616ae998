"""Which scan others' marks belong to, and where they are found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_vaemed.data.annotation import LabelMap, PointMarks
from napari_vaemed.data.progress import finish
from napari_vaemed.data.volume import Volume
from napari_vaemed.io.annotations import (
    LIDC,
    SEGMENTATION,
    TABLE,
    annotation_kind,
    annotations_beside,
    lidc_xml_beside,
    read_annotations,
    reference_of,
    scan_of,
)
from napari_vaemed.io.dicom import read_dicom
from napari_vaemed.io.dicom_seg_writer import write_segmentation
from napari_vaemed.io.errors import CTError

UID = "1.2.826.0.1.3680043.8.498.1"
SHAPE, SPACING, ORIGIN = (10, 40, 50), (2.5, 0.7, 0.7), (-20.0, -10.0, -90.0)
HEADER = "seriesuid,coordX,coordY,coordZ,diameter_mm\n"
ROWS, COLUMNS = slice(16, 25), slice(21, 30)
"""Of the nodule; its outline is the ring of pixels around it."""


@pytest.fixture
def volume():
    return Volume(np.zeros(SHAPE, np.int16), SPACING, ORIGIN, series_uid=UID)


def write_xml(path, *, uid=UID, marked=True):
    ring = [(x, y) for x in range(20, 31) for y in (15, 25)]
    ring += [(x, y) for x in (20, 30) for y in range(16, 25)]
    ring.sort(key=lambda p: np.arctan2(p[1] - 20, p[0] - 25))
    edges = "".join(f"<edgeMap><xCoord>{x}</xCoord><yCoord>{y}</yCoord></edgeMap>" for x, y in ring)
    mark = (
        "<unblindedReadNodule><noduleID>N</noduleID><roi><imageZposition>-85</imageZposition>"
        f"<inclusion>TRUE</inclusion>{edges}</roi></unblindedReadNodule>"
    )
    path.write_text(
        '<?xml version="1.0"?><LidcReadMessage xmlns="http://www.nih.gov"><ResponseHeader>'
        f"<SeriesInstanceUid>{uid}</SeriesInstanceUid></ResponseHeader><readingSession>"
        f"{mark if marked else ''}</readingSession></LidcReadMessage>"
    )
    return path


def square():
    mask = np.zeros(SHAPE, bool)
    mask[2, ROWS, COLUMNS] = True
    return mask


def test_each_kind_is_told_by_its_first_bytes(tmp_path, write_series, hu):
    write_series(tmp_path / "ct", hu)
    ct = finish(read_dicom(tmp_path / "ct"))
    write_segmentation(tmp_path / "seg.dcm", ct.hu > 0, ct)
    (tmp_path / "a.csv").write_text(HEADER)
    (tmp_path / "b.csv").write_text("index,axis-0\n")
    (tmp_path / "c.xml").write_text("<html/>")
    (tmp_path / "d.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 40)
    kinds = {
        "seg.dcm": SEGMENTATION,
        "a.csv": TABLE,
        "b.csv": None,
        "c.xml": None,
        "d.dcm": None,
        "none.dcm": None,
    }
    assert {name: annotation_kind(tmp_path / name) for name in kinds} == kinds
    assert annotation_kind(next((tmp_path / "ct").iterdir())) is None
    assert annotation_kind(write_xml(tmp_path / "e.xml")) == LIDC


def test_a_file_finds_its_scan_among_those_open(tmp_path, volume, write_series, hu):
    write_series(tmp_path / "ct", hu)
    ct = finish(read_dicom(tmp_path / "ct"))
    write_segmentation(tmp_path / "seg.dcm", ct.hu > 0, ct)
    nameless = replace(volume, series_uid=None)
    reading = reference_of(write_xml(tmp_path / "a.xml"))
    drawn = reference_of(tmp_path / "seg.dcm")
    assert scan_of(reading, [ct, nameless, volume]) is volume
    assert scan_of(drawn, [volume, nameless, ct]) is ct
    assert scan_of(drawn, [volume, replace(ct, series_uid="other reconstruction")]) is not volume
    assert scan_of(reading, [ct, nameless]) is nameless
    assert scan_of(reading, [ct]) is None
    with pytest.raises(CTError, match="holds no annotations"):
        reference_of(next((tmp_path / "ct").iterdir()))


def test_every_kind_is_read_onto_the_scan(tmp_path, volume, write_series, hu):
    (reading,) = read_annotations(write_xml(tmp_path / "a.xml"), volume)
    assert isinstance(reading, LabelMap)
    np.testing.assert_array_equal(reading.labels > 0, square())
    (tmp_path / "a.csv").write_text(f"{HEADER}{UID},-10,-5,-80,5\n")
    (points,) = read_annotations(tmp_path / "a.csv", volume)
    assert isinstance(points, PointMarks)
    write_series(tmp_path / "ct", hu)
    ct = finish(read_dicom(tmp_path / "ct"))
    write_segmentation(tmp_path / "seg.dcm", ct.hu > 0, ct)
    (drawn,) = read_annotations(tmp_path / "seg.dcm", ct)
    assert isinstance(drawn, LabelMap)
    np.testing.assert_array_equal(drawn.labels > 0, ct.hu > 0)


def test_a_reading_of_another_scan_or_without_marks_is_refused(tmp_path, volume):
    with pytest.raises(CTError, match="another series than this CT"):
        read_annotations(write_xml(tmp_path / "a.xml", uid="1.2.3"), volume)
    with pytest.raises(CTError, match="found nothing"):
        read_annotations(write_xml(tmp_path / "a.xml", marked=False), volume)
    with pytest.raises(FileNotFoundError, match="no file"):
        read_annotations(tmp_path / "none.xml", volume)


def test_readings_of_another_series_are_not_this_scan_s(tmp_path, volume):
    write_xml(tmp_path / "a.xml", uid="1.2.3")
    assert lidc_xml_beside(tmp_path, volume) == ()
    assert annotations_beside(tmp_path, volume) == []
    write_xml(tmp_path / "b.xml")
    np.testing.assert_allclose(annotations_beside(tmp_path, volume), [volume.to_world((2, 20, 25))])


def test_a_table_gives_the_centres_of_its_series_inside_the_volume(tmp_path, volume):
    (tmp_path / "annotations.csv").write_text(
        "seriesuid,coordX,coordY,coordZ,diameter_mm\n"
        f"{UID},-10.0,-5.0,-80.0,5.1\n1.2.3,-9,-5,-80,6\n{UID},900,0,0,4\n"
    )
    scan = tmp_path / "scan"
    scan.mkdir()
    assert annotations_beside(scan, volume) == [(-10.0, -5.0, -80.0)]
    unnamed = replace(volume, series_uid=None)
    assert annotations_beside(tmp_path / "ct.mha", unnamed) == []
    assert annotations_beside(tmp_path / f"{UID}.mhd", unnamed) == [(-10.0, -5.0, -80.0)]


def test_another_table_of_that_name_is_passed_over(tmp_path, volume):
    (tmp_path / "nodules.csv").write_text(f"seriesuid,size\n{UID},3\n")
    assert annotations_beside(tmp_path, volume) == []
