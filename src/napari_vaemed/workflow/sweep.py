"""Try many configurations of a nodule model, and choose one without looking at what judges it."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_vaemed.data.form import form_of
from napari_vaemed.data.progress import Progress, finish
from napari_vaemed.data.run_settings import RunSettings
from napari_vaemed.data.sweep import GRID, OF_THE_RUN, Choice, Space, SweepRow, best_of
from napari_vaemed.io.nodules import read_nodule_set
from napari_vaemed.io.sweep_report import read_winners, write_sweep, write_winners
from napari_vaemed.io.sweep_store import Claim, SweepStore, forget_checkpoints, load_optuna
from napari_vaemed.training.folds import patient_folds
from napari_vaemed.workflow.bench import BENCH_RUN
from napari_vaemed.workflow.bench_cases import BenchSet, bench_set
from napari_vaemed.workflow.bench_codes import Rows
from napari_vaemed.workflow.fitted import fingerprint, on_device
from napari_vaemed.workflow.sweep_pictures import sweep_pictures
from napari_vaemed.workflow.sweep_table import (
    Judge,
    by_axis,
    ends,
    held_out_figures,
    ruler_intervals,
    table,
)
from napari_vaemed.workflow.sweep_trial import Course

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

    from napari_vaemed.training.fit import Epoch

OUTER, INNER = 5, 3
"""Into how many parts patients are divided: to keep one from the choice, and to choose by one."""

LOOK_S = 1.0
"""Between two looks whether other workers are done."""


@dataclass(frozen=True)
class SweepPlan:
    """What a sweep tries, and how it judges.

    Parameters
    ----------
    space : Space
    trials : int
        Of a free search; 0 tries each cell of the grid once.
    seeds : int
        Models a configuration and fold; AUCs are their mean.
    inner : int
        How many of the three inner folds are trained and judged.
    prune : bool
        Stop a trial whose AUC is below the median of the others' at the same epoch.
    together : int
        How many seeds and folds are trained as one, see `training.ensemble`.
    run : RunSettings
    """

    space: Space = GRID
    trials: int = 0
    seeds: int = 1
    inner: int = 1
    prune: bool = False
    together: int = 1
    run: RunSettings = BENCH_RUN

    def __post_init__(self) -> None:
        for name in ("seeds", "together"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1; got {getattr(self, name)}.")
        if not 1 <= self.inner <= INNER:
            raise ValueError(f"Of the inner folds 1 to {INNER} can be used; got {self.inner}.")
        if self.trials < 0:
            raise ValueError(f"trials must be 0 or more; got {self.trials}.")
        if not self.trials:
            self.space.cells()  # which tells of a range

    def decisive(self) -> dict[str, Any]:
        """What all trials of one folder have in common, JSON-able; how many may change."""
        run = {name: getattr(self.run, name) for name in ("epochs", "batch", "lr", "seed")}
        how = {
            "search": "free" if self.trials else "grid",
            "stopped early": "by the median" if self.prune else "none",
        }
        return {**self.space.told(), **how, "seeds": self.seeds, "inner folds": self.inner, **run}


@dataclass(frozen=True)
class Swept:
    """What a sweep found so far.

    Parameters
    ----------
    rows : tuple of SweepRow
        The highest AUC first.
    winner : mapping or None
        The best configuration and its figures on the outer fold; None before all are tried.
    """

    rows: tuple[SweepRow, ...]
    winner: dict[str, Any] | None


def sweep(
    folder: Path, out: Path, plan: SweepPlan, *, workers: int = 1
) -> Generator[Progress | Epoch, None, Swept]:
    """Try a plan's configurations, and write ``sweep.md``, ``.csv``, ``.json`` and pictures.

    One outer fold of patients is kept back. Every configuration is trained on a part of the
    others and judged on the rest of them; the best is then trained on all of them and scored on
    the outer fold, once. Several processes may work on one ``out`` at the same time; a trial whose
    process died is gone on with from its last epoch.

    Parameters
    ----------
    workers : int
        Processes, this one among them.

    Raises
    ------
    ValueError
        If an axis is unknown, Optuna is missing, or ``out`` holds another sweep.
    """
    load_optuna()
    _known(plan.space)
    out.mkdir(parents=True, exist_ok=True)
    share = yield from _share(folder, out, plan)
    with _fewer_threads(workers), _others(workers - 1, folder, out, plan) as others:
        while True:
            alive = [other for other in others if other.is_alive()]
            yield from share.work()
            if not alive:
                break
            yield Progress(f"Waiting for {len(alive)} other workers")
            alive[0].join(LOOK_S)
    return (yield from share.judged())


@dataclass(frozen=True, eq=False)
class _Share:
    """One process's part in a sweep."""

    out: Path
    plan: SweepPlan
    course: Course
    outer: tuple[Rows, Rows]
    store: SweepStore
    judge: Judge
    _rulers: dict[str, Any] = field(default_factory=dict)

    def work(self) -> Generator[Progress | Epoch, None, None]:
        """Train trial after trial until there is none left to begin."""
        while (claim := self.store.claim()) is not None:
            told = ", ".join(f"{name} {value}" for name, value in claim.values.items())
            total = self.plan.trials or len(self.plan.space.cells())
            yield Progress(f"Trial {claim.number}: {told}", claim.number, total)
            try:
                yield from self._tried(claim)
            except ValueError as error:  # a loss that is no number, an argument that cannot be
                self.store.finish(claim, {"why": str(error)}, None)
            except BaseException:
                self.store.let_go(claim)
                raise
            self.write()

    def _tried(self, claim: Claim) -> Generator[Progress | Epoch, None, None]:
        def stop(epoch: int, scores: Any) -> bool:
            return self.store.report(claim, epoch, self.judge.area(scores))

        work = self.course.trained(self.plan.space.model, claim.values, claim.folder, stop)
        trained = yield from work
        result = {
            "scores": np.round(trained.scores, 6).tolist(),
            "epochs": trained.epochs,
            "seconds": round(trained.seconds, 1),
        }
        self.store.finish(claim, result, self.judge.area(trained.scores), early=trained.early)

    def judged(self) -> Generator[Progress | Epoch, None, Swept]:
        """Score the winner, unless others are still at work on trials, and write all down."""
        rows = table(self.store.kept(), self.judge)
        best = best_of(rows)
        if best is None or any(row.state in ("under way", "waiting") for row in rows):
            return self.write()
        winners = read_winners(self.out)
        if not winners or winners[-1]["number"] != best.number:
            with self.store.alone() as mine:
                if mine:
                    figures = yield from self._held_out(best)
                    write_winners(self.out, [*winners, figures])
        return self.write()

    def _held_out(self, best: SweepRow) -> Generator[Progress | Epoch, None, dict[str, Any]]:
        yield Progress("Training the winner on all inner patients")
        data, plan = self.course.data, self.plan
        course = Course(data, (self.outer,), self.course.run, plan.seeds, plan.together)
        place = self.out / "winners" / f"{best.number:04d}"
        trained = yield from course.trained(plan.space.model, best.values, place)
        figures = held_out_figures(data, trained.scores, self.outer, Judge(data, course.rows))
        forget_checkpoints(place)
        told = {"number": best.number, "values": dict(best.values), "epochs": trained.epochs}
        return {**told, "seeds": plan.seeds, **figures}

    def write(self) -> Swept:
        """Write table and pictures of what is there."""
        from napari_vaemed.training.bootstrap import interval

        kept, space = self.store.kept(), self.plan.space
        rows, axes = table(kept, self.judge), by_axis(kept, self.judge, space)
        if not self._rulers:
            drawn = ruler_intervals(self.course.data, self.judge, self.course.folds)
            self._rulers.update({name: ends(interval(some)) for name, some in drawn.items()})
        winners = read_winners(self.out)
        about = {**self.plan.decisive(), **self.judge.about(), "device": self.course.run.device}
        pictures = sweep_pictures(rows, space)
        write_sweep(self.out, rows, about, self._rulers, axes, winners, pictures)
        done = not any(row.state in ("under way", "waiting") for row in rows)
        return Swept(rows, winners[-1] if winners and done else None)


