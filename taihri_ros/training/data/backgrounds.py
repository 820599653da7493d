"""Backgrounds of training views: photographs from a directory and procedural patterns, placed behind the person."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from taihri_ros.camera.picture_error import PictureError
from taihri_ros.camera.picture_files import read_picture
from taihri_ros.errors import TaihriError
from taihri_ros.synthetic.owners import Owner
from taihri_ros.training.data.patterns import sample_pattern

logger = logging.getLogger(__name__)

Rng = np.random.Generator
Image = NDArray[np.uint8]

_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
_FORMATS = ("jpeg", "png", "webp")
_LONGER_SIDE_PX = 480
"""Photographs are kept in memory as JPEG of this size."""

_SMALLEST_CROP = 0.3
"""Smallest share of a photograph's sides that a crop of it has."""

OUTSIDE = 255
"""Owner of a pixel outside the camera's picture; the others are those of `synthetic.owners`."""


@dataclass(frozen=True)
class BackgroundSettings:
    """Backgrounds of the training views.

    Attributes:
        share: Share of the views with another background, for pictures that store the owner of each pixel.
        photos: Directory of photographs without people, searched with its subdirectories; null for patterns only.
        photo_share: Share of photographs among the new backgrounds; the others are procedural patterns.
        nobody: Share of the views that show a background without any person.
    """

    share: float = 0.0
    photos: Path | None = None
    photo_share: float = 0.5
    nobody: float = 0.0

    def __post_init__(self) -> None:
        for name in ("share", "photo_share", "nobody"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise TaihriError(f"backgrounds.{name} must be from 0 to 1, not {getattr(self, name)}")


class Backgrounds:
    """Source of random backgrounds."""

    def __init__(self, settings: BackgroundSettings) -> None:
        """Load the photographs.

        Args:
            settings: The settings.

        Raises:
            TaihriError: The directory of photographs holds none.
        """
        self._settings = settings
        self._photos: list[Image] = []
        if settings.photos is None:
            return
        for path in sorted(settings.photos.rglob("*")):
            if path.suffix.lower() in _SUFFIXES and (photo := _load(path)) is not None:
                self._photos.append(photo)
        if not self._photos:
            raise TaihriError(f"{settings.photos} holds no photographs ({', '.join(_SUFFIXES)}) for backgrounds")

    def sample(self, rng: Rng, size: tuple[int, int]) -> Image:
        """Sample a background.

        Args:
            rng: Random generator.
            size: Width and height, px.

        Returns:
            (height, width, 3) uint8 RGB.
        """
        if self._photos and rng.random() < self._settings.photo_share:
            return self._sample_photo(rng, size)
        return sample_pattern(rng, size)

    def _sample_photo(self, rng: Rng, size: tuple[int, int]) -> Image:
        """Return a random part of a photograph, sometimes mirrored, in another light."""
        photo = np.asarray(cv2.imdecode(self._photos[int(rng.integers(len(self._photos)))], cv2.IMREAD_COLOR))
        part = sample_part(rng, photo[:, :, ::-1], size, _SMALLEST_CROP, cv2.INTER_LINEAR)
        levels = np.arange(256, dtype=np.float32) / 255.0
        curve = 255.0 * np.exp(rng.normal(0.0, 0.2)) * levels ** np.exp(rng.normal(0.0, 0.25))
        return np.asarray(cv2.LUT(np.ascontiguousarray(part), np.clip(curve, 0, 255).astype(np.uint8)), np.uint8)


def sample_part(rng: Rng, photo: Image, size: tuple[int, int], smallest: float, interpolation: int) -> Image:
    """Sample a part of a photograph, half of them mirrored.

    Args:
        rng: Random generator.
        photo: (H, W, 3) uint8.
        size: Width and height of the result, px.
        smallest: Smallest size of the part, as a share of the largest part of this shape.
        interpolation: Flag of OpenCV for the resizing.

    Returns:
        (height, width, 3) uint8.
    """
    height, width = photo.shape[:2]
    scale = rng.uniform(smallest, 1.0) * min(width / size[0], height / size[1])
    w, h = (max(2, int(scale * side)) for side in size)
    x, y = int(rng.integers(width - w + 1)), int(rng.integers(height - h + 1))
    part = cv2.resize(photo[y : y + h, x : x + w], size, interpolation=interpolation)
    return np.asarray(part[:, ::-1] if rng.random() < 0.5 else part, np.uint8)


def place_behind(rng: Rng, image: Image, owners: NDArray[np.uint8], background: Image) -> Image:
    """Return a view with another background behind the person, with a soft edge.

    The objects of the person and a second person stay or vanish by chance. Pixels outside the camera's picture stay.

    Args:
        rng: Random generator.
        image: (height, width, 3) uint8 RGB view.
        owners: (height, width) uint8 owner of each pixel.
        background: (height, width, 3) uint8 RGB.

    Returns:
        (height, width, 3) uint8 RGB.
    """
    kept = [int(Owner.PERSON), OUTSIDE]
    if rng.random() < 0.75:
        kept.append(Owner.OBJECT)
    if rng.random() < 0.75:
        kept.append(Owner.OTHER_PERSON)
    replaced = np.isin(owners, kept, invert=True).astype(np.float32)
    softness = float(rng.uniform(0.7, 1.3))
    # The edge moves inwards by a fraction of a pixel, because its pixels are mixed with the old background.
    share = np.clip(1.35 * cv2.GaussianBlur(replaced, (0, 0), softness) - 0.2, 0.0, 1.0)[..., None]
    share[owners == OUTSIDE] = 0.0
    light = np.float32(np.exp(rng.normal(0.0, 0.2)))
    return np.asarray(np.clip(image * (1.0 - share) + light * background * share, 0, 255), dtype=np.uint8)


def _load(path: Path) -> Image | None:
    """Return a photograph as JPEG bytes of a moderate size, or None if it cannot be read or is too small."""
    try:
        photo = read_picture(path, formats=_FORMATS, upright=True)
    except PictureError as error:
        logger.warning("no background: %s", error)
        return None
    if min(photo.shape[:2]) < 100:
        return None
    scale = _LONGER_SIDE_PX / max(photo.shape[:2])
    if scale < 1.0:
        photo = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    encoded = cv2.imencode(".jpg", cv2.cvtColor(photo, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 92])[1]
    return np.asarray(encoded, np.uint8)
