"""Targets: what the right answer to a question about a view is, in the units in which answers are rewarded."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from taihri_ros.model.quantization import InteractionSpace
from taihri_ros.model.spec import ModelSpec
from taihri_ros.skeleton import JOINTS
from taihri_ros.training.data.viewpoints import View

_SMALLEST_SCALE = 0.1
"""Smallest scale of a person, as a share of the scale of the view."""


@dataclass(frozen=True, eq=False)
class Target:
    """The right answer to a question about a view.

    Attributes:
        joints: Names of the joints that the right answer has. For a free command they are those that it needs: none
            where it asks for nothing or nobody is in the view. For named joints they are all of them; where nobody is
            in the view, the right answer says of each that it is absent.
        free: Whether the model chooses the joints.
        person: Whether the view shows a person.
        points: (22, 3) float64 metres, frame of the view, as the model sees them through the zoom (`model/zoom.py`);
            NaN without a label, and where the point is outside the interaction space, so that no bin is right.
        pixels: (22, 2) float64 px of the view, moved to its edge where the joint is beyond it, because the first and
            the last bin stand for everything beyond; NaN without a label.
        size: Width and height of the view, px.
        focal_px: Focal length of the view, px.
        zoom: The focal length divided by that of the model.
        scale_px: Scale of the person: the square root of the area of the box around all labelled pixels, also those
            beyond the edge; between a tenth of the scale of the view and all of it.
        space: The ranges of the 3D bins.
    """

    joints: tuple[str, ...]
    free: bool
    person: bool
    points: NDArray[np.float64]
    pixels: NDArray[np.float64]
    size: tuple[int, int]
    focal_px: float
    zoom: float
    scale_px: float
    space: InteractionSpace

    @classmethod
    def of(cls, view: View, joints: Sequence[str], free: bool, spec: ModelSpec) -> Target:
        """Return the target of a question about a training view.

        Args:
            view: The view with its labels.
            joints: The joints that were named, or those that the free command needs.
            free: Whether the model chooses the joints.
            spec: The model's focal length and interaction space.

        Returns:
            The target.
        """
        size = view.image.shape[1], view.image.shape[0]
        points, pixels = view.joints.astype(np.float64), view.pixels.astype(np.float64)
        points[~(view.labelled & spec.space.contains(points))] = np.nan
        pixels[~view.labelled] = np.nan
        if not view.person:
            points[:], pixels[:] = np.nan, np.nan
        return cls(
            () if free and not view.person else tuple(joints),
            free,
            view.person,
            points,
            np.clip(pixels, 0.0, size),
            size,
            spec.focal_px * view.zoom,
            view.zoom,
            _scale(pixels, size),
            spec.space,
        )

    @property
    def wanted(self) -> NDArray[np.bool_]:
        """(22,) whether the right answer has the joint."""
        return np.isin(JOINTS, self.joints)


def _scale(pixels: NDArray[np.float64], size: tuple[int, int]) -> float:
    """Return the scale of a person from all pixels, (22, 2) px; that of the view without labels."""
    whole = math.sqrt(size[0] * size[1])
    known = pixels[np.isfinite(pixels).all(axis=1)]
    if not len(known):
        return whole
    return float(np.clip(np.sqrt(np.ptp(known, axis=0).prod()), _SMALLEST_SCALE * whole, whole))
