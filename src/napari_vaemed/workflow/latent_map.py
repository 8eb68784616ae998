"""The latent map: nodules of an index laid out on a plane, new ones put on it, and its colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.anomaly import label_of
from napari_vaemed.data.index import NoduleIndex
from napari_vaemed.data.latent_map import METHODS, PCA, TSNE, Colouring, LatentMap
from napari_vaemed.data.nodule import ATTRIBUTES
from napari_vaemed.data.posterior import AnyPosterior, DirichletPosterior
from napari_vaemed.data.progress import Progress, Work
from napari_vaemed.explanation.traversal import latent_axes
from napari_vaemed.io.checkpoints import Model
from napari_vaemed.retrieval import latent_map as layouts
from napari_vaemed.retrieval import map_clusters, map_colours
from napari_vaemed.retrieval.latent_map import Floats, Layout, coordinates
from napari_vaemed.retrieval.map_clusters import Classes
from napari_vaemed.retrieval.neighbours import known_volumes

FEWEST = 3
"""Nodules of a map, at least."""
IN_SAMPLE = (
    "In sample where the index's model has learned from these nodules or their ratings, as the "
    "shipped one has: then the map shows what was learned, not what could be found out."
)


def project(index: NoduleIndex, method: str = PCA, *, seed: int = 0) -> Work[LatentMap]:
    """Lay the nodules of an index out on a plane.

    The same index, method and seed give the same map. PCA takes well under a second; t-SNE and
    UMAP take one long step, over `retrieval.latent_map.LAID_OUT` nodules at most.

    Parameters
    ----------
    method : str
        One of `data.latent_map.METHODS`.

    Raises
    ------
    ValueError
        There is no such method, UMAP's package is not installed, or there are fewer than three
        nodules.
    """
    if method not in METHODS:
        raise ValueError(f"There is no map by {method!r}; there are {', '.join(METHODS)}.")
    if len(index) < FEWEST:
        raise ValueError(f"A map wants {FEWEST} nodules at least; the index has {len(index)}.")
    yield Progress("Reading codes")
    points = coordinates(index.posterior)
    rows = np.arange(len(points))
    if method == PCA:
        layout = layouts.main_axes(points)
    else:
        rows = layouts.drawn(len(points), layouts.LAID_OUT[method], seed)
        make = layouts.stochastic_neighbours if method == TSNE else layouts.uniform_manifold
        yield Progress(f"Laying {len(rows)} nodules out by {method}")
        layout = make(points[rows], seed)
    yield Progress("Asking how far the map can be trusted")
    places = layout.places if len(rows) == len(points) else _all_places(layout, points, rows)
    trust, neighbours, asked = layouts.trustworthiness(points, places, seed)
    figures = {
        **layout.figures,
        "laid_out": len(rows),
        "trust_neighbours": neighbours,
        "trust_asked": asked,
    }
    told = _told(index, method, figures, trust)
    return LatentMap(
        places.astype(np.float32), method, told, layout.onto, index.model_sha256, trust, figures
    )


def place(
    latent_map: LatentMap, index: NoduleIndex, posterior: AnyPosterior
) -> NDArray[np.float32]:
    """Where on the map of an index a nodule lies, (2,).

    One of the index lies at its own place, and so does any with the same code. By PCA others are
    projected as exactly. UMAP puts them where its transform says, which compiles for seconds the
    first time: not for the window's thread. t-SNE has no such way: they are put at the mean place
    of the five nearest, weighed by 1/distance.

    Parameters
    ----------
    posterior : Posterior or DirichletPosterior of shape (d,) or (1, d)

    Raises
    ------
    ValueError
        The map is of another index, or the posterior of another model.
    """
    if len(latent_map) != len(index) or latent_map.model_sha256 != index.model_sha256:
        raise ValueError("The map was made of another index. Make the map again.")
    known = index.posterior
    code = coordinates(posterior)
    if type(posterior) is not type(known) or code.shape != (1, known.dims):
        raise ValueError(
            f"The map is of {type(known).__name__}s of {known.dims} numbers; this nodule is a "
            f"{type(posterior).__name__} of shape {posterior.mean.shape}. Read it with the model "
            "of the index."
        )
    own = np.flatnonzero((np.atleast_2d(known.mean) == np.atleast_2d(posterior.mean)).all(axis=1))
    placed = latent_map.places[own[0]] if len(own) else latent_map.onto(code)[0]
    return np.asarray(placed, np.float32)


def colourings(index: NoduleIndex) -> tuple[Colouring, ...]:
    """All that the nodules of an index can be coloured by; see `retrieval.map_colours`."""
    return (
        *map_colours.of_ratings(index),
        *map_colours.of_sizes(index),
        *map_colours.of_patients(index),
        *map_colours.of_latents(index, [(axis.dim, axis.name) for axis in latent_axes(index)]),
    )


def clusters(
    index: NoduleIndex, method: str, k: int = 2, model: Model | None = None, seed: int = 0
) -> Work[Colouring]:
    """Sort the nodules of an index into classes that nobody named.

    Beside them stands how far they agree with the readers' malignancy and with size.

    Parameters
    ----------
    method : str
        One of `retrieval.map_clusters.METHODS`: "k-means"; "mixture" of Gaussians; "model", the
        classes that the index's own model has found, where it is one that finds some.
    k : int
        How many; a model knows itself.
    model : Model or None
        Of the index; needed for its own classes alone.

    Raises
    ------
    ValueError
        There is no such method, there are fewer nodules than classes, or the model finds none or
        is not the index's.
    """
    points = coordinates(index.posterior)
    if method == map_clusters.MODEL:
        yield Progress("Reading the model's classes")
        found = _classes_of(index, model)
    else:
        found = yield from map_clusters.sorted_out(points, method, k, seed)
    yield Progress("Comparing with what is known")
    return map_clusters.as_colouring(index, found)


def colouring_named(every: Sequence[Colouring], name: str) -> Colouring:
    """The colouring of that name, or of the latent of that short name (``"z12"``).

    Raises
    ------
    ValueError
        There is none; lists them.
    """
    wanted = name.lower().replace("_", " ")
    for each in every:
        if wanted in (each.name.lower(), each.name.split(" · ")[0].lower()):
            return each
    names = ", ".join(each.name for each in every)
    raise ValueError(f"Nothing is called {name!r} to colour by; there are {names}.")


def map_rows(
    latent_map: LatentMap, index: NoduleIndex, found: Colouring | None = None
) -> list[dict[str, Any]]:
    """One row a nodule, for a table or JSON: place, label, size, ratings and ``found`` cluster."""
    rows = []
    places, volumes = latent_map.places.tolist(), known_volumes(index).tolist()
    for row, record in enumerate(index.records):
        x, y = places[row]
        ratings = {name: _plain(record.ratings.get(name)) for name in ATTRIBUTES}
        cluster = {} if found is None else {"cluster": found.told_of(row) or None}
        rows.append(
            {
                "id": record.id,
                "patient": record.patient,
                "x": round(x, 4),
                "y": round(y, 4),
                "label": None if ratings["malignancy"] is None else label_of(record),
                "diameter_mm": round(record.diameter_mm, 2),
                "volume_mm3": round(volumes[row], 1),
                **ratings,
                **cluster,
            }
        )
    return rows


def evidence(
    latent_map: LatentMap,
    index: NoduleIndex,
    shown: Colouring,
    found: Colouring | None = None,
    model: Model | None = None,
) -> dict[str, Any]:
    """What a map rests on and how far it can be believed, as JSON holds it.

    Raises
    ------
    ValueError
        The model is not the index's.
    """
    if model is not None:
        _check_model(index, model)
    clusters = None if found is None else {
        "told": found.told,
        "classes": list(found.names),
        "agreement": {name: dict(figures) for name, figures in found.figures.items()},
    }  # fmt: skip
    return {
        "method": latent_map.method,
        "told": latent_map.told,
        "trustworthiness": round(latent_map.trust, 4),
        "figures": dict(latent_map.figures),
        "nodules": len(index),
        "patients": len({record.patient for record in index.records}),
        "source": index.source,
        "model": index.model_sha256,
        "training_data": None if model is None else model.card.get("data"),
        "preprocessing": index.preprocessing,
        "colour": {"name": shown.name, "told": shown.told},
        "clusters": clusters,
        "notes": [IN_SAMPLE],
    }


def _plain(score: float | None) -> float | None:
    return None if score is None or isnan(score) else float(score)


def _classes_of(index: NoduleIndex, model: Model | None) -> Classes:
    """What a model that finds classes says of the codes of its index."""
    import torch

    from napari_vaemed.models.protocols import CodeClusterer

    if model is None or not isinstance(model.module, CodeClusterer):
        what = "no model was given" if model is None else f"{model.name} finds none"
        raise ValueError(
            f"Classes of the model were wanted, but {what}. Give a OneStepVAE, VaDE, DEC "
            "or ThreePhases with its index, or sort by k-means or mixture."
        )
    _check_model(index, model)
    moments = (torch.tensor(np.asarray(values, np.float32), device=model.device)
               for values in (index.posterior.mean, index.posterior.sd))  # fmt: skip
    with torch.inference_mode():
        chances = model.module.classes_of_codes(*moments).float().cpu().numpy()
    by = f"{model.name}'s own {model.module.clusters} classes"
    return Classes(chances.argmax(axis=1), model.module.clusters, by, "class")


def _check_model(index: NoduleIndex, model: Model) -> None:
    if model.sha256 != index.model_sha256:
        raise ValueError(
            f"The model is {model.sha256[:12]}, the index is of {index.model_sha256[:12]}; its "
            "codes mean nothing to another model. Build the index again."
        )


def _all_places(layout: Layout, points: Floats, rows: NDArray[np.intp]) -> Floats:
    """Places of all, those that were not laid out put onto the others' map."""
    places = np.empty((len(points), 2))
    rest = np.setdiff1d(np.arange(len(points)), rows)
    places[rows], places[rest] = layout.places, layout.onto(points[rest])
    return places


def _told(index: NoduleIndex, method: str, figures: Mapping[str, float], trust: float) -> str:
    n, laid_out = len(index), int(figures["laid_out"])
    ratios = isinstance(index.posterior, DirichletPosterior)
    what = "centred log-ratios of the mean shares" if ratios else "posterior means"
    parts = [f"{method} of {n} {what}"]
    if method == PCA:
        shares = (figures["first_share"], figures["second_share"])
        parts.append(" + ".join(f"{100 * share:.0f} %" for share in shares) + " of the variance")
    elif laid_out < n:
        parts.append(f"{laid_out} of them laid out and the others put among these")
    if method == TSNE:
        parts.append(f"a new nodule is put among its {layouts.NEAREST} nearest")
    asked = int(figures["trust_asked"])
    drawn = "" if asked == n else f" of {asked} drawn"
    parts.append(f"trustworthiness {trust:.2f} at {figures['trust_neighbours']:.0f}{drawn}")
    return ", ".join([*parts, f"model {index.model_sha256[:8]}"])
