"""Calibration of a checkpoint's uncertainty on labelled data that it was not trained on.

The errors are compared with the standard deviations from the top-k log-probabilities, in three steps:

1. The standard deviation of each coordinate is scaled so that 68.27 % of the errors are smaller than it, as in a
   normal distribution. A quantile is robust against gross errors.
2. A common factor scales all three coordinates of a point, so that the 90 % ellipsoid holds 90 % of the true positions.
3. The confidence depends on small errors. It has its own factor, so that the 50 % ellipsoid holds half of the true
   positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from taihri_ros.camera.canonical_view import CanonicalView
from taihri_ros.commands.command import joint_command
from taihri_ros.errors import TaihriError
from taihri_ros.evaluation import metrics
from taihri_ros.evaluation.datasets.items import Item
from taihri_ros.evaluation.evaluate import query_model
from taihri_ros.model.parser import MalformedAnswerError
from taihri_ros.model.quantization import BINS, InteractionSpace, decode_pixels
from taihri_ros.model.spec import Calibration
from taihri_ros.pipeline.decoder import AnswerDecoder, XySource
from taihri_ros.pipeline.estimator import Estimator
from taihri_ros.pipeline.uncertainty import bins_covariance, pixel_covariance
from taihri_ros.skeleton import INDEX, JOINTS

FEWEST_JOINTS = 100
"""Smallest number of joints for a reliable 90 % quantile."""

_OWN_LABELS = 0.02
"""Typical error in the image, relative to the reported standard deviation, below which labels are the model's own."""

_ONE_SIGMA = 0.6827
"""Probability that a normally distributed error is at most one standard deviation."""

_COORDINATES = 5
"""Number of coordinates of a joint: u, v, x, y, z."""

_COLUMNS: dict[XySource, list[int]] = {"bins": [2, 3, 4], "pixel": [0, 1, 4]}
"""The coordinates that make a position."""

_STEPS, _TOLERANCE = 50, 1e-5
"""Largest number of iterations for the factors, and the relative change that ends them."""


@dataclass(frozen=True, eq=False)
class Measurements:
    """N answered joints of one image with their labels; the columns of coordinates are u, v, x, y, z.

    Attributes:
        view: Input view of the model.
        space: Ranges of the 3D bins.
        truth: (N, 3) true positions, metres, frame of the view.
        bins: (N, 5) answered coordinates, fractional bins; z is the real depth, which may lie beyond the last bin in a
            zoomed view.
        variances: (N, 5) their variances from the top-k log-probabilities, bins².
        zoom: Focal length of the view divided by that of the model.
    """

    view: CanonicalView
    space: InteractionSpace
    truth: NDArray[np.float64]
    bins: NDArray[np.float64]
    variances: NDArray[np.float64]
    zoom: float = 1.0

    @classmethod
    def from_answer(cls, decoder: AnswerDecoder, truth: NDArray[np.float64]) -> Measurements:
        """Collect the joints of an answer that have a label.

        Args:
            decoder: Decoder of the answer.
            truth: (22, 3) metres, optical frame of the camera that took the image; NaN where not labelled.

        Returns:
            The labelled joints in front of the camera that were answered with top-k log-probabilities; none of a zoomed
            view without a root.

        Raises:
            MalformedAnswerError: The log-probabilities of a coordinate contradict its token.
        """
        view, space = replace(decoder.view), decoder.spec.space  # without the cached remap tables
        if not decoder.answered or decoder.root_fault():
            return cls(view, space, np.empty((0, 3)), *np.empty((2, 0, _COORDINATES)))
        bins = decoder.bins.mean
        points, variances = decoder.unzoomed(bins)
        bins = np.column_stack([bins[:, :4], (points[:, 2] - space.low[2]) / space.step[2]])
        joints = view.points_to_view(truth)[[INDEX[joint.joint] for joint in decoder.answered]]
        requested = np.array([joint is not decoder.answer.root and bool(joint.pixel) for joint in decoder.answered])
        used = requested & (joints[:, 2] > 0.0) & np.isfinite(variances).all(axis=1)
        return cls(view, space, joints[used], bins[used], variances[used], decoder.zoom)

    def deviations(self) -> NDArray[np.float64]:
        """Return the errors of the coordinates divided by their standard deviations.

        The true u and v are the projection of the true position into the view, and may lie outside it.

        Returns:
            (N, 5), without unit.
        """
        pixels = self.view.camera.project(self.truth)
        true = np.concatenate(
            [
                pixels / np.array([self.view.width, self.view.height]) * (BINS - 1),
                (self.truth - self.space.low) / self.space.step,
            ],
            axis=1,
        )
        return np.asarray((self.bins - true) / np.sqrt(self.variances))

    def squared_mahalanobis(self, xy_source: XySource, calibration: Calibration) -> NDArray[np.float64]:
        """Return the squared Mahalanobis distances of the answered positions from the true ones.

        Args:
            xy_source: Source of x and y.
            calibration: Factors of the standard deviations.

        Returns:
            (N,), without unit.
        """
        variances, points = self.variances[:, _COLUMNS[xy_source]], self.space.low + self.bins[:, 2:] * self.space.step
        if xy_source == "bins":
            covariances = bins_covariance(variances, self.space, calibration)
        else:
            rays = self.view.view_rays(decode_pixels(self.bins[:, :2], (self.view.width, self.view.height)))
            depths = points[:, 2]
            covariances = pixel_covariance(variances, depths, rays, self.view, self.space, calibration)
            points = rays * depths[:, None]
        return metrics.squared_mahalanobis(points - self.truth, covariances)


