"""The loop on several graphics cards of one machine, or in several processes on its CPU."""

from __future__ import annotations

import copy
import io
import os
import queue
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from napari_vaemed.training.learner import Plan
from napari_vaemed.training.steps import NotANumber, Samples, State

if TYPE_CHECKING:
    from napari_vaemed.training.fit import Epoch, Pictures

LISTEN_S = 0.5
"""Between two looks whether the processes still live."""


def fit_on_several(
    where: tuple[str, int, str],
    module: nn.Module,
    samples: Samples,
    plan: Plan,
    held_out: Samples | None,
    resume: State | None,
    pictures: Callable[[nn.Module], Pictures] | None,
) -> Generator[Epoch, None, nn.Module]:
    """Train in new processes, each on its share of every batch; else as `fit.fit`.

    The first of them says how it goes; closing the generator ends them all.

    Parameters
    ----------
    where : (str, int, str)
        Device, how many of them, precision.

    Raises
    ------
    ValueError
        If there are not so many cards, or samples in a batch.
    """
    device, devices, precision = where
    if plan.batch < devices:
        raise ValueError(f"{devices} devices cannot share a batch of {plan.batch} samples.")
    if device.startswith("cuda") and torch.cuda.device_count() < devices:
        raise ValueError(
            f"{devices} graphics cards were asked for; this machine has "
            f"{torch.cuda.device_count()}."
        )
    from lightning_fabric.plugins.environments.lightning import find_free_network_port

    said = torch.multiprocessing.get_context("spawn").Queue()
    kind = device.split(":")[0]
    work = (module, samples, plan, held_out, resume, pictures)
    shared = (find_free_network_port(), said, kind, devices, precision, work)
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # a guess of DDP's at what is unused
    processes = torch.multiprocessing.start_processes(
        _learn, args=shared, nprocs=devices, join=False, daemon=True
    )
    try:
        while True:
            heard = _heard(said, processes)
            if isinstance(heard, Exception):
                raise heard
            if isinstance(heard, dict):  # the weights: it is done
                break
            yield heard
        while not processes.join():
            pass
    finally:
        for process in processes.processes:
            process.kill()
    module.load_state_dict(heard)
    return module.to(device).eval()


def _heard(said: Any, processes: Any) -> Any:
    """What comes next; processes that died in silence raise here."""
    while True:
        try:
            return _unpacked(said.get(timeout=LISTEN_S))
        except queue.Empty:
            if processes.join(timeout=0) and said.empty():
                raise RuntimeError("The processes ended without a result.") from None


def _learn(
    rank: int, port: int, said: Any, kind: str, devices: int, precision: str, work: Any
) -> None:
    """One of the processes; only the first one speaks, unless something is wrong."""
    from napari_vaemed.training.fabric import start_fabric
    from napari_vaemed.training.fit import fit_here

    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    os.environ |= {"LOCAL_RANK": str(rank), "NODE_RANK": "0", "WORLD_SIZE": str(devices)}
    fabric = start_fabric(kind, precision, devices)
    module, *others = work
    run = fit_here(fabric, copy.deepcopy(module), *others)  # the CPU's weights came shared
    try:
        while True:
            epoch = next(run)
            if rank == 0:
                said.put(_packed(epoch))
    except StopIteration as stop:
        if rank == 0:
            said.put(_packed(stop.value.state_dict()))
    except ValueError as error:
        if error.batch if isinstance(error, NotANumber) else rank == 0:
            said.put(_packed(error))
    torch.distributed.destroy_process_group()


def _packed(what: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(what, buffer)
    return buffer.getvalue()


def _unpacked(data: bytes) -> Any:
    return torch.load(io.BytesIO(data), map_location="cpu", weights_only=False)
