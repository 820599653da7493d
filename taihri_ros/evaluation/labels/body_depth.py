"""Lifts 2D keypoints to 3D joints with a depth image, and leaves out every joint whose depth is not the body's.

The depth of a joint is that of the surface at its pixel plus the surface-to-joint offset (`pipeline.depth_fusion`). The
surface may be something else: the wall behind, an object or another person in front, or nothing that exists, where a
depth camera mixes near and far at an edge. Three checks find that:

1. Around the pixel, most measurements lie on one surface.
2. The engine knows roughly how much nearer or farther each joint is than the others, but not how large the person is.
   Enlarged by a factor s, somebody at s times the distance looks the same. Each measured joint therefore proposes the
   factor s = measured depth / engine's depth, and the factor that most joints agree with is chosen (a consensus as in
   RANSAC, Fischler and Bolles 1981, over all proposals). A joint that does not agree is in front of or behind the body.
3. No bone is much longer or shorter than those of people, for the person's size.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from taihri_ros.camera.camera import Camera
from taihri_ros.errors import TaihriError
from taihri_ros.keypoints import Keypoint, Person, State
from taihri_ros.pipeline.depth_fusion import check_registered, joint_depth, measured_depths, sensor_noise, surface_depth
from taihri_ros.pipeline.guards import LIMBS_M

MIN_JOINTS = 6
"""Smallest number of joints with a label in a labelled picture."""

_FLAT_M = 0.04
"""Measurements around a pixel that are within this distance of the median are on one surface with it, metres."""

_FLAT_SHARE = 0.6
"""Smallest share of the measurements around a pixel that must be on one surface."""

_RELATIVE_DEPTH_M = {"elbow": 0.1, "knee": 0.1, "wrist": 0.16, "ankle": 0.16, "foot": 0.16}
_TRUNK_DEPTH_M = 0.055
"""Standard deviations of an engine's depth of a joint relative to the body, metres; the second of the other joints.
Measured with the light engine on 80 pictures of the simulated camera."""

_SIGMAS = 3.0
"""Difference between measured and expected at which a joint is left out, standard deviations."""

_LARGEST_ACROSS_M = 0.08
"""Largest standard deviation of a label across the line of sight, metres."""

_BONE_SIGMA = 0.12
"""Standard deviation of a bone's length across people of one size, as a fraction of it."""

_SIZES = (0.5, 1.35)
"""Sizes of people relative to the typical one, from small children to giants."""


class LeftOut(str, Enum):
    """Why a joint has no label."""

    NOT_FOUND = "the engine did not find it"
    OUTSIDE = "it is outside the image"
    UNCERTAIN = "its pixel is too uncertain"
    HOLE = "there is no depth"
    EDGE = "it is at an edge of the depth image"
    IN_FRONT = "something is in front of it"
    BEHIND = "the depth is that of the background"
    BONE = "its bone has an impossible length"


class UnlabelledError(TaihriError):
    """A picture gets no labels; the message is the reason."""


@dataclass(frozen=True, eq=False)
class LiftedPerson:
    """The labels of one picture.

    Attributes:
        joints: (3,) metres, camera optical frame, by joint name.
        deviations: (3,) standard deviations of x, y and z, metres, by joint name.
        left_out: The reason for each other joint of the person.
    """

    joints: dict[str, NDArray[np.float64]]
    deviations: dict[str, NDArray[np.float64]]
    left_out: dict[str, LeftOut]


@dataclass(frozen=True, eq=False)
class _Measured:
    """A joint with a measured depth.

    Attributes:
        position: (3,) metres, camera optical frame.
        ray: (3,) (x, y, 1) of its pixel.
        depth_variance: Variance of the depth, m².
        across_variance: Variances of x and y for a known depth, m².
        expected: Depth of the engine, metres.
    """

    position: NDArray[np.float64]
    ray: NDArray[np.float64]
    depth_variance: float
    across_variance: NDArray[np.float64]
    expected: float

    @property
    def covariance(self) -> NDArray[np.float64]:
        """(3, 3) m²: an error of the depth moves the joint along its ray."""
        along = self.depth_variance * np.outer(self.ray, self.ray)
        return np.asarray(along + np.diag([*self.across_variance, 0.0]))


def lift(person: Person, depth: NDArray[np.float32], camera: Camera) -> LiftedPerson:
    """Return the 3D joints of a person.

    Args:
        person: The person as an engine answered, x and y from the pixels (`XySource` pixel).
        depth: (height, width) float32 metres along the camera's z axis; not finite or not positive where nothing was
            measured.
        camera: The camera of the image, to which the depth image is registered.

    Returns:
        The joints, at least `MIN_JOINTS`.

    Raises:
        ImageError: The depth image does not have the camera's size.
        UnlabelledError: Too few joints have a depth of the body, or the body does not have the size of a person.
    """
    check_registered(depth, camera)
    left_out: dict[str, LeftOut] = {}
    measured: dict[str, _Measured] = {}
    for keypoint in person.keypoints:
        found = _measure(keypoint, depth, camera)
        if isinstance(found, LeftOut):
            left_out[keypoint.name] = found
        else:
            measured[keypoint.name] = found
    _check_count(measured, left_out)
    residuals = _residuals(measured)
    for name, residual in residuals.items():
        if abs(residual) > _SIGMAS:
            left_out[name] = LeftOut.IN_FRONT if residual < 0.0 else LeftOut.BEHIND
    measured = _without(measured, left_out)
    _check_count(measured, left_out)
    left_out |= dict.fromkeys(_with_impossible_bones(measured, residuals), LeftOut.BONE)
    measured = _without(measured, left_out)
    _check_count(measured, left_out)
    return LiftedPerson(
        joints={name: joint.position for name, joint in measured.items()},
        deviations={name: np.sqrt(np.diag(joint.covariance)) for name, joint in measured.items()},
        left_out=left_out,
    )


