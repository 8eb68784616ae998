"""Where the program keeps what it must remember between sittings."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_data_path

ENVIRONMENT = "NAPARI_VAEMED_DATA"
"""Names another folder, for tests or for a shared disk."""


def user_data_folder() -> Path:
    """The user's own folder, not yet made; that of `ENVIRONMENT` when it is set."""
    told = os.environ.get(ENVIRONMENT, "").strip()
    return Path(told).expanduser() if told else user_data_path("napari-vaemed", appauthor=False)
