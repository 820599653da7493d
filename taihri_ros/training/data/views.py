"""Views to train on, drawn at random from pictures, as a data set that a trainer can index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch.utils.data import Dataset

from taihri_ros.errors import TaihriError
from taihri_ros.training.data.photometry import vary
from taihri_ros.training.data.pictures import Picture, View, Viewpoint, read_pictures

_LOOK_AGAIN_EVERY = 1500


@dataclass(frozen=True)
class ViewSettings:
    """How views are drawn.

    Attributes:
        focal_px: Focal length of the model's canonical camera in px.
        max_side: Largest width and height of a view in px.
        degrees: Standard deviations of the virtual camera's tilt, pan and roll.
        person_crops: Share of the views that turn toward the person and show not much more.
    """

    focal_px: float
    max_side: int
    degrees: tuple[float, float, float] = (4.0, 6.0, 6.0)
    person_crops: float = 0.0


class RandomViews(Dataset[View]):
    """A number of random views; number i is the same at every epoch's beginning and after a resumption.

    Pictures that are added to the directory during a run join it.
    """

    def __init__(self, directory: Path, settings: ViewSettings, *, count: int, seed: int, easy: int = 0) -> None:
        """Open the pictures.

        Args:
            directory: Holds files that `write_pictures` made.
            settings: How views are drawn.
            count: How many views there are.
            seed: Of the randomness.
            easy: How many of them, the first ones, are of pictures that show much of the person, where there are any.

        Raises:
            TaihriError: The directory holds no pictures.
        """
        self._directory, self._settings, self._count, self._seed, self._easy = directory, settings, count, seed, easy
        self._read: set[Path] = set()
        self._pictures: list[Picture] = []
        self._easy_pictures: list[Picture] = []
        self._drawn = 0
        self._look()
        if not self._pictures:
            raise TaihriError(f"{directory} holds no training pictures: make them with `taihri train pictures`")

    def __len__(self) -> int:
        """Give the number of views."""
        return self._count

    def __getitem__(self, index: int) -> View:
        """Draw a view."""
        self._drawn += 1
        if self._drawn % _LOOK_AGAIN_EVERY == 0:
            self._look()
        rng = np.random.default_rng((self._seed, index))
        pictures = self._easy_pictures if index < self._easy and self._easy_pictures else self._pictures
        picture = pictures[int(rng.integers(len(pictures)))]
        settings = self._settings
        viewpoint = Viewpoint.draw(
            rng,
            picture,
            settings.focal_px,
            max_side=settings.max_side,
            degrees=settings.degrees,
            person_crops=settings.person_crops,
        )
        view = viewpoint.see(picture)
        return View(vary(view.image, rng), view.joints, view.pixels, view.visibility)

    def _look(self) -> None:
        for path in sorted(set(self._directory.glob("*.npz")) - self._read):
            if path.name.endswith(".part.npz"):
                continue
            found = read_pictures(path)
            self._pictures += found
            self._easy_pictures += [picture for picture in found if picture.shows_much()]
            self._read.add(path)


def plain_views(pictures: Sequence[Picture], settings: ViewSettings) -> list[View]:
    """Give the unvaried view of each picture, to validate on.

    Args:
        pictures: The pictures.
        settings: Focal length and size.

    Returns:
        The views.
    """
    return [Viewpoint.plain(picture, settings.focal_px, settings.max_side).see(picture) for picture in pictures]
