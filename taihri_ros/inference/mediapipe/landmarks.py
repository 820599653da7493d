"""The 33 landmarks of BlazePose: what is found in a picture, their names, and the bones of the body."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_FACE = ("nose", "left_eye_inner", "left_eye", "left_eye_outer", "right_eye_inner", "right_eye", "right_eye_outer")
_REST = ("ear", "mouth", "shoulder", "elbow", "wrist", "pinky", "index", "thumb", "hip", "knee", "ankle", "heel", "toe")

NAMES = (*_FACE, *(f"{side}_{part}" for part in _REST for side in ("left", "right")))
"""Names of the landmarks, in BlazePose's order."""

NUMBER = {name: number for number, name in enumerate(NAMES)}
"""Number of each landmark by name."""

BODY = tuple(
    NUMBER[f"{side}_{part}"]
    for part in ("shoulder", "hip", "elbow", "wrist", "knee", "ankle")
    for side in ("left", "right")
)
"""Numbers of the landmarks at the ends of bones."""

_LENGTHS = {
    ("left_shoulder", "right_shoulder"): 0.344,
    ("left_hip", "right_hip"): 0.227,
    ("shoulder", "hip"): 0.482,
    ("shoulder", "elbow"): 0.261,
    ("elbow", "wrist"): 0.232,
    ("hip", "knee"): 0.389,
    ("knee", "ankle"): 0.437,
}
"""Lengths of an adult's bones, metres, across the body or of each side."""

ANCHORS = tuple(
    (NUMBER[f"{side}_{part}"], NUMBER[f"{side}_{anchor}"])
    for part, anchor in (
        ("elbow", "shoulder"),
        ("wrist", "elbow"),
        ("pinky", "wrist"),
        ("index", "wrist"),
        ("thumb", "wrist"),
        ("knee", "hip"),
        ("ankle", "knee"),
        ("heel", "ankle"),
        ("toe", "ankle"),
    )
    for side in ("left", "right")
)
"""Pairs of a limb's landmark and the one that is nearer to the torso, from the torso outwards."""


@dataclass(frozen=True, eq=False)
class Landmarks:
    """The landmarks of one person in a picture.

    Attributes:
        pixels: (33, 2) px in the picture, centre of a pixel at whole numbers; also outside of the picture.
        world: (33, 3) metres, axes as the camera's (x right, y down, z forward), origin between the hips.
        visibility: (33,) BlazePose's probability that the landmark is in the picture and not hidden.
        size: Width and height of the picture, px.
    """

    pixels: NDArray[np.float64]
    world: NDArray[np.float64]
    visibility: NDArray[np.float64]
    size: tuple[int, int]

    @property
    def inside(self) -> NDArray[np.bool_]:
        """(33,) whether each landmark is inside the picture."""
        within = (self.pixels >= -0.5) & (self.pixels <= np.array(self.size) - 0.5)
        return np.asarray(within.all(axis=1))


def _bones() -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    found = []
    for (start, end), length in _LENGTHS.items():
        sides = ("",) if start in NUMBER else ("left_", "right_")
        found += [([BODY.index(NUMBER[side + name]) for name in (start, end)], length) for side in sides]
    return np.array([ends for ends, _ in found]), np.array([length for _, length in found])


BONES, LENGTHS_M = _bones()
"""Ends of the 12 bones as indices of `BODY`, (12, 2), and the lengths of an adult's, (12,) metres: medians over
synthetic people, whose height has a standard deviation of 7 %."""
