"""What napari is told about the plugin is true."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

from npe2 import PluginManifest

ROOT = Path(__file__).parents[2]
MANIFEST = ROOT / "src" / "napari_vaemed" / "napari.yaml"


def test_npe2_finds_the_manifest_valid():
    npe2 = Path(sys.executable).with_name("npe2")
    ran = subprocess.run(
        [npe2, "validate", str(MANIFEST)], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_top_level_manifest_is_the_package_s_own():
    assert (ROOT / "napari.yaml").resolve() == MANIFEST.resolve()


def test_every_command_names_something_that_exists():
    manifest = PluginManifest.from_file(MANIFEST)
    commands = manifest.contributions.commands or []
    assert commands
    for command in commands:
        module, _, name = str(command.python_name).partition(":")
        assert hasattr(import_module(module), name), command.id


def test_base_install_names_no_qt_binding():
    from importlib.metadata import requires

    base = [r for r in requires("napari-vaemed") or [] if "extra ==" not in r]
    assert base
    assert not [r for r in base if r.lower().startswith(("pyside", "pyqt"))]
