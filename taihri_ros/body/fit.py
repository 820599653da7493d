"""Fits the body to keypoints: the most probable posture by Levenberg and Marquardt's method.

The cost is the sum of the keypoints' squared distances, in units of their own uncertainty (whitened by their
covariances), and of the priors, as in SMPLify (Bogo et al., Keep it SMPL, 2016) but for 3D keypoints. Each distance
enters through the logarithm of Cauchy's distribution, so that a keypoint far from the body counts little (iteratively
reweighted least squares; Triggs et al., Bundle adjustment, 2000). The damping of the steps is Nielsen's (Damping
parameter in Marquardt's method, 1999). The inverse of the curvature at the end is the covariance of the posture
(Laplace's approximation).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from taihri_ros.body.kinematics import Kinematics, Placement, Posture
from taihri_ros.body.priors import PosePrior, ShapePrior

Array = NDArray[np.float64]

ROBUST = 16.0
"""Squared whitened distance at which a keypoint counts half; that of a keypoint without fault is 3 on average."""

ROOT_TURN_RAD = 1.0
"""Standard deviation of the body's orientation about that at the start of a fit, radians: the doubt of a turn that no
keypoint shows."""

CONVERGED = 0.05
"""The fit ends when a step lowers the cost by less; a keypoint that is one standard deviation off costs 1."""

MAX_STEPS = 25
"""Largest number of steps."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """Keypoints of one person, N of the 22.

    Attributes:
        joints: int64 (N,) indices of the joints.
        points: float64 (N, 3) where they were found, metres, camera optical frame.
        whiteners: float64 (N, 3, 3) matrices W with W C W^T = 1 for the covariance C of each point's own error, 1/m.
        common: float64 (3, 3) covariance of the error that all points have in common, m².
    """

    joints: NDArray[np.int64]
    points: Array
    whiteners: Array
    common: Array

    @classmethod
    def of(cls, points: Array, covariances: Array, *, unknown_m: float, floor_m: float, shared: float) -> Evidence:
        """Take the keypoints that have a position.

        Args:
            points: (22, 3) metres, camera optical frame; NaN where a joint was not found.
            covariances: (22, 3, 3) m²; NaN where unknown.
            unknown_m: Standard deviation of each coordinate of a keypoint without a covariance, metres.
            floor_m: Standard deviation that is added to all keypoints, because no body is exactly like the template,
                metres.
            shared: Share of each covariance that is an error which all keypoints have in common, in [0, 1).

        Returns:
            The keypoints.
        """
        found = np.flatnonzero(np.isfinite(points).all(axis=1))
        covariance = covariances[found]
        covariance[~np.isfinite(covariance).all(axis=(1, 2))] = unknown_m**2 * np.eye(3)
        variances, axes = np.linalg.eigh(0.5 * (covariance + covariance.transpose(0, 2, 1)))
        variances = np.maximum(variances, 0.0) + floor_m**2
        frames = axes.transpose(0, 2, 1)
        information = axes @ (frames / variances[:, :, None])
        common = shared * np.asarray(np.linalg.inv(information.mean(axis=0)), np.float64)
        scales = 1.0 / np.sqrt((1.0 - shared) * variances)
        return cls(found, points[found], scales[:, :, None] * frames, common)

    def distances(self, placement: Placement) -> Array:
        """Return the whitened distances (N, 3) of a body's joints from the points."""
        return np.asarray((self.whiteners @ (placement.joints[self.joints] - self.points)[:, :, None])[..., 0])


@dataclass(frozen=True, eq=False)
class Fit:
    """The most probable posture.

    Attributes:
        posture: The posture.
        placement: Its bones.
        covariance: float64 (N, N) covariance of a step of `Posture.moved`.
        cost: Its cost; without the priors, a keypoint without fault costs 3 on average.
        influences: float64 (n,) how much each keypoint of the evidence counts, in (0, 1].
        steps: Number of steps that were tried.
    """

    posture: Posture
    placement: Placement
    covariance: Array
    cost: float
    influences: Array
    steps: int