def _share(folder: Path, out: Path, plan: SweepPlan) -> Generator[Progress, None, _Share]:
    run = on_device(plan.run)
    data = yield from bench_set((yield from read_nodule_set(folder)), out / "clicks.safetensors")
    known, held_out = data.folds(OUTER, run.seed)[0]
    course = Course(data, _inner_folds(data, known, plan), run, plan.seeds, plan.together)
    settings = {**plan.decisive(), "nodules": fingerprint(data.centred)}
    warm_up = max(1, run.epochs // 3) if plan.prune else 0
    store = SweepStore(
        out, settings, plan.space, trials=plan.trials, seed=run.seed, warm_up=warm_up
    )
    return _Share(out, plan, course, (known, held_out), store, Judge(data, course.rows))


def _inner_folds(data: BenchSet, known: Rows, plan: SweepPlan) -> tuple[tuple[Rows, Rows], ...]:
    """Rows to learn from and to choose by, both among ``known``."""
    patients = [data.nodules.records[row].patient for row in known]
    parts = patient_folds(patients, folds=INNER, seed=plan.run.seed)
    return tuple((known[learn], known[kept]) for learn, kept in islice(parts, plan.inner))


def _known(space: Space) -> None:
    """Refuse a space whose model, arguments or words there are not."""
    from napari_vaemed.models import VAES

    classes = {cls.__name__: cls for cls in VAES}
    if space.model not in classes:
        raise ValueError(f"There is no model {space.model!r}; there are {', '.join(classes)}.")
    fields = {each.name: each for each in form_of(classes[space.model]).fields}
    for axis in space.axes:
        if axis.name in OF_THE_RUN:
            continue
        if axis.name not in fields:
            known = ", ".join((*fields, *OF_THE_RUN))
            raise ValueError(f"{space.model} has no {axis.name!r} to vary; it has {known}.")
        words = fields[axis.name].choices
        wrong = [v for v in axis.values if v not in words] if isinstance(axis, Choice) else []
        if words and wrong:
            raise ValueError(f"{axis.name} must be one of {', '.join(words)}; got {wrong[0]!r}.")


@contextmanager
def _others(
    number: int, folder: Path, out: Path, plan: SweepPlan
) -> Iterator[Sequence[BaseProcess]]:
    """So many more processes that share the work; ended when the block is left."""
    import torch

    spawn = torch.multiprocessing.get_context("spawn")
    others = [
        spawn.Process(target=_work, args=(place, number + 1, folder, out, plan), daemon=True)
        for place in range(1, number + 1)
    ]
    for other in others:
        other.start()
    try:
        yield others
    finally:
        for other in others:
            other.terminate()
            other.join()


def _work(place: int, workers: int, folder: Path, out: Path, plan: SweepPlan) -> None:
    """What another worker does: its trials, and nothing else."""
    import torch

    cards = torch.cuda.device_count()
    if cards and plan.run.device in ("auto", "cuda"):
        plan = replace(plan, run=replace(plan.run, device=f"cuda:{place % cards}"))
    with _fewer_threads(workers):
        share = finish(_share(folder, out, plan))
        finish(share.work())


@contextmanager
def _fewer_threads(workers: int) -> Iterator[None]:
    """Give this process its share of the processors; workers get into each other's way else."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(max(1, min(before, (os.cpu_count() or 1) // workers)))
    try:
        yield
    finally:
        torch.set_num_threads(before)
