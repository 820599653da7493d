"""An oracle of several people: it answers with the one who stands nearest to the centre of the view."""

from __future__ import annotations

import threading
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from oracle import Oracle, info
from zoom_oracle import ZOOMING, ZoomOracle

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.canonical_view import CanonicalView
from taihri_ros.commands.command import Command
from taihri_ros.inference.engine import Generation, GenerationRequest
from taihri_ros.model.zoom import ROOT
from taihri_ros.pipeline.estimator import Estimator, Exchange

Joints = Mapping[str, NDArray[np.float64]]


class PeopleOracle(Oracle):
    """An oracle of people whose joints are in the frame of the camera, for concurrent requests.

    Attributes:
        people: Joints of each person.
        views: The views of all requests.
    """

    def __init__(self, *people: Joints) -> None:
        super().__init__({})
        self.info = info(ZOOMING)
        self.people, self.views = list(people), list[CanonicalView]()
        self.shown = threading.local()

    def generate(self, request: GenerationRequest) -> Generation:
        view: CanonicalView = self.shown.view
        self.views.append(view)
        size = np.array([view.width, view.height])

        def distance(person: Joints) -> float:
            ((x, y),) = view.camera.project(view.points_to_view(person[ROOT]))
            return float(np.abs((np.array([x, y]) - size / 2) / size).max()) if np.isfinite([x, y]).all() else np.inf

        person = min(self.people, key=distance, default={})
        oracle = ZoomOracle(person if person and distance(person) < 0.5 else {})
        oracle.view = view
        return oracle.generate(request)


class SightedEstimator(Estimator):
    """An estimator that lets a `PeopleOracle` know the view that it is shown."""

    engine: PeopleOracle

    def exchange(
        self, image: NDArray[np.uint8], camera: Camera, command: Command, *, view: CanonicalView | None = None
    ) -> Exchange:
        self.engine.shown.view = view or self.full_view(camera)
        return super().exchange(image, camera, command, view=view)


def box_of(camera: Camera, person: Joints) -> NDArray[np.float64]:
    """Return the box around the joints of a person, (4,) px."""
    pixels = camera.project(list(person.values()))
    return np.concatenate([pixels.min(axis=0), pixels.max(axis=0)])
