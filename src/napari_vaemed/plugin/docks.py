"""What makes a panel a dock of this window: it follows the session and says who answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject

from napari_vaemed.plugin.parts.panel import Offer, Panel
from napari_vaemed.plugin.parts.status import StatusStrip
from napari_vaemed.plugin.theme import panel_style

if TYPE_CHECKING:
    from napari_vaemed.io.checkpoints import Model
    from napari_vaemed.plugin.cases import Case
    from napari_vaemed.plugin.session import Session

NO_CT = "No CT is open."


def strip_of(session: Session) -> StatusStrip:
    """A status strip on the session's jobs."""
    return StatusStrip(session.jobs)


def style_of(session: Session) -> str:
    """The style sheet under the viewer's theme as it is now."""
    return panel_style(session.viewer.theme)


class Wiring(QObject):
    """Keeps a panel's subject, message and status strip up to date; goes with the panel.

    Parameters
    ----------
    topic : str
        Which of the session's messages the panel shows.
    about : function
        Says in a line which model answers there, and its card: `nodule_model` or `slice_model`.
    """

    def __init__(
        self,
        panel: Panel,
        session: Session,
        topic: str,
        about: Callable[[Session], tuple[str, str]] | None = None,
    ) -> None:
        super().__init__(panel)
        self._panel, self._session, self._topic = panel, session, topic
        self._about = about or nodule_model
        session.said.connect(self._on_said)
        session.case_changed.connect(self._on_case_changed)
        session.answers.expert_changed.connect(self._on_model_changed)
        session.slices.model_changed.connect(self._on_model_changed)
        self._on_said(topic)
        self._on_case_changed()
        self._on_model_changed()

    def _on_said(self, topic: str) -> None:
        if topic == self._topic:
            said = self._session.messages.get(topic)
            if said is None:
                self._panel.message.say("")
            else:
                self._panel.message.say(said.text, said.level, said.details)

    def _on_case_changed(self) -> None:
        case = self._session.case
        self._panel.subject.setText("" if case is None else case.layer.name)
        self._panel.subject.setVisible(case is not None)

    def _on_model_changed(self) -> None:
        self._panel.strip.tell(*self._about(self._session))


def nodule_model(session: Session) -> tuple[str, str]:
    """The nodule model in a line, and its card."""
    expert = session.answers.expert
    if expert is None:
        return _not_loaded("nodule")
    return f"{_named(expert.model)} · {len(expert.index)} known nodules", card_text(expert.model)


def slice_model(session: Session) -> tuple[str, str]:
    """The slice model in a line, and its card."""
    model = session.slices.model
    return _not_loaded("slice") if model is None else (_named(model), card_text(model))


def _not_loaded(which: str) -> tuple[str, str]:
    return (
        "Model: loaded when first needed",
        f"The {which} model is loaded behind, after the first thing you do. "
        "Device: Preferences ▸ napari-vaemed.",
    )


def _named(model: Model) -> str:
    return f"{model.device.upper()} · {model.name} {model.sha256[:8]}"


def chosen_finding_of(panel: Panel, session: Session, what: str) -> Case | None:
    """The CT whose chosen finding a panel speaks of; without one the panel says what to do.

    Parameters
    ----------
    what : str
        What the panel shows of a finding, as in "its latents".
    """
    case = session.case
    if case is None:
        panel.say_empty(NO_CT, *open_offers(session))
    elif case.finding is None:
        panel.say_empty(
            "No nodule is marked yet.\n\n"
            f"Switch the Nodule tool on and click one; {what} appear here.",
            ("Nodule tool  (N)", "Click a nodule while it is on",
             lambda: session.tool.set_on(True)),
        )  # fmt: skip
    else:
        panel.say_empty()
        panel.subject.setText(f"{case.finding.name} · {case.layer.name}")
        return case
    return None


def open_offers(session: Session) -> tuple[Offer, ...]:
    """The buttons of a dock that has no CT."""
    opening = session.opening
    return (
        (
            "Open…",
            "Open a CT from a folder, a file or a zip",
            (
                ("Folder…", "A folder of DICOM slices, subfolders included", opening.ask_folder),
                (
                    "File or zip…",
                    "A NIfTI, NRRD, MHA or DICOM file, a DICOMDIR, a zip of DICOM files, or "
                    "a mask or marks for the CT that is open",
                    opening.ask_file,
                ),
            ),
        ),
        ("Open sample chest", "Make a synthetic chest CT (about ten seconds)", session.open_sample),
    )


def card_text(model: Model) -> str:
    """A model's card in lines."""
    head = f"{model.name}, weights {model.sha256[:12]}, on {model.device}"
    return "\n".join([head, *_lines(model.card)])


def _lines(card: Mapping[str, Any], indent: str = "") -> list[str]:
    lines = []
    for key, value in card.items():
        name = indent + str(key).replace("_", " ")
        if isinstance(value, Mapping):
            lines += [f"{name}:", *_lines(value, indent + "    ")]
        elif isinstance(value, list | tuple):
            lines.append(f"{name}: " + ", ".join(str(v) for v in value))
        else:
            lines.append(f"{name}: {value:.3g}" if isinstance(value, float) else f"{name}: {value}")
    return lines