def measure(estimator: Estimator, item: Item) -> Measurements | None:
    """Request the labelled joints in an image by name, in the views that the node takes of a single picture.

    The answer is the one that the node publishes: for a checkpoint that has learned zoomed views, that about the zoomed
    crop of somebody far away, and that about the full view of somebody near.

    Args:
        estimator: Estimator with the model.
        item: The image, which must not be from the training data.

    Returns:
        The answered joints; None when no labelled joint is in the image, or the answer is malformed.

    Raises:
        DataError: The image is missing, or its size is not that of its camera.
        EngineError: The engine failed.
    """
    requested = [joint for joint, inside in zip(JOINTS, item.truth.in_image, strict=True) if inside]
    if not requested:
        return None
    try:
        decoder = query_model(estimator, item, joint_command(requested), "auto").decoder
        return Measurements.from_answer(decoder, item.truth.joints)
    except MalformedAnswerError:
        return None


def calibrate(measurements: Sequence[Measurements]) -> Calibration:
    """Compute the factors that make the uncertainty of the model match its errors.

    Args:
        measurements: The answers, with `FEWEST_JOINTS` joints or more.

    Returns:
        The factors, rounded to four digits.

    Raises:
        TaihriError: There are too few joints, or the model has made the labels itself.
    """
    count = sum(len(entry.truth) for entry in measurements)
    if count < FEWEST_JOINTS:
        raise TaihriError(
            f"{count} labelled joints were answered with top-k log-probabilities: a calibration needs {FEWEST_JOINTS} "
            "or more"
        )
    ratios = np.abs(np.concatenate([entry.deviations() for entry in measurements]))
    factors = np.quantile(ratios, _ONE_SIGMA, axis=0)
    across = float(max(factors[_COLUMNS["pixel"]][:2]))
    if across < _OWN_LABELS:
        raise TaihriError(
            f"the labelled joints are where the model has found them, to {across:.1g} of its standard deviations in "
            "the image: it has made these labels itself; calibrate with labels from elsewhere"
        )
    calibration = Calibration(
        bins=_with_common_factor(measurements, "bins", factors[_COLUMNS["bins"]]),
        pixel=_with_common_factor(measurements, "pixel", factors[_COLUMNS["pixel"]]),
    )
    bins, pixel = (_confidence_factor(measurements, source, calibration) for source in _COLUMNS)
    return replace(calibration, confidence=(bins, pixel))


def _confidence_factor(measurements: Sequence[Measurements], xy_source: XySource, calibration: Calibration) -> float:
    """Return the factor that makes the 50 % ellipsoid cover half of the true positions."""
    squares = squared_mahalanobis(measurements, xy_source, calibration)
    return float(f"{np.sqrt(np.median(squares) / metrics.ELLIPSOIDS['50%']):.4g}")


def _with_common_factor(
    measurements: Sequence[Measurements], xy_source: XySource, factors: NDArray[np.float64]
) -> tuple[float, float, float]:
    """Scale the factors iteratively until the 90 % ellipsoid covers 90 % of the true positions."""
    limit = metrics.ELLIPSOIDS["90%"]
    for _ in range(_STEPS):
        squares = squared_mahalanobis(measurements, xy_source, _calibration(factors))
        common = float(np.sqrt(np.quantile(squares, 0.9) / limit))
        factors = factors * common
        if abs(common - 1.0) < _TOLERANCE:
            break
    x, y, z = (float(f"{factor:.4g}") for factor in factors)
    return x, y, z


def _calibration(factors: NDArray[np.float64]) -> Calibration:
    x, y, z = factors.tolist()
    return Calibration((x, y, z), (x, y, z))


def squared_mahalanobis(
    measurements: Sequence[Measurements], xy_source: XySource, calibration: Calibration
) -> NDArray[np.float64]:
    """Return the squared Mahalanobis distances of all answered positions from the true ones.

    Args:
        measurements: The answers.
        xy_source: Source of x and y.
        calibration: Factors of the standard deviations.

    Returns:
        (M,) for all joints of all images, without unit.
    """
    return np.concatenate([entry.squared_mahalanobis(xy_source, calibration) for entry in measurements])
