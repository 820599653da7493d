"""Random training views of pictures, as a data set with an index."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from taihri_ros.errors import TaihriError
from taihri_ros.model.spec import ModelSpec
from taihri_ros.synthetic.owners import Owner
from taihri_ros.training.data.backgrounds import OUTSIDE, Backgrounds, BackgroundSettings, place_behind
from taihri_ros.training.data.photometry import augment
from taihri_ros.training.data.pictures import Picture, read_pictures
from taihri_ros.training.data.viewpoints import View, Viewpoint

_RESCAN_EVERY = 1500
"""Number of views after which the directory is looked at again: more pictures may have been made meanwhile."""

_NOBODY = 0.01
"""Largest share of a view without any joint that the person may cover for it to count as a view of nobody."""


@dataclass(frozen=True)
class ViewSettings:
    """Settings of the sampling of views.

    Attributes:
        spec: The model's focal length, largest view and range of zoom.
        degrees: Standard deviations of tilt, pan and roll of the virtual camera, degrees.
        person_crops: Share of the views that are person crops.
        backgrounds: Other backgrounds, and views without a person.
    """

    spec: ModelSpec
    degrees: tuple[float, float, float] = (4.0, 6.0, 6.0)
    person_crops: float = 0.0
    backgrounds: BackgroundSettings = field(default_factory=BackgroundSettings)


class RandomViews(Dataset[View]):
    """A fixed number of random views.

    View i depends only on the seed, on i and on the pictures, so that a resumed run continues with the same data.
    Pictures that are added to the directory during a run are used from then on.
    """

    def __init__(self, directory: Path, settings: ViewSettings, *, count: int, seed: int, easy: int = 0) -> None:
        """Open the pictures.

        Args:
            directory: Directory with files of `write_pictures`.
            settings: How views are sampled.
            count: Number of views.
            seed: Seed of the sampling.
            easy: Number of first views that use only easy pictures, if there are any (see `Picture.is_easy`).

        Raises:
            TaihriError: The directory holds no pictures.
        """
        self._directory, self._settings, self._count, self._seed, self._easy = directory, settings, count, seed, easy
        self._backgrounds = Backgrounds(settings.backgrounds)
        self._files_read: set[Path] = set()
        self._pictures: list[Picture] = []
        self._easy_pictures: list[Picture] = []
        self._sampled = 0
        self._scan_directory()
        if not self._pictures:
            raise TaihriError(f"{directory} holds no training pictures: make them with `taihri train pictures`")

    def __len__(self) -> int:
        """Return the number of views."""
        return self._count

    def __getitem__(self, index: int) -> View:
        """Sample a view."""
        self._sampled += 1
        if self._sampled % _RESCAN_EVERY == 0:
            self._scan_directory()
        rng = np.random.default_rng((self._seed, index))
        pictures = self._easy_pictures if index < self._easy and self._easy_pictures else self._pictures
        picture = pictures[int(rng.integers(len(pictures)))]
        settings = self._settings
        viewpoint = Viewpoint.sample(
            rng, picture, settings.spec, degrees=settings.degrees, person_crops=settings.person_crops
        )
        backgrounds = settings.backgrounds
        if backgrounds.nobody > 0.0 and rng.random() < backgrounds.nobody:
            image = _sample_empty(rng, picture, viewpoint, self._backgrounds)
            return View.without_person(augment(image, rng), viewpoint.zoom)
        view = viewpoint.render(picture)
        replaces = backgrounds.share > 0.0 and rng.random() < backgrounds.share
        has_joints = bool((view.visibility < 2).any())
        owners = None if has_joints and not replaces else viewpoint.render_owners(picture)
        if owners is not None and not has_joints and (owners == Owner.PERSON).mean() < _NOBODY:
            view = View.without_person(view.image, view.zoom)
        image = view.image
        if owners is not None and replaces:
            image = place_behind(rng, image, owners, self._backgrounds.sample(rng, viewpoint.size))
        return replace(view, image=augment(image, rng))

    def _scan_directory(self) -> None:
        for path in sorted(set(self._directory.glob("*.npz")) - self._files_read):
            if path.name.endswith(".part.npz"):
                continue
            found = read_pictures(path)
            self._pictures += found
            self._easy_pictures += [picture for picture in found if picture.is_easy()]
            self._files_read.add(path)


def plain_views(pictures: Sequence[Picture], spec: ModelSpec) -> list[View]:
    """Return the views for validation, without augmentation.

    Args:
        pictures: The pictures.
        spec: The model's focal length, largest view and range of zoom.

    Returns:
        The full view of each picture; for a model that learns zoom the exact person crop of every second one instead.
    """
    return [
        (Viewpoint.around if spec.zooms and index % 2 else Viewpoint.plain)(picture, spec).render(picture)
        for index, picture in enumerate(pictures)
    ]


def empty_views(pictures: Sequence[Picture], settings: ViewSettings, *, seed: int) -> list[View]:
    """Return views without a person, without augmentation, for validation.

    Args:
        pictures: The pictures whose sizes and borders the views have.
        settings: The model's view, and backgrounds; their share `nobody` of the pictures is used, rounded up.
        seed: Seed of the backgrounds.

    Returns:
        The views.
    """
    backgrounds, rng = Backgrounds(settings.backgrounds), np.random.default_rng(seed)
    used = pictures[: math.ceil(settings.backgrounds.nobody * len(pictures))]
    viewpoints = [Viewpoint.plain(picture, settings.spec) for picture in used]
    return [
        View.without_person(_sample_empty(rng, picture, viewpoint, backgrounds))
        for picture, viewpoint in zip(used, viewpoints, strict=True)
    ]


def _sample_empty(
    rng: np.random.Generator, picture: Picture, viewpoint: Viewpoint, backgrounds: Backgrounds
) -> NDArray[np.uint8]:
    """Sample a background alone, with the black border of the picture, which must not betray a person."""
    image = backgrounds.sample(rng, viewpoint.size)
    owners = viewpoint.render_owners(picture)
    return image if owners is None else np.where((owners == OUTSIDE)[..., None], np.uint8(0), image)
