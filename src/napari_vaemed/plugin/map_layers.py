"""The map's selection as layers: pictures of the nodules, and points that carry their table."""

from __future__ import annotations

from functools import partial
from math import ceil, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal

from napari_vaemed.plugin import map_work
from napari_vaemed.plugin.cases import MADE
from napari_vaemed.plugin.map_colours import colours_of
from napari_vaemed.plugin.map_text import selection_text
from napari_vaemed.plugin.patches import PITCH_MM
from napari_vaemed.plugin.theme import LUNG_WINDOW

if TYPE_CHECKING:
    from napari.layers import Layer, Points

    from napari_vaemed.plugin.latent_map import LatentMaps
    from napari_vaemed.plugin.session import Session
    from napari_vaemed.plugin.twins import Picture

POINTS, PICTURES = "Map selection", "Map selection pictures"
MOST_PICTURES = 64
MOST_COLUMNS = 8
DOT_PITCH_MM, DOT_MM = 6.0, 4.0
"""Of the points of nodules that are one too many for a picture."""
BESIDE_MM = 20.0
"""Between the CT and the pictures."""
AROUND = 1.1
"""How much more than the pictures the camera shows."""
CHANNEL = "map selection"


class SelectionLayers(QObject):
    """Shows what is selected on the map beside the CT, while that is wanted.

    Each picture is framed by a point in the nodule's colour on the map; points further down stand
    for nodules without a picture. Points selected there stand out on the map, and the other way
    round.

    Signals
    -------
    shown : nothing; the layers came or went, and ``told`` says what they show
    """

    shown = Signal()

    def __init__(self, maps: LatentMaps, session: Session) -> None:
        super().__init__(maps)
        self._maps, self._session = maps, session
        self._layers: list[Layer] = []
        self._rows: tuple[int, ...] = ()
        self._before: Any = None
        self.on, self.told = True, ""
        maps.highlighted_changed.connect(self._on_highlighted)

    @property
    def points(self) -> Points | None:
        """The layer of points, while it is there."""
        there = [layer for layer in self._layers if layer in self._session.viewer.layers]
        return next((layer for layer in there if layer.name.startswith(f"{POINTS} (")), None)

    def show(self, on: bool) -> None:
        """Show selections as layers from now on, or take them away."""
        self.on = on
        self.refresh()

    def refresh(self) -> None:
        """Show what is selected now."""
        maps, jobs = self._maps, self._session.jobs
        jobs.cancel_channel(CHANNEL)
        self._clear()
        rows = tuple(map(int, maps.selection))
        if self.on and rows and maps.mapped is not None and not jobs.closed:
            folder = self._session.answers.crops_folder()
            job = jobs.start(
                partial(map_work.pictures, maps.mapped.expert, rows[:MOST_PICTURES], folder),
                title="Drawing the selection", channel=CHANNEL, lane="map", brief=True,
            )  # fmt: skip
            job.returned.connect(partial(self._on_pictures, rows))
            job.failed.connect(partial(self._session.fail, "map", "The selection is not drawn"))
        else:
            self._look_back()

    def _on_pictures(self, rows: tuple[int, ...], pictures: tuple[Picture, ...]) -> None:
        if rows != tuple(map(int, self._maps.selection)):
            return
        self._rows = rows
        columns = min(MOST_COLUMNS, ceil(sqrt(len(pictures))))
        size = len(pictures[0].hu)
        corner = self._corner(size)
        self._put(PICTURES, _mosaic(pictures, columns, corner, self.limits))
        places = _places(len(rows), len(pictures), columns) + corner
        places[:, 0] += size // 2
        points = self._put(POINTS, self._points_layer(places, len(pictures), size))
        points.selected_data.events.items_changed.connect(self._on_points_selected)
        self._look_at(places)
        self._on_highlighted()
        self.told = selection_text(len(rows), pictures)
        self.shown.emit()

    def _points_layer(self, places: NDArray[np.float64], pictured: int, size: int) -> Any:
        maps, n = self._maps, len(places)
        assert maps.mapped is not None
        framed, colours = np.arange(n) < pictured, colours_of(maps)[list(self._rows)] / 255
        colours[:, 3] = 1.0
        table = maps.table()
        expert, latent_map = maps.mapped.expert, maps.mapped.latent_map
        attributes = {
            "name": f"{POINTS} ({n})",
            "features": {name: [row[name] for row in table] for name in table[0]},
            "metadata": {
                MADE: POINTS,
                "method": latent_map.method,
                "model": f"{expert.model.name} {latent_map.model_sha256}",
                "told": latent_map.told,
                "coloured_by": "" if maps.colouring is None else maps.colouring.name,
            },
            "symbol": np.where(framed, "square", "disc"),
            "size": np.where(framed, size + 1.0, DOT_MM),
            "border_width": np.where(framed, 1.5 / (size + 1.0), 0.0),
            "border_color": colours,
            "face_color": np.where(framed[:, None], 0.0, colours),
            "units": "mm",
        }
        return places, attributes, "points"

    def _corner(self, size: int) -> NDArray[np.float64]:
        """Where the pictures' first corner is put, (z, y, x) mm of the world."""
        case, viewer = self._session.case, self._session.viewer
        if case is None:
            return np.zeros(3)
        low, high = case.layer.extent.world
        z = viewer.dims.point[0] - size // 2  # their middle lies on the slice that is looked at
        return np.array([z, low[1], high[2] + BESIDE_MM])

    @property
    def limits(self) -> tuple[float, float]:
        """The window, HU, that known nodules are shown in: the CT's where there is one."""
        case = self._session.case
        if case is None:
            return LUNG_WINDOW.limits
        low, high = case.layer.contrast_limits
        return float(low), float(high)

    def _put(self, what: str, layer_data: Any) -> Any:
        case = self._session.case
        made = self._session.add(layer_data) if case is None else self._session.put_made(
            case, what, layer_data)  # fmt: skip
        self._layers.append(made)
        return made

    def _clear(self) -> None:
        layers, self._layers, self._rows, self.told = self._layers, [], (), ""
        for layer in layers:
            if layer in self._session.viewer.layers:
                self._session.viewer.layers.remove(layer)
        self.shown.emit()

    def _look_at(self, places: NDArray[np.float64]) -> None:
        """Turn the camera to the pictures, in slices."""
        viewer = self._session.viewer
        if viewer.dims.ndisplay != 2:
            return
        low, high = places.min(axis=0) - PITCH_MM / 2, places.max(axis=0) + PITCH_MM / 2
        if self._session.case is None:
            viewer.dims.set_point(range(3), tuple((low + high) / 2))
        camera = viewer.scene.camera
        self._before = self._before or (camera.center, camera.zoom)
        displayed = list(viewer.dims.displayed)
        extent = (high - low)[displayed]
        camera.center = tuple(((low + high) / 2)[displayed])
        camera.zoom = float(np.min(np.array(viewer.canvas.size) / extent)) / AROUND

    def _look_back(self) -> None:
        """Turn the camera to where it was before the pictures came."""
        before, self._before = self._before, None
        camera = self._session.viewer.scene.camera
        if before is not None and self._session.viewer.dims.ndisplay == 2:
            camera.center, camera.zoom = before

    def _on_points_selected(self, event: Any = None) -> None:
        points = self.points
        if points is not None:
            chosen = [self._rows[at] for at in points.selected_data if at < len(self._rows)]
            self._maps.highlight(chosen)

    def _on_highlighted(self) -> None:
        points = self.points
        if points is not None:
            wanted = {at for at, row in enumerate(self._rows) if row in self._maps.highlighted}
            if wanted != set(points.selected_data):
                points.selected_data = wanted


