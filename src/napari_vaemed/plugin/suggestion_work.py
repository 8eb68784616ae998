"""What suggesting runs in its job's thread; heavy imports happen here, not before."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.progress import Progress, Work
from napari_vaemed.data.suggestion import Figures, Suggestion
from napari_vaemed.data.volume import Volume
from napari_vaemed.plugin.work import examine


def suggest(
    volume: Volume, lungs: NDArray[np.uint8]
) -> Work[tuple[tuple[Suggestion, ...], Figures]]:
    """Nodules suggested on a CT, and how often such suggestions are right."""
    yield Progress("Looking for round spots")
    examine()  # torch comes in by its one door
    from napari_vaemed.workflow.suggest import shipped_figures
    from napari_vaemed.workflow.suggest import suggest as suggested

    return (yield from suggested(volume, lungs)), shipped_figures()
