"""Reads picture files."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from taihri_ros.errors import TaihriError


def read_picture(path: Path) -> NDArray[np.uint8]:
    """Read a picture file.

    Args:
        path: File in JPEG, PNG or another format that OpenCV reads.

    Returns:
        (height, width, 3) uint8 RGB.

    Raises:
        TaihriError: The file is missing or not a picture.
    """
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise TaihriError(f"{path} is not a readable picture: use a JPEG or PNG file")
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)
