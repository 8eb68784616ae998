"""How to train: what all trainings share."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

OF_FILES = ("resume", "save_every", "wandb")
"""Settings of what is kept, not of the loop."""

ONE_CYCLE = "one-cycle"

FREE = ("device", "devices", "precision", "compile", *OF_FILES)
"""Settings that a resumed training may change."""


@dataclass(frozen=True)
class RunSettings:
    """How to train, whatever is trained.

    Parameters
    ----------
    epochs, batch : int
        Passes over the samples, samples a step.
    lr : float
        Highest learning rate.
    schedule : {"one-cycle", "constant"}
        How the learning rate goes: up for a tenth of the training and down again, or always the
        highest.
    seed : int
        Of weights, order and variations.
    patience : int
        Hold patients out, and stop when their loss has not fallen for so many epochs; 0 learns
        from all, to the end.
    device : {"auto", "cpu", "cuda", "cuda:N", "mps"}
    devices : int
        How many graphics cards share each batch.
    precision : {"auto", "bf16", "fp32"}
    compile : {"auto", "on", "off"}
        ``torch.compile``; auto: on CUDA, when much time is left.
    resume : bool
        Go on from the last saved epoch, if there is one.
    save_every : int
        Epochs between checkpoints.
    wandb : str
        Project at Weights & Biases to log to as well; empty for none.

    Raises
    ------
    ValueError
        If a count is below 1, or patience below 0.
    """

    epochs: int
    batch: int
    lr: float = 3e-3
    schedule: str = ONE_CYCLE
    seed: int = 0
    patience: int = 0
    device: str = "auto"
    devices: int = 1
    precision: str = "auto"
    compile: str = "auto"
    resume: bool = False
    save_every: int = 1
    wandb: str = ""

    def __post_init__(self) -> None:
        for name in ("epochs", "batch", "devices", "save_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1; got {getattr(self, name)}.")
        if self.patience < 0:
            raise ValueError(f"patience must be 0 or more; got {self.patience}.")

    def for_fit(self) -> dict[str, Any]:
        """Arguments of `training.fit.fit`."""
        return {name: value for name, value in asdict(self).items() if name not in OF_FILES}

    def for_card(self) -> dict[str, Any]:
        """What the weights depend on, for the model's card."""
        of_fit = self.for_fit()
        shown = ("epochs", "batch", "lr", "seed", "precision", "device")
        usual = {"patience": 0, "schedule": ONE_CYCLE}
        unusual = [name for name, value in usual.items() if of_fit[name] != value]
        return {name: of_fit[name] for name in (*shown, *unusual)}


NODULE_RUN = RunSettings(epochs=125, batch=96)
SLICE_RUN = RunSettings(epochs=30, batch=16)
CLICK_RUN = RunSettings(epochs=8, batch=16)
LUNG_RUN = RunSettings(epochs=2, batch=8)
"""How the shipped models were trained."""

DIGIT_RUN = RunSettings(epochs=20, batch=128)
"""How the methods are tested on digits."""

DRAWN_PER_CLASS = 600
"""Digits of each class that one model draws for another to learn from."""

BENCH_EPOCHS = 66
"""Passes of each fold model behind the figures of a nodule model."""


@dataclass(frozen=True)
class NoduleLessons:
    """What a model of nodules is told of them, and what is measured of it.

    Parameters
    ----------
    labels : float
        Share of the nodules whose ratings are told, by patient; below 1 for M2, SelfTraining and
        ThreePhases only.
    repeats : int
        How often a nodule of a known class (benign, malignant) comes in every epoch.
    bench_epochs : int
        Passes of each of the five fold models behind the figures; 0 leaves the figures out.

    Raises
    ------
    ValueError
        If the share is not between 0 and 1, or a count is too low.
    """

    labels: float = 1.0
    repeats: int = 1
    bench_epochs: int = BENCH_EPOCHS

    def __post_init__(self) -> None:
        if not 0 <= self.labels <= 1:
            raise ValueError(f"labels is a share, from 0 to 1; got {self.labels:g}.")
        if self.repeats < 1:
            raise ValueError(f"repeats must be at least 1; got {self.repeats}.")
        if self.bench_epochs < 0:
            raise ValueError(f"bench_epochs must be 0 or more; got {self.bench_epochs}.")
