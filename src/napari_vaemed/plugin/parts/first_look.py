"""One slice over the canvas while the rest of the CT is still being read.

napari takes a third of a second to take up its first layer; this takes some hundredths.
"""

from __future__ import annotations

from contextlib import suppress

from numpy.typing import NDArray
from qtpy.QtCore import QEvent, QObject, QRectF, QSizeF, Qt
from qtpy.QtGui import QPainter, QPaintEvent
from qtpy.QtWidgets import QWidget

from napari_vaemed.plugin.parts.picture import grey_image, write_on_ct

MARGIN = 0.05
"""Kept free around the slice, as a share of the canvas; napari's own."""
REMARK = "Reading…"


class FirstLook(QWidget):
    """A slice (y, x) in HU, to scale, over all of a canvas.

    Parameters
    ----------
    canvas : QWidget
        It is covered until `put_away`.
    hu : (y, x)
    limits : (low, high) in HU
        Black and white.
    spacing : (y, x) in mm
    """

    def __init__(
        self,
        canvas: QWidget,
        hu: NDArray,
        limits: tuple[float, float],
        spacing: tuple[float, float],
    ) -> None:
        super().__init__(canvas)
        self._image = grey_image(hu, limits)
        self._mm = QSizeF(hu.shape[1] * spacing[1], hu.shape[0] * spacing[0])
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setGeometry(canvas.rect())
        canvas.installEventFilter(self)
        self.show()

    def put_away(self) -> None:
        """Show the canvas again."""
        with suppress(RuntimeError):  # the window has gone before, and this with it
            self.hide()
            self.deleteLater()

    def eventFilter(self, canvas: QObject, event: QEvent) -> bool:
        """Stay as large as the canvas."""
        if event.type() == QEvent.Type.Resize and isinstance(canvas, QWidget):
            self.setGeometry(canvas.rect())
        return False

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw it in the middle."""
        room = QSizeF(self.size()) * (1 - MARGIN)
        size = self._mm.scaled(room, Qt.AspectRatioMode.KeepAspectRatio)
        where = QRectF(0, 0, size.width(), size.height())
        where.moveCenter(QRectF(self.rect()).center())
        painter = QPainter(self)
        painter.fillRect(self.rect(), Qt.GlobalColor.black)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(where, self._image)
        write_on_ct(painter, where.adjusted(4, 2, -4, -2), Qt.AlignmentFlag.AlignLeft, REMARK)
        painter.end()
