"""What the user chose in Preferences ▸ napari-vaemed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PLUGIN = "napari-vaemed"


@dataclass(frozen=True)
class Preferences:
    """The user's settings.

    Parameters
    ----------
    device : str
        ``"auto"``, ``"cpu"`` or ``"cuda"``.
    lidc_folder : Path or None
        Folder of LIDC-IDRI nodule crops (``image/<id>.nii.gz``), for true pictures of twins.
    neighbours : int
        How many nearest nodules to show.
    keep_identity : bool
        Whether a DICOM export carries the patient's name, birth date and accession number.
    keep_findings : bool
        Whether findings are kept between sittings, in the user's own folder.
    """

    device: str = "auto"
    lidc_folder: Path | None = None
    neighbours: int = 10
    keep_identity: bool = False
    keep_findings: bool = True


def preferences() -> Preferences:
    """Read the settings as they are now; the defaults where napari does not know the plugin."""
    from napari.settings import get_plugin_settings

    try:
        stored = get_plugin_settings(PLUGIN).examination
    except (KeyError, AttributeError):
        return Preferences()
    folder = stored.lidc_folder.strip()
    return Preferences(
        stored.device,
        Path(folder) if folder else None,
        stored.neighbours,
        stored.keep_identity,
        stored.keep_findings,
    )


def keep_lidc_folder(folder: str) -> None:
    """Remember the folder of LIDC-IDRI crops."""
    from napari.settings import get_plugin_settings

    get_plugin_settings(PLUGIN).examination.lidc_folder = folder
