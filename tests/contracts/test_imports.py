"""Imports point inward, and nothing heavy is loaded before it is needed."""

import pkgutil
import subprocess
import sys
from pathlib import Path

import napari_vaemed.plugin

ROOT = Path(__file__).parents[2]


def test_imports_point_inward():
    lint = Path(sys.executable).with_name("lint-imports")
    ran = subprocess.run([lint], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_no_plugin_module_loads_torch():
    modules = [
        module.name
        for module in pkgutil.walk_packages(napari_vaemed.plugin.__path__, "napari_vaemed.plugin.")
    ]
    assert modules
    heavy = ("torch", "SimpleITK", "sklearn", "monai")
    code = (
        f"import importlib, sys\nfor name in {modules!r}: importlib.import_module(name)\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert ran.stdout.strip() == "[]"


def test_the_command_line_starts_light():
    code = (
        "import sys, napari_vaemed.cli.command as c; c._parser()\n"
        "print([name for name in ('torch', 'numba') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
