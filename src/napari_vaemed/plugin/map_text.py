"""What the latent map says of a known nodule: to a pointer, in a table, in a card."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from napari_vaemed.data.anomaly import label_of
from napari_vaemed.plugin.parts.gallery import Exhibit
from napari_vaemed.plugin.rating_text import RATINGS, SHORT, ratings_text
from napari_vaemed.plugin.theme import ink_on, malignancy_colour

if TYPE_CHECKING:
    from napari_vaemed.data.latent_map import Colouring
    from napari_vaemed.data.nodule import NoduleRecord
    from napari_vaemed.plugin.twins import Picture

HEADINGS = ("Nodule", "Label", "mm", *(SHORT[name] for name in RATINGS), "Cluster")


def about(record: NoduleRecord, colouring: Colouring | None, row: int) -> str:
    """A known nodule in a few lines."""
    lines = [record.id, _size(record), ratings_text(record.ratings)]
    told = "" if colouring is None else colouring.told_of(row)
    if colouring is not None and told and colouring.name.replace(" ", "_") not in record.ratings:
        lines.append(f"{colouring.name}: {told}")
    return "\n".join(line for line in lines if line)


def table_row(record: NoduleRecord, clusters: Colouring | None, row: int) -> dict[str, Any]:
    """A known nodule as one line of a table; what is not known is None."""
    label = _label(record)
    return {
        "id": record.id,
        "label": label or None,
        "diameter_mm": round(record.diameter_mm, 1),
        **{name: record.ratings.get(name) for name in RATINGS},
        "cluster": None if clusters is None else clusters.told_of(row) or None,
    }


def exhibit(record: NoduleRecord, picture: Picture, colouring: Colouring | None,
            row: int) -> Exhibit:  # fmt: skip
    """A known nodule's card."""
    score = record.ratings.get("malignancy")
    colour = malignancy_colour(score if score is not None else 3.0)
    return Exhibit(
        picture.hu,
        "CT" if picture.true else "decoded",
        "–" if score is None else f"{score:.1f}",
        colour,
        ink_on(colour),
        "",
        (record.id.removeprefix("LIDC-IDRI-"), _label(record), f"Ø {record.diameter_mm:.1f} mm"),
        ratings_text(record.ratings),
        about(record, colouring, row),
    )


def selection_text(count: int, pictured: Sequence[Picture]) -> str:
    """What a selection's layers show."""
    true = sum(picture.true for picture in pictured)
    kinds = [f"{true} as CT"] if true else []
    if true < len(pictured):
        kinds.append(f"{len(pictured) - true} decoded by the model")
    rest = count - len(pictured)
    more = f"; the other {rest} are points below the pictures" if rest else ""
    return f"{len(pictured)} pictures, {', '.join(kinds)}{more}"


def _label(record: NoduleRecord) -> str:
    return label_of(record) if "malignancy" in record.ratings else ""


def _size(record: NoduleRecord) -> str:
    size = f"{record.diameter_mm:.1f} mm"
    return f"{_label(record)} · {size}" if _label(record) else size
