"""What the Twins dock says of votes, twins and filters."""

from __future__ import annotations

from math import cbrt, pi
from typing import TYPE_CHECKING

from napari_vaemed.plugin.parts.gallery import Exhibit
from napari_vaemed.plugin.rating_text import ratings_text
from napari_vaemed.plugin.theme import ink_on, malignancy_colour
from napari_vaemed.retrieval.told import chance_text, percentile_text, similarity_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_vaemed.data.twin_wish import TwinWish
    from napari_vaemed.explanation.why_near import LatentGap
    from napari_vaemed.plugin.twins import Picture
    from napari_vaemed.retrieval.neighbours import Neighbour, Vote
    from napari_vaemed.workflow.examine import Expert
    from napari_vaemed.workflow.neighbours import DistanceVote, Twins, WeighedVote, Why


def vote_text(vote: WeighedVote) -> str:
    """The chance, or the count where there is none."""
    if vote.chance is None:
        return str(vote.vote)
    return f"Malignant, by readers: {chance_text(vote.chance)}"


def vote_about(twins: Twins) -> str:
    """What the vote rests on, in a line."""
    vote, found = twins.vote, twins.calibration
    if vote.curve is None or found is None:
        return (
            f"Votes of the {vote.vote.k} nearest with a clear score. Not calibrated for this "
            "model and distance: no probability."
        )
    error = vote.curve.error
    return (
        f"{vote.vote.malignant} of the {vote.vote.k} nearest with a clear score; calibrated on "
        f"n = {found.nodules} held-out nodules, expected error {100 * error.value:.1f} % "
        f"[{100 * error.low:.1f}, {100 * error.high:.1f}]."
    )


def vote_source(twins: Twins, expert: Expert) -> str:
    """Model, training data, n, and what such votes were worth."""
    lines = [
        f"Of the nearest nodules of other patients with a malignancy of 1, 2, 4 or 5 by "
        f"{twins.distance} distance, near ones counting more. Filters do not change it.",
        f"Model: {expert.model.name} {expert.model.sha256[:12]}",
        f"Known nodules: {len(expert.index)}, from {expert.index.source}",
    ]
    vote, found = twins.vote, twins.calibration
    if vote.like is not None and found is not None:
        seeds = "one seed" if found.seeds == 1 else f"{found.seeds} seeds"
        lines.append(
            f"Of {vote.like.votes} held-out votes like this one ({vote.like.low:.2f} to "
            f"{vote.like.high:.2f}) {vote.like.malignant} were of nodules scored malignant."
        )
        lines.append(
            f"Calibrated by isotonic regression on {found.nodules} nodules ({found.malignant} "
            f"malignant) of {found.patients} patients, {seeds}: each asked of an encoder of the "
            "same recipe that had not seen the patient."
        )
    lines.append("The scores are readers' opinions, not pathology. Research only.")
    return "\n".join(lines)


def ruler_text(ruler: WeighedVote) -> str:
    """The answer of a ruler."""
    if ruler.chance is None:
        return f"By volume alone: {ruler.vote}"
    count = f"{ruler.vote.malignant} of {ruler.vote.k} malignant"
    return f"By volume alone: {chance_text(ruler.chance)} ({count})"


def shares(vote: Vote) -> tuple[tuple[int, str], ...]:
    """A vote as lengths of a bar."""
    return (
        (vote.malignant, malignancy_colour(5)),
        (vote.undecided, malignancy_colour(3)),
        (vote.benign, malignancy_colour(1)),
    )


def shown_text(twins: Twins, pictures: Sequence[Picture]) -> str:
    """Which twins are shown, who was left out, and what the pictures are."""
    wish = twins.wish
    if not pictures:
        return "No known nodule passes the filters: widen them under “Which twins”."
    passed = [f"{len(twins.neighbours)} nearest of {twins.candidates}", filters_text(wish)]
    lines = [" ".join(filter(None, passed)) + f", by {twins.distance} distance."]
    if twins.left_out:
        lines.append(f"Left out: {twins.left_out} of the same patient that would be among them.")
    true = sum(picture.true for picture in pictures)
    if true == len(pictures):
        lines.append("Pictures: true CT crops of the known nodules.")
    elif true:
        lines.append(
            "Pictures: true CT crops, or the decoder's reconstruction where marked “decoded”."
        )
    else:
        lines.append("Pictures: the decoder's reconstructions, not CT.")
    return " ".join(lines)


def filters_text(wish: TwinWish) -> str:
    """The filters that are on."""
    on = ["of other patients"] if wish.others_only else []
    if wish.size_within is not None:
        on.append(f"within ±{wish.size_within:.0%} in diameter")
    if wish.same_texture:
        on.append("of the same texture")
    return ", ".join(on)


def warning_text(twins: Twins) -> str:
    """What must be known of the query's patient; empty where there is nothing."""
    if not twins.same_patient:
        return ""
    nodules = "1 nodule" if twins.same_patient == 1 else f"{twins.same_patient} nodules"
    return (
        f"This patient is in the index ({nodules}): the model has learned from it, so these "
        "numbers are not those of a new patient."
    )


