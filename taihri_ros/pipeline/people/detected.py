"""Turns the estimates of one frame into detected people, each of them once.

A view often shows two people, and the model may answer about the wrong one. In a detected box, an answer counts only if
its pelvis is near the middle of it, and of two answers about one person the one that is nearer to the middle of its
box. Whose answer does not count, or is not believed, is still seen by the detector, and the box alone says where they
may stand: as in ByteTrack (Zhang et al. 2022, arXiv 2110.06864), every box counts for who is who.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from taihri_ros.camera.camera import Camera
from taihri_ros.keypoints import Keypoint, Person, State
from taihri_ros.model.zoom import ROOT
from taihri_ros.pipeline.constant_velocity import is_covariance
from taihri_ros.pipeline.estimate import Estimate
from taihri_ros.pipeline.guards import Guards
from taihri_ros.pipeline.people.person_track import PersonDetection, overlap
from taihri_ros.pipeline.person_views import Located
from taihri_ros.skeleton import INDEX, JOINTS

Array = NDArray[np.float64]

SAME_BODY_M = 0.3
"""Two people whose roots, and whose joints on average, are nearer to each other are one, metres."""

_DOUBT_M = 0.3
"""Standard deviation of each coordinate of a root that is not known, or not how well, metres."""

_ROOT_ERROR_M = 0.05
"""Standard deviation of each coordinate of the part of a root's error that changes with the view and with what is
hidden, metres, in addition to what the model knows of. Without it, a sharp answer that moves by 0.1 m is somebody else.
"""

_FEWEST_PIXELS = 6
"""Smallest number of joints whose pixels bound a person."""

_ASIDE = 0.4
"""Largest distance of a pelvis from the middle of its person's box to the left or right, as a share of the width."""

_BOX_ACROSS_M, _BOX_UPRIGHT_M = 0.2, 0.5
"""Standard deviations of a pelvis from the middle of the box, to the side and up or down, metres: the box may show a
part of somebody."""

_BOX_DEPTH = 0.5
"""Standard deviation of the distance of somebody who fills a box, as a share of it."""

_SAME_BOX = 0.5
"""Boxes that overlap more are of one person whom the detector found twice, if the model sees one person only."""

_ELSEWHERE = "the answer is about somebody else in the view"
_NOT_ASKED = "in this image the model was asked about others"


_NO_GUARDS = Guards()


@dataclass(frozen=True, eq=False)
class Detected:
    """A person whom the model or a detector found in one view.

    Attributes:
        estimate: The estimate from the view; no joint is located if only the box is known.
        detection: What the tracker needs to know.
    """

    estimate: Estimate
    detection: PersonDetection

    @classmethod
    def of(cls, estimate: Estimate, box: Array | None, guards: Guards = _NO_GUARDS) -> Detected | None:
        """Return the person of an estimate.

        The root counts although the model is not sure enough of it to publish it: its covariance says how sure. Where
        the root is unknown, the mean of the joints stands for it.

        Args:
            estimate: The estimate.
            box: (4,) the box in which it was looked for, px; None without one.
            guards: Joints that they refuse say nothing about where somebody is.

        Returns:
            The person; None if no joint is located.
        """
        refused = guards.problems({joint.name: joint for joint in estimate.person.located})
        located = [joint for joint in estimate.person.located if joint.name not in refused]
        if not located:
            return None
        believed = np.array([keypoint.position for keypoint in located])
        answered = estimate.decoded.keypoints if estimate.decoded else ()
        roots = [each for each in (*located, *answered) if each.name == ROOT and each.has_position]
        roots = [each for each in roots if not guards.problems({ROOT: each})]
        covariance = _DOUBT_M**2 * np.eye(3)
        if roots and is_covariance(roots[0].covariance):
            covariance = roots[0].covariance + _ROOT_ERROR_M**2 * np.eye(3)
        joints = np.full((len(JOINTS), 3), np.nan)
        joints[[INDEX[keypoint.name] for keypoint in located]] = believed
        detection = PersonDetection(
            root=roots[0].position if roots else believed.mean(axis=0),
            covariance=covariance,
            box=_box(estimate) if box is None else box,
            joints=joints,
            confidence=float(np.mean([np.nan_to_num(keypoint.confidence) for keypoint in located])),
        )
        return cls(estimate, detection)


