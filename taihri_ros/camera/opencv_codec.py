"""Decodes pictures with OpenCV as they are stored: they are not turned by their EXIF orientation."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray


def decode_stored(data: bytes | memoryview, mode: int) -> NDArray[Any] | None:
    """Return the pixels of a compressed picture as OpenCV decodes them.

    Args:
        data: The bytes of the picture.
        mode: What to decode, such as `cv2.IMREAD_COLOR`.

    Returns:
        The pixels as they are stored, with OpenCV's order of the channels (BGR); None if they cannot be decoded.

    Raises:
        ValueError: OpenCV reports an error.
    """
    try:
        picture: Any = cv2.imdecode(np.frombuffer(data, np.uint8), mode | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise ValueError(" ".join(str(error).split())) from error
    return None if picture is None else np.asarray(picture)
