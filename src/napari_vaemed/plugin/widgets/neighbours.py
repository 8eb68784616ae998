"""The nearest known nodules of a finding, and what they vote."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from napari_vaemed.plugin.docks import Wiring, chosen_finding_of, strip_of, style_of
from napari_vaemed.plugin.files import ask_folder
from napari_vaemed.plugin.parts.gallery import Exhibit, Gallery
from napari_vaemed.plugin.parts.panel import Panel, button, label
from napari_vaemed.plugin.parts.picture import grey_image
from napari_vaemed.plugin.parts.share import ShareBar
from napari_vaemed.plugin.patches import TWIN
from napari_vaemed.plugin.preferences import keep_lidc_folder
from napari_vaemed.plugin.session import session_of
from napari_vaemed.plugin.theme import LUNG_WINDOW, ink_on, malignancy_colour

if TYPE_CHECKING:
    from napari_vaemed.plugin.twins import Picture, Pictures
    from napari_vaemed.retrieval.neighbours import Neighbour, Vote
    from napari_vaemed.workflow.examine import Described

RULER = (
    "What as many known nodules of the most similar volume vote: the answer of a ruler, to judge "
    "the model's by"
)


class NeighboursWidget(Panel):
    """Vote, ruler and gallery of the twins of the chosen finding."""

    def __init__(self, napari_viewer: object) -> None:
        self.session = session_of(napari_viewer)
        super().__init__("Twins", strip_of(self.session), partial(style_of, self.session))
        self._build_vote()
        self._build_gallery()
        self.body.addStretch(1)
        Wiring(self, self.session, "twins")
        self.session.findings_changed.connect(self._on_changed)
        self.session.case_changed.connect(self._on_changed)
        self.session.answers.described.connect(self._on_changed)
        self._shown: Pictures | None = None
        self._on_changed()

    def show_as_layers(self, on: bool = True) -> None:
        """Put the twins into the viewer beside the finding, or take them away."""
        self.layers_button.setChecked(on)
        if on:
            self.session.patches.show_twins()
        else:
            self.session.patches.hide_twins()

    def _build_vote(self) -> None:
        self.vote, self.ruler = label("", "big"), label("", "quiet")
        self.vote_bar, self.ruler_bar = ShareBar(), ShareBar()
        self.ruler.setToolTip(RULER)
        for bar in (self.vote_bar, self.ruler_bar):
            bar.setToolTip("Malignant (score 4–5), undecided (between), benign (1–2)")
        for widget in (self.vote, self.vote_bar, self.ruler, self.ruler_bar):
            self.add(widget)

    def _build_gallery(self) -> None:
        self.kind = label("", "quiet")
        self.kind.setWordWrap(True)
        self.layers_button = button(
            "Show as layers",
            "Put the twins into the viewer above the finding, at the same mm scale",
            lambda: self.show_as_layers(self.layers_button.isChecked()),
            holds=True,
        )
        self.folder_button = button(
            "LIDC folder…",
            "Choose the folder of LIDC-IDRI crops (with image/<id>.nii.gz) to see the twins' true "
            "CT. Kept in Preferences",
            self._on_choose_folder,
        )
        self.gallery = Gallery()
        self.gallery.chosen.connect(self._on_twin_chosen)
        self.add(self.layers_button, self.folder_button)
        self.add(self.kind)
        self.add(self.gallery)

    def _on_changed(self) -> None:
        case = chosen_finding_of(self, self.session, "its nearest known nodules")
        if case is None:
            return
        said, pictures = case.description_of(case.finding), case.pictures_of(case.finding)
        self.layers_button.setEnabled(said is not None)
        self.layers_button.setChecked(self.session.patches.showing(TWIN))
        if said is None or pictures is None:
            self._show_waiting()
        elif pictures is not self._shown:
            self._show(said, pictures)

    def _show_waiting(self) -> None:
        self._shown = None
        failed = "twins" in self.session.messages
        self.vote.setText("–" if failed else "Comparing…")
        self.ruler.setText("")
        for bar in (self.vote_bar, self.ruler_bar):
            bar.show_shares([])
        self.kind.setText("")
        self.gallery.exhibit([])

    def _show(self, said: Described, pictures: Pictures) -> None:
        self._shown = pictures
        self.vote.setText(f"{said.vote.malignant} of {said.vote.k} malignant")
        self.vote.setToolTip(self._source())
        self.vote_bar.show_shares(_shares(said.vote))
        self.ruler.setText(f"By volume alone: {said.ruler.malignant} of {said.ruler.k} malignant")
        self.ruler_bar.show_shares(_shares(said.ruler))
        true = sum(twin.true for twin in pictures.twins)
        if true == len(pictures.twins):
            self.kind.setText("Pictures: true CT crops of the known nodules.")
        elif true:
            self.kind.setText("Pictures: true CT crops, or the decoder's reconstruction where "
                              "marked “decoded”.")  # fmt: skip
        else:
            self.kind.setText("Pictures: the decoder's reconstructions, not CT.")
        self.gallery.exhibit(
            [_exhibit(*pair) for pair in zip(said.neighbours, pictures.twins, strict=True)]
        )

    def _source(self) -> str:
        expert = self.session.answers.expert
        if expert is None:
            return ""
        return (
            f"Malignancy scores of the nearest nodules in the latent space of {expert.model.name}: "
            f"at least 4 counts as malignant, at most 2 as benign, between as undecided.\n"
            f"Known nodules: {len(expert.index)}, from {expert.index.source}\n"
            "The scores are readers' opinions, not pathology."
        )

    def _on_twin_chosen(self, place: int) -> None:
        """Show the twin beside its query."""
        self.show_as_layers(True)

    def _on_choose_folder(self) -> None:
        if folder := ask_folder(self, "Folder of LIDC-IDRI nodule crops"):
            keep_lidc_folder(str(folder))
            self.session.answers.describe_again()


def _shares(vote: Vote) -> tuple[tuple[int, str], ...]:
    return (
        (vote.malignant, malignancy_colour(5)),
        (vote.undecided, malignancy_colour(3)),
        (vote.benign, malignancy_colour(1)),
    )


def _exhibit(neighbour: Neighbour, picture: Picture) -> Exhibit:
    record = neighbour.record
    colour = malignancy_colour(record.malignancy)
    middle = picture.hu.shape[0] // 2
    ratings = ", ".join(f"{name.replace('_', ' ')} {v:g}" for name, v in record.ratings.items())
    same = " · same patient" if neighbour.same_patient else ""
    overlap = "" if neighbour.similarity is None else f", overlap {neighbour.similarity:.2g} of 1"
    return Exhibit(
        image=grey_image(picture.hu[middle], LUNG_WINDOW.limits),
        mm_wide=float(picture.hu.shape[2]),
        remark="CT" if picture.true else "decoded",
        chip=f"{record.malignancy:g}",
        chip_colour=colour,
        chip_ink=ink_on(colour),
        flag="same patient" if neighbour.same_patient else "",
        lines=(f"d {neighbour.distance:.2f}", record.id.removeprefix("LIDC-IDRI-")),
        tooltip=(
            f"{record.id}{same}\nMalignancy {record.malignancy:g} of 5 (readers)\n"
            f"Distance {neighbour.distance:.3f} (2-Wasserstein, latent space){overlap}\n"
            f"Diameter {record.diameter_mm:.1f} mm\n{ratings}\n"
            f"{'True CT crop' if picture.true else 'Reconstruction by the decoder, not CT'}, "
            "middle slice, lung window. Click to show the twins in the viewer."
        ),
    )
