"""What a reader says when it cannot give a CT that one can trust."""

from __future__ import annotations


class CTError(ValueError):
    """The input is not a CT this package can read rightly; the message says why, in words."""


class NotHounsfieldError(CTError):
    """The file is a readable volume, but its values are labels and no Hounsfield units."""
