"""Contact sheets: a grid of samples in one picture, with their labels drawn over them."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from taihri_ros.skeleton import BONES, INDEX
from taihri_ros.synthetic.dataset import Sample

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
    rows = -(-len(samples) // columns)
    sheet = np.full((rows * cell, columns * 2 * cell, 3), 40, dtype=np.uint8)
    for number, sample in enumerate(samples):
        row, column = divmod(number, columns)
        for half, picture in enumerate((sample.image, draw_labels(sample))):
            scale = cell / max(picture.shape[:2])
            small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            y, x = row * cell, (2 * column + half) * cell
            sheet[y : y + small.shape[0], x : x + small.shape[1]] = small[:cell, :cell]
    return sheet


def draw_labels(sample: Sample) -> NDArray[np.uint8]:
    """Return a sample's picture at twice its size with bones, joints, box and task drawn over it.

    Args:
        sample: A sample.

    Returns:
        uint8 (2 H, 2 W, 3) RGB.
    """
    picture = np.ascontiguousarray(cv2.resize(sample.image, None, fx=2.0, fy=2.0))
    places = [tuple(np.rint(np.clip(2.0 * pixel + 0.5, -4000, 4000)).astype(int).tolist()) for pixel in sample.pixels]
    for parent, child in BONES:
        if sample.joints[INDEX[parent], 2] > 0.05 and sample.joints[INDEX[child], 2] > 0.05:
            cv2.line(picture, places[INDEX[parent]], places[INDEX[child]], _color(child), 1, cv2.LINE_AA)
    for name, index in INDEX.items():
        if sample.visibility[index] < 2:
            visible = sample.visibility[index] == 0
            cv2.circle(picture, places[index], 4, _color(name), -1 if visible else 1, cv2.LINE_AA)
    x0, y0, x1, y1 = np.rint(2.0 * sample.box).astype(int).tolist()
    cv2.rectangle(picture, (x0, y0), (x1, y1), _TEXT, 1)
    label = f"{sample.index} {sample.task} {np.linalg.norm(sample.joints[0]):.1f} m"
    cv2.putText(picture, label, (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.42, _TEXT, 1, cv2.LINE_AA)
    return picture


def _color(name: str) -> tuple[int, int, int]:
    return _LEFT if name.startswith("left") else _RIGHT if name.startswith("right") else _MIDDLE
