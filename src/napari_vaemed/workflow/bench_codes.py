"""Who takes part in a bench, and the codes that each makes of all nodules, fold by fold."""

from __future__ import annotations

import inspect
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.bench import Codes
from napari_vaemed.data.nodule import UNDECIDED
from napari_vaemed.data.posterior import AnyPosterior, DirichletPosterior, Posterior
from napari_vaemed.data.progress import Progress
from napari_vaemed.data.run_settings import RunSettings
from napari_vaemed.io.checkpoints import Model
from napari_vaemed.workflow.bench_cases import BenchSet
from napari_vaemed.workflow.encode import CHUNK, encode_patches

if TYPE_CHECKING:
    import torch

    from napari_vaemed.models.protocols import NoduleVAE
    from napari_vaemed.training.fit import Epoch
    from napari_vaemed.training.samples import NoduleSamples

Rows = NDArray[np.int_]

PCA_DIMS = 32
ACTIVE_VARIANCE = 1e-2
"""A unit whose means vary less than this over the nodules tells nothing (Burda et al., 2016)."""


@dataclass(frozen=True)
class Entrant:
    """An encoder to be judged.

    Parameters
    ----------
    name : str
        Short, as it stands in the table and in file names.
    model : str
        A class of `models.VAES`; empty for principal components of the pixels.
    arguments : mapping
        For its constructor.
    trained : bool
        False leaves the weights as they were drawn.
    repeats : int
        How often a labelled nodule comes in an epoch, see `training.repeated`.
    """

    name: str
    model: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    trained: bool = True
    repeats: int = 1


_PIXELS_ALONE = {f"{term}_weight": 0.0 for term in ("mask", "rating", "volume", "view", "kinship")}

VARIANTS = (
    Entrant("VAE", "GaussianVAE", _PIXELS_ALONE),
    Entrant("beta-VAE", "GaussianVAE", {**_PIXELS_ALONE, "beta": 4.0}),
    Entrant("VAE-mask", "GaussianVAE", {**_PIXELS_ALONE, "mask_weight": 300.0}),
    Entrant("named-latents", "GaussianVAE", {"attribute_weight": 60.0}),
)
"""What the source studies compare, as switches of one class."""

FLOORS = (Entrant("random", "GaussianVAE", trained=False), Entrant("PCA", ""))
"""What costs no training, and is always in the table."""


def entrants() -> tuple[Entrant, ...]:
    """Every model of the package with its own defaults, then the variants and the floors."""
    from napari_vaemed.models import VAES

    classes = tuple(Entrant(cls.__name__, cls.__name__) for cls in VAES)
    return (*classes, *VARIANTS, *FLOORS)


def entrants_named(names: tuple[str, ...] | None) -> tuple[Entrant, ...]:
    """Those of these names and the floors; all for None.

    Raises
    ------
    ValueError
        If there is no such entrant.
    """
    known = {entrant.name: entrant for entrant in entrants()}
    wrong = [name for name in names or () if name not in known]
    if wrong:
        raise ValueError(f"There is no model {wrong[0]!r}; there are {', '.join(known)}.")
    floors = tuple(floor.name for floor in FLOORS)
    wanted = tuple(known) if names is None else dict.fromkeys((*names, *floors))
    return tuple(known[name] for name in wanted)


def made_by(entrant: Entrant, run: RunSettings) -> dict[str, Any]:
    """What an entrant's weights depend on, its defaults too, JSON-able; the device is no matter."""
    from napari_vaemed.models import VAES

    defaults = {
        name: parameter.default
        for cls in VAES
        if cls.__name__ == entrant.model
        for name, parameter in inspect.signature(cls).parameters.items()
    }
    training = {"epochs": run.epochs, "batch": run.batch, "lr": run.lr}
    return {
        "model": entrant.model,
        "arguments": {**defaults, **entrant.arguments},
        "training": training if entrant.trained and entrant.model else {},
        "seed": run.seed,
    }


def codes_of(
    entrant: Entrant,
    data: BenchSet,
    samples: NoduleSamples | None,
    known: Rows,
    run: RunSettings,
) -> Generator[Progress | Epoch, None, Codes]:
    """Codes of all nodules by an encoder that learned from the rows ``known`` alone.

    Parameters
    ----------
    samples : NoduleSamples or None
        Of the whole set, to train on; None where the entrant is not trained.
    """
    if not entrant.model:
        yield Progress("Finding principal components")
        return _principal_components(data, known)
    from napari_vaemed.training.fit import fit
    from napari_vaemed.training.repeated import repeated
    from napari_vaemed.workflow.train import new_module

    start = time.perf_counter()
    module = new_module(entrant.model, entrant.arguments, run.seed).to(run.device).eval()
    if entrant.trained and samples is not None:
        learned = repeated(samples.subset(known), entrant.repeats)
        module = yield from fit(module, learned, **run.for_fit())
    seconds = time.perf_counter() - start
    model = Model(entrant.model, module, "", {}, run.device)
    clicked = encode_patches(model, data.patches)
    centred = encode_patches(model, data.centred.target.numpy())
    facts = {"seconds": seconds, **_spread(clicked, known, _kl(model, clicked))}
    if entrant.trained:
        facts |= yield from _drawing(model, data, centred, known, run.seed)
    return Codes(clicked, centred.mean, facts)


