"""A person whose true body is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from taihri_ros.body.kinematics import Placement, Posture


@dataclass(frozen=True, eq=False)
class Someone:
    """A person of the tests, in the camera's optical frame."""

    posture: Posture
    placement: Placement
    vertices: np.ndarray

    @property
    def joints(self) -> np.ndarray:
        return self.placement.joints
