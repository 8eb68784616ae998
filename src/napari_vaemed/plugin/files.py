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
    dialog = QFileDialog(parent, caption, _start())
    dialog.setFileMode(QFileDialog.FileMode.Directory)
    return _ask(dialog)


def ask_file(parent: QWidget | None, caption: str, kinds: str) -> Path | None:
    """Let the user choose a file of the kinds named; None when they did not."""
    dialog = QFileDialog(parent, caption, _start(), kinds)
    dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
    return _ask(dialog)


def ask_save(
    parent: QWidget | None, caption: str, name: str, kinds: str, *, adding: bool = False
) -> Path | None:
    """Let the user say where to save, a name being offered; None when they did not.

    Nothing is asked about a file that is there already when it is only added to.
    """
    dialog = QFileDialog(parent, caption, _start(), kinds)
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setOption(QFileDialog.Option.DontConfirmOverwrite, adding)
    dialog.selectFile(name)
    return _ask(dialog)


def _start() -> str:
    return str(_last_visited[-1])


def _ask(dialog: QFileDialog) -> Path | None:
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
