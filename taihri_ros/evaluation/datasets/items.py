"""Labelled images: the image, its camera and the true joint positions."""

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
    """A data set cannot be read; the message contains the file and the position in it."""


class Visibility(IntEnum):
    """Visibility of a joint in an image."""

    UNKNOWN = -1
    """In the image, but occlusion is not labelled."""
    VISIBLE = 0
    OCCLUDED = 1
    OUT_OF_IMAGE = 2


@dataclass(frozen=True, eq=False)
class Truth:
    """The labels of one image.

    Attributes:
        source: Name of the image in its data set.
        camera: Camera of the image.
        joints: (22, 3) float64 metres, camera optical frame; NaN where not labelled.
        pixels: (22, 2) float64 px in the image; NaN where not labelled or outside the field of view of the lens.
        visibility: (22,) int8, values of `Visibility`; a joint without a label is OUT_OF_IMAGE.
        command: Command that belongs to the image; empty for none.
        command_joints: Joints that the command needs; None if unknown.
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
        """(22,) whether the joint has a label."""
        return np.asarray(np.isfinite(self.joints).all(axis=1))

    @property
    def in_image(self) -> NDArray[np.bool_]:
        """(22,) whether the joint has a label and is in the image, occluded or not."""
        return np.asarray(self.labelled & (self.visibility != Visibility.OUT_OF_IMAGE))


@dataclass(frozen=True, eq=False)
class Item:
    """A labelled image.

    Attributes:
        truth: Its labels.
        image: Loads the image, (height, width, 3) uint8 RGB.
    """

    truth: Truth
    image: Callable[[], NDArray[np.uint8]]


@dataclass(frozen=True, eq=False)
class Data:
    """An opened data set.

    Attributes:
        kind: Format, such as `manifest`.
        path: File or directory; the name of a generated set.
        length: Number of images.
        items: Iterates over the images, always in the same order.
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
    """Create the labels of an image from 3D joints; the camera projects them into the image.

    Args:
        source: Name of the image.
        camera: Camera of the image.
        joints: (22, 3) metres, camera optical frame; NaN where not labelled.
        command: Command that belongs to the image; empty for none.
        command_joints: Joints that the command needs; None if unknown.

    Returns:
        The labels; occlusion of joints in the image is unknown.
    """
    points = np.asarray(joints, np.float64)
    pixels = camera.project(points)
    inside = np.all((pixels >= -0.5) & (pixels < np.array([camera.width, camera.height]) - 0.5), axis=1)
    visibility = np.where(inside, Visibility.UNKNOWN, Visibility.OUT_OF_IMAGE).astype(np.int8)
    return Truth(source, camera, points, pixels, visibility, command, command_joints)


def joint_array(named: Mapping[str, ArrayLike]) -> NDArray[np.float64]:
    """Return joints by name as an array in the order of the skeleton.

    Args:
        named: (3,) metres by joint name.

    Returns:
        (22, 3) metres; NaN for joints that are not in `named`.
    """
    joints = np.full((len(JOINTS), 3), np.nan)
    for name, position in named.items():
        joints[INDEX[name]] = position
    return joints
