"""The file chooser leaves no trace: run in a process of its own, with a home of its own."""

import os
import subprocess
import sys

CODE = """
import sys
from pathlib import Path
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication, QFileDialog, QLineEdit
from napari_vaemed.plugin.files import ask_file, ask_folder, ask_save

app = QApplication([])

def accept(name):
    dialog = next(w for w in app.topLevelWidgets() if isinstance(w, QFileDialog) and w.isVisible())
    line = dialog.findChild(QLineEdit, "fileNameEdit")
    if name is None:
        assert line.text() == "mask.nii.gz"
    else:
        line.setText(name)
    dialog.accept()

def asked(name, ask, *said):
    QTimer.singleShot(300, lambda: accept(name))
    return ask(None, "Choose", *said)

folder = Path(sys.argv[1])
assert asked(str(folder), ask_folder) == folder
assert asked(str(folder / "a.nii"), ask_file, "CT (*.nii)") == folder / "a.nii"
assert asked(None, ask_save, "mask.nii.gz", "NIfTI (*.nii.gz)") == folder / "mask.nii.gz"
QTimer.singleShot(0, app.quit)
app.exec()
"""


def test_what_was_chosen_is_written_into_no_settings(tmp_path):
    home, scan = tmp_path / "home", tmp_path / "Murnau" / "ct"
    home.mkdir()
    scan.mkdir(parents=True)
    (scan / "a.nii").touch()
    env = {"HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config")}
    ran = subprocess.run(
        [sys.executable, "-c", CODE, str(scan)],
        env={**os.environ, **env}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    written = "".join(p.read_text("utf-8", "ignore") for p in home.rglob("*") if p.is_file())
    assert "lastVisited" in written
    assert "Murnau" not in written
