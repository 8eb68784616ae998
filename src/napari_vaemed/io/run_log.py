"""Curves and pictures of a training: TensorBoard's event files always, W&B when asked."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from napari_vaemed.training.fit import Epoch


class RunLog:
    """Where a training is watched from outside; a context manager.

    Parameters
    ----------
    folder : Path
        Of this run's event files; made when missing.
    first_epoch : int
        Of those still to come: what an earlier run wrote of them, killed later, is dropped.
    wandb : WandbRun or None
    """

    def __init__(self, folder: Path, *, first_epoch: int, wandb: WandbRun | None = None) -> None:
        from tensorboardX import SummaryWriter

        purge = first_epoch if first_epoch > 1 else None
        self._events = SummaryWriter(  # its files are named by the second and this
            str(folder), purge_step=purge, filename_suffix=f".from-{first_epoch:05}"
        )
        self._wandb = wandb

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._events.close()
        if self._wandb:
            self._wandb.finish()

    def write(self, epoch: Epoch) -> None:
        """Write one epoch's curves, pictures and notes."""
        values = scalars(epoch)
        for name, value in values.items():
            self._events.add_scalar(name, value, epoch.number)
        for name, picture in epoch.pictures.items():
            self._events.add_image(name, picture, epoch.number, dataformats="HW")
        for note in epoch.notes:
            self._events.add_text("notes", note, epoch.number)
        self._events.flush()
        if self._wandb:
            self._wandb.write(values, epoch)


class WandbRun:
    """One run at Weights & Biases; ``id`` finds it again when the training goes on.

    Parameters
    ----------
    project : str
    folder : Path
        For its local files.
    id : str or None
        Of a run to go on with.
    config : mapping
        Settings, as its page shows them.

    Raises
    ------
    ValueError
        If the package is not installed.
    """

    def __init__(
        self, project: str, folder: Path, *, id: str | None = None, config: Mapping[str, Any]
    ) -> None:
        try:
            import wandb
        except ModuleNotFoundError:
            raise ValueError(
                "W&B was asked for, but is not installed. Install it with: pip install wandb"
            ) from None
        self._wandb = wandb
        self._run = wandb.init(
            project=project,
            dir=str(folder),
            id=id,
            resume="allow" if id else None,
            config=dict(config),
            settings=wandb.Settings(silent=True, console="off", disable_git=True),
        )
        self.id = self._run.id

    def write(self, values: Mapping[str, float], epoch: Epoch) -> None:
        """Write one epoch."""
        shown = {name: self._wandb.Image(array) for name, array in epoch.pictures.items()}
        self._run.log({**values, **shown}, step=epoch.number)

    def used_data(self, about: Mapping[str, Any]) -> None:
        """Say which samples were learned from: a fingerprint and counts, never the samples."""
        artifact = self._wandb.Artifact("samples", type="dataset", metadata=dict(about))
        with artifact.new_file("about.json", encoding="utf-8") as file:
            file.write(json.dumps(about, indent=2))
        self._run.log_artifact(artifact)

    def made_model(self, path: Path, card: Mapping[str, Any]) -> None:
        """Hand over a model's two files."""
        name = re.sub(r"\W+", "-", path.stem)
        artifact = self._wandb.Artifact(name, type="model", metadata=dict(card))
        for file in (path, path.with_suffix(".json")):
            artifact.add_file(str(file))
        self._run.log_artifact(artifact)

    def finish(self) -> None:
        """Close the run; with no connection, it waits on disk for ``wandb sync``.

        W&B's thread ends with it: one that lives on may collect a window's garbage.
        """
        self._run.finish()
        self._wandb.teardown()


def scalars(epoch: Epoch) -> dict[str, float]:
    """Curves of one epoch by name: the loss, its terms, both also held out, rate and batch."""
    values = {"loss/train": sum(epoch.losses.values())}
    values |= {f"train/{name}": value for name, value in epoch.losses.items()}
    if epoch.held_out:
        values["loss/held out"] = sum(epoch.held_out.values())
        values |= {f"held out/{name}": value for name, value in epoch.held_out.items()}
    return values | {"run/rate": epoch.rate, "run/batch": epoch.batch, "run/seconds": epoch.seconds}
