"""Choosers of files and folders that leave no trace of what was chosen.

Qt's own dialog writes the folder last visited into a settings file of the user
(``QtProject.conf``), and napari the folders opened by its menu. A folder's name may be a
patient's: here the last one is known until the program ends, and written nowhere.
"""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import QDir
from qtpy.QtWidgets import QFileDialog, QWidget

KINDS = (
    "CT, mask, marks (*.nii *.nii.gz *.nrrd *.nhdr *.mha *.mhd *.dcm *.dicom *.ima *.zip "
    "DICOMDIR *.xml *.csv);;All files (*)"
)


def ask_folder(parent: QWidget | None, caption: str) -> Path | None:
    """Let the user choose a folder; None when they did not."""
    return _ask(parent, caption, QFileDialog.FileMode.Directory)


def ask_file(parent: QWidget | None, caption: str, kinds: str) -> Path | None:
    """Let the user choose a file of the kinds named; None when they did not."""
    return _ask(parent, caption, QFileDialog.FileMode.ExistingFile, kinds)


def _ask(
    parent: QWidget | None, caption: str, mode: QFileDialog.FileMode, kinds: str = ""
) -> Path | None:
    dialog = QFileDialog(parent, caption, str(_last_visited[-1]), kinds)
    dialog.setFileMode(mode)
    try:
        if not dialog.exec():
            return None
        path = Path(dialog.selectedFiles()[0])
    finally:
        dialog.setHistory([])
        dialog.setDirectory(QDir.homePath())
        dialog.deleteLater()
    _last_visited[:] = [path.parent]
    return path


_last_visited: list[Path] = [Path.home()]
