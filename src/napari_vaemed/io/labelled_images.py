"""Read labelled images, whatever they are kept in."""

from __future__ import annotations

from pathlib import Path

from napari_vaemed.data.labelled_images import LabelledImages
from napari_vaemed.io.chexpert import is_chexpert, read_chexpert
from napari_vaemed.io.image_folders import read_image_folder, read_image_table
from napari_vaemed.io.medmnist import read_image_archive


def read_labelled_images(
    path: Path, *, uncertain: str = "ignore", view: str = "all"
) -> LabelledImages:
    """Read an ``.npz`` archive, CheXpert's tables, a CSV that names pictures, or a folder a class.

    Parameters
    ----------
    uncertain, view : str
        For CheXpert; see `read_chexpert`.

    Raises
    ------
    FileNotFoundError
    ValueError
        What is there holds no labelled images.
    """
    if not path.exists():
        raise FileNotFoundError(f"There is nothing at {path}.")
    if path.suffix.lower() == ".npz":
        return read_image_archive(path)
    if is_chexpert(path):
        return read_chexpert(path, uncertain=uncertain, view=view)
    if path.is_dir():
        return read_image_folder(path)
    if path.suffix.lower() == ".csv":
        return read_image_table(path)
    raise ValueError(
        f"{path.name} is no .npz archive, no CSV and no folder of pictures, so it holds no "
        "labelled images."
    )
