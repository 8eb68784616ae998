"""The command that lays an index out on a plane: map."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from napari_vaemed.cli.verbs import add_verb, print_json, run
from napari_vaemed.data.intended_use import NOT_A_DEVICE
from napari_vaemed.data.latent_map import METHODS

TYPED = {method.lower().replace("-", ""): method for method in METHODS}
"""Methods as they are typed."""


def add_verbs(verbs: Any) -> None:
    """Add map."""
    verb = add_verb(
        verbs, "map", _map,
        "Lay the nodules of an index out on a plane by their codes; prints what that rests on.",
    )  # fmt: skip
    verb.add_argument("--index", type=Path, help="index instead of the shipped one")
    verb.add_argument(
        "--model", type=Path,
        help="the index's model, for its card and its classes: a file, or the name of a shipped "
        "one, whose index comes with it",
    )  # fmt: skip
    verb.add_argument("--method", choices=TYPED, default="pca",
                      help="umap wants umap-learn installed")  # fmt: skip
    verb.add_argument(
        "--colour", metavar="NAME",
        help="of a picture: a rating, density, diameter, 'log volume', patient, a latent (z12) or "
        "clusters; by default clusters if some are asked for, else malignancy",
    )  # fmt: skip
    verb.add_argument(
        "--clusters", metavar="METHOD[:K]",
        help="k-means:4, mixture:4, or model: the classes that the model has found",
    )  # fmt: skip
    verb.add_argument("--seed", type=int, default=0, help="of t-SNE, UMAP and clusters")
    verb.add_argument(
        "-o", "--output", type=Path, action="append",
        help="table (.csv), table with its evidence (.json) or picture (.png); several, each "
        "after its own -o",
    )  # fmt: skip


def _map(options: argparse.Namespace) -> None:
    from napari_vaemed.io.indexes import read_index
    from napari_vaemed.io.latent_map import check_map_path, write_map
    from napari_vaemed.io.weights import model_files
    from napari_vaemed.workflow import latent_map as maps
    from napari_vaemed.workflow.encode import read_nodule_model

    outputs = options.output or []
    for path in outputs:
        check_map_path(path)
    model_path, index_path = model_files(options.model, options.index)
    index = read_index(index_path)
    unknown = options.index is not None and options.model is None  # whose index it is
    model = None if unknown else read_nodule_model(model_path, "cpu")
    known = maps.colourings(index)
    found = _clusters(options, index, model)
    known = known if found is None else (found, *known)
    shown = maps.colouring_named(known, options.colour or known[0].name)
    made = run(maps.project(index, TYPED[options.method], seed=options.seed))
    told = maps.evidence(made, index, shown, found, model)
    rows = maps.map_rows(made, index, found)
    for path in outputs:
        write_map(path, made, shown, rows, told)
    print_json({**told, "written": [str(path) for path in outputs],
                "warning": NOT_A_DEVICE})  # fmt: skip


def _clusters(options: argparse.Namespace, index: Any, model: Any) -> Any:
    from napari_vaemed.workflow.latent_map import clusters

    if options.clusters is None:
        return None
    method, colon, number = options.clusters.partition(":")
    if colon and not number.isdigit():
        raise ValueError(f"Clusters are asked for as k-means:4; got {options.clusters!r}.")
    return run(clusters(index, method, int(number or 2), model, options.seed))
