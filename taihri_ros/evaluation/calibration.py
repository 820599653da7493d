"""How far a checkpoint's own probabilities can be believed, measured on labelled data that it has not seen.

Errors are compared with the standard deviations that the alternatives of the coordinate tokens say. First every
coordinate by itself: its factor makes 68.27 % of the errors smaller than one standard deviation, as a normal
distribution has them, so that a few gross errors do not count for more than their number. Then all three together,
since a point is used as a whole: one more factor makes the 90 % ellipsoid hold 90 % of the true positions. A
confidence is about the near ones: its own factor makes the 50 % ellipsoid hold half of them.
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
from taihri_ros.evaluation.evaluate import ask_about
from taihri_ros.model.parser import MalformedAnswerError, Outcome
from taihri_ros.model.quantization import BINS, InteractionSpace, decode_pixels, estimate_bins
from taihri_ros.model.spec import Calibration
from taihri_ros.pipeline.decoder import AnswerDecoder, XySource
from taihri_ros.pipeline.estimator import Estimator
from taihri_ros.pipeline.uncertainty import bins_covariance, pixel_covariance
from taihri_ros.skeleton import INDEX, JOINTS

FEWEST_JOINTS = 100
"""With fewer answers a quantile of 90 % says little."""

_ONE_SIGMA = 0.6827
_COORDINATES = 5
_COLUMNS: dict[XySource, list[int]] = {"bins": [2, 3, 4], "pixel": [0, 1, 4]}
_STEPS, _TOLERANCE = 50, 1e-5


@dataclass(frozen=True, eq=False)
class Measurements:
    """What was answered about N joints of one image; the columns of coordinates are u, v, x, y, z.

    Attributes:
        view: What the model was shown.
        space: The ranges of the 3D bins.
        truth: (N, 3) metres, view's frame.
        bins: (N, 5) the answered coordinates, fractions of a bin.
        variances: (N, 5) bins², as the alternatives say them.
    """

    view: CanonicalView
    space: InteractionSpace
    truth: NDArray[np.float64]
    bins: NDArray[np.float64]
    variances: NDArray[np.float64]

    @classmethod
    def of(cls, decoder: AnswerDecoder, truth: NDArray[np.float64]) -> Measurements:
        """Compare an answer with the labels.

        Args:
            decoder: The answer.
            truth: (22, 3) metres, optical frame of the camera that took the image; NaN where not labelled.

        Returns:
            The joints that were answered with alternatives, are labelled, and lie in front of the view.
        """
        view = replace(decoder.view)  # without the maps that the view keeps for drawing
        joints = view.points_to_view(truth)
        joint_rows, numbers = [], []
        for joint in decoder.answer.joints:
            row = INDEX[joint.joint]
            if joint.outcome is not Outcome.ANSWERED or not joints[row, 2] > 0.0:
                continue
            estimates = [
                estimate_bins(coordinate.bin, entry.bins, entry.logprobs)
                for coordinate in (*joint.pixel, *joint.point)
                if (entry := decoder.top_k[coordinate.token]) is not None and entry.bins
            ]
            if len(estimates) == _COORDINATES:
                joint_rows.append(row)
                numbers.append([(estimate.mean, estimate.variance) for estimate in estimates])
        bins, variances = np.array(numbers, np.float64).reshape(-1, _COORDINATES, 2).transpose(2, 0, 1)
        return cls(view, decoder.spec.space, joints[np.array(joint_rows, np.int64)], bins, variances)

    def deviations(self) -> NDArray[np.float64]:
        """Give the errors of the coordinates in units of their standard deviations, (N, 5).

        The true u and v are those of the true position's projection into the view, which may lie beyond its edge.
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
        """Give the squared errors of the positions in units of their own standard deviations, (N,)."""
        variances, points = self.variances[:, _COLUMNS[xy_source]], self.space.decode(self.bins[:, 2:])
        if xy_source == "bins":
            covariances = bins_covariance(variances, self.space, calibration)
        else:
            rays = self.view.view_rays(decode_pixels(self.bins[:, :2], (self.view.width, self.view.height)))
            depths = points[:, 2]
            covariances = pixel_covariance(variances, depths, rays, self.view, self.space, calibration)
            points = rays * depths[:, None]
        return metrics.squared_mahalanobis(points - self.truth, covariances)


def measure(estimator: Estimator, item: Item) -> Measurements | None:
    """Ask for the labelled joints that are in an image, by name.

    Args:
        estimator: Asks the model.
        item: The image, which the model has not seen in training.

    Returns:
        What was answered; None where no joint is to be asked for, or the answer is malformed.

    Raises:
        DataError: The image is not there, or not of its camera's size.
        EngineError: The engine failed.
    """
    asked = [joint for joint, inside in zip(JOINTS, item.truth.in_image, strict=True) if inside]
    if not asked:
        return None
    try:
        decoder = ask_about(estimator, item, joint_command(asked)).decoder
    except MalformedAnswerError:
        return None
    return Measurements.of(decoder, item.truth.joints)


def calibrate(measurements: Sequence[Measurements]) -> Calibration:
    """Find the factors that make the model's certainty agree with its errors.

    Args:
        measurements: What was answered, `FEWEST_JOINTS` joints or more.

    Returns:
        The factors, to four digits.

    Raises:
        TaihriError: There are too few answers.
    """
    count = sum(len(entry.truth) for entry in measurements)
    if count < FEWEST_JOINTS:
        raise TaihriError(
            f"{count} joints were answered with alternatives: a calibration needs {FEWEST_JOINTS} or more labelled ones"
        )
    ratios = np.abs(np.concatenate([entry.deviations() for entry in measurements]))
    factors = np.quantile(ratios, _ONE_SIGMA, axis=0)
    calibration = Calibration(
        bins=_with_common_factor(measurements, "bins", factors[_COLUMNS["bins"]]),
        pixel=_with_common_factor(measurements, "pixel", factors[_COLUMNS["pixel"]]),
    )
    bins, pixel = (_core(measurements, source, calibration) for source in _COLUMNS)
    return replace(calibration, confidence=(bins, pixel))


def _core(measurements: Sequence[Measurements], xy_source: XySource, calibration: Calibration) -> float:
    """Give the factor with which the 50 % ellipsoid covers half."""
    squares = squared_mahalanobis(measurements, xy_source, calibration)
    return float(f"{np.sqrt(np.median(squares) / metrics.ELLIPSOIDS['50%']):.4g}")


def _with_common_factor(
    measurements: Sequence[Measurements], xy_source: XySource, factors: NDArray[np.float64]
) -> tuple[float, float, float]:
    """Scale the factors until the 90 % ellipsoid covers 90 %; of a product of ray and depth that takes a few steps."""
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
    """Give the squared errors of all positions in units of their own standard deviations.

    Args:
        measurements: What was answered.
        xy_source: Where x and y come from.
        calibration: The factors of the standard deviations.

    Returns:
        (M,) of all joints of all images.
    """
    return np.concatenate([entry.squared_mahalanobis(xy_source, calibration) for entry in measurements])
