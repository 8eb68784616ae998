"""Parts of the Train dock: forms that fold away, and what is seen of a training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_vaemed.data.form import Form, Value, form_of
from napari_vaemed.data.run_settings import NODULE_RUN, NoduleLessons, RunSettings
from napari_vaemed.plugin.parts.curves import Curves, curves_of
from napari_vaemed.plugin.parts.fold import LateFold
from napari_vaemed.plugin.parts.form import FormGrid
from napari_vaemed.plugin.parts.panel import button, label
from napari_vaemed.plugin.parts.picture import WidePicture

if TYPE_CHECKING:
    from napari_vaemed.plugin.session import Session
    from napari_vaemed.plugin.train_work import SoFar


RUN_FORM = form_of(RunSettings, asdict(NODULE_RUN))
LESSONS_FORM = form_of(NoduleLessons)
BASIC = ("epochs", "batch", "lr", "labels", "seed", "patience", "device", "repeats")
ADVANCED = ("bench_epochs", "schedule", "precision", "compile", "devices", "save_every", "wandb")
DEVICES = ("auto", "cpu", "cuda", "mps")


class FormFold(LateFold):
    """A form that is built when it is first opened; its head says how much was changed."""

    def __init__(self, session: Session, title: str, tooltip: str, form: Form) -> None:
        super().__init__(session, title, tooltip)
        self._title, self._form = title, form
        self._values = {field.name: field.default for field in form.fields}
        self.grid: FormGrid | None = None
        self._head()

    def values(self) -> dict[str, Value]:
        """What is set; a number that is none raises a ValueError."""
        return self._values if self.grid is None else self.grid.values()

    def fill(self, values: Mapping[str, Any]) -> None:
        """Set values; names that are not in the form are passed over."""
        self._values |= {name: v for name, v in values.items() if name in self._values}
        if self.grid is not None:
            self.grid.fill(values)
        self._head()

    def show_form(self, form: Form) -> None:
        """Show another form, with its defaults."""
        self._form = form
        self._values = {field.name: field.default for field in form.fields}
        if self.grid is not None:
            self.body.removeWidget(self.grid)
            self.grid.deleteLater()
            self._put_grid()
        self._head()

    def _build(self) -> None:
        self._put_grid()
        self.reset_button = button("Defaults", "Set all of these back", self._on_reset)
        self.body.addWidget(self.reset_button)

    def _tell(self) -> None:
        self._head()

    def _put_grid(self) -> None:
        self.grid = FormGrid(self._form.fields, columns=2)
        self.grid.fill(self._values)
        self.grid.edited.connect(self._head)
        self.body.insertWidget(0, self.grid)

    def _on_reset(self) -> None:
        self.fill({field.name: field.default for field in self._form.fields})

    def _head(self) -> None:
        changed = len(self._form.changed(self._values) if self.grid is None else self.grid.changed)
        self.head.setText(f"{self._title} · {changed} changed" if changed else self._title)


class RunForms(QWidget):
    """How to train: what is often changed in sight, the rest in a fold."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        fields = {field.name: field for field in (*RUN_FORM.fields, *LESSONS_FORM.fields)}
        fields["device"] = replace(fields["device"], choices=DEVICES)
        self.basic = FormGrid([fields[name] for name in BASIC], columns=2)
        advanced = Form("", "", tuple(fields[name] for name in ADVANCED))
        self.advanced = FormFold(session, "Advanced", "Figures, precision, checkpoints, "
                                 "Weights & Biases", advanced)  # fmt: skip
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.basic)
        layout.addWidget(self.advanced)

    def wanted(self) -> tuple[RunSettings, NoduleLessons]:
        """How to train and what is told; a ValueError says what is wrong."""
        settings: dict[str, Any] = {**self.basic.values(), **self.advanced.values()}
        told = {field.name: settings.pop(field.name) for field in LESSONS_FORM.fields}
        return RunSettings(**settings), NoduleLessons(**told)

    def fill(self, settings: Mapping[str, Any]) -> None:
        """Set values; names that are not here are passed over."""
        self.basic.fill(settings)
        self.advanced.fill(settings)


class Watched(QWidget):
    """How a training goes: words, curves, and nodules as the model draws them."""

    def __init__(self) -> None:
        super().__init__()
        self.doing = label("", "key")
        self.notes = label("", "warning")
        self.curves = Curves()
        self.caption = label("Nodules, and below each what the model draws of it", "quiet")
        self.picture = WidePicture("Middle slices, HU −1000 to 400. Upper row: CT. Lower row: "
                                   "the model's reconstruction, not CT")  # fmt: skip
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        for each in (self.doing, self.notes, self.caption):
            each.setWordWrap(True)
        for part in (self.doing, self.notes, self.curves, self.caption, self.picture):
            layout.addWidget(part)

    def tell(self, so_far: SoFar | None) -> None:
        """Show what is known of a training; nothing without one."""
        self.setVisible(so_far is not None)
        if so_far is None:
            return
        self.doing.setText(_in_words(so_far))
        self.notes.setText("\n".join(so_far.notes))
        self.notes.setVisible(bool(so_far.notes))
        learned = [epoch.losses for epoch in so_far.epochs]
        held_out = [epoch.held_out for epoch in so_far.epochs]
        self.curves.show_curves(curves_of(learned, held_out), so_far.planned)
        self.curves.setVisible(bool(learned))
        self.picture.show_picture(so_far.picture)
        for each in (self.caption, self.picture):
            each.setVisible(so_far.picture is not None)


def _in_words(so_far: SoFar) -> str:
    text = so_far.doing or f"{len(so_far.epochs)} of {so_far.planned} epochs"
    if so_far.epochs:
        text += f" · on {so_far.epochs[-1].device}"
    if so_far.seconds_left is not None:
        text += f" · about {_duration(so_far.seconds_left)} left"
    return text


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def figures_in_words(figures: Mapping[str, Any]) -> str:
    """The AUC of a model's card with its interval, and the ruler's beside it."""
    latent, ruler = figures.get("latent", {}), figures.get("log volume itself", {})
    if latent.get("auc") is None:
        return "Figures: none, as the nodules are too few or all of one kind."
    within = f" ({latent['from']:.2f}–{latent['to']:.2f})" if "from" in latent else ""
    text = f"AUC {latent['auc']:.3f}{within}, n = {figures['n']}"
    if ruler.get("auc") is not None:
        text += f"; log volume alone {ruler['auc']:.3f}"
    return f"{text}. {figures['measure']}."
