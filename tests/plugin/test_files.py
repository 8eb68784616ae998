"""The file chooser leaves no trace: run in a process of its own, with a home of its own."""

import os
import subprocess
import sys

CODE = """
import sys
from pathlib import Path
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication, QFileDialog, QLineEdit
from napari_vaemed.plugin.files import ask_folder

app = QApplication([])

def accept():
    dialog = next(w for w in app.topLevelWidgets() if isinstance(w, QFileDialog))
    dialog.findChild(QLineEdit, "fileNameEdit").setText(sys.argv[1])
    dialog.accept()

for _ in range(2):
    QTimer.singleShot(300, accept)
    assert ask_folder(None, "Open") == Path(sys.argv[1])
QTimer.singleShot(0, app.quit)
app.exec()
"""


def test_the_folder_chosen_is_written_into_no_settings(tmp_path):
    home, scan = tmp_path / "home", tmp_path / "Murnau" / "ct"
    home.mkdir()
    scan.mkdir(parents=True)
    env = {"HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config")}
    ran = subprocess.run(
        [sys.executable, "-c", CODE, str(scan)],
        env={**os.environ, **env}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    written = "".join(p.read_text("utf-8", "ignore") for p in home.rglob("*") if p.is_file())
    assert "lastVisited" in written
    assert "Murnau" not in written