def twin_exhibit(place: int, twins: Twins, picture: Picture) -> Exhibit:
    """One twin's card."""
    neighbour, percentile = twins.neighbours[place], twins.percentiles[place]
    record = neighbour.record
    colour = malignancy_colour(record.malignancy)
    return Exhibit(
        hu=picture.hu,
        remark="CT" if picture.true else "decoded",
        chip=f"{record.malignancy:g}",
        chip_colour=colour,
        chip_ink=ink_on(colour),
        flag="same patient" if neighbour.same_patient else "",
        lines=(
            record.id.removeprefix("LIDC-IDRI-"),
            f"Ø {record.diameter_mm:.1f} mm",
            f"d {neighbour.distance:.2f}",
            *_alike(neighbour, percentile),
        ),
        foot=ratings_text(record.ratings, " "),
        tooltip=_about(place, neighbour, percentile, twins.distance, picture),
    )


def query_exhibit(name: str, twins: Twins, picture: Picture) -> Exhibit:
    """The card of the finding itself."""
    volume = twins.query.volume_mm3
    return Exhibit(
        picture.hu, "CT", "", "", "", "",
        (name, f"Ø {_ball(volume):.1f} mm", f"{volume:.0f} mm³", twins.query.density), "",
        f"{name} as it is in the CT: axial, coronal and sagittal plane, 32 mm wide",
    )  # fmt: skip


def why_lines(why: Why, place: int) -> tuple[str, str, str]:
    """What agrees, what differs, and the volumes, in words with numbers."""
    from napari_vaemed.explanation.why_near import agreeing, differing

    agree, differ = agreeing(why.gaps), differing(why.gaps)
    query, twin = why.volumes_mm3
    return (
        f"Agree: {_gaps(agree) or 'no informative latent'}.",
        f"Differ: {_gaps(differ, shares=True) or 'no informative latent by half a deviation'}.",
        f"Volume {query:.0f} against {twin:.0f} mm³ (twin {place + 1}), ×{twin / query:.2f}.",
    )


def agreement_text(answers: Sequence[DistanceVote], ids: Sequence[str]) -> str:
    """On which twins all distances agree, and which only one names.

    Parameters
    ----------
    ids : sequence of str
        Of the index's nodules.
    """
    from napari_vaemed.retrieval.comparison import only_named_by, shared_by_all

    rankings = [answer.ranking for answer in answers]
    shared, alone = shared_by_all(rankings), only_named_by(rankings)
    k = len(rankings[0].rows)
    parts = [f"All {len(answers)} distances name {len(shared)} of {k} twins."]
    for answer in answers:
        if rows := alone[answer.ranking.name]:
            named = ", ".join(ids[row].removeprefix("LIDC-IDRI-") for row in rows)
            parts.append(f"Only {answer.title}: {named}.")
    return " ".join(parts)


def _alike(neighbour: Neighbour, percentile: float | None) -> tuple[str, ...]:
    if neighbour.similarity is None or percentile is None:
        return ()
    return f"alike {similarity_text(neighbour.similarity)}", f"over {percentile_text(percentile)}"


def _about(
    place: int, neighbour: Neighbour, percentile: float | None, distance: str, picture: Picture
) -> str:
    record = neighbour.record
    ratings = ", ".join(f"{name.replace('_', ' ')} {v:g}" for name, v in record.ratings.items())
    lines = [
        f"Twin {place + 1}: {record.id}{' · same patient' if neighbour.same_patient else ''}",
        f"Malignancy {record.malignancy:g} of 5 (readers)",
        f"Distance {neighbour.distance:.3f} ({distance}, latent space)",
    ]
    if neighbour.similarity is not None and percentile is not None:
        lines.append(
            f"Similarity {similarity_text(neighbour.similarity)} of 1 (overlap of the posteriors, "
            "Bhattacharyya coefficient): more alike than "
            f"{percentile_text(percentile)} of random pairs"
        )
    kind = "True CT crop" if picture.true else "Reconstruction by the decoder, not CT"
    lines += [
        f"Diameter {record.diameter_mm:.1f} mm",
        f"Readers: {ratings}",
        f"{kind}: axial, coronal, sagittal, in the CT's window. Click to put it next to the "
        "finding and to see why it is near.",
    ]
    return "\n".join(lines)


def _gaps(gaps: Sequence[LatentGap], *, shares: bool = False) -> str:
    told = []
    for gap in gaps:
        share = f", {gap.share:.0%} of d²" if shares else ""
        told.append(f"z{gap.axis.dim} {gap.axis.name} ({gap.apart:+.1f} SD{share})")
    return "; ".join(told)


def _ball(volume_mm3: float) -> float:
    """Diameter in mm of a ball."""
    return cbrt(6.0 * volume_mm3 / pi)
