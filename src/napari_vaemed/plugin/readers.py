"""What napari calls to open a CT and what belongs to it: File ▸ Open, drop, ``viewer.open``.

Archives of labelled images open too; any other ``.npz`` is left to others.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from napari_vaemed.data.progress import finish
from napari_vaemed.plugin.annotations import mark_layers, tell_notes
from napari_vaemed.plugin.image_sets import image_set_layers
from napari_vaemed.plugin.layers import LayerData, volume_to_layer
from napari_vaemed.plugin.scans import open_scans

PathOrPaths = str | list[str]
Reader = Callable[[PathOrPaths], list[LayerData]]


def get_reader(path: PathOrPaths) -> Reader | None:
    """A reader for the path, or None when it is no CT, mask, annotation of one or set of images.

    Looks at names and first bytes only. Of several paths, slices of one series belong together.
    """
    from napari_vaemed.io.annotations import annotation_kind
    from napari_vaemed.io.medmnist import holds_images
    from napari_vaemed.io.series import holds_dicom, is_dicom
    from napari_vaemed.io.volumes import READ_SUFFIXES, suffix_of

    first = Path(path[0] if isinstance(path, list) else path)
    if first.suffix.lower() == ".npz":
        return read_layers if holds_images(first) else None
    if first.is_dir() or first.suffix.lower() == ".zip":
        return read_layers if holds_dicom(first) else None
    if suffix_of(first) in READ_SUFFIXES or is_dicom(first) or annotation_kind(first):
        return read_layers
    return None


def read_layers(path: PathOrPaths) -> list[LayerData]:
    """Read CTs, masks and annotations; DICOM slices given one by one make one volume.

    A file that holds labels becomes a Labels layer. Annotations (LIDC XML, tables of points,
    DICOM SEG, RTSTRUCT) become Labels and Points on the CT they are about.
    """
    paths = [path] if isinstance(path, str) else list(path)
    if are_slices_together([Path(p) for p in paths]):
        paths = paths[:1]
    return [layer for p in paths for layer in _read_path(p)]


def are_slices_together(paths: list[Path]) -> bool:
    """Whether these are DICOM slices of one folder, of which one stands for all."""
    from napari_vaemed.io.annotations import annotation_kind
    from napari_vaemed.io.series import is_dicom

    return len({path.parent for path in paths}) == 1 and all(
        path.is_file() and is_dicom(path) and annotation_kind(path) is None for path in paths
    )


def _read_path(path: str) -> list[LayerData]:
    from napari_vaemed.io.annotations import annotation_kind
    from napari_vaemed.io.ct import NotHounsfieldError, read_ct

    if Path(path).suffix.lower() == ".npz":
        return image_set_layers(Path(path))
    if Path(path).is_file() and annotation_kind(Path(path)):
        return _read_marks(Path(path))
    try:
        return [volume_to_layer(finish(read_ct(path)))]
    except NotHounsfieldError as scaled:
        try:
            return _read_marks(Path(path))
        except ValueError:
            raise scaled from None


def _read_marks(path: Path) -> list[LayerData]:
    made = finish(mark_layers(path, [volume for _, volume in open_scans()]))
    tell_notes(made)
    return made
