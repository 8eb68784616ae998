"""Known nodules and their posteriors, ready for search."""

from __future__ import annotations

from dataclasses import dataclass

from napari_vaemed.data.nodule import NoduleRecord
from napari_vaemed.data.posterior import AnyPosterior


@dataclass(frozen=True, eq=False)
class NoduleIndex:
    """Posteriors of labelled nodules under one model.

    Parameters
    ----------
    records : tuple of NoduleRecord, length n
    posterior : Posterior or DirichletPosterior of shape (n, d)
    model_sha256 : str
        Of the weights that made the posteriors; another model's posterior must not be compared.
    source : str
        Where the nodules come from, with its citation.
    preprocessing : str
        How CT becomes what the model reads; "" where it is not said. Posteriors of patches cut
        otherwise must not be compared.
    """

    records: tuple[NoduleRecord, ...]
    posterior: AnyPosterior
    model_sha256: str
    source: str
    preprocessing: str = ""

    def __post_init__(self) -> None:
        if len(self.records) != len(self.posterior):
            raise ValueError(
                f"{len(self.records)} records but {len(self.posterior)} posteriors: "
                "they must match one to one. Build the index again."
            )

    def __len__(self) -> int:
        return len(self.records)