class Fitter:
    """Fits postures of one template."""

    def __init__(self, kinematics: Kinematics, pose_prior: PosePrior) -> None:
        """Fit with a skeleton and its usual angles."""
        self._kinematics, self._pose_prior = kinematics, pose_prior

    def fit(self, evidence: Evidence, start: Posture, shape_prior: ShapePrior) -> Fit:
        """Return the most probable posture for some keypoints.

        Args:
            evidence: The keypoints; at least one.
            start: Where to start.
            shape_prior: What is known of the person's shape.

        Returns:
            The fit; a local optimum.
        """
        posture, placement = start, self._kinematics.place(start)
        cost = self._cost(evidence, posture, placement, shape_prior)
        gradient, curvature = self._expand(evidence, posture, placement, shape_prior)
        damping, growth, steps = 1e-3, 2.0, 0
        while steps < MAX_STEPS:
            steps += 1
            diagonal = np.diagonal(curvature)
            step = np.asarray(np.linalg.solve(curvature + np.diag(damping * diagonal), -gradient), np.float64)
            moved = posture.moved(step)
            placed = self._kinematics.place(moved)
            moved_cost = self._cost(evidence, moved, placed, shape_prior)
            if moved_cost > cost:
                damping, growth = damping * growth, 2.0 * growth
                if damping > 1e6:
                    break
                continue
            gain = cost - moved_cost
            posture, placement, cost = moved, placed, moved_cost
            expected = float(step @ (damping * diagonal * step - gradient))
            gradient, curvature = self._expand(evidence, posture, placement, shape_prior)
            if gain < CONVERGED:
                break
            damping, growth = damping * max(1.0 / 3.0, 1.0 - (2.0 * gain / max(expected, gain) - 1.0) ** 3), 2.0
        squared = np.square(evidence.distances(placement)).sum(axis=1)
        covariance = np.asarray(np.linalg.inv(curvature), np.float64)
        return Fit(posture, placement, covariance, cost, _influences(squared), steps)

    def _cost(self, evidence: Evidence, posture: Posture, placement: Placement, shape_prior: ShapePrior) -> float:
        squared = np.square(evidence.distances(placement)).sum(axis=1)
        of_points = ROBUST * float(np.log1p(squared / ROBUST).sum())
        return of_points + self._pose_prior.cost(posture.angles) + shape_prior.cost(posture.shape)

    def _expand(
        self, evidence: Evidence, posture: Posture, placement: Placement, shape_prior: ShapePrior
    ) -> tuple[Array, Array]:
        """Return half the gradient of the cost and half its curvature (of Gauss and Newton)."""
        distances = evidence.distances(placement)
        scales = np.sqrt(_influences(np.square(distances).sum(axis=1)))[:, None]
        jacobian = self._kinematics.jacobian(placement)
        jacobian = jacobian.reshape(-1, 3, jacobian.shape[-1])[evidence.joints]
        jacobian = ((evidence.whiteners * scales[..., None]) @ jacobian).reshape(-1, jacobian.shape[-1])
        gradient = jacobian.T @ (scales * distances).ravel()
        curvature = jacobian.T @ jacobian
        curvature[range(3, 6), range(3, 6)] += 1.0 / ROOT_TURN_RAD**2
        angles = slice(6, 6 + len(posture.angles))
        shapes = slice(6 + len(posture.angles), None)
        for part, prior in (
            (angles, self._pose_prior.expand(posture.angles)),
            (shapes, shape_prior.expand(posture.shape)),
        ):
            gradient[part] += prior.gradient
            curvature[part, part] += prior.curvature
        return gradient, curvature


def _influences(squared: Array) -> Array:
    """Return how much keypoints count, in (0, 1], for their squared whitened distances."""
    return np.asarray(1.0 / (1.0 + squared / ROBUST))
