"""Contact sheets: a grid of samples in one picture, with their labels drawn over them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from taihri_ros.skeleton import BONES, INDEX

if TYPE_CHECKING:
    from taihri_ros.synthetic.dataset import Sample
    from taihri_ros.synthetic.person_labels import PersonLabels

_LEFT, _RIGHT, _MIDDLE = (255, 140, 0), (0, 160, 255), (120, 255, 120)
_TEXT = (255, 255, 255)


def contact_sheet(samples: Sequence[Sample], columns: int = 8, cell: int = 224) -> NDArray[np.uint8]:
    """Return a grid of samples; each appears twice, without and with its labels.

    Args:
        samples: The samples.
        columns: Samples per row.
        cell: Side of the square for each picture, px.

    Returns:
        uint8 (H, W, 3) RGB. The person's left is orange, the right blue; visible joints are filled circles.
    """
    return picture_grid([half for each in samples for half in (each.image, draw_labels(each))], 2 * columns, cell)


def picture_grid(pictures: Sequence[NDArray[np.uint8]], columns: int, cell: int) -> NDArray[np.uint8]:
    """Return a grid of pictures, each scaled down or up to its square.

    Args:
        pictures: (height, width, 3) uint8 RGB of any sizes.
        columns: Pictures per row.
        cell: Side of the square for each picture, px.

    Returns:
        uint8 (H, W, 3) RGB.
    """
    rows = -(-len(pictures) // columns)
    sheet = np.full((rows * cell, columns * cell, 3), 40, dtype=np.uint8)
    for number, picture in enumerate(pictures):
        y, x = cell * (number // columns), cell * (number % columns)
        scale = cell / max(picture.shape[:2])
        small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)[:cell, :cell]
        sheet[y : y + small.shape[0], x : x + small.shape[1]] = small
    return sheet


def draw_labels(sample: Sample) -> NDArray[np.uint8]:
    """Return a sample's picture at twice its size with bones, joints, box and task drawn over it.

    Args:
        sample: A sample.

    Returns:
        uint8 (2 H, 2 W, 3) RGB.
    """
    picture = np.ascontiguousarray(cv2.resize(sample.image, None, fx=2.0, fy=2.0))
    people: list[PersonLabels | Sample] = [*sample.others, sample]
    for person in people:
        visible, occluded = person.visibility == 0, person.visibility == 1
        draw_skeleton(picture, 2.0 * person.pixels + 0.5, person.joints[:, 2] > 0.05, visible, occluded)
        if person.box is not None:
            x0, y0, x1, y1 = np.rint(2.0 * person.box).astype(int).tolist()
            cv2.rectangle(picture, (x0, y0), (x1, y1), _TEXT, 1)
    label = f"{sample.index} {sample.task} {np.linalg.norm(sample.joints[0]):.1f} m"
    cv2.putText(picture, label, (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.42, _TEXT, 1, cv2.LINE_AA)
    return picture


def draw_skeleton(
    picture: NDArray[np.uint8],
    places: NDArray[np.floating],
    connected: NDArray[np.bool_],
    filled: NDArray[np.bool_],
    hollow: NDArray[np.bool_],
) -> None:
    """Draw joints and the bones between them into a picture. The person's left is orange, the right blue.

    Args:
        picture: (height, width, 3) uint8 RGB, changed in place.
        places: (22, 2) px; those that are used must be finite.
        connected: (22,) joints between which bones are drawn.
        filled: (22,) joints that are drawn as discs.
        hollow: (22,) joints that are drawn as circles.
    """
    at = [tuple(np.rint(np.clip(np.nan_to_num(place), -4000, 4000)).astype(int).tolist()) for place in places]
    for parent, child in BONES:
        if connected[INDEX[parent]] and connected[INDEX[child]]:
            cv2.line(picture, at[INDEX[parent]], at[INDEX[child]], _color(child), 1, cv2.LINE_AA)
    for name, index in INDEX.items():
        if filled[index] or hollow[index]:
            cv2.circle(picture, at[index], 4, _color(name), -1 if filled[index] else 1, cv2.LINE_AA)


def _color(name: str) -> tuple[int, int, int]:
    return _LEFT if name.startswith("left") else _RIGHT if name.startswith("right") else _MIDDLE
