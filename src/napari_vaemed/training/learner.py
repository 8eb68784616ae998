"""A training between two epochs: what it has learned so far, and how it learns on."""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from napari_vaemed.data.run_settings import ONE_CYCLE
from napari_vaemed.models.protocols import Paced, Surveyor
from napari_vaemed.training.steps import (
    Samples,
    State,
    Step,
    Watch,
    before_step,
    out_of_memory,
    own_randomness,
)

if TYPE_CHECKING:
    from lightning_fabric import Fabric

ADAM = ("step", "exp_avg", "exp_avg_sq")
"""What AdamW keeps of every parameter."""

MOST_NORM = 1000.0
"""Norm that all gradients of a step are cut to."""

LOOK_EVERY = 32
"""Steps on a graphics card between looks at the losses: each look makes it wait."""

COMPILE_WORTH_S = 600.0
"""Compiling takes about a minute: it is done when so much is left."""


@dataclass(frozen=True)
class Plan:
    """How to learn; see `fit.fit`."""

    epochs: int
    batch: int
    lr: float
    weight_decay: float
    ema: float
    seed: int
    patience: int
    compile: str
    schedule: str = ONE_CYCLE

    def __post_init__(self) -> None:
        if self.schedule not in SCHEDULES:
            raise ValueError(
                f"The schedule must be {' or '.join(SCHEDULES)}; got {self.schedule!r}."
            )


