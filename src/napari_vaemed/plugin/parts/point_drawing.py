"""Draws very many points: into a picture larger than the view, which panning then only shifts.

Without a graphics card 100,000 points take about 60 ms however they are drawn, and a picture that
is there takes one. So points are drawn anew when they, their colours or the zoom change, and while
a hand zooms the picture is stretched until it rests.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from vispy import gloo

Floats = NDArray[np.floating]
Colours = NDArray[np.uint8]

LARGER = 2.0
"""How much wider and higher than the view the picture is."""
MOST_PX = 4096
"""Its longest edge."""
RENEW_AT_ONCE = 20_000
"""So many points are drawn anew at every step of a zoom; more only once it rests."""

_ROUND = """
varying vec4 v_fill;
varying vec4 v_edge;
varying float v_size;
uniform float u_edge;
void main() {
    float inside = 0.5 * v_size - length(gl_PointCoord - 0.5) * v_size;
    if (inside <= 0.0) discard;
    vec4 colour = inside < u_edge ? v_edge : v_fill;
    gl_FragColor = vec4(colour.rgb, colour.a * clamp(inside, 0.0, 1.0));
}
"""

_POINTS = """
attribute vec2 a_place;
attribute vec4 a_colour;
uniform vec2 u_scale;
uniform vec2 u_shift;
uniform float u_size;
varying vec4 v_fill;
varying vec4 v_edge;
varying float v_size;
void main() {
    gl_Position = vec4(a_place * u_scale + u_shift, 0.0, 1.0);
    gl_PointSize = v_size = u_size;
    v_fill = v_edge = a_colour;
}
"""

_MARKS = """
attribute vec2 a_place;
attribute float a_size;
attribute vec4 a_fill;
attribute vec4 a_edge;
uniform vec2 u_scale;
uniform vec2 u_shift;
uniform float u_ratio;
varying vec4 v_fill;
varying vec4 v_edge;
varying float v_size;
void main() {
    gl_Position = vec4(a_place * u_scale + u_shift, 0.0, 1.0);
    gl_PointSize = v_size = a_size * u_ratio;
    v_fill = a_fill;
    v_edge = a_edge;
}
"""

_PICTURE_VERTICES = """
attribute vec2 a_corner;
uniform vec2 u_centre;
uniform vec2 u_half;
varying vec2 v_corner;
void main() {
    gl_Position = vec4(u_centre + a_corner * u_half, 0.0, 1.0);
    v_corner = 0.5 * (a_corner + 1.0);
}
"""

_PICTURE = """
uniform sampler2D u_picture;
varying vec2 v_corner;
void main() { gl_FragColor = vec4(texture2D(u_picture, v_corner).rgb, 1.0); }
"""

_LINE_VERTICES = """
attribute vec2 a_corner;
void main() { gl_Position = vec4(a_corner, 0.0, 1.0); }
"""

_LINE = """
uniform vec4 u_colour;
void main() { gl_FragColor = u_colour; }
"""


@dataclass(frozen=True, eq=False)
class View:
    """What part of a plane is looked at.

    Parameters
    ----------
    centre : (x, y)
        In the middle of the view; y grows upwards.
    scale : float
        Pixels a unit.
    size : (width, height)
        Pixels.
    """

    centre: Floats
    scale: float
    size: tuple[int, int]

    def to_screen(self, places: Floats) -> Floats:
        """Pixels (n, 2) from the upper left corner of places (n, 2)."""
        shift = (np.asarray(places) - self.centre) * (self.scale, -self.scale)
        return np.asarray(shift + np.array(self.size) / 2)

    def to_plane(self, pixels: Any) -> Floats:
        """Undo `to_screen`."""
        shift = np.asarray(pixels, np.float64) - np.array(self.size) / 2
        return np.asarray(shift / (self.scale, -self.scale) + self.centre)

    def zoomed(self, factor: float, around: Any) -> View:
        """Closer by a factor, a pixel staying where it is."""
        fixed, scale = self.to_plane(around), self.scale * factor
        return View(fixed + (self.centre - fixed) / factor, scale, self.size)


@dataclass(frozen=True, eq=False)
class Marks:
    """Discs and rings that stand out: m of them, the last on top.

    Parameters
    ----------
    places : (m, 2)
    sizes : (m,)
        Diameters in pixels.
    fills, edges : (m, 4) uint8
    keys : tuple of length m
        What a click on one means; None where it is none of its own.
    """

    places: Floats = field(default_factory=lambda: np.empty((0, 2)))
    sizes: Floats = field(default_factory=lambda: np.empty(0))
    fills: Colours = field(default_factory=lambda: np.empty((0, 4), np.uint8))
    edges: Colours = field(default_factory=lambda: np.empty((0, 4), np.uint8))
    keys: tuple[Any, ...] = ()

    def __len__(self) -> int:
        return len(self.keys)


class PointDrawing:
    """The GL programs of one canvas; all methods are called with its context current.

    Parameters
    ----------
    background, line : (r, g, b, a)
        0 to 1: behind everything, and of the outline that is drawn by hand.
    """

    def __init__(self, background: tuple[float, ...], line: tuple[float, ...]) -> None:
        self._background = background
        self._points = gloo.Program(_POINTS, _ROUND)
        self._points["u_edge"] = 0.0
        self._marks = gloo.Program(_MARKS, _ROUND)
        self._picture = gloo.Program(_PICTURE_VERTICES, _PICTURE)
        corners = np.array([[-1, -1], [1, -1], [-1, 1], [1, 1]], np.float32)
        self._picture["a_corner"] = gloo.VertexBuffer(corners)
        self._line = gloo.Program(_LINE_VERTICES, _LINE)
        self._line["u_colour"] = line
        self._count = self._mark_count = 0
        self._size = 1.0
        self._buffer: Any = None
        self._drawn: View | None = None
        self._physical = (0, 0)

    def put_points(self, places: Floats, colours: Colours, size: float) -> None:
        """Have these points, ``size`` pixels wide, the last on top."""
        self._count, self._size = len(places), size
        if self._count:
            self._points["a_place"] = gloo.VertexBuffer(np.ascontiguousarray(places, np.float32))
            self._points["a_colour"] = gloo.VertexBuffer(_shares(colours))
        self._drawn = None

    def put_marks(self, marks: Marks) -> None:
        """Have these marks over the points."""
        self._mark_count = len(marks)
        if self._mark_count:
            self._marks["a_place"] = gloo.VertexBuffer(marks.places.astype(np.float32))
            self._marks["a_size"] = gloo.VertexBuffer(marks.sizes.astype(np.float32))
            self._marks["a_fill"] = gloo.VertexBuffer(_shares(marks.fills))
            self._marks["a_edge"] = gloo.VertexBuffer(_shares(marks.edges))
        self._drawn = None

    def is_stretched(self, view: View) -> bool:
        """Whether the picture that would be shown was drawn for another zoom."""
        return self._drawn is not None and self._drawn.scale != view.scale

    def renew(self) -> None:
        """Draw the points anew with the next frame."""
        self._drawn = None

    def draw(self, view: View, physical: tuple[int, int], outline: Floats) -> None:
        """Draw a frame of ``physical`` pixels with an outline (n, 2) of pixels by hand."""
        few = self._count <= RENEW_AT_ONCE and self.is_stretched(view)
        if few or physical != self._physical or not self._covers(view):
            self._draw_picture(view, physical)
        assert self._drawn is not None
        centre, half = self._where(view)
        gloo.set_viewport(0, 0, *physical)
        gloo.set_state(depth_test=False, blend=False)
        self._picture["u_centre"], self._picture["u_half"] = centre, half
        self._picture.draw("triangle_strip")
        if len(outline) > 1:
            corners = outline / np.array(view.size) * (2, -2) + (-1, 1)
            self._line["a_corner"] = gloo.VertexBuffer(corners.astype(np.float32))
            self._line.draw("line_loop")

    def _draw_picture(self, view: View, physical: tuple[int, int]) -> None:
        edges = tuple(min(round(LARGER * p), MOST_PX) // 2 * 2 for p in physical)
        if self._buffer is None or physical != self._physical:
            texture = gloo.Texture2D((edges[1], edges[0], 4), interpolation="linear")
            self._buffer = gloo.FrameBuffer(color=texture)
            self._picture["u_picture"] = texture
        self._physical, self._drawn = physical, view
        ratio = physical[0] / view.size[0]
        scale = np.array([2 * view.scale * ratio / edge for edge in edges])
        shift = -view.centre * scale
        with self._buffer:
            gloo.set_viewport(0, 0, *edges)
            gloo.clear(color=self._background, depth=False)
            gloo.set_state(depth_test=False, blend=True,
                           blend_func=("src_alpha", "one_minus_src_alpha"))  # fmt: skip
            for program in (self._points, self._marks):
                program["u_scale"], program["u_shift"] = scale, shift
            if self._count:
                self._points["u_size"] = self._size * ratio
                self._points.draw("points")
            if self._mark_count:
                self._marks["u_ratio"], self._marks["u_edge"] = ratio, 2.0 * ratio
                self._marks.draw("points")

    def _where(self, view: View) -> tuple[Floats, Floats]:
        """Middle and half the edges of the picture that is there, in the view's -1 to 1."""
        drawn, buffer = self._drawn, self._buffer
        assert drawn is not None
        edges = np.array(buffer.color_buffer.shape[1::-1])
        half = edges / np.array(self._physical) * (view.scale / drawn.scale)
        return (drawn.centre - view.centre) * view.scale / (np.array(view.size) / 2), half

    def _covers(self, view: View) -> bool:
        if self._drawn is None or self._drawn.size != view.size:
            return False
        centre, half = self._where(view)
        return bool(np.all(np.abs(centre) + 1 <= half + 1e-6))


def _shares(colours: Colours) -> NDArray[np.float32]:
    return np.ascontiguousarray(colours, np.float32) / np.float32(255)
