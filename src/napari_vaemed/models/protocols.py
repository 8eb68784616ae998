"""What a model of nodules offers, whatever its kind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeGuard, runtime_checkable

import torch


@dataclass(frozen=True, eq=False)
class Batch:
    """Nodules to learn from, all tensors on one device.

    Parameters
    ----------
    view, other : (n, 1, s, y, x) float
        Two looks at each nodule, CT in [0, 1] (see `networks.to_unit`), ``s`` central slices.
    target : (n, 1, z, y, x) float
        The nodule as it lies, centred, CT in [0, 1].
    measured : (n, 1, z, y, x) bool
        Where the target was measured.
    mask : (n, 1, z, y, x) bool
        The nodule.
    ratings : (n, 9) float
        In the order of `napari_vaemed.data.nodule.ATTRIBUTES`.
    log_volume : (n,) float
        Natural logarithm of the volume in mm³.
    """

    view: torch.Tensor
    other: torch.Tensor
    target: torch.Tensor
    measured: torch.Tensor
    mask: torch.Tensor
    ratings: torch.Tensor
    log_volume: torch.Tensor


@dataclass(frozen=True, eq=False)
class DigitBatch:
    """Pictures of one digit each to learn from, all tensors on one device.

    Parameters
    ----------
    view, other : (n, 1, 28, 28) float
        Two looks at each picture in [0, 1]: slightly turned, sheared, scaled and shifted.
    target : (n, 1, 28, 28) float
        The picture as it is, in [0, 1].
    label : (n,) int64
        Its class, -1 where it is not known.
    """

    view: torch.Tensor
    other: torch.Tensor
    target: torch.Tensor
    label: torch.Tensor


@runtime_checkable
class NoduleVAE(Protocol):
    """Makes a code of a nodule patch and draws it again; also a `torch.nn.Module`.

    Its constructor takes keyword-only, typed, defaulted arguments that JSON can hold, and keeps
    each under its own name: they are its configuration, its form and its flags.

    ``latent_dims`` is the length d of the code, ``slices`` how many central slices it reads. A
    model whose codes are points has deviations of 0.
    """

    latent_dims: int
    slices: int

    def posterior(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation, (n, d) each, of patches (n, 1, z, y, x) in [0, 1]."""
        ...

    def decode(self, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """CT in [0, 1] and logit of the nodule mask, (n, 1, 32, 32, 32), of latents (n, d)."""
        ...

    def losses(
        self, batch: Batch, *, progress: float, generator: torch.Generator
    ) -> Mapping[str, torch.Tensor]:
        """Weighted terms of the loss, scalars whose sum is to be made small.

        ``progress`` is the done share of the training, 0 to 1; ``generator`` gives all noise.
        """
        ...


@runtime_checkable
class SimplexVAE(NoduleVAE, Protocol):
    """A VAE whose codes are shares, positive and summing to 1, under Dirichlet posteriors.

    ``family`` is "dirichlet"; another word there makes it a `NoduleVAE` like any other. What
    `posterior` gives are the means and deviations of the shares.
    """

    family: str

    def concentration(self, x: torch.Tensor) -> torch.Tensor:
        """Concentrations (n, d) of patches as `posterior` takes them."""
        ...


def is_dirichlet(module: object) -> TypeGuard[SimplexVAE]:
    """Whether its posteriors are Dirichlets."""
    return isinstance(module, SimplexVAE) and module.family == "dirichlet"


@runtime_checkable
class Clusterer(Protocol):
    """A VAE that also sorts what it sees into classes, of its own finding or told by labels.

    ``clusters`` is how many there are.
    """

    clusters: int

    def class_probabilities(self, x: torch.Tensor) -> torch.Tensor:
        """Chances (n, k) of the classes, of pictures as `NoduleVAE.posterior` takes them."""
        ...

    def class_codes(self, n: int, generator: torch.Generator) -> torch.Tensor:
        """Draw latents (k, n, d), ``n`` of every class, for `NoduleVAE.decode`."""
        ...


@runtime_checkable
class CodeClusterer(Clusterer, Protocol):
    """A clusterer that tells the class of a picture by its code alone."""

    def classes_of_codes(self, mean: torch.Tensor, sd: torch.Tensor) -> torch.Tensor:
        """Chances (n, k) of the classes, of codes (n, d) as `NoduleVAE.posterior` gives them."""
        ...


@runtime_checkable
class Surveyor(Protocol):
    """A model that looks over all samples before every epoch, to set its mixture for example.

    What it finds it writes into its parameters and buffers, so that a checkpoint holds it.
    """

    def survey(
        self, batches: Iterable[Any], *, progress: float, generator: torch.Generator
    ) -> bool:
        """Look over the samples; whether the loss is another one from here on.

        If it is, the average of the weights starts over, and so does the search for the epoch that
        samples held out like best.

        Parameters
        ----------
        batches : iterable
            All samples once, drawn only as far as they are asked for.
        progress : float
            Done share of the training, 0 to 1.
        generator : torch.Generator
            Gives all noise; the one ``batches`` are drawn with.
        """
        ...


@runtime_checkable
class Paced(Protocol):
    """A model that learns in phases; a phase begins where its `Surveyor.survey` says True.

    The learning rate runs through its whole cycle in every phase, and what the optimizer has kept
    of the gradients is forgotten where one begins.
    """

    def pace(self, progress: float) -> tuple[float, float]:
        """Done share of the present phase, and its share of the learning rate.

        ``progress`` is the done share of the training, 0 to 1.
        """
        ...


@dataclass(frozen=True, eq=False)
class SliceBatch:
    """Slices to learn from, all tensors on one device.

    Parameters
    ----------
    picture : (n, 1, size, size) float
        Axial pictures in [0, 1] (see `napari_vaemed.preprocessing.slice_picture`).
    label : (n,) float
        1 for COVID-19, 0 for anything else.
    weight : (n,) float
        How much each counts in the loss.
    """

    picture: torch.Tensor
    label: torch.Tensor
    weight: torch.Tensor


@runtime_checkable
class SliceClassifier(Protocol):
    """Tells COVID-19 from other in one axial picture; also a `torch.nn.Module`.

    Constructor arguments as in `NoduleVAE`. ``size`` is the edge of the pictures it reads,
    ``lungs_only`` whether everything outside the lungs is blanked in them.
    """

    size: int
    lungs_only: bool

    def maps(self, x: torch.Tensor) -> torch.Tensor:
        """Last feature maps (n, f, h, w) of pictures (n, 1, size, size) in [0, 1]."""
        ...

    def features(self, maps: torch.Tensor) -> torch.Tensor:
        """One vector (n, f) a picture, of its last feature maps."""
        ...

    def logits(self, features: torch.Tensor) -> torch.Tensor:
        """Logit of COVID-19, (n,), of feature vectors."""
        ...

    def unlikeness(self, features: torch.Tensor) -> torch.Tensor:
        """Distance (n,) to the training pictures' features over its 99th percentile.

        The percentile is that of pictures held out from the training; above 1 a picture is unlike
        what the model has learned from.
        """
        ...

    def losses(
        self, batch: SliceBatch, *, progress: float, generator: torch.Generator
    ) -> Mapping[str, torch.Tensor]:
        """Weighted terms of the loss, as in `NoduleVAE`."""
        ...


@dataclass(frozen=True, eq=False)
class ClickBatch:
    """Looks at clicked places to learn from, all tensors on one device.

    Parameters
    ----------
    hu : (n, 1, z, y, x) float
        Cubes of CT around a place, in HU.
    measured : (n, 1, z, y, x) bool
        Which samples are said to lie on the scan.
    step : (n,) float
        Millimetres between samples.
    share : (n, 1, z, y, x) float
        How much of each sample is nodule, 0 to 1.
    known : (n, 1, z, y, x) bool
        Where that is known.
    nodule : (n,) float
        1 for a look at a nodule, 0 for anything else; its share is 0 everywhere.
    """

    hu: torch.Tensor
    measured: torch.Tensor
    step: torch.Tensor
    share: torch.Tensor
    known: torch.Tensor
    nodule: torch.Tensor


@runtime_checkable
class ClickSegmenter(Protocol):
    """Marks the nodule in the middle of a cube of CT, or says that there is none.

    Constructor arguments as in `NoduleVAE`.
    """

    def look(
        self, hu: torch.Tensor, measured: torch.Tensor, step: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits of the mask, shaped like ``hu``, and of there being a nodule at all, (n,).

        The arguments as in `ClickBatch`.
        """
        ...

    def losses(
        self, batch: ClickBatch, *, progress: float, generator: torch.Generator
    ) -> Mapping[str, torch.Tensor]:
        """Weighted terms of the loss, as in `NoduleVAE`."""
        ...


@dataclass(frozen=True, eq=False)
class LungBatch:
    """Axial planes to learn lungs from, all tensors on one device.

    Parameters
    ----------
    hu : (n, 3, y, x) float
        A plane between its neighbours, towards the feet first, in HU; samples of about 1.5 mm
        (see `napari_vaemed.preprocessing.lung_planes`).
    label : (n, y, x) int64
        As `napari_vaemed.data.labels`, of the plane in the middle; 255 where it is not known.
    """

    hu: torch.Tensor
    label: torch.Tensor


@runtime_checkable
class LungSegmenter(Protocol):
    """Tells right lung, left lung and airways in axial planes; also a `torch.nn.Module`.

    Constructor arguments as in `NoduleVAE`.
    """

    def forward(self, hu: torch.Tensor) -> torch.Tensor:
        """Logits (n, 4, y, x) of outside and the three labels, of planes as in `LungBatch`."""
        ...

    def losses(
        self, batch: LungBatch, *, progress: float, generator: torch.Generator
    ) -> Mapping[str, torch.Tensor]:
        """Weighted terms of the loss, as in `NoduleVAE`."""
        ...