class Learner:
    """A module, the moving average of its weights and its optimizer, and how far they are.

    ``done`` epochs are done, now in steps of ``batch`` samples, the last at ``rate``; ``average``
    is the module with the averaged weights, in evaluation mode; after epoch ``best`` it did best
    on the samples held out (0: there are none).
    """

    def __init__(
        self,
        fabric: Fabric,
        module: nn.Module,
        samples: Samples,
        plan: Plan,
        held_out: Samples | None,
    ) -> None:
        self.plan, self.done, self.batch, self.rate = plan, 0, plan.batch, plan.lr
        self.best, self._best_loss, self._best_weights = 0, float("inf"), State()
        self._fabric, self._module = fabric, module.to(fabric.device)
        self._on_cuda = fabric.device.type == "cuda"
        self._samples = samples.to(str(fabric.device))
        self.average = copy.deepcopy(module).requires_grad_(False).eval()
        self._optimizer = torch.optim.AdamW(
            module.parameters(), plan.lr, weight_decay=plan.weight_decay, fused=True
        )
        self._step, self._stepping = fabric.setup(Step(module, self._samples), self._optimizer)
        self._held_out = None
        if held_out is not None:
            self._held_out = Step(self.average, held_out.to(str(fabric.device)))
        self._compiled: list[nn.Module] = []
        if plan.compile == "on":
            self._compile()

    @property
    def over(self) -> bool:
        """Whether all epochs are done, or enough of them without a gain on what is held out."""
        waited = self.done - self.best if self.best else 0
        return self.done >= self.plan.epochs or 0 < self.plan.patience <= waited

    def learn(self) -> tuple[dict[str, float], tuple[str, ...]]:
        """Pass once over the samples; mean of each term, and what a person should know."""
        start, seed = time.perf_counter(), self.plan.seed * 100_003 + self.done
        with own_randomness(self._fabric.device, seed):
            self._survey(seed)
            learned = self._pass(seed)
        self.done += 1
        left = (time.perf_counter() - start) * (self.plan.epochs - self.done)
        if self.plan.compile == "auto" and self._on_cuda and left > COMPILE_WORTH_S:
            self._compile()
        return learned

    @torch.no_grad()
    def judge(self) -> dict[str, float]:
        """Mean of each term over the samples held out, always at the same looks."""
        if self._held_out is None:
            return {}
        device, n = self._fabric.device, len(self._held_out.samples)
        generator = torch.Generator(device).manual_seed(self.plan.seed)
        means: dict[str, float] = {}
        with self._fabric.autocast(), own_randomness(device, self.plan.seed):
            for rows in torch.arange(n, device=device).chunk(-(-n // self.plan.batch)):
                for name, value in self._held_out(rows, 1.0, generator).items():
                    means[name] = means.get(name, 0.0) + float(value) * len(rows) / n
        means = self._fabric.broadcast(means)
        if sum(means.values()) < self._best_loss:
            self.best, self._best_loss = self.done, sum(means.values())
            weights = self.average.state_dict()
            self._best_weights = {name: value.clone() for name, value in weights.items()}
        return means

    def finished(self) -> nn.Module:
        """The module with the averaged weights that did best, or the last, in evaluation mode."""
        for network in self._compiled:  # for one batch size; of no use to anyone else
            network._compiled_call_impl = None
        self._module.load_state_dict(self._best_weights or self.average.state_dict())
        return self._module.eval()

    def state(self) -> State:
        """All there is to go on from; live tensors."""
        state = {f"module.{name}": value for name, value in self._module.state_dict().items()}
        state |= {f"average.{name}": value for name, value in self.average.state_dict().items()}
        state |= {f"best.{name}": value for name, value in self._best_weights.items()}
        for name, parameter in self._module.named_parameters():
            for key, value in self._optimizer.state[parameter].items():
                state[f"adam.{key}.{name}"] = value
        best_loss = torch.tensor(self._best_loss, dtype=torch.float64)
        counts = {"epoch": self.done, "batch": self.batch, "best": self.best}
        state |= {name: torch.tensor(value) for name, value in counts.items()}
        return state | {"best loss": best_loss}

    def restore(self, state: State) -> None:
        """Go on from what `state` gave.

        Raises
        ------
        ValueError
            If it is of another model.
        """
        wanted = {f"module.{name}": v.shape for name, v in self._module.state_dict().items()}
        if any(name not in state or state[name].shape != wanted[name] for name in wanted):
            raise ValueError(
                "This checkpoint belongs to a model of another make. Resume with the same "
                "settings, or start anew."
            )
        self._module.load_state_dict(_under("module", state))
        self.average.load_state_dict(_under("average", state))
        for name, parameter in self._module.named_parameters():
            moments = {key: state.get(f"adam.{key}.{name}") for key in ADAM}
            self._optimizer.state[parameter] = {
                key: value.clone().to(parameter.device)
                for key, value in moments.items()
                if value is not None  # a parameter that no loss has reached yet
            }
        self.done, self.batch, self.best = (int(state[k]) for k in ("epoch", "batch", "best"))
        self._best_loss = float(state["best loss"])
        best = _under("best", state)
        self._best_weights = {k: v.to(self._fabric.device) for k, v in best.items()}

    @torch.no_grad()
    def _survey(self, seed: int) -> None:
        """Let a module that wants to look over all samples do so."""
        if not isinstance(self._module, Surveyor):
            return
        device, n = self._fabric.device, len(self._samples)
        generator = torch.Generator(device).manual_seed(seed)
        rows = torch.randperm(n, generator=generator, device=device).split(self.batch)
        batches = (self._samples.draw(some, generator) for some in rows)
        self._module.eval()
        progress = self.done / self.plan.epochs
        if self._module.survey(batches, progress=progress, generator=generator):
            self.average.load_state_dict(self._module.state_dict())
            self.best, self._best_loss = 0, float("inf")
            if isinstance(self._module, Paced):
                self._optimizer.state.clear()

    def _pass(self, seed: int) -> tuple[dict[str, float], tuple[str, ...]]:
        fabric, n = self._fabric, len(self._samples)
        generator = torch.Generator(fabric.device).manual_seed(seed)
        order = torch.randperm(n, generator=generator, device=fabric.device)
        if fabric.global_rank:  # the same order in all processes, but each its own variations
            generator.manual_seed(seed + fabric.global_rank * 15_485_863)
        watch = Watch(fabric, self._samples, self.done + 1, LOOK_EVERY if self._on_cuda else 1)
        notes: tuple[str, ...] = ()
        self._module.train()
        step, steps = 0, max(1, n // self.batch)
        while step < steps:
            before_step.get()()
            rows = order[step * self.batch : (step + 1) * self.batch]
            progress = (self.done * steps + step) / (self.plan.epochs * steps)
            if self._gradients(rows, progress, generator, watch):
                self._update(progress, self.done * steps + step)
                step += 1
            else:
                taken = step * self.batch
                self.batch = len(rows) // 2
                step, steps = -(-taken // self.batch), max(1, n // self.batch)
                notes += (f"Out of memory: steps of {self.batch} samples from here on.",)
        return watch.means(), notes

    def _gradients(
        self, rows: torch.Tensor, progress: float, generator: torch.Generator, watch: Watch
    ) -> bool:
        """Learn from these rows; False if memory does not suffice for so many."""
        fabric, drawn_from = self._fabric, generator.get_state()
        rows = rows[fabric.global_rank :: fabric.world_size]
        self._optimizer.zero_grad(set_to_none=True)
        try:
            terms = self._step(rows, progress, generator)
            fabric.backward(torch.stack([term.float() for term in terms.values()]).sum())
        except RuntimeError as error:
            if len(rows) == 1 or fabric.world_size > 1 or not out_of_memory(error):
                raise
        else:
            watch.add(rows, drawn_from, terms)
            return True
        if self._on_cuda:
            torch.cuda.empty_cache()
        return False

    def _update(self, progress: float, taken: int) -> None:
        """Move the weights along their gradients, and their average after them."""
        done, share = progress, 1.0
        if isinstance(self._module, Paced):
            done, share = self._module.pace(progress)
        self.rate = self.plan.lr * share * SCHEDULES[self.plan.schedule](done)
        for group in self._optimizer.param_groups:
            group["lr"] = self.rate
        nn.utils.clip_grad_norm_(self._module.parameters(), MOST_NORM)
        self._stepping.step()
        keep = min(self.plan.ema, (1 + taken) / (10 + taken))
        _average(self.average, self._module, keep)

    def _compile(self) -> None:
        """Compile the networks the module is made of; its losses and their noise stay as written.

        Shapes never change, as every step takes the same number of samples.
        """
        if not self._compiled:
            self._compiled = [child for child in self._module.children() if any(child.children())]
            for network in self._compiled:
                network.compile(dynamic=False)


def one_cycle(progress: float) -> float:
    """Share of the highest learning rate at a done share: up for 10 %, then a cosine down."""
    if progress < 0.1:
        return 0.04 + 0.96 * progress / 0.1
    fall = (progress - 0.1) / 0.9
    return 0.001 + 0.999 * 0.5 * (1 + float(torch.cos(torch.tensor(torch.pi * fall))))


def constant(progress: float) -> float:
    """The highest learning rate throughout."""
    return 1.0


SCHEDULES = {ONE_CYCLE: one_cycle, "constant": constant}
"""Share of the highest learning rate at a done share, by name."""


@torch.no_grad()
def _average(averaged: nn.Module, module: nn.Module, keep: float) -> None:
    pairs = zip(averaged.state_dict().values(), module.state_dict().values(), strict=True)
    kept, new = [], []
    for old, value in pairs:
        if value.is_floating_point():
            kept.append(old)
            new.append(value)
        else:  # a batch norm's counter
            old.copy_(value)
    torch._foreach_lerp_(kept, new, 1.0 - keep)


def _under(prefix: str, state: State) -> State:
    return {k.removeprefix(f"{prefix}."): v for k, v in state.items() if k.startswith(f"{prefix}.")}
