"""What makes a panel a dock of this window: it follows the session and says who answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject

from napari_vaemed.plugin.parts.panel import Offer, Panel
from napari_vaemed.plugin.parts.status import StatusStrip
from napari_vaemed.plugin.theme import panel_style

if TYPE_CHECKING:
    from napari_vaemed.plugin.cases import Case
    from napari_vaemed.plugin.session import Session
    from napari_vaemed.workflow.examine import Expert

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
    """

    def __init__(self, panel: Panel, session: Session, topic: str) -> None:
        super().__init__(panel)
        self._panel, self._session, self._topic = panel, session, topic
        session.said.connect(self._on_said)
        session.case_changed.connect(self._on_case_changed)
        session.answers.expert_changed.connect(self._on_expert_changed)
        self._on_said(topic)
        self._on_case_changed()
        self._on_expert_changed()

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

    def _on_expert_changed(self) -> None:
        expert = self._session.answers.expert
        if expert is None:
            self._panel.strip.tell(
                "Model: loaded when first needed",
                "The nodule model is loaded behind, after the first thing you do. "
                "Device: Preferences ▸ napari-vaemed.",
            )
        else:
            self._panel.strip.tell(
                f"{expert.model.device.upper()} · {expert.model.name} "
                f"{expert.model.sha256[:8]} · {len(expert.index)} known nodules",
                card_text(expert),
            )


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
    return (
        ("Open folder…", "Open a folder of DICOM slices", lambda: open_folder(session)),
        ("Open file…", "Open a NIfTI, NRRD, MHA or DICOM file", lambda: open_file(session)),
        ("Open sample chest", "Make a synthetic chest CT (about ten seconds)", session.open_sample),
    )


def open_folder(session: Session) -> None:
    """Let the user choose a folder and open it."""
    from qtpy.QtWidgets import QFileDialog

    if path := QFileDialog.getExistingDirectory(None, "Open a folder of DICOM slices"):
        session.open(path)


def open_file(session: Session) -> None:
    """Let the user choose a file and open it."""
    from qtpy.QtWidgets import QFileDialog

    kinds = "CT (*.nii *.nii.gz *.nrrd *.nhdr *.mha *.mhd *.dcm *.dicom *.ima);;All files (*)"
    path, _ = QFileDialog.getOpenFileName(None, "Open a CT", filter=kinds)
    if path:
        session.open(path)


def card_text(expert: Expert) -> str:
    """A model's card in lines."""
    head = f"{expert.model.name}, weights {expert.model.sha256[:12]}, on {expert.model.device}"
    return "\n".join([head, *_lines(expert.model.card)])


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
