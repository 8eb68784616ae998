"""The window's colours and CT windows: one place, safe for colour-blind eyes (Okabe–Ito)."""

from __future__ import annotations

from dataclasses import dataclass

from napari_vaemed.data.labels import AIRWAYS, LEFT_LUNG, RIGHT_LUNG
from napari_vaemed.preprocessing.intensity import WINDOWS as HU_WINDOWS

BLUE = "#0072B2"
SKY = "#56B4E9"
GREEN = "#009E73"
VERMILION = "#D55E00"
ORANGE = "#E69F00"
PURPLE = "#CC79A7"
YELLOW = "#F0E442"
MAGENTA = "#FF33CC"
"""Calipers: to be read on lung and on soft tissue alike."""

LUNG_COLOURS = {RIGHT_LUNG: BLUE, LEFT_LUNG: SKY, AIRWAYS: GREEN}
"""Colour of each label of a lung mask."""

FINDING_COLOURS = (VERMILION, ORANGE, PURPLE, YELLOW, "#F4A582", "#C51B7D")
"""One hue a finding, none of them a lung's."""

MIDDLE = "#BDBDBD"

PROBABILITIES = ("#22246B", "#B5367A", YELLOW)
"""Colours of a probability of 0, a half and 1; each lighter than the one before."""


@dataclass(frozen=True)
class Window:
    """A CT window in HU, and the key that sets it; ``title`` says a short name in full."""

    name: str
    title: str
    level: float
    width: float
    key: str

    @property
    def limits(self) -> tuple[float, float]:
        """Lowest and highest HU shown."""
        return self.level - self.width / 2, self.level + self.width / 2


SHORT = {"pulmonary embolism": "PE"}
"""What clinicians call a window instead."""

WINDOWS = tuple(
    Window(SHORT.get(name, name.capitalize()), name.capitalize(), *hu, f"Alt-{n}")
    for n, (name, hu) in enumerate(HU_WINDOWS.items(), 1)
)
"""The window presets. Digits alone switch napari's own layer modes, hence Alt."""

LUNG_WINDOW = WINDOWS[0]


def panel_style(theme_id: str) -> str:
    """Qt style sheet of a dock under one of napari's themes."""
    from napari.utils.theme import get_theme

    theme = get_theme(theme_id)
    colour = {
        name: getattr(theme, name).as_hex(format="long")
        for name in ("background", "foreground", "primary", "secondary", "text", "current")
    }
    quiet = _mix(colour["text"], colour["background"], 0.35)
    amber = ORANGE if theme.type == "dark" else _mix(ORANGE, "#000000", 0.35)
    red = VERMILION
    return f"""
    QLabel[kind="title"] {{ font-weight: 600; font-size: 11pt; }}
    QLabel[kind="quiet"] {{ color: {quiet}; }}
    QLabel[kind="heading"] {{ color: {quiet}; font-weight: 600; padding-top: 6px; }}
    QLabel[kind="key"] {{ font-weight: 600; }}
    QLabel[kind="big"] {{ font-size: 15pt; font-weight: 600; }}
    QPushButton[kind="main"] {{
        background-color: {colour["current"]}; color: {ink_on(colour["current"])};
        font-weight: 600; padding: 6px 12px; }}
    QPushButton[kind="main"]:disabled {{
        background-color: {colour["foreground"]}; color: {quiet}; }}
    QPushButton:checked {{
        background-color: {colour["current"]}; color: {ink_on(colour["current"])}; }}
    QFrame[kind="message"] {{ border-radius: 3px; background-color: {colour["foreground"]}; }}
    QFrame[kind="message"][level="info"] {{ border-left: 3px solid {colour["current"]}; }}
    QFrame[kind="message"][level="warning"] {{ border-left: 3px solid {amber}; }}
    QFrame[kind="message"][level="error"] {{ border-left: 3px solid {red}; }}
    QFrame[kind="line"] {{ background-color: {colour["primary"]}; max-height: 1px; }}
    QTableView, QTreeWidget {{ background-color: {colour["background"]};
        gridline-color: {colour["foreground"]}; border: 1px solid {colour["foreground"]};
        selection-color: {ink_on(colour["current"])}; }}
    QTableView::item:selected, QTreeWidget::item:selected {{
        background-color: {colour["current"]}; color: {ink_on(colour["current"])}; }}
    QTreeWidget::item:disabled {{ color: {quiet}; }}
    QToolButton[kind="fold"] {{ background: transparent; border: none; color: {quiet};
        font-weight: 600; padding: 6px 0 0 0; }}
    QLabel[kind="warning"] {{ border-left: 3px solid {amber}; padding-left: 6px; }}
    QHeaderView::section {{ background-color: {colour["foreground"]}; color: {colour["text"]};
        border: none; padding: 3px; }}
    QTreeWidget QHeaderView::section {{ padding: 3px 0; }}
    QScrollArea, QScrollArea > QWidget > QWidget {{ background: transparent; border: none; }}
    """


def finding_colour(label: int) -> str:
    """Colour of the finding with that number (1, 2, …)."""
    return FINDING_COLOURS[(label - 1) % len(FINDING_COLOURS)]


def malignancy_colour(score: float) -> str:
    """Blue (1, benign) over grey (3) to vermilion (5, malignant)."""
    share = min(max((score - 1) / 4, 0.0), 1.0)
    if share < 0.5:
        return _mix(BLUE, MIDDLE, share * 2)
    return _mix(MIDDLE, VERMILION, share * 2 - 1)


def probability_colour(probability: float) -> str:
    """Dark blue (0) over magenta (a half) to yellow (1), ever lighter."""
    share = min(max(probability, 0.0), 1.0) * 2
    low, middle, high = PROBABILITIES
    return _mix(low, middle, share) if share < 1 else _mix(middle, high, share - 1)


def ink_on(colour: str) -> str:
    """Black or white, whichever can be read on a colour ``"#rrggbb"``."""
    red, green, blue = _channels(colour)
    return "#000000" if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else "#FFFFFF"


def _channels(colour: str) -> tuple[int, int, int]:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return red, green, blue


def _mix(one: str, other: str, share: float) -> str:
    mixed = (
        round(a + (b - a) * share) for a, b in zip(_channels(one), _channels(other), strict=True)
    )
    return "#" + "".join(f"{channel:02X}" for channel in mixed)