def _principal_components(data: BenchSet, known: Rows) -> Codes:
    from sklearn.decomposition import PCA

    def flat(patches: NDArray[np.int16]) -> NDArray[np.float32]:
        return np.clip(patches.reshape(len(patches), -1), -1000, 400).astype(np.float32)

    start = time.perf_counter()
    clicked = flat(data.patches)
    pca = PCA(min(PCA_DIMS, len(known)), svd_solver="randomized", random_state=0)
    pca.fit(clicked[known])
    means = pca.transform(clicked)
    seconds = time.perf_counter() - start
    target = flat(data.centred.target.numpy())
    centred = pca.transform(target)
    squares = np.square(target - pca.inverse_transform(centred))
    squares *= data.centred.measured.numpy().reshape(squares.shape)
    facts: dict[str, float | None] = {"seconds": seconds, "active_units": float(means.shape[1])}
    facts |= _rmse(squares.sum(1), data, known)
    return Codes(Posterior(means, np.zeros_like(means)), centred, facts)


def _kl(model: Model, codes: AnyPosterior) -> NDArray[np.floating]:
    """KL from the prior in nats, (n,); nan of points.

    Of shares it is the model's own Dirichlet, else the standard normal, also where a model that
    finds classes has learned a mixture: a bound on the evidence all the same, and one for all.
    """
    if isinstance(codes, DirichletPosterior):
        from napari_vaemed.distances.dirichlet import kl

        prior = DirichletPosterior(np.full((1, codes.dims), model.module.prior))
        return kl(codes, prior)[:, 0]
    return codes.kl().sum(1) if codes.sd.any() else np.full(len(codes), np.nan)


def _spread(codes: AnyPosterior, known: Rows, kl: NDArray[np.floating]) -> dict[str, float | None]:
    # A share is about 1/d: what is told by units of deviation 1 is told by it d times smaller.
    unit = codes.dims if isinstance(codes, DirichletPosterior) else 1
    active = (unit * codes.mean[known]).var(axis=0) > ACTIVE_VARIANCE
    told = None if np.isnan(kl).any() else float(kl.mean())
    return {"active_units": float(active.sum()), "kl_nats": told}


def _drawing(
    model: Model, data: BenchSet, centred: AnyPosterior, known: Rows, seed: int
) -> Generator[Progress, None, dict[str, float | None]]:
    """How well the decoder draws held-out nodules, scored and undecided ones."""
    yield Progress("Drawing held-out nodules")
    squares, dice = _drawn(model, data.centred, centred.mean)
    figures: dict[str, float | None] = {**_rmse(squares, data, known)}
    figures["own_mask_dice"] = float(dice[_held_out(data, known)].mean())
    if centred.sd.any():
        latents = centred.sample(np.random.default_rng(seed))
        sampled, _ = _drawn(model, data.centred, latents)
        figures |= _elbo(sampled, _kl(model, centred), data, known)
    return figures


def _drawn(
    model: Model, samples: NoduleSamples, latents: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Squared errors in HU² summed over the measured voxels, and Dice of the masks, (n,) each."""
    import torch

    from napari_vaemed.models.networks import to_hu, to_unit

    vae = cast("NoduleVAE", model.module)
    squares, dice = np.empty(len(latents)), np.empty(len(latents))
    with torch.inference_mode():
        for start in range(0, len(latents), CHUNK):
            rows = slice(start, start + CHUNK)
            ct, logit = vae.decode(torch.from_numpy(latents[rows]).to(model.device))
            seen = to_hu(to_unit(samples.target[rows].float()))  # beyond the window nothing is told
            off = (to_hu(ct[:, 0].float()).cpu() - seen) * samples.measured[rows]
            squares[rows] = off.square().flatten(1).sum(1).double().numpy()
            dice[rows] = _dice((logit[:, 0] > 0).cpu(), samples.mask[rows])
    return squares, dice


def _dice(mask: torch.Tensor, truth: torch.Tensor) -> NDArray[np.float64]:
    both = (mask & truth).flatten(1).sum(1).double()
    return (2 * both / (mask.flatten(1).sum(1) + truth.flatten(1).sum(1)).clamp_min(1)).numpy()


def _held_out(data: BenchSet, known: Rows) -> Rows:
    return np.setdiff1d(np.arange(len(data.nodules)), known)


def _rmse(squares: NDArray[np.floating], data: BenchSet, known: Rows) -> dict[str, float | None]:
    """Root mean square error in HU, of scored and of undecided nodules held out."""
    figures: dict[str, float | None] = {}
    voxels = data.centred.measured.flatten(1).sum(1).numpy()
    for name, rows in _parts(data, known).items():
        total = voxels[rows].sum()
        figures[f"rmse_hu{name}"] = float(np.sqrt(squares[rows].sum() / total)) if total else None
    return figures


def _elbo(
    squares: NDArray[np.float64], kl: NDArray[np.floating], data: BenchSet, known: Rows
) -> dict[str, float | None]:
    """Evidence lower bound in nats a measured voxel, of grey values from 0 to 1.

    One sample of each posterior; the likelihood is the Gaussian of the variance that the training
    nodules have.
    """
    from napari_vaemed.models.networks import HU_RANGE

    squares = squares / (HU_RANGE[1] - HU_RANGE[0]) ** 2
    voxels = data.centred.measured.flatten(1).sum(1).numpy().astype(float)
    variance = squares[known].sum() / voxels[known].sum()
    log_likelihood = -0.5 * (voxels * np.log(2 * np.pi * variance) + squares / variance)
    bound = (log_likelihood - kl) / np.maximum(voxels, 1.0)
    return {
        f"elbo{name}": float(bound[rows].mean()) if len(rows) else None
        for name, rows in _parts(data, known).items()
    }


def _parts(data: BenchSet, known: Rows) -> dict[str, Rows]:
    """Held-out rows by the ending of their figures' names."""
    rows = _held_out(data, known)
    score = np.array([record.malignancy for record in data.nodules.records])[rows]
    return {"": rows[score != UNDECIDED], "_undecided": rows[score == UNDECIDED]}