def _check_count(measured: dict[str, _Measured], left_out: dict[str, LeftOut]) -> None:
    """Check that enough joints remain; the error names the most common reason for the others."""
    if len(measured) < MIN_JOINTS:
        reasons = Counter(left_out.values())
        reason = f", mostly because {reasons.most_common(1)[0][0].value}" if reasons else ""
        raise UnlabelledError(f"fewer than {MIN_JOINTS} joints have a depth of the body{reason}")


def _measure(keypoint: Keypoint, depth: NDArray[np.float32], camera: Camera) -> _Measured | LeftOut:
    if keypoint.state is State.OUT_OF_VIEW:
        return LeftOut.OUTSIDE
    if keypoint.state is not State.MEASURED or not np.isfinite(keypoint.covariance).all():
        return LeftOut.NOT_FOUND
    ray = camera.unproject(keypoint.pixel)[0]
    inside = (keypoint.pixel >= -0.5) & (keypoint.pixel < np.array([camera.width, camera.height]) - 0.5)
    if not (inside.all() and np.isfinite(ray).all()):
        return LeftOut.OUTSIDE
    near = measured_depths(depth, keypoint.pixel)
    if not near.size:
        return LeftOut.HOLE
    surface = surface_depth(depth, keypoint.pixel)
    flat = np.abs(near - surface) <= _FLAT_M + _SIGMAS * sensor_noise(surface)
    if flat.mean() < _FLAT_SHARE:
        return LeftOut.EDGE
    z, variance = joint_depth(surface, keypoint.name)
    across = _across_variance(keypoint) * z**2
    if np.sqrt(across.max()) > _LARGEST_ACROSS_M:
        return LeftOut.UNCERTAIN
    return _Measured(ray * z, ray, float(variance), across, float(keypoint.position[2]))


def _across_variance(keypoint: Keypoint) -> NDArray[np.float64]:
    """Return the variances of x / z and y / z of a keypoint for a known z, (2,), without a unit."""
    covariance, z = keypoint.covariance, keypoint.position[2]
    with_depth = covariance[:2, 2] ** 2 / covariance[2, 2]
    return np.asarray(np.maximum(np.diag(covariance)[:2] - with_depth, 0.0) / (z**2 + covariance[2, 2]))


def _without(measured: dict[str, _Measured], left_out: Collection[str]) -> dict[str, _Measured]:
    return {name: joint for name, joint in measured.items() if name not in left_out}


def _residuals(measured: dict[str, _Measured]) -> dict[str, float]:
    """Return how far the depth of each joint lies behind that of the body, standard deviations.

    The body is the engine's, at the distance with which most joints agree.
    """
    depths = np.array([joint.position[2] for joint in measured.values()])
    expected = np.array([joint.expected for joint in measured.values()])
    relative = [_RELATIVE_DEPTH_M.get(name.split("_")[-1], _TRUNK_DEPTH_M) for name in measured]
    variances = [joint.depth_variance for joint in measured.values()]
    sigmas = np.sqrt(np.square(relative) + variances)
    factors = depths / expected
    residuals = (depths - factors[:, None] * expected) / sigmas
    costs = np.minimum(residuals**2, _SIGMAS**2).sum(axis=1)
    return dict(zip(measured, residuals[np.argmin(costs)].tolist(), strict=True))


def _with_impossible_bones(measured: dict[str, _Measured], residuals: Mapping[str, float]) -> set[str]:
    """Return the joints of bones that do not have the length of a person's: the end that agrees less with the body.

    Raises:
        UnlabelledError: The person as a whole is too small or too large: a picture of somebody, or not the body.
    """
    found: set[str] = set()
    while True:
        bones = list(_bones(_without(measured, found)))
        size = float(np.median([bone.length / bone.typical for bone in bones] or [1.0]))
        if not _SIZES[0] <= size <= _SIZES[1]:
            raise UnlabelledError(
                "the bones are too short or too long for a person: a picture of one, or another depth"
            )
        impossible = [bone for bone in bones if bone.is_impossible(size)]
        if not impossible:
            return found
        found |= {max(bone.start, bone.end, key=lambda name: abs(residuals[name])) for bone in impossible}


@dataclass(frozen=True)
class _Bone:
    """A bone between two measured joints: its ends, its length with its standard deviation, and that of most people."""

    start: str
    end: str
    length: float
    sigma: float
    typical: float

    def is_impossible(self, size: float) -> bool:
        """Check whether a person of a size, relative to the typical one, has no such bone."""
        expected = size * self.typical
        return bool(abs(self.length - expected) > _SIGMAS * np.hypot(self.sigma, _BONE_SIGMA * expected))


def _bones(measured: dict[str, _Measured]) -> Iterator[_Bone]:
    """Yield the bones of which both ends are measured."""
    for (start, end), typical in LIMBS_M.items():
        if start in measured and end in measured:
            first, second = measured[start], measured[end]
            along = second.position - first.position
            length = float(np.linalg.norm(along))
            direction = along / max(length, 1e-9)
            variance = direction @ (first.covariance + second.covariance) @ direction
            yield _Bone(start, end, length, float(np.sqrt(variance)), typical)
