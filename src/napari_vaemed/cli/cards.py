"""The command that tells what a model is: card."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from napari_vaemed.cli.verbs import add_verb


def add_verbs(verbs: Any) -> None:
    """Add card."""
    verb = add_verb(
        verbs, "card", _card,
        "Print the card of a model: what it is for, its data, its figures, its limits.",
    )  # fmt: skip
    verb.add_argument(
        "model", nargs="?", default="nodule_vae",
        help="weights (.safetensors, card beside them), or a shipped model: nodule_vae, "
        "dirichlet_vae, one_step_vae, click_net, lung_net, slice_model",
    )  # fmt: skip
    verb.add_argument(
        "--bench", type=Path, metavar="OUT",
        help="first write the card anew, with the figures of this folder of `vaemed bench`",
    )  # fmt: skip
    verb.add_argument("-o", "--output", type=Path, help="Markdown file to write instead")


def _card(options: argparse.Namespace) -> None:
    from napari_vaemed.io.atomic import replacing
    from napari_vaemed.io.card_page import card_page
    from napari_vaemed.io.checkpoints import read_about

    path = _weights(options.model)
    if options.bench:
        from napari_vaemed.workflow.card import remade_card

        remade_card(path, options.bench)
        print(f"card made anew -> {path.with_suffix('.json')}")
    page = card_page(path.stem, read_about(path))
    if options.output:
        with replacing(options.output) as beside:
            beside.write_text(page, encoding="utf-8")
    elif not options.bench:
        print(page, end="")


def _weights(model: str) -> Path:
    from napari_vaemed.io import weights

    shipped = (
        *(shipped.model for shipped in weights.shipped_nodule_models()),
        weights.shipped_click_net_path(),
        weights.shipped_lung_net_path(), weights.shipped_slice_model_path(),
    )  # fmt: skip
    named = {path.stem: path for path in shipped}
    if (stem := model.replace("-", "_")) in named:
        return named[stem]
    if not model.endswith(".safetensors"):
        raise ValueError(
            f"The model is a .safetensors file or one of {', '.join(named)}; got {model!r}."
        )
    return Path(model)
