"""Where models run: the graphics card when there is one, else the processor."""

from __future__ import annotations

import torch

DEVICES = ("auto", "cpu", "cuda", "mps")
"""What a person may choose; "auto" takes the fastest there is."""


def choose_device(preference: str = "auto") -> str:
    """Name of the torch device to use.

    Raises
    ------
    ValueError
        If the preference is unknown, or names a device this machine does not have.
    """
    kind = preference.split(":")[0]
    if kind not in DEVICES:
        raise ValueError(f"The device must be one of {', '.join(DEVICES)}; got {preference!r}.")
    number = preference.partition(":")[2] or "0"
    there = {
        "cpu": True,
        "cuda": number.isdigit() and int(number) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if kind == "auto":
        return "cuda" if there["cuda"] else "cpu"
    if not there[kind]:
        raise ValueError(
            f"This machine has no {preference} device that PyTorch can use; choose auto or cpu."
        )
    return preference


def device_name(device: str) -> str:
    """What a person may call it: the graphics card's name, or "CPU"."""
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    return device.upper()
