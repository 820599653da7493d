"""The colours of what is drawn, and the colour of a person's id: the same in pictures, in RViz and in the viewer."""

from __future__ import annotations

import colorsys
import zlib

Color = tuple[int, int, int]
"""Red, green and blue, 0 to 255."""

JOINT: Color = (255, 115, 25)
BONE: Color = (50, 150, 255)
BOX: Color = (120, 220, 120)
ELLIPSE: Color = (255, 90, 230)
"""Colour of the uncertainty of a joint."""

BODY: Color = (240, 215, 80)
TRUTH: Color = (70, 255, 90)
"""Colour of the true joints of a simulated person."""

_FIRST_HUE, _HUES = 0.42, 0.79
"""From turquoise over blue, red and orange to yellow: green is the colour of boxes and of the truth."""

_SATURATION, _VALUE = 0.6, 1.0
"""Bright and pale enough to be seen on pictures and on RViz's dark background."""


def person_color(person_id: str) -> Color:
    """Return the colour of an id.

    Args:
        person_id: The id.

    Returns:
        The colour. Ids have random letters, so that two people rarely look alike.
    """
    hue = (_FIRST_HUE + _HUES * zlib.crc32(person_id.encode()) / 2**32) % 1.0
    red, green, blue = colorsys.hsv_to_rgb(hue, _SATURATION, _VALUE)
    return round(255 * red), round(255 * green), round(255 * blue)
