"""Whole phantoms in every format the package reads, ways to damage them, and files that lie."""

from __future__ import annotations

import runpy
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

WRITERS = Path(__file__).parents[1] / "tests" / "io" / "conftest.py"
SHAPE = (6, 40, 48)
SYNTAXES = {
    "explicit": "1.2.840.10008.1.2.1",
    "implicit": "1.2.840.10008.1.2",
    "big endian": "1.2.840.10008.1.2.2",
    "deflated": "1.2.840.10008.1.2.1.99",
    "JPEG lossless": "1.2.840.10008.1.2.4.70",
    "JPEG-LS": "1.2.840.10008.1.2.4.80",
    "JPEG 2000": "1.2.840.10008.1.2.4.90",
    "HTJ2K": "1.2.840.10008.1.2.4.201",
    "RLE": "1.2.840.10008.1.2.5",
}
XML = """<?xml version="1.0"?><LidcReadMessage xmlns="http://www.nih.gov"><ResponseHeader>
<SeriesInstanceUid>{uid}</SeriesInstanceUid></ResponseHeader><readingSession>
<unblindedReadNodule><noduleID>1</noduleID><characteristics><subtlety>5</subtlety>
<malignancy>3</malignancy></characteristics>{rois}</unblindedReadNodule></readingSession>
</LidcReadMessage>"""
ROI = """<roi><imageZposition>{z}</imageZposition><inclusion>TRUE</inclusion>{edge}</roi>"""
EDGE = "<edgeMap><xCoord>{x}</xCoord><yCoord>{y}</yCoord></edgeMap>"


@dataclass(frozen=True)
class Seed:
    """A whole input: what is opened, which file of it is damaged, and how it is read."""

    name: str
    files: dict[str, bytes]
    annotation: bool = False
    opens_folder: bool = False


