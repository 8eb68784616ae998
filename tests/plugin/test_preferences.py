from importlib.resources import files
from pathlib import Path

import pytest
from npe2 import PluginManifest

from napari_vaemed.plugin.preferences import Preferences, keep_lidc_folder, preferences


@pytest.fixture
def ours(plugin_settings, npe2pm):
    npe2pm.register(PluginManifest.from_file(str(files("napari_vaemed") / "napari.yaml")))


def test_the_defaults_of_the_manifest_are_those_of_the_code(ours):
    assert preferences() == Preferences()


def test_what_the_user_sets_is_read_and_kept(ours):
    from napari.settings import get_plugin_settings

    get_plugin_settings("napari-vaemed").examination.device = "cpu"
    keep_lidc_folder("/data/lidc")
    assert preferences() == Preferences("cpu", Path("/data/lidc"), 10)