def detected_people(
    estimates: Sequence[Estimate],
    boxes: Sequence[Array | None],
    camera: Camera,
    unasked: Sequence[Array] = (),
    guards: Guards = _NO_GUARDS,
) -> list[Detected]:
    """Return the people of a frame, each of them once.

    Args:
        estimates: The estimates from the views.
        boxes: (4,) px, the detected box that each view shows; None where it shows none.
        camera: The camera of the frame.
        unasked: Detected boxes about which the model was not asked.
        guards: Joints that they refuse say nothing about where somebody is.

    Returns:
        The people; of those in a box whose answer is missing or about somebody else, the box alone.
    """
    looks = [
        (estimate, box, Detected.of(estimate, box, guards)) for estimate, box in zip(estimates, boxes, strict=True)
    ]
    answered = [
        (0.0 if box is None else _aside(found.detection.root, box, camera), found)
        for _, box, found in looks
        if found is not None
    ]
    kept: list[Detected] = []
    for aside, person in sorted(answered, key=lambda each: (each[0], -each[1].detection.confidence)):
        if aside <= _ASIDE and not any(_is_same(person.detection, other.detection) for other in kept):
            kept.append(person)
    not_asked = [(estimates[0], box, _NOT_ASKED) for box in unasked]
    alone = [
        (estimate, box, None if found is None else _ELSEWHERE) for estimate, box, found in looks if found not in kept
    ]
    return kept + [
        _box_alone(estimate, box, camera, reason)
        for estimate, box, reason in [*alone, *not_asked]
        if box is not None and not any(_overlaps(person, box) for person in kept)
    ]


def _overlaps(person: Detected, box: Array) -> bool:
    return person.detection.box is not None and overlap(person.detection.box, box) > _SAME_BOX


def _aside(root: Array, box: Array, camera: Camera) -> float:
    """Return how far a root is to the left or right of the middle of a box, as a share of its width."""
    column = float(camera.project(root)[0, 0])
    if not np.isfinite(column):
        return np.inf
    left, _, right, _ = box.tolist()
    return float(abs(column - (left + right) / 2.0) / (right - left))


def _box_alone(estimate: Estimate, box: Array, camera: Camera, reason: str | None) -> Detected:
    """Return the person of a detected box, whose joints are missing for a reason; None for that of the estimate."""
    middle = Located.in_box(camera, box).root
    depth = float(np.linalg.norm(middle))
    ray = middle / depth
    side = np.array([ray[2], 0.0, -ray[0]]) / np.hypot(ray[0], ray[2])
    axes = np.column_stack([side, np.cross(ray, side), ray])
    covariance = axes @ np.diag([_BOX_ACROSS_M, _BOX_UPRIGHT_M, _BOX_DEPTH * depth]) ** 2 @ axes.T
    if reason is not None:
        keypoints = tuple(Keypoint(each.name, State.NOT_ANSWERED, reason) for each in estimate.person.keypoints)
        estimate = replace(estimate, person=Person(keypoints, None), decoded=None)
    return Detected(estimate, PersonDetection(middle, covariance, box, confidence=0.0, is_box=True))


def _is_same(first: PersonDetection, second: PersonDetection) -> bool:
    assert first.joints is not None
    assert second.joints is not None
    distances = np.linalg.norm(first.joints - second.joints, axis=1)
    joints = distances[np.isfinite(distances)]
    apart = [float(np.linalg.norm(first.root - second.root)), *([joints.mean()] if len(joints) else [])]
    return bool(max(apart) < SAME_BODY_M)


def _box(estimate: Estimate) -> Array | None:
    """Return the box of the answer, or that around its pixels if there are enough of them."""
    if estimate.person.box is not None:
        return estimate.person.box
    pixels = np.array([each.pixel for each in estimate.person.located if np.isfinite(each.pixel).all()])
    return np.concatenate([pixels.min(axis=0), pixels.max(axis=0)]) if len(pixels) >= _FEWEST_PIXELS else None
