"""An oracle that reads zoomed views: it answers with what a model sees of a person in the view that it was shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from oracle import SPEC, Oracle, info

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.canonical_view import CanonicalView
from taihri_ros.commands.command import Command
from taihri_ros.inference.engine import Generation, GenerationRequest
from taihri_ros.model.quantization import InteractionSpace
from taihri_ros.model.spec import ModelSpec
from taihri_ros.model.zoom import ROOT, seen_points
from taihri_ros.pipeline.estimator import Estimator, Exchange

ZOOMING = replace(SPEC, focal_px=112.0, max_image_size=(256, 256), min_pixels=1024, max_pixels=65536, zoom=(1.0, 4.0))
"""The specification of the oracle with the sizes of taihri-nano, and zoom."""

BODY: Mapping[str, NDArray[np.float64]] = {
    ROOT: np.zeros(3),
    "head": np.array([0.05, -0.65, -0.05]),
    "left_wrist": np.array([0.45, -0.2, -0.35]),
    "right_wrist": np.array([-0.3, 0.1, 0.15]),
    "left_foot": np.array([0.1, 0.85, -0.1]),
}
"""Joints around the pelvis, metres, camera optical frame."""


def stand(x: float, y: float, z: float) -> dict[str, NDArray[np.float64]]:
    """Return the joints of somebody whose pelvis is at a place, (3,) metres, camera optical frame."""
    return {name: np.array([x, y, z]) + offset for name, offset in BODY.items()}


class ZoomOracle(Oracle):
    """An oracle whose joints are in the frame of the camera; it answers with those that are in the view.

    Attributes:
        view: The view of the next request.
        legible_m: Largest depth of the root, as seen, at which it answers.
        views: The views of all requests.
    """

    def __init__(
        self,
        joints: Mapping[str, NDArray[np.float64]],
        spec: ModelSpec = ZOOMING,
        *,
        legible_m: float = 2.5,
        **more: Any,
    ) -> None:
        super().__init__({}, **more)
        self.info = info(spec)
        self.person, self.legible_m = joints, legible_m
        self.view: CanonicalView | None = None
        self.views: list[CanonicalView] = []

    def generate(self, request: GenerationRequest) -> Generation:
        view = self.view
        assert view is not None
        assert request.image.shape[:2] == (view.height, view.width)
        self.views.append(view)
        self.joints = self._seen(view) if self.person else {}
        return super().generate(request)

    def _seen(self, view: CanonicalView) -> dict[str, NDArray[np.float64]]:
        zoom, real = view.focal_px / self.info.spec.focal_px, view.points_to_view(list(self.person.values()))
        seen = seen_points(real, real[list(self.person).index(ROOT), 2], zoom)
        self.pixels = dict(zip(self.person, view.camera.project(real), strict=True))
        shown = {
            name: point
            for name, point in zip(self.person, seen, strict=True)
            if InteractionSpace().contains(point)
            and (self.pixels[name] > 0.0).all()
            and (self.pixels[name] < [view.width - 1, view.height - 1]).all()
        }
        return shown if ROOT in shown and shown[ROOT][2] <= self.legible_m else {}

    def pixel(self, name: str, size: tuple[int, int]) -> NDArray[np.float64]:
        return self.pixels[name]


class OracleEstimator(Estimator):
    """An estimator that lets a `ZoomOracle` know the view that it is shown."""

    engine: ZoomOracle

    def exchange(
        self, image: NDArray[np.uint8], camera: Camera, command: Command, *, view: CanonicalView | None = None
    ) -> Exchange:
        self.engine.view = view or self.full_view(camera)
        return super().exchange(image, camera, command, view=view)
