"""The one training loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from torch import nn

from napari_vaemed.data.run_settings import ONE_CYCLE
from napari_vaemed.training.learner import Learner, Plan
from napari_vaemed.training.steps import Samples, State

if TYPE_CHECKING:
    from lightning_fabric import Fabric

Pictures = Mapping[str, NDArray[np.uint8]]
"""What a network makes of a few samples, by name: grey (y, x)."""


@dataclass(frozen=True, eq=False)
class Epoch:
    """One pass over the samples.

    Parameters
    ----------
    number, total : int
        Passes done, of how many at most.
    losses : mapping
        Mean of each weighted term of the loss.
    seconds : float
        Since the start of this run.
    device : str
    state : State
        Live tensors; whoever wants to keep them writes or copies them before the next epoch.
    held_out : mapping
        Mean of each term over the samples held out, by the averaged weights; empty without any.
    best : int
        Pass after which the held-out loss was lowest; 0 where nothing is held out.
    batch : int
        Samples a step; less than asked for once memory did not suffice.
    rate : float
        Learning rate of its last step.
    last : bool
        Whether no other follows.
    notes : tuple of str
        What a person should know: a halved batch, an early stop.
    pictures : Pictures
        What the averaged weights make of a few samples, where that was asked for.
    """

    number: int
    total: int
    losses: Mapping[str, float]
    seconds: float
    device: str
    state: State
    held_out: Mapping[str, float] = field(default_factory=dict)
    best: int = 0
    batch: int = 0
    rate: float = 0.0
    last: bool = False
    notes: tuple[str, ...] = ()
    pictures: Pictures = field(default_factory=dict)


def fit(
    module: nn.Module,
    samples: Samples,
    *,
    epochs: int = 200,
    batch: int = 128,
    lr: float = 2e-3,
    schedule: str = ONE_CYCLE,
    weight_decay: float = 1e-4,
    ema: float = 0.995,
    seed: int = 0,
    device: str = "cpu",
    precision: str = "auto",
    resume: State | None = None,
    held_out: Samples | None = None,
    patience: int = 0,
    devices: int = 1,
    compile: str = "auto",
    pictures: Callable[[nn.Module], Pictures] | None = None,
) -> Generator[Epoch, None, nn.Module]:
    """Train ``module`` on ``samples``; yields each epoch, returns the averaged module.

    AdamW, usually with a one-cycle learning rate; the result carries the exponential moving average
    of the weights, with samples held out that of the epoch they liked best. The same seed gives the
    same result on the CPU, also when resumed. Where memory does not suffice the batch is halved.

    Parameters
    ----------
    module : nn.Module
        With ``losses(batch, progress=, generator=)``, weighted terms of the loss (see
        `models.protocols`); trained in place.
    samples : Samples
        Their ``draw`` gives the batches.
    epochs, batch : int
        Passes over the samples, samples a step.
    lr : float
        Highest learning rate.
    schedule : {"one-cycle", "constant"}
        How the learning rate goes, see `learner.SCHEDULES`.
    ema : float
        Share of the average kept at each step.
    device : str
        As `models.device.choose_device` gives it.
    precision : {"auto", "bf16", "fp32"}
        bfloat16 is used on CUDA only; losses are computed in float32.
    resume : State or None
        ``state`` of a yielded epoch of the same settings.
    held_out : Samples or None
        Judged after every epoch, and never learned from; of other patients, see `training.folds`.
    patience : int
        Stop when the held-out loss has not fallen for so many epochs; 0 never stops early.
    devices : int
        How many graphics cards (or, on the CPU, processes) share each batch.
    compile : {"auto", "on", "off"}
        ``torch.compile`` of the networks; auto: on CUDA, when much time is left.
    pictures : function or None
        What to show of the averaged network after every epoch.

    Raises
    ------
    ValueError
        If ``resume`` is of another model, or the settings do not go together.
    NotANumber
        If a loss is no longer a number; it carries the batch.
    """
    from napari_vaemed.training.fabric import start_fabric

    if patience and held_out is None:
        raise ValueError("Patience needs samples held out to judge by; give some, or no patience.")
    plan = Plan(epochs, batch, lr, weight_decay, ema, seed, patience, compile, schedule)
    if devices > 1:
        from napari_vaemed.training.several import fit_on_several

        where = (device, devices, precision)
        run = fit_on_several(where, module, samples, plan, held_out, resume, pictures)
    else:
        fabric = start_fabric(device, precision)
        run = fit_here(fabric, module, samples, plan, held_out, resume, pictures)
    return (yield from run)


def fit_here(
    fabric: Fabric,
    module: nn.Module,
    samples: Samples,
    plan: Plan,
    held_out: Samples | None,
    resume: State | None,
    pictures: Callable[[nn.Module], Pictures] | None,
) -> Generator[Epoch, None, nn.Module]:
    """Train in this process; the arguments as in `fit`."""
    learner = Learner(fabric, module, samples, plan, held_out)
    if resume is not None:
        learner.restore(resume)
    start = time.perf_counter()
    while not learner.over:
        losses, notes = learner.learn()
        judged = learner.judge()
        if learner.over and learner.done < plan.epochs:
            notes += (f"Stopped early: the held-out loss was lowest in epoch {learner.best}.",)
        yield Epoch(
            number=learner.done,
            total=plan.epochs,
            losses=losses,
            seconds=time.perf_counter() - start,
            device=str(fabric.device),
            state=learner.state(),
            held_out=judged,
            best=learner.best,
            batch=learner.batch,
            rate=learner.rate,
            last=learner.over,
            notes=notes,
            pictures={} if pictures is None else pictures(learner.average),
        )
    return learner.finished()
