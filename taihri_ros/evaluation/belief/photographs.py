"""Real photographs without people: views of those that scikit-image carries, and a directory of the user's own."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from taihri_ros.camera.picture_files import read_picture
from taihri_ros.errors import TaihriError, install_extra
from taihri_ros.training.data.backgrounds import sample_part

Image = NDArray[np.uint8]

FOR_EVALUATION = (
    "chelsea.png",
    "clock_motion.png",
    "grass.png",
    "hubble_deep_field.jpg",
    "motorcycle_left.png",
    "motorcycle_right.png",
    "text.png",
)
"""Photographs of scikit-image for evaluations. Both lists name what was looked at, so that a picture of a person in a
later version cannot slip in; astronaut, camera, coins (busts) and no_time_for_that_tiny show people."""

FOR_CALIBRATION = ("brick.png", "coffee.png", "gravel.png", "moon.png", "page.png", "rocket.jpg")
"""Photographs of scikit-image for calibrations."""

SUFFIXES = (".jpg", ".jpeg", ".png")
"""Endings of picture files in a directory."""

_SMALLEST_PART = 0.4
"""Smallest side of the part of a photograph that is shown, as a share of the largest possible one."""


def view_of_photograph(rng: np.random.Generator, names: tuple[str, ...], size: tuple[int, int]) -> Image:
    """Return a random part of a photograph that scikit-image carries, sometimes mirrored, in another light.

    Args:
        rng: Random generator.
        names: `FOR_EVALUATION` or `FOR_CALIBRATION`.
        size: Width and height of the view, px.

    Returns:
        (height, width, 3) uint8 RGB.

    Raises:
        TaihriError: scikit-image is not installed.
    """
    photo = _photograph(names[int(rng.integers(len(names)))])
    part = sample_part(rng, photo, size, _SMALLEST_PART, cv2.INTER_CUBIC)
    return np.asarray(np.clip(part * np.exp(rng.normal(0.0, 0.25)), 0, 255), np.uint8)


@lru_cache(maxsize=16)
def _photograph(name: str) -> Image:
    try:
        import skimage
    except ImportError as error:
        raise TaihriError(f"photographs need scikit-image: {install_extra('evaluation')}") from error
    return read_picture(Path(skimage.__file__).parent / "data" / name)


def photographs_in(directory: Path) -> list[Path]:
    """Return the picture files of a directory and its subdirectories, sorted by name.

    Args:
        directory: The directory.

    Returns:
        The paths.

    Raises:
        TaihriError: There is no such directory, or it holds no pictures.
    """
    if not directory.is_dir():
        raise TaihriError(f"there is no directory {directory} with pictures of nobody")
    paths = sorted(path for path in directory.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise TaihriError(f"{directory} holds no pictures ({', '.join(SUFFIXES)})")
    return paths
