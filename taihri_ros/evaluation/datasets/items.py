"""What is evaluated on: an image, its camera, and where the person's joints truly are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from taihri_ros.camera.camera import Camera
from taihri_ros.errors import TaihriError
from taihri_ros.skeleton import INDEX, JOINTS


class DataError(TaihriError):
    """A data set cannot be read; the message names the file and the place in it."""


class Visibility(IntEnum):
    """What the camera sees of a joint."""

    UNKNOWN = -1
    """In the image; whether something hides it is not labelled."""
    VISIBLE = 0
    OCCLUDED = 1
    OUT_OF_IMAGE = 2


@dataclass(frozen=True, eq=False)
class Truth:
    """What is known about one image.

    Attributes:
        source: Names the image within its data set.
        camera: The camera that took it.
        joints: (22, 3) float64 metres, camera optical frame; NaN where not labelled.
        pixels: (22, 2) float64 px in the image; NaN where not labelled or outside of the lens's field of view.
        visibility: (22,) int8, the numbers of `Visibility`; a joint that is not labelled is OUT_OF_IMAGE.
        command: A free command that belongs to the image; empty for none.
        command_joints: The joints that the command needs; None where that is not known.
    """

    source: str
    camera: Camera
    joints: NDArray[np.float64]
    pixels: NDArray[np.float64]
    visibility: NDArray[np.int8]
    command: str = ""
    command_joints: tuple[str, ...] | None = None

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """(22,) whether the joint's position is known."""
        return np.asarray(np.isfinite(self.joints).all(axis=1))

    @property
    def in_image(self) -> NDArray[np.bool_]:
        """(22,) whether the joint's position is known and lies in the image, hidden or not."""
        return np.asarray(self.labelled & (self.visibility != Visibility.OUT_OF_IMAGE))


@dataclass(frozen=True, eq=False)
class Item:
    """An image to evaluate on.

    Attributes:
        truth: What is known about it.
        image: Loads it: (height, width, 3) uint8 RGB.
    """

    truth: Truth
    image: Callable[[], NDArray[np.uint8]]


@dataclass(frozen=True, eq=False)
class Data:
    """A data set that was found and can be gone through.

    Attributes:
        kind: Its format, such as `manifest`.
        path: Where it is.
        length: Number of images.
        items: Goes through them, always in the same order.
    """

    kind: str
    path: Path
    length: int
    items: Callable[[], Iterator[Item]]


def label(
    source: str,
    camera: Camera,
    joints: ArrayLike,
    *,
    command: str = "",
    command_joints: tuple[str, ...] | None = None,
) -> Truth:
    """Label an image whose data set gives 3D joints only: the camera says where they are in the image.

    Args:
        source: Names the image.
        camera: The camera that took it.
        joints: (22, 3) metres, camera optical frame; NaN where not labelled.
        command: A free command, or empty.
        command_joints: The joints that it needs, where known.

    Returns:
        The labels; whether a joint in the image is hidden stays unknown.
    """
    points = np.asarray(joints, np.float64)
    pixels = camera.project(points)
    inside = np.all((pixels >= -0.5) & (pixels < np.array([camera.width, camera.height]) - 0.5), axis=1)
    visibility = np.where(inside, Visibility.UNKNOWN, Visibility.OUT_OF_IMAGE).astype(np.int8)
    return Truth(source, camera, points, pixels, visibility, command, command_joints)


def joint_array(named: Mapping[str, ArrayLike]) -> NDArray[np.float64]:
    """Put joints by name into the skeleton's order.

    Args:
        named: (3,) metres by joint name.

    Returns:
        (22, 3); NaN for joints that are not named.
    """
    joints = np.full((len(JOINTS), 3), np.nan)
    for name, position in named.items():
        joints[INDEX[name]] = position
    return joints
