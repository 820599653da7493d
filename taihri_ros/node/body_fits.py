"""Fits the bodies of everybody in each result, once for all outputs of the node."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from taihri_ros.body.recovery import Body, BodyRecovery
from taihri_ros.keypoints import Person, State
from taihri_ros.pipeline.estimate import Estimate
from taihri_ros.pipeline.guards import Workspace
from taihri_ros.pipeline.people.person_track import TrackState
from taihri_ros.skeleton import INDEX, JOINTS

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Bodies:
    """The bodies in one image, in the camera's optical frame.

    Attributes:
        selected: The body of the person whose joints the result has; None if none could be fitted.
        by_id: The body of everybody who is seen, the selected person included; empty where people are not told apart.
    """

    selected: Body | None = None
    by_id: Mapping[str, Body] = field(default_factory=dict)


class BodyFits:
    """The fits of everybody, each of which starts from the person's own frame before.

    `update` must be called in the order of the frames.
    """

    def __init__(self, workspace: Workspace | None = None) -> None:
        """Start without people.

        Args:
            workspace: Box outside of which no joint of a body counts as supported; None for none.
        """
        self._workspace = workspace
        self._recoveries: defaultdict[str, BodyRecovery] = defaultdict(BodyRecovery)

    def update(self, estimate: Estimate, stamp_ns: int) -> Bodies:
        """Fit the bodies of a result.

        Args:
            estimate: The estimate. Without all joints of a person (`whole`) no body of theirs is fitted.
            stamp_ns: Time stamp of the image, nanoseconds.

        Returns:
            The bodies of the person whose joints the estimate has, and of everybody else who is confirmed.
        """
        wholes = {
            each.track.id: each.whole
            for each in estimate.people
            if each.whole is not None and each.track.state is TrackState.CONFIRMED
        }
        if estimate.whole is not None:
            wholes[estimate.person_id] = estimate.whole
        if estimate.people:
            tracked = {each.track.id for each in estimate.people}
            for name in self._recoveries.keys() - tracked:
                del self._recoveries[name]
        fitted = {
            name: body
            for name, whole in wholes.items()
            if (body := fit_body(self._recoveries[name], whole, stamp_ns, self._workspace)) is not None
        }
        return Bodies(fitted.get(estimate.person_id), {name: body for name, body in fitted.items() if name})


def fit_body(recovery: BodyRecovery, person: Person, stamp_ns: int, workspace: Workspace | None = None) -> Body | None:
    """Fit the body of a person. A joint that a guard has refused is not supported, whatever joints beyond it say.

    Args:
        recovery: Keeps the pose and shape of the frames before.
        person: The person, with as many joints of the skeleton as possible.
        stamp_ns: Time stamp of the image, nanoseconds.
        workspace: Box outside of which no joint counts as supported; None for none.

    Returns:
        The body, in the camera's optical frame; None if too few joints are located.
    """
    body = recovery.update(*keypoint_arrays(person), stamp_ns=stamp_ns)
    if body is None:
        return None
    withheld = np.zeros(len(JOINTS), bool)
    withheld[[INDEX[joint.name] for joint in person.keypoints if joint.state is State.IMPLAUSIBLE]] = True
    if workspace is not None:
        withheld |= [bool(workspace.problem(place)) for place in body.joints]
    return replace(body, withheld=withheld) if withheld.any() else body


def keypoint_arrays(person: Person) -> tuple[Array, Array]:
    """Return the joints of a person (22, 3), metres, NaN where missing, and their covariances (22, 3, 3), m²."""
    points, covariances = np.full((len(JOINTS), 3), np.nan), np.full((len(JOINTS), 3, 3), np.nan)
    for keypoint in person.located:
        points[INDEX[keypoint.name]] = keypoint.position
        covariances[INDEX[keypoint.name]] = keypoint.covariance
    return points, covariances
