"""Finds the joints of a command in a single picture, in as many views as it needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.canonical_view import CanonicalView
from taihri_ros.commands.command import Command
from taihri_ros.pipeline.estimate import summed_stages
from taihri_ros.pipeline.estimator import Estimator, Exchange
from taihri_ros.pipeline.person_views import Located

WELL_SHOWN = 0.35
"""If this share of the joints of somebody near should be within 0.1 m in the full view, no search is needed. On 240
pictures of people, leaving it out so changed the mean error of taihri-nano by -0.3 to 0.0 mm (95 %); with a share of
0.25, by 0.2 to 3.3 mm."""


class _ViewAnswer(NamedTuple):
    """The answer about one view, and where the person is in it.

    Attributes:
        exchange: The answer.
        found: Where the person is; None if the model believes no joint.
        presence: Probability that there is a person; 0 if unknown.
        hits: Expected share of the joints that are within 0.1 m: the presence times the mean confidence.
    """

    exchange: Exchange
    found: Located | None
    presence: float
    hits: float

    @property
    def merit(self) -> tuple[bool, float]:
        """What the better of two answers has more of."""
        return self.found is not None, self.hits


def find_person(
    estimator: Estimator,
    image: NDArray[np.uint8],
    camera: Camera,
    command: Command,
    check_wanted: Callable[[], None] | None = None,
) -> Exchange:
    """Return the answer about the view that shows the person in a single picture best.

    The model looks at the full view. If it has learned zoomed views, it then looks at every view of the coarse grid
    (`PersonViews.search`), because there is no later frame in which to look, and then at the zoomed crop of the person
    in the view with the largest presence. The grid is looked at even if the full view shows somebody, unless it shows
    them well (`WELL_SHOWN`): people far away are hardly legible there, and who is invented instead of them has a
    smaller presence than they have in the grid. Somebody whose crop needs no zoom is near, and the full view shows more
    of them than the grid does. What was found with a zoom is answered only if at least as many joints should be right
    as in the full view: a zoomed view of the belly of somebody near may look like somebody far away.

    Whoever is found is looked at again a third larger and, if they were shown with a zoom, a quarter smaller
    (`PersonViews.rescaled`). The answers are fused (`view_fusion.py`): part of their errors is not the same.

    Args:
        estimator: Asks the model; its gate decides what the model believes.
        image: (height, width, 3) uint8 RGB, not undistorted.
        camera: Calibration of the camera that took the image.
        command: The joints to find; those that the model chooses for free words are named in further views.
        check_wanted: Called before every further view, if given; raises an error to end the processing.

    Returns:
        The answer about the crop, or about the full view if the crop needs no zoom or is worse; if the model finds no
        joint in it, that about the view before. It is to be fused with `Exchange.further`. The stage times are those of
        all views together.

    Raises:
        CameraError, EngineError, MalformedAnswerError: As in `Estimator.estimate`.
    """
    spec = estimator.engine.info.spec
    if not spec.zooms:
        return estimator.exchange(image, camera, command)
    thresholds = estimator.gate.thresholds(spec)
    answers: list[_ViewAnswer] = []

    def ask(view: CanonicalView | None, command: Command) -> _ViewAnswer:
        if answers and check_wanted is not None:
            check_wanted()
        exchange = estimator.exchange(image, camera, command, view=view)
        person = exchange.estimate(estimator.xy_source, thresholds).person
        presence = float(np.nan_to_num(person.presence))
        confidences = np.nan_to_num([joint.confidence for joint in person.keypoints] or [0.0])
        answers.append(_ViewAnswer(exchange, Located.of(person), presence, presence * float(confidences.mean())))
        return answers[-1]

    full = ask(None, command)
    joints = command.joints or tuple(joint.joint for joint in full.exchange.decoder.answer.joints)
    if not joints:
        return full.exchange
    views, command = estimator.views(camera), replace(command, joints=joints)
    well_shown = full.found is not None and full.hits >= WELL_SHOWN and views.zoom(views.around(full.found)) == 1.0
    grid = [] if well_shown else [ask(view, command) for view in views.search]
    best = max((full, *grid), key=lambda each: (each.found is not None, each.presence))
    crop = views.full if best.found is None else views.around(best.found)
    if views.zoom(crop) == 1.0:
        best = best if full.found is None else full
    elif (zoomed := ask(crop, command)).found is not None:
        best = zoomed
    best = max((best, full), key=lambda each: each.merit)
    again = () if best.found is None else [ask(view, command) for view in views.rescaled(best.found)]
    further = tuple(each.exchange.decoder for each in again if each.found is not None)
    stages_ms = summed_stages(*(each.exchange.stages_ms for each in answers))
    return replace(best.exchange, stages_ms=stages_ms, further=further)
