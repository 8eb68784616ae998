"""Where a sweep keeps its trials, so that several processes share them and none is lost.

Optuna's study in an SQLite file, and beside it one lock a trial that the system takes back from a
process that died: its trial is then taken up again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from napari_vaemed.data.sweep import Axis, Choice, Space, Value
from napari_vaemed.io.reports import write_report

if TYPE_CHECKING:
    import optuna

WAIT_S = 120.0
"""How long a process waits for the others to let go of the file."""

MOST_TRIES = 3
"""How often a trial is begun whose process died before it had done another epoch."""

STARTUP = 5
"""Trials trained to the end before others are compared with their median."""


@dataclass(frozen=True, eq=False)
class Claim:
    """A trial that this process works on.

    Parameters
    ----------
    number : int
    values : mapping
        What it is to try.
    folder : Path
        Of its checkpoints; a trial taken up again has the folder of its first try.
    """

    number: int
    values: Mapping[str, Value]
    folder: Path
    _trial: optuna.Trial
    _lock: FileLock
    _reported: set[int]


@dataclass(frozen=True)
class Kept:
    """What is kept of a trial.

    Parameters
    ----------
    state : str
        See `data.sweep.SweepRow`.
    curve : mapping
        Objective by epoch.
    result : mapping
        What `SweepStore.finish` was given, or ``why``.
    """

    number: int
    values: Mapping[str, Value]
    state: str
    curve: Mapping[int, float]
    result: Mapping[str, Any] = field(default_factory=dict)


class SweepStore:
    """The trials of one sweep in a folder; every process opens its own.

    Parameters
    ----------
    folder : Path
    settings : mapping
        What all trials share, JSON-able; another sweep's folder is refused.
    space : Space
    trials : int
        How many a free search makes; 0: each cell of the grid once.
    seed : int
        Of the search.
    warm_up : int
        Epochs before which no trial is stopped; 0: none is ever.

    Raises
    ------
    ValueError
        If Optuna is missing, the folder holds another sweep, or a grid has ranges.
    """

    def __init__(
        self, folder: Path, settings: Mapping[str, Any], space: Space,
        *, trials: int, seed: int, warm_up: int,
    ) -> None:  # fmt: skip
        optuna = load_optuna()
        self.folder, self._space, self._trials, self._seed = folder, space, trials, seed
        (folder / "trials").mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(folder / "sweep.lock", timeout=WAIT_S)
        prune = optuna.pruners.MedianPruner(n_startup_trials=STARTUP, n_warmup_steps=warm_up)
        with self._lock:
            _same_settings(folder / "settings.json", settings)
            self._study = optuna.create_study(
                storage=optuna.storages.RDBStorage(
                    f"sqlite:///{(folder / 'sweep.db').resolve().as_posix()}",
                    engine_kwargs={"connect_args": {"timeout": WAIT_S}},
                ),
                pruner=prune if warm_up else optuna.pruners.NopPruner(),
                study_name="sweep", direction="maximize", load_if_exists=True,
            )  # fmt: skip
            for cell in [] if trials else space.cells():
                self._study.enqueue_trial(cell, skip_if_exists=True)

    def claim(self) -> Claim | None:
        """The next trial to work on; None when all are done or others' work."""
        optuna = load_optuna()
        with self._lock:
            self._take_back()
            known = self._study.get_trials(deepcopy=False)
            waiting = any(t.state is optuna.trial.TrialState.WAITING for t in known)
            if not waiting and (not self._trials or len(self._counted(known)) >= self._trials):
                return None
            seed = self._seed * 100_003 + len(known)  # another for each, whoever asks
            self._study.sampler = optuna.samplers.TPESampler(seed=seed)
            trial = self._study.ask(_distributions(self._space.axes))
            lock = self._lock_of(trial.number)
            lock.acquire(timeout=0)
        before = dict(trial.user_attrs.get("curve", []))
        for epoch, value in before.items():
            trial.report(value, epoch)
        folder = self._folder_of(trial.user_attrs.get("first", trial.number))
        return Claim(trial.number, trial.params, folder, trial, lock, set(before))

    def report(self, claim: Claim, epoch: int, value: float) -> bool:
        """Note the objective after an epoch; whether the trial had better stop."""
        if epoch not in claim._reported:
            claim._trial.report(value, epoch)
            claim._reported.add(epoch)
        return bool(claim._trial.should_prune())

    def finish(
        self, claim: Claim, result: Mapping[str, Any], value: float | None, *, early: bool = False
    ) -> None:
        """Keep what came of a trial, JSON-able, and its objective; None: it failed."""
        optuna = load_optuna()
        states = optuna.trial.TrialState
        claim._trial.set_user_attr("result", dict(result))
        forget_checkpoints(claim.folder)
        state = states.PRUNED if early else states.COMPLETE if value is not None else states.FAIL
        self._study.tell(claim._trial, value if state is states.COMPLETE else None, state=state)
        claim._lock.release()

    def let_go(self, claim: Claim) -> None:
        """Leave a trial to whoever claims next; it is gone on with from its checkpoints."""
        claim._lock.release()

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Whether this process is the one that may do what is done once, until it is left."""
        lock = FileLock(self.folder / "alone.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    def kept(self) -> list[Kept]:
        """All trials; of those begun several times the last try."""
        trials = self._counted(self._study.get_trials(deepcopy=False))
        return [
            Kept(
                t.number,
                t.params or t.system_attrs.get("fixed_params", {}),
                _STATES[t.state.name],
                dict(sorted(t.intermediate_values.items())),
                t.user_attrs.get("result", _DIED if t.state.name == "FAIL" else {}),
            )
            for t in trials
        ]

    def _counted(self, trials: list[Any]) -> list[Any]:
        again = {t.user_attrs.get("repeats") for t in trials}
        return [t for t in trials if t.number not in again]

    def _take_back(self) -> None:
        """Put trials whose process died back in line, once for each death."""
        states = load_optuna().trial.TrialState
        known = self._study.get_trials(deepcopy=False)
        again = {t.user_attrs.get("repeats") for t in known}
        for trial in known:
            if trial.state is not states.RUNNING:
                continue
            lock = self._lock_of(trial.number)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                continue  # it is alive
            curve = sorted(trial.intermediate_values.items())
            moved = len(curve) > len(trial.user_attrs.get("curve", []))
            tries = 1 if moved else trial.user_attrs.get("tries", 1)
            if trial.number not in again and tries < MOST_TRIES:
                first = trial.user_attrs.get("first", trial.number)
                about = {
                    "repeats": trial.number, "tries": tries + 1, "first": first, "curve": curve,
                }  # fmt: skip
                self._study.enqueue_trial(trial.params, user_attrs=about)
            self._study.tell(trial.number, state=states.FAIL)
            lock.release()

    def _folder_of(self, number: int) -> Path:
        return self.folder / "trials" / f"{number:04d}"

    def _lock_of(self, number: int) -> FileLock:
        return FileLock(self.folder / "trials" / f"{number:04d}.lock")


def forget_checkpoints(folder: Path) -> None:
    """Delete the weights that a training in this folder would go on from; its records stay."""
    for checkpoint in folder.glob("*.safetensors"):
        checkpoint.unlink()


_STATES = {
    "COMPLETE": "whole", "PRUNED": "stopped early", "FAIL": "failed", "RUNNING": "under way",
    "WAITING": "waiting",
}  # fmt: skip
_DIED = {"why": f"its process died {MOST_TRIES} times without another epoch"}


def load_optuna() -> Any:
    """Optuna, with its chatter turned down.

    Raises
    ------
    ValueError
        If it is not installed.
    """
    try:
        import optuna
    except ImportError:
        raise ValueError(
            "A sweep needs Optuna, which is not installed. Install it with: pip install optuna"
        ) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _distributions(axes: tuple[Axis, ...]) -> dict[str, Any]:
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    found: dict[str, Any] = {}
    for axis in axes:
        if isinstance(axis, Choice):
            found[axis.name] = CategoricalDistribution(axis.values)
        elif axis.whole:
            found[axis.name] = IntDistribution(int(axis.low), int(axis.high), log=axis.log)
        else:
            found[axis.name] = FloatDistribution(axis.low, axis.high, log=axis.log)
    return found


def _same_settings(path: Path, settings: Mapping[str, Any]) -> None:
    now = json.loads(json.dumps(dict(settings)))
    if not path.is_file():
        write_report(path, now)
        return
    was = json.loads(path.read_text(encoding="utf-8"))
    changed = [
        f"{name} {was.get(name)!r}, now {now.get(name)!r}"
        for name in {**was, **now}
        if was.get(name) != now.get(name)
    ]
    if changed:
        raise ValueError(
            f"The sweep in {path.parent} was begun with {'; '.join(changed)}. Give the same "
            "settings, or another folder."
        )
