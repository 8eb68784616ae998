"""What napari calls to open a CT: File ▸ Open, drag and drop, ``viewer.open``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from napari_vaemed.data.progress import finish
from napari_vaemed.plugin.layers import LayerData, labels_to_layer, volume_to_layer

PathOrPaths = str | list[str]
Reader = Callable[[PathOrPaths], list[LayerData]]


def get_reader(path: PathOrPaths) -> Reader | None:
    """A reader for the path, or None when it is neither a CT's file nor a DICOM folder.

    Looks at names and first bytes only. Of several paths, slices of one series belong together.
    """
    from napari_vaemed.io.series import holds_dicom, looks_like_dicom
    from napari_vaemed.io.volumes import READ_SUFFIXES, suffix_of

    first = Path(path[0] if isinstance(path, list) else path)
    if first.is_dir():
        return read_layers if holds_dicom(first) else None
    if suffix_of(first) in READ_SUFFIXES or looks_like_dicom(first):
        return read_layers
    return None


def read_layers(path: PathOrPaths) -> list[LayerData]:
    """Read one CT or mask into a layer; DICOM slices given one by one make one volume.

    A file that holds labels becomes a Labels layer.
    """
    paths = [path] if isinstance(path, str) else list(path)
    if len({Path(p).parent for p in paths}) == 1 and all(_is_slice(p) for p in paths):
        paths = paths[:1]
    return [_read_layer(p) for p in paths]


def _is_slice(path: str) -> bool:
    from napari_vaemed.io.series import looks_like_dicom

    return Path(path).is_file() and looks_like_dicom(Path(path))


def _read_layer(path: str) -> LayerData:
    from napari_vaemed.io.ct import NotHounsfieldError, read_ct
    from napari_vaemed.io.volumes import read_labels

    try:
        return volume_to_layer(finish(read_ct(path)))
    except NotHounsfieldError as scaled:
        try:
            labels = read_labels(path)
        except ValueError:
            raise scaled from None
        return labels_to_layer(labels.hu, labels, "Labels")
