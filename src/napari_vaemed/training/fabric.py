"""Lightning Fabric as the loop uses it: device, precision, several cards; nothing printed."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def start_fabric(device: str, precision: str, devices: int = 1) -> Fabric:
    """Fabric for one torch device, or for several processes of its kind.

    Parameters
    ----------
    device : str
        ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"mps"``.
    precision : {"auto", "bf16", "fp32"}
    devices : int
        Above 1 this is one of so many processes that were started to share the batches.
    """
    from lightning_fabric import Fabric
    from lightning_fabric.plugins.environments import LightningEnvironment
    from lightning_fabric.strategies import DDPStrategy

    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    here = torch.device(device)
    one: list[int] | int = [here.index or 0] if here.type == "cuda" else 1
    fabric = Fabric(
        accelerator=here.type,
        devices=devices if devices > 1 else one,
        strategy=DDPStrategy(find_unused_parameters=True) if devices > 1 else "auto",
        precision="bf16-mixed" if _in_half(here.type, precision) else "32-true",
        plugins=[LightningEnvironment()],  # never the cluster's own, whatever it has set
    )
    if devices > 1:
        fabric.launch()
    return fabric


def _in_half(kind: str, precision: str) -> bool:
    if precision not in ("auto", "bf16", "fp32"):
        raise ValueError(f"The precision must be auto, bf16 or fp32; got {precision!r}.")
    if kind != "cuda" or precision == "fp32":
        return False
    return precision == "bf16" or torch.cuda.is_bf16_supported(including_emulation=False)
