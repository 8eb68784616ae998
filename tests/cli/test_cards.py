"""Cards on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_vaemed.cli import main

PAGE = Path(__file__).parents[2] / "docs" / "nodule_vae.md"


@pytest.mark.skipif(not PAGE.parent.is_dir(), reason="the docs are not here")
def test_the_page_in_the_docs_is_what_the_command_prints_of_the_shipped_card(capsys):
    assert main(["card"]) == 0
    assert capsys.readouterr().out == PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["click_net", "lung_net", "slice_model", "one_step_vae"])
def test_every_shipped_model_tells_its_use_its_data_and_its_figures(name, capsys):
    assert main(["card", name]) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"# Model card: {name}\n")
    assert "esearch only" in told
    assert "**Data.**" in told
    assert "## Figures" in told
    assert "SHA-256: " in told


def test_an_unknown_model_is_told_with_those_there_are(capsys):
    assert main(["card", "brain_vae"]) == 2
    told = capsys.readouterr().err
    assert "nodule_vae, dirichlet_vae, one_step_vae, click_net, lung_net, slice_model" in told


def test_a_name_may_be_written_as_the_other_commands_take_it(capsys):
    assert main(["card", "dirichlet-vae"]) == 0
    assert capsys.readouterr().out.startswith("# Model card: dirichlet_vae\n")