def made_seeds(folder: Path) -> Iterator[Seed]:
    """One of every format, all of the same small phantom."""
    from napari_vaemed.data.progress import finish
    from napari_vaemed.io.ct import read_ct
    from napari_vaemed.io.dicom_seg_writer import write_segmentation
    from napari_vaemed.io.volumes import write_volume

    write = runpy.run_path(str(WRITERS))
    z, y, x = np.indices(SHAPE)
    hu = (-900 + 60 * z + 9 * y + 5 * x).astype(np.int16)
    uid = "1.2.826.0.1.3680043.8.498.1"
    for name, syntax in SYNTAXES.items():
        write["_write_series"](folder / name, hu, syntax=syntax, uid=uid)
        yield Seed(f"DICOM {name}", read_all(folder / name), opens_folder=True)
        write["_write_enhanced"](folder / "enhanced" / f"{name}.dcm", hu, syntax=syntax)
    for path in sorted((folder / "enhanced").iterdir()):
        yield Seed(f"enhanced {path.stem}", {path.name: path.read_bytes()})
    with zipfile.ZipFile(folder / "scan.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in (folder / "explicit").iterdir():
            archive.write(path, path.name)
    yield Seed("zip", {"scan.zip": (folder / "scan.zip").read_bytes()})
    volume = finish(read_ct(folder / "explicit"))
    for suffix in (".nii", ".nii.gz", ".nrrd", ".mha"):
        write_volume(folder / f"ct{suffix}", volume.hu, volume)
        yield Seed(suffix[1:], {f"ct{suffix}": (folder / f"ct{suffix}").read_bytes()})
    mask = ((z - 3) ** 2 * 6 + (y - 20) ** 2 + (x - 24) ** 2 < 64).astype(np.uint8)
    write_segmentation(folder / "seg.dcm", mask, volume, {1: "Finding"})
    yield Seed("SEG", {"seg.dcm": (folder / "seg.dcm").read_bytes()}, annotation=True)
    yield Seed("RTSTRUCT", {"rt.dcm": structures(folder, volume, write)}, annotation=True)
    edges = [(20 + dx, 20 + dy) for dx, dy in
             ((0, 0), (3, 0), (6, 1), (7, 4), (5, 7), (2, 6), (0, 3), (0, 0))]  # fmt: skip
    edge = "".join(EDGE.format(x=a, y=b) for a, b in edges)
    rois = "".join(ROI.format(z=volume.origin[2] + 2.5 * k, edge=edge) for k in (2, 3))
    yield Seed("XML", {"069.xml": XML.format(uid=uid, rois=rois).encode()}, annotation=True)
    table = f"seriesuid,coordX,coordY,coordZ,diameter_mm\n{uid},-30.0,40.0,-112.0,6.5\n"
    yield Seed("CSV", {"annotations.csv": table.encode()}, annotation=True)


def structures(folder: Path, volume: object, write: dict[str, object]) -> bytes:
    """A contour as an RT structure set."""
    from pydicom.dataset import Dataset
    from pydicom.sequence import Sequence

    file = write["_slice"](np.zeros((2, 2)), {})
    for keyword in ("PixelData", "Rows", "Columns"):
        delattr(file, keyword)
    kind = "1.2.840.10008.5.1.4.1.1.481.3"
    file.SOPClassUID = file.file_meta.MediaStorageSOPClassUID = kind
    file.Modality, file.SeriesInstanceUID = "RTSTRUCT", "1.2.3.4"
    region, contours, contour = Dataset(), Dataset(), Dataset()
    region.ROINumber, region.ROIName = 1, "nodule"
    region.ReferencedFrameOfReferenceUID = volume.source.frame_of_reference_uid
    corners = [volume.to_world((3, r, c)) for r, c in ((10, 10), (10, 30), (30, 30), (30, 10))]
    contour.ContourGeometricType, contour.NumberOfContourPoints = "CLOSED_PLANAR", 4
    contour.ContourData = [round(float(v), 6) for corner in corners for v in corner]
    contours.ReferencedROINumber, contours.ContourSequence = 1, Sequence([contour])
    file.StructureSetROISequence = Sequence([region])
    file.ROIContourSequence = Sequence([contours])
    file.save_as(folder / "rt.dcm", enforce_file_format=True)
    return (folder / "rt.dcm").read_bytes()


def read_all(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def cut(data: bytearray, rng: np.random.Generator) -> bytearray:
    return data[: rng.integers(0, len(data))]


def flip(data: bytearray, rng: np.random.Generator) -> bytearray:
    for at in rng.integers(0, len(data), rng.integers(1, 20)):
        data[at] ^= 1 << rng.integers(8)
    return data


def flip_head(data: bytearray, rng: np.random.Generator) -> bytearray:
    for at in rng.integers(0, min(len(data), 1200), rng.integers(1, 6)):
        data[at] = rng.integers(256)
    return data


def huge(data: bytearray, rng: np.random.Generator) -> bytearray:
    """A number where a length or a size may stand."""
    at = int(rng.integers(0, min(len(data), 1200)))
    value = rng.choice([b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\xff\x7f", b"\x00\x00\x00\x40"])
    data[at : at + len(value)] = value
    return data


def digits(data: bytearray, rng: np.random.Generator) -> bytearray:
    """Another number in place of one written as text."""
    text = [k for k in range(min(len(data), 2000)) if 48 <= data[k] <= 57]
    if not text:
        return flip(data, rng)
    at = int(rng.choice(text))
    words = [b"9", b"-", b"0", b"e9", b"999999999", b"nan", b"1e308", b"-1", b"."]
    word = bytes(rng.choice(words))
    data[at : at + (len(word) if rng.random() < 0.7 else 1)] = word
    return data


def move(data: bytearray, rng: np.random.Generator) -> bytearray:
    """A stretch left out, doubled, or overwritten."""
    start = int(rng.integers(0, len(data)))
    length = int(rng.integers(1, max(2, len(data) // 4)))
    stretch = data[start : start + length]
    kind = rng.integers(4)
    if kind == 0:
        del data[start : start + length]
    elif kind == 1:
        data[start:start] = stretch
    elif kind == 2:
        data[start : start + length] = bytes(len(stretch))
    else:
        data[start : start + length] = rng.bytes(len(stretch))
    return data


MUTATIONS: tuple[Callable[[bytearray, np.random.Generator], bytearray], ...] = (
    cut, flip, flip_head, huge, digits, move,
)  # fmt: skip


def mutated(name: str, data: bytes, rng: np.random.Generator) -> tuple[str, bytes]:
    """What was done, and the damaged bytes; of a gzip file now and then what is inside."""
    change = MUTATIONS[rng.integers(len(MUTATIONS))]
    if name.endswith(".gz") and rng.random() < 0.6:
        inside = change(bytearray(zlib.decompress(data, 31)), rng)
        pack = zlib.compressobj(wbits=31)
        return f"{change.__name__} inside", pack.compress(bytes(inside)) + pack.flush()
    return change.__name__, bytes(change(bytearray(data), rng))


def liars(folder: Path) -> Iterator[Seed]:
    """Small files that claim to be huge."""
    write = runpy.run_path(str(WRITERS))
    hu = np.zeros((3, 8, 8), np.int16) + np.arange(8, dtype=np.int16)
    path = write["_write_enhanced"](folder / "liar.dcm", hu, NumberOfFrames=10**6)
    yield Seed("a million frames", {"a.dcm": path.read_bytes()})
    plain = write["_write_series"](folder / "one", hu[:1], NumberOfFrames=10**6)[0]
    yield Seed("a million frames, classic", {"a.dcm": plain.read_bytes()})
    for syntax in ("explicit", "JPEG lossless", "JPEG 2000", "JPEG-LS", "RLE", "HTJ2K"):
        made = write["_write_series"](
            folder / syntax, hu, syntax=SYNTAXES[syntax], Rows=65535, Columns=65535,
            **({"PixelData": b"\0" * 128} if syntax == "explicit" else {}),
        ) if syntax == "explicit" else [huge_frame(write, folder / syntax, hu, syntax)]  # fmt: skip
        yield Seed(f"65535² pixels, {syntax}", {p.name: p.read_bytes() for p in made},
                   opens_folder=True)  # fmt: skip
    nrrd = (b"NRRD0004\ntype: short\ndimension: 3\nsizes: 512 512 1000000\nendian: little\n"
            b"encoding: raw\nspace: left-posterior-superior\n\n" + bytes(1000))  # fmt: skip
    yield Seed("a million slices, NRRD", {"a.nrrd": nrrd})
    yield Seed("a million slices, NRRD packed", {"a.nrrd": nrrd.replace(b"raw", b"gzip")})
    mha = (b"ObjectType = Image\nNDims = 3\nDimSize = 512 512 1000000\nElementType = MET_SHORT\n"
           b"ElementDataFile = LOCAL\n" + bytes(1000))  # fmt: skip
    yield Seed("a million slices, MHA", {"a.mha": mha})
    packed = mha.replace(b"ElementType", b"CompressedData = True\nElementType")
    yield Seed("a million slices, MHA packed", {"a.mha": packed})
    nifti = bytearray(352)
    nifti[:4] = (348).to_bytes(4, "little")
    np.frombuffer(nifti, "<i2", 8, 40)[:] = (3, 32767, 32767, 32767, 1, 1, 1, 1)
    nifti[70:72], nifti[72:74] = b"\x04\0", b"\x10\0"
    np.frombuffer(nifti, "<f4", 8, 76)[:] = 1
    np.frombuffer(nifti, "<f4", 1, 108)[:] = 352
    nifti[344:348] = b"n+1\0"
    yield Seed("32767³ voxels, NIfTI", {"a.nii": bytes(nifti) + bytes(1000)})
    pack = zlib.compressobj(wbits=31)
    yield Seed("32767³ voxels, NIfTI packed",
               {"a.nii.gz": pack.compress(bytes(nifti) + bytes(1000)) + pack.flush()})  # fmt: skip
    bomb = "".join(f'<!ENTITY x{n} "{f"&x{n - 1};" * 10}">' for n in range(1, 12))
    yield Seed("entities", {"a.xml": (
        f'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY x0 "lol">{bomb}]>'
        "<LidcReadMessage>&x11;</LidcReadMessage>").encode()}, annotation=True)  # fmt: skip
    deep = b"<a>" * 200_000
    yield Seed("deep XML", {"a.xml": b"<LidcReadMessage>" + deep}, annotation=True)
    with zipfile.ZipFile(folder / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.dcm", bytes(128) + b"DICM" + bytes(400_000_000))
    yield Seed("400 MB of nothing in a zip", {"a.zip": (folder / "bomb.zip").read_bytes()})
    raw = zlib.compressobj(wbits=-15)
    head = plain.read_bytes()
    end = head.index(b"\x02\x00\x10\x00") + 8
    meta = head[:end] + b"\x16\0" + b"1.2.840.10008.1.2.1.99"
    yield Seed("400 MB of nothing, deflated",
               {"a.dcm": meta + raw.compress(bytes(400_000_000)) + raw.flush()})  # fmt: skip


def huge_frame(write: dict[str, object], folder: Path, hu: np.ndarray, syntax: str) -> Path:
    """A compressed slice whose header and stream both claim 65535 × 65535 pixels."""
    path: Path = write["_write_series"](folder, hu[:1], syntax=SYNTAXES[syntax])[0]
    data = bytearray(path.read_bytes())
    for tag in (b"\x28\0\x10\0US", b"\x28\0\x11\0US"):
        at = data.index(tag) + 8
        data[at : at + 2] = b"\xff\xff"
    for marker in (b"\xff\xc3", b"\xff\xf7"):
        at = data.find(marker, data.find(b"\xff\xd8"))
        if at > 0 and syntax in ("JPEG lossless", "JPEG-LS"):
            data[at + 5 : at + 9] = b"\xff\xff\xff\xff"
    if (at := data.find(b"\xff\x4f\xff\x51")) > 0:
        data[at + 8 : at + 16] = b"\0\0\xff\xff\0\0\xff\xff"
    path.write_bytes(data)
    return path