def _places(count: int, pictured: int, columns: int) -> NDArray[np.float64]:
    """Middles (count, 3) as z, y, x mm: of pictures in rows, then of dots in rows below them."""
    at, rows = np.arange(count), ceil(pictured / columns)
    dots = max(int(columns * PITCH_MM // DOT_PITCH_MM), 1)
    y = np.where(at < pictured, (at // columns + 0.5) * PITCH_MM,
                 rows * PITCH_MM + ((at - pictured) // dots + 0.5) * DOT_PITCH_MM)  # fmt: skip
    x = np.where(at < pictured, (at % columns + 0.5) * PITCH_MM,
                 ((at - pictured) % dots + 0.5) * DOT_PITCH_MM)  # fmt: skip
    return np.stack([np.zeros(count), y, x], axis=1)


def _mosaic(
    pictures: tuple[Picture, ...],
    columns: int,
    corner: NDArray[np.float64],
    limits: tuple[float, float],
) -> Any:
    """Patches in rows, each in the middle of its square of the pitch, as one image layer."""
    size, pitch = len(pictures[0].hu), int(PITCH_MM)
    edge = (pitch - size) // 2
    shape = size, ceil(len(pictures) / columns) * pitch, columns * pitch
    hu = np.full(shape, round(limits[0]), np.int16)
    for number, picture in enumerate(pictures):
        y, x = (pitch * each + edge for each in divmod(number, columns))
        hu[:, y : y + size, x : x + size] = picture.hu
    attributes = {
        "name": PICTURES,
        "colormap": "gray",
        "contrast_limits": limits,
        "translate": tuple(corner + np.array([0.0, 0.5, 0.5])),
        "units": "mm",
        "metadata": {MADE: PICTURES},
    }
    return hu, attributes, "image"
