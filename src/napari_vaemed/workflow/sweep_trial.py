"""One configuration of a sweep: trained on inner folds, judged after every epoch."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from napari_vaemed.data.progress import Progress
from napari_vaemed.data.run_settings import RunSettings
from napari_vaemed.data.sweep import OF_THE_RUN, Value
from napari_vaemed.io.checkpoints import Model
from napari_vaemed.workflow.bench_cases import BenchSet
from napari_vaemed.workflow.bench_codes import Rows
from napari_vaemed.workflow.bench_votes import Floats, scored, votes_of
from napari_vaemed.workflow.encode import encode_patches
from napari_vaemed.workflow.fitted import fitted
from napari_vaemed.workflow.train import new_module

if TYPE_CHECKING:
    from torch import nn

    from napari_vaemed.models.protocols import NoduleVAE
    from napari_vaemed.training.fit import Epoch
    from napari_vaemed.training.samples import NoduleSamples

Works = Sequence[Generator[tuple["Epoch", ...], None, tuple["nn.Module", ...]]]


@dataclass(frozen=True, eq=False)
class Trained:
    """What came of a configuration.

    Parameters
    ----------
    scores : (seeds, n) float
        Votes on the held-out nodules with a clear score, in the order of `Course.rows`.
    epochs : int
    seconds : float
        Of training by this process.
    early : bool
        Whether it was stopped.
    """

    scores: Floats
    epochs: int
    seconds: float
    early: bool


@dataclass(frozen=True, eq=False)
class Course:
    """What all configurations go through.

    Parameters
    ----------
    data : BenchSet
    folds : tuple of (rows to learn from, rows held out)
    run : RunSettings
        Of the first seed.
    seeds : int
        Models a fold, each with weights, order and variations of its own.
    together : int
        How many are trained as one by `training.ensemble`; 1: each for itself, with checkpoints.
    """

    data: BenchSet
    folds: tuple[tuple[Rows, Rows], ...]
    run: RunSettings
    seeds: int = 1
    together: int = 1
    _cut: dict[int, NoduleSamples] = field(default_factory=dict)

    @property
    def rows(self) -> Rows:
        """The held-out rows that are scored, fold by fold."""
        return np.concatenate([scored(self.data, held_out) for _, held_out in self.folds])

    def trained(
        self,
        model: str,
        values: Mapping[str, Value],
        folder: Path,
        stop: Callable[[int, Floats], bool] = lambda epoch, scores: False,
    ) -> Generator[Progress | Epoch, None, Trained]:
        """Train a configuration on every fold with every seed.

        Parameters
        ----------
        values : mapping
            Arguments of the model, and of the run where they are `OF_THE_RUN`.
        folder : Path
            For checkpoints; those that are there are gone on from.
        stop : function
            Given the epoch and the scores after it; True ends the training.
        """
        arguments = {name: v for name, v in values.items() if name not in OF_THE_RUN}
        of_run = {name: v for name, v in values.items() if name in OF_THE_RUN}
        run = replace(self.run, resume=True, **of_run)  # type: ignore[arg-type]
        samples = yield from self._samples(model, arguments)
        start = time.perf_counter()
        works = self._works(model, arguments, run, samples, folder)
        judge = new_module(model, arguments, 0).to(run.device).eval()
        rounds, scores, epoch = in_turn(works), None, run.epochs
        try:
            while True:
                latest, weights = next(rounds)
                yield from latest
                epoch = min(each.number for each in latest)
                scores = self._scores(judge, weights)
                if stop(epoch, scores):
                    return Trained(scores, epoch, time.perf_counter() - start, early=True)
        except StopIteration as done:
            if scores is None:  # it was killed after its last epoch
                scores = self._scores(judge, done.value)
        finally:
            rounds.close()
        return Trained(scores, epoch, time.perf_counter() - start, early=False)

    def _works(
        self, model: str, arguments: Mapping[str, Any], run: RunSettings,
        samples: NoduleSamples, folder: Path,
    ) -> Works:  # fmt: skip
        """The trainings of all seeds and folds, seed by seed."""
        members = [
            (replace(run, seed=run.seed + seed), number, known)
            for seed in range(self.seeds)
            for number, (known, _) in enumerate(self.folds)
        ]
        if self.together == 1:
            return [
                alone(fitted(
                    new_module(model, arguments, how.seed), samples.subset(known),
                    folder / f"seed{how.seed}-fold{fold}.safetensors", how,
                ))
                for how, fold, known in members
            ]  # fmt: skip
        from napari_vaemed.training.ensemble import fit_together

        return [
            fit_together(
                [new_module(model, arguments, how.seed) for how, _, _ in part],
                [samples.subset(known) for _, _, known in part],
                seeds=[how.seed for how, _, _ in part],
                epochs=run.epochs, batch=run.batch, lr=run.lr, device=run.device,
            )
            for part in (
                members[start : start + self.together]
                for start in range(0, len(members), self.together)
            )
        ]  # fmt: skip

    def _samples(
        self, model: str, arguments: Mapping[str, Any]
    ) -> Generator[Progress, None, NoduleSamples]:
        """Patches to learn from, cut once for each thickness that a model reads."""
        from napari_vaemed.training.samples import nodule_samples

        slices = cast("NoduleVAE", new_module(model, arguments, 0)).slices
        if slices not in self._cut:
            seed = self.run.seed
            made = yield from nodule_samples(self.data.nodules, slices=slices, seed=seed)
            self._cut[slices] = made
        return self._cut[slices]

    def _scores(self, judge: nn.Module, weights: Sequence[Mapping[str, Any]]) -> Floats:
        """Votes, (seeds, n), by models of these weights, seed by seed and fold by fold."""
        each = []
        for member, state in enumerate(weights):
            judge.load_state_dict(state)
            each.append(self._votes(judge, *self.folds[member % len(self.folds)]))
        wide = len(self.folds)
        seeds = [np.concatenate(each[at : at + wide]) for at in range(0, len(each), wide)]
        return np.array(seeds)

    def _votes(self, module: nn.Module, known: Rows, held_out: Rows) -> Floats:
        """Votes on the scored held-out rows; no other row than these two kinds is looked at."""
        from napari_vaemed.distances.families import distance_named, distances_of

        asked, others = scored(self.data, held_out), scored(self.data, known)
        model = Model(type(module).__name__, module, "", {}, self.run.device)
        query = encode_patches(model, self.data.patches[asked])
        near = encode_patches(model, self.data.patches[others])
        distance = distances_of(near)[0] if near.sd.any() else distance_named("euclidean")
        return votes_of(distance(query, near), self.data, others, asked).score


def alone(
    work: Generator[Epoch, None, nn.Module],
) -> Generator[tuple[Epoch, ...], None, tuple[nn.Module, ...]]:
    """A single training, as an ensemble of one."""
    try:
        while True:
            try:
                epoch = next(work)
            except StopIteration as stop:
                return (stop.value,)
            yield (epoch,)
    finally:
        work.close()


def in_turn(
    works: Works,
) -> Generator[tuple[list[Epoch], list[Mapping[str, Any]]], None, list[Mapping[str, Any]]]:
    """Go through several trainings side by side, an epoch of each; those behind come first.

    Yields after each round the last epochs and all averaged weights; returns the latter.
    """
    latest: list[tuple[Epoch, ...]] = [() for _ in works]
    weights: list[list[Mapping[str, Any]]] = [[] for _ in works]
    over = [False] * len(works)
    done = 0
    try:
        while True:
            for place, work in enumerate(works):
                while not over[place] and (not latest[place] or latest[place][0].number <= done):
                    try:
                        latest[place] = next(work)
                    except StopIteration as stop:
                        over[place] = True
                        weights[place] = [module.state_dict() for module in stop.value]
                    else:
                        weights[place] = [_averaged(epoch) for epoch in latest[place]]
            together = [each for some in weights for each in some]
            if all(over):
                return together
            done = min(some[0].number for some, end in zip(latest, over, strict=True) if not end)
            yield [epoch for some in latest for epoch in some], together
    finally:
        for work in works:
            work.close()


def _averaged(epoch: Epoch) -> dict[str, Any]:
    prefix = "average."
    return {k.removeprefix(prefix): v for k, v in epoch.state.items() if k.startswith(prefix)}
