"""The picture with what was found drawn into it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from taihri_ros.keypoints import Estimate, Keypoint
from taihri_ros.skeleton import BONES

_JOINT = (255, 115, 25)
_BONE = (50, 150, 255)
_BOX = (120, 220, 120)
_TEXT = (255, 255, 255)


def draw(image: NDArray[np.uint8], estimate: Estimate, note: str = "") -> NDArray[np.uint8]:
    """Draw joints with their names and distances, bones, box and command.

    Args:
        image: (height, width, 3) uint8 RGB.
        estimate: What was found in it.
        note: A line to put at the bottom, such as a warning.

    Returns:
        A new (height, width, 3) uint8 RGB picture.
    """
    picture = image.copy()
    scale = max(picture.shape[0], picture.shape[1]) / 640
    thickness = max(1, round(1.5 * scale))
    located = {keypoint.name: keypoint for keypoint in estimate.person.located if np.all(np.isfinite(keypoint.pixel))}
    if estimate.person.box is not None:
        left, top, right, bottom = (round(value) for value in estimate.person.box.tolist())
        cv2.rectangle(picture, (left, top), (right, bottom), _BOX, thickness)
    for parent, child in BONES:
        if parent in located and child in located:
            cv2.line(picture, _at(located[parent]), _at(located[child]), _BONE, thickness, cv2.LINE_AA)
    for name, keypoint in located.items():
        column, row = _at(keypoint)
        cv2.circle(picture, (column, row), round(4 * scale), _JOINT, -1, cv2.LINE_AA)
        distance = float(np.linalg.norm(keypoint.position))
        _write(picture, f"{name} {distance:.2f} m", (column + round(6 * scale), row), scale)
    missing = [keypoint.name for keypoint in estimate.person.keypoints if not keypoint.has_position]
    _write(picture, f'"{estimate.command.text}"', (round(8 * scale), round(18 * scale)), scale)
    if missing:
        _write(picture, f"missing: {', '.join(missing)}", (round(8 * scale), round(36 * scale)), scale)
    if note:
        _write(picture, note, (round(8 * scale), picture.shape[0] - round(10 * scale)), scale)
    return picture


def _at(keypoint: Keypoint) -> tuple[int, int]:
    column, row = keypoint.pixel.tolist()
    return round(column), round(row)


def _write(picture: NDArray[np.uint8], text: str, at: tuple[int, int], scale: float) -> None:
    """Write white text on a dark plate, moved so that it stays within the picture."""
    font, size, thickness, margin = cv2.FONT_HERSHEY_SIMPLEX, 0.45 * scale, max(1, round(scale)), round(3 * scale)
    (width, height), below = cv2.getTextSize(text, font, size, thickness)
    left = max(margin, min(at[0], picture.shape[1] - width - margin))
    bottom = max(height + margin, min(at[1], picture.shape[0] - below - margin))
    plate = picture[bottom - height - margin : bottom + below + margin, left - margin : left + width + margin]
    plate[:] = plate // 3
    cv2.putText(picture, text, (left, bottom), font, size, _TEXT, thickness, cv2.LINE_AA)
