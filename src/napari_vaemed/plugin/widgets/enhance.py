"""Make a CT easier to look at: even contrast, less noise, other voxels, thick slabs."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import partial

from qtpy.QtWidgets import QCheckBox, QComboBox, QHBoxLayout, QWidget

from napari_vaemed.plugin.docks import NO_CT, Wiring, open_offers, strip_of, style_of
from napari_vaemed.plugin.enhance import Enhance
from napari_vaemed.plugin.enhance_folds import HistogramFold, ResampleFold, SlabFold
from napari_vaemed.plugin.enhance_work import Wanted
from napari_vaemed.plugin.parts.panel import Panel, button, label
from napari_vaemed.plugin.parts.sliders import ValueSlider
from napari_vaemed.plugin.session import session_of
from napari_vaemed.preprocessing.enhance import CLAHE, DIFFUSION, HE_CLAHE, METHODS, WHERE

METHOD_TIPS = (
    "HE: every grey as often as any other, by the histogram of the whole slice.\n"
    "CLAHE: the same tile by tile, contrast raised at most as far as the limit says.\n"
    "HE + CLAHE: one after the other.\n"
    "Diffusion: noise is smoothed away, edges stay."
)
SLIDERS = {
    "clip_limit": (1.1, 10.0, "× {:.1f}", "Clip limit", (CLAHE, HE_CLAHE),
                   "Contrast is raised at most so many times (OpenCV's clip limit; a share of a "
                   "tile's voxels, as in scikit-image, times 256)"),
    "tile_mm": (10.0, 150.0, "{:.0f} mm", "Tile size", (CLAHE, HE_CLAHE),
                "Side of the tiles that have a histogram each: smaller ones bring out smaller "
                "things, and noise"),
    "smoothing_mm": (0.2, 3.0, "{:.1f} mm", "Smoothing", (DIFFUSION,),
                     "Standard deviation of the Gaussian that it amounts to where nothing is an "
                     "edge"),
    "edge_hu_per_mm": (10.0, 300.0, "{:.0f}", "Edge, HU/mm", (DIFFUSION,),
                       "Slopes well above it are edges and stay, well below they are smoothed"),
}  # fmt: skip
WAYS = {"slice by slice": False, "in space (3-D)": True}


class EnhanceWidget(Panel):
    """What to do and where, sliders with a live preview, and layers of the whole CT."""

    def __init__(self, napari_viewer: object) -> None:
        self.session = session_of(napari_viewer)
        super().__init__("Enhance", strip_of(self.session), partial(style_of, self.session))
        self.enhance = self.session.enhance
        self._build_choice()
        self._build_sliders()
        self._build_acts()
        self.histogram_fold = HistogramFold(self.session)
        self.resample_fold, self.slab_fold = ResampleFold(self.session), SlabFold(self.session)
        self._folds = (self.histogram_fold, self.resample_fold, self.slab_fold)
        for fold in self._folds:
            self.add(fold)
        self.body.addStretch(1)
        Wiring(self, self.session, "enhance", lambda _: ("By formula: no model", ""))
        self.session.case_changed.connect(self._on_changed)
        self.session.jobs.changed.connect(self._on_jobs_changed)
        self.enhance.changed.connect(self._on_changed)
        self.enhance.drawn.connect(self._tell)
        self.destroyed.connect(partial(_end_preview, self.enhance))
        self._fill()
        self._on_changed()

    def _build_choice(self) -> None:
        self.method, self.where, self.way = QComboBox(), QComboBox(), QComboBox()
        for key, name in METHODS.items():
            self.method.addItem(name, key)
        self.where.addItems(list(WHERE))
        self.way.addItems(list(WAYS))
        self.method.setToolTip(METHOD_TIPS)
        self.where.setToolTip("Whose voxels are counted and changed; everywhere: all are changed, "
                              "the body's are counted")  # fmt: skip
        self.way.setToolTip("Every axial slice by itself, or with its neighbours above and below")
        for box in (self.method, self.where, self.way):
            box.activated.connect(self._on_chosen)
        self.add(self.method, self.where)
        self.add(self.way)

    def _build_sliders(self) -> None:
        self.sliders: dict[str, ValueSlider] = {}
        self._rows: dict[str, QWidget] = {}
        for name, (low, high, text, title, _, tip) in SLIDERS.items():
            slider = self.sliders[name] = ValueSlider(low, high, text)
            slider.setToolTip(tip)
            slider.moved.connect(partial(self._on_moved, name))
            row = self._rows[name] = QWidget()
            layout = QHBoxLayout(row)
            layout.setContentsMargins(0, 0, 0, 0)
            caption = label(title, "quiet")
            caption.setFixedWidth(84)
            layout.addWidget(caption)
            layout.addWidget(slider, 1)
            self.add(row)

        widest = max(slider.value.width() for slider in self.sliders.values())
        for slider in self.sliders.values():
            slider.value.setFixedWidth(widest)

    def _build_acts(self) -> None:
        self.air_box = QCheckBox("Air around")
        self.air_box.setToolTip("Everything outside the body, or outside the lungs where they are "
                                "chosen, becomes air (-1000 HU)")  # fmt: skip
        self.air_box.clicked.connect(self._on_chosen)
        self.live_box = QCheckBox("Live preview")
        self.live_box.setToolTip("Show the axial slice looked at as it would become; it follows "
                                 "the slices and the sliders")  # fmt: skip
        self.live_box.clicked.connect(self.enhance.set_live)
        self.hint = label("", "quiet")
        self.hint.setWordWrap(True)
        self.make_button = button(
            "Make layer",
            "Do it to the whole CT, in a layer of its own; the CT itself stays as it is",
            self.enhance.make_layer,
            "main",
        )
        self.reset_button = button("Reset", "Back to the settings it opened with", self._on_reset)
        self.add(self.live_box, self.air_box)
        self.add(self.make_button, self.reset_button)
        self.add(self.hint)

    def _on_chosen(self) -> None:
        how = replace(
            self.enhance.wanted.how,
            method=self.method.currentData(),
            three_d=WAYS[self.way.currentText()],
        )
        self.enhance.want(Wanted(how, self.where.currentText(), self.air_box.isChecked()))
        self._on_changed()

    def _on_moved(self, name: str, value: float) -> None:
        wanted, changed = self.enhance.wanted, {name: value}
        self.enhance.want(replace(wanted, how=replace(wanted.how, **changed)))  # type: ignore[arg-type]

    def _on_reset(self) -> None:
        self.enhance.want(Wanted())
        self._fill()
        self._on_changed()

    def _fill(self) -> None:
        """Show what is wanted."""
        wanted = self.enhance.wanted
        self.method.setCurrentText(METHODS[wanted.how.method])
        self.where.setCurrentText(wanted.where)
        self.way.setCurrentIndex(int(wanted.how.three_d))
        self.air_box.setChecked(wanted.air_around)
        for name, slider in self.sliders.items():
            slider.set_value(getattr(wanted.how, name))

    def _on_changed(self) -> None:
        if self.session.case is None:
            self.say_empty(NO_CT, *open_offers(self.session))
            return
        self.say_empty()
        method = self.enhance.wanted.how.method
        for name, (*_, methods, _) in SLIDERS.items():
            self._rows[name].setVisible(method in methods)
        self.histogram_fold.setVisible(method != DIFFUSION)
        self.live_box.setChecked(self.enhance.live)
        for fold in self._folds:
            fold.tell()
        self._on_jobs_changed()

    def _on_jobs_changed(self) -> None:
        case = self.session.case
        busy = case is not None and self.session.jobs.has(("enhance", case))
        self.make_button.setEnabled(not busy)
        self.make_button.setText("Working…" if busy else "Make layer")
        self._tell()

    def _tell(self) -> None:
        shown = self.enhance.shown
        if self.enhance.live and shown is not None:
            took = f"{shown.ms:.1f} ms" if shown.ms < 100 else f"{shown.ms / 1000:.1f} s"
            text = f"Slice {shown.index} in {took}."
        elif self.enhance.live:
            text = "The first slice takes a moment."
        else:
            text = "For looking only: measure in the CT itself."
        self.hint.setText(text)


def _end_preview(enhance: Enhance) -> None:
    """The dock is gone, or the whole window."""
    with suppress(RuntimeError):
        enhance.set_live(False)
