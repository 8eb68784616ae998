"""CT slices as pictures: windowed, to scale, with a scale bar."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QRectF, QSize, Qt
from qtpy.QtGui import QColor, QFont, QImage, QPainter, QPaintEvent, QPen, QResizeEvent
from qtpy.QtWidgets import QSizePolicy, QWidget

BAR_MM = 10
INK, SHADE = QColor(255, 255, 255), QColor(0, 0, 0)
"""On CT, which is dark and bright in every theme alike."""


def grey_image(hu: NDArray, limits: tuple[float, float]) -> QImage:
    """A slice (y, x) in HU as an 8-bit picture; limits are black and white."""
    low, high = limits
    grey = np.clip((hu.astype(np.float32) - low) * (255.0 / (high - low)), 0, 255)
    grey = np.ascontiguousarray(grey.astype(np.uint8))
    rows, columns = grey.shape
    return QImage(grey.data, columns, rows, columns, QImage.Format.Format_Grayscale8).copy()


def paint_slice(
    painter: QPainter,
    image: QImage,
    where: QRectF,
    mm_wide: float,
    remark: str = "",
    *,
    bar: bool = True,
) -> None:
    """Draw a slice with its scale bar, and a remark in the upper left corner."""
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
    painter.drawImage(where, image)
    write_on_ct(painter, where.adjusted(4, 2, -4, -2), Qt.AlignmentFlag.AlignLeft, remark)
    if not bar:
        return
    length = where.width() * BAR_MM / mm_wide
    right, foot = where.right() - 5, where.bottom() - 5
    for ink, width in ((SHADE, 4), (INK, 2)):
        painter.setPen(QPen(ink, width))
        painter.drawLine(int(right - length), int(foot), int(right), int(foot))
    above = QRectF(right - 60, foot - 16, 60, 13)
    write_on_ct(painter, above, Qt.AlignmentFlag.AlignRight, f"{BAR_MM} mm")


def write_on_ct(painter: QPainter, where: QRectF, side: Qt.AlignmentFlag, text: str) -> None:
    """Write small, with a shade behind, so that it can be read on dark and bright tissue."""
    font = QFont(painter.font())
    font.setPointSizeF(7)
    painter.setFont(font)
    for ink, shift in ((SHADE, 1.0), (INK, 0.0)):
        painter.setPen(ink)
        painter.drawText(where.translated(shift, shift), side, text)


class WidePicture(QWidget):
    """A grey picture as wide as there is room, its pixels square."""

    def __init__(self, tooltip: str) -> None:
        super().__init__()
        self._image: QImage | None = None
        self.setToolTip(tooltip)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_picture(self, grey: NDArray[np.uint8] | None) -> None:
        """Show a picture (y, x), or nothing."""
        self._image = None if grey is None else grey_image(grey, (0, 255))
        self._fit()
        self.update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """As high as its width asks for."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        image = self._image
        if image is not None:  # a layout's height for width does not reach through a scroll area
            self.setFixedHeight(round(self.width() * image.height() / image.width()))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw it."""
        if self._image is not None:
            painter = QPainter(self)
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawImage(QRectF(self.rect()), self._image)
            painter.end()


class Picture(QWidget):
    """One slice, as large as it fits, square."""

    def __init__(self, remark: str, tooltip: str, side: int = 96) -> None:
        super().__init__()
        self._remark, self._side = remark, side
        self._image: QImage | None = None
        self._mm = 32.0
        self.setToolTip(tooltip)
        self.setAccessibleName(remark)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_slice(self, hu: NDArray | None, limits: tuple[float, float], mm_wide: float) -> None:
        """Show a slice (y, x) in HU, or nothing."""
        self._image = None if hu is None else grey_image(hu, limits)
        self._mm = mm_wide
        self.update()

    def sizeHint(self) -> QSize:
        """Square."""
        return QSize(self._side, self._side)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw it."""
        side = min(self.width(), self.height())
        where = QRectF((self.width() - side) / 2, 0, side, side)
        painter = QPainter(self)
        if self._image is None:
            painter.setPen(QPen(self.palette().mid().color(), 1, Qt.PenStyle.DashLine))
            painter.drawRect(where.adjusted(0.5, 0.5, -1.5, -1.5))
        else:
            paint_slice(painter, self._image, where, self._mm, self._remark)
        painter.end()
