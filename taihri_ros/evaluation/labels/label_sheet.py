"""A picture to look at: labels drawn into some of the images and into their depth images."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from taihri_ros.evaluation.datasets.items import joint_array
from taihri_ros.evaluation.labels.body_depth import LiftedPerson
from taihri_ros.keypoints import Person
from taihri_ros.skeleton import INDEX
from taihri_ros.synthetic.contact_sheet import draw_skeleton, picture_grid

_PICTURES = 12
"""Smallest number of pictures of the sheet, if there are as many; it has up to twice as many, spread over all."""

_COLUMNS, _CELL_PX = 6, 320

_NEAR_M = 1.0
"""Depths from this much in front of to this much behind the body have different colours, metres."""


class LabelSheet:
    """Collects labelled pictures for the sheet: of the pictures so far, each n-th one, with n as small as fits."""

    def __init__(self) -> None:
        """Create an empty sheet."""
        self._pairs: list[tuple[NDArray[np.uint8], NDArray[np.uint8]]] = []
        self._step, self._seen = 1, 0

    def add(
        self,
        image: NDArray[np.uint8],
        depth: NDArray[np.float32],
        person: Person,
        lifted: LiftedPerson,
        number: int,
    ) -> None:
        """Add a picture, if its turn has come.

        Args:
            image: (height, width, 3) uint8 RGB.
            depth: (height, width) float32 metres.
            person: The person that the engine found.
            lifted: The labels; joints that have a pixel but no label are circles.
            number: Number of the image, for the text.
        """
        if self._seen % self._step == 0:
            if len(self._pairs) == 2 * _PICTURES:
                self._pairs, self._step = self._pairs[::2], 2 * self._step
            if self._seen % self._step == 0:
                self._pairs.append(_draw(image, depth, person, lifted, number))
        self._seen += 1

    def picture(self) -> NDArray[np.uint8]:
        """Return the sheet, (height, width, 3) uint8 RGB: each picture is followed by its depth image."""
        cells = [half for pair in self._pairs for half in pair]
        return picture_grid(cells, min(_COLUMNS, len(cells)), _CELL_PX)


def _draw(
    image: NDArray[np.uint8], depth: NDArray[np.float32], person: Person, lifted: LiftedPerson, number: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    places = joint_array({keypoint.name: [*keypoint.pixel, 0.0] for keypoint in person.keypoints})[:, :2]
    found = np.asarray(np.isfinite(places).all(axis=1))
    labelled = np.array([name in lifted.joints for name in INDEX])
    return (
        _draw_labels(image, places, labelled, found, f"{number}: {len(lifted.joints)} joints"),
        _draw_labels(_colored(depth, lifted), places, labelled, found, "depth"),
    )


def _draw_labels(
    picture: NDArray[np.uint8],
    places: NDArray[np.float64],
    labelled: NDArray[np.bool_],
    found: NDArray[np.bool_],
    text: str,
) -> NDArray[np.uint8]:
    scale = _CELL_PX / max(picture.shape[:2])
    small = np.asarray(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    draw_skeleton(small, (places + 0.5) * scale - 0.5, labelled, labelled, found & ~labelled)
    cv2.putText(small, text, (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (255, 255, 255), 1, cv2.LINE_AA)
    return small


def _colored(depth: NDArray[np.float32], lifted: LiftedPerson) -> NDArray[np.uint8]:
    """Return a depth image in colours around the depth of the body, uint8 RGB; black without a measurement."""
    middle = float(np.median([position[2] for position in lifted.joints.values()]))
    shades = np.clip(127.5 * (1.0 - (depth - middle) / _NEAR_M), 0.0, 255.0)
    colored = cv2.applyColorMap(np.nan_to_num(shades).astype(np.uint8), cv2.COLORMAP_VIRIDIS)[..., ::-1]
    return np.where(np.isfinite(depth)[..., None], colored, np.uint8(0))
