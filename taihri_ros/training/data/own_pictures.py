"""Training pictures of a labelled data set, such as the manifest that `taihri label` writes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from taihri_ros.camera.camera import Camera
from taihri_ros.errors import TaihriError
from taihri_ros.training.data.pictures import Picture, write_pictures
from taihri_ros.training.recipe import PictureSettings

_VALIDATION = 10
"""One picture of so many is for validation."""


@dataclass(frozen=True, eq=False)
class OwnPicture:
    """A labelled picture of a real camera; see `pictures.LabelledImage` for the attributes."""

    image: NDArray[np.uint8]
    camera: Camera
    joints: NDArray[np.float32]
    visibility: NDArray[np.int8]
    owners: NDArray[np.uint8] | None = None


def write_own_pictures(name: str, labelled: Iterable[OwnPicture], settings: PictureSettings) -> Iterator[None]:
    """Make the training pictures of a data set, and replace those of an earlier one of the same name.

    The last tenth is for validation: in a recording, neighbouring pictures are nearly the same. Pictures without any
    label are left out, since nobody knows whether they show a person.

    Args:
        name: Name of the files.
        labelled: The labelled pictures, in the order in which they were taken.
        settings: Directory, focal length and size of the pictures.

    Yields:
        None for each picture of `labelled`.

    Raises:
        TaihriError: Fewer than two pictures have labels, or the files cannot be written.
    """
    made = []
    for one in labelled:
        if np.isfinite(one.joints).any():
            made.append(Picture.make(one, focal_px=settings.focal_px, max_side=settings.max_side))
        yield
    if len(made) < 2:
        raise TaihriError(f"{settings.data} has {len(made)} pictures with labels; training needs two at least")
    reserved = -(-len(made) // _VALIDATION)
    write_pictures(settings.directory / "train" / f"{name}.npz", made[:-reserved])
    write_pictures(settings.directory / "validation" / f"{name}.npz", made[-reserved:])
