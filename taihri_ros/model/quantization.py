"""Quantization of coordinates: conversion between metres or pixels and bins.

TAIHRI (arXiv 2604.08921) writes every coordinate as one of 1000 tokens `<0>` ... `<999>`; bin b is at the
fraction b / 999 of a range. In 3D the ranges are those of the interaction space in front of the camera; in 2D they are
the width and height of the image.

A checkpoint may have one more coordinate token, `<absent>`, for a joint that is not there (`AnswerFormat.absent`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from taihri_ros.errors import TaihriError

BINS = 1000
"""Number of bins, each of which has a coordinate token."""

ABSENT = BINS
"""Index of the coordinate token `<absent>`, directly after those of the bins."""

ABSENT_TOKEN = "<absent>"


def coordinate_token(index: int) -> str:
    """Return the token of a bin, such as `<261>`."""
    return f"<{index}>"


INDEX_OF_TOKEN = {coordinate_token(index): index for index in range(BINS)} | {ABSENT_TOKEN: ABSENT}
"""Index of every coordinate token, `<absent>` included."""


@dataclass(frozen=True)
class InteractionSpace:
    """The box in front of the camera that is divided into the 3D bins.

    Example:
        >>> from taihri_ros.model.quantization import InteractionSpace
        >>> space = InteractionSpace()
        >>> bins = space.encode([0.25, -0.1, 0.8])
        >>> bins.tolist()
        [549, 480, 200]
        >>> space.decode(bins).round(3).tolist()  # within half a bin, 2.5 mm
        [0.248, -0.098, 0.801]
        >>> bool(space.contains([0.0, 0.0, 5.0]))
        False

    Attributes:
        x, y, z: Range (lowest, highest) of each axis in metres, camera optical frame (x right, y down, z forward).
    """

    x: tuple[float, float] = (-2.5, 2.5)
    y: tuple[float, float] = (-2.5, 2.5)
    z: tuple[float, float] = (0.0, 4.0)

    def __post_init__(self) -> None:
        for axis, (low, high) in zip("xyz", (self.x, self.y, self.z), strict=True):
            if not (np.isfinite(low) and np.isfinite(high) and low < high):
                raise TaihriError(
                    f"the {axis} range of the interaction space must be two increasing numbers, not {low}, {high}"
                )

    @property
    def low(self) -> NDArray[np.float64]:
        """Centre of bin 0 along each axis, (3,) metres."""
        return np.array([self.x[0], self.y[0], self.z[0]])

    @property
    def step(self) -> NDArray[np.float64]:
        """Width of a bin along each axis, (3,) metres."""
        return (np.array([self.x[1], self.y[1], self.z[1]]) - self.low) / (BINS - 1)

    def contains(self, points: ArrayLike) -> NDArray[np.bool_]:
        """Return which points lie in the interaction space.

        Args:
            points: (..., 3) metres, camera optical frame.

        Returns:
            (...) bool; NaN is outside.
        """
        bins = (np.asarray(points, np.float64) - self.low) / self.step
        return np.asarray(np.all((bins >= -0.5) & (bins < BINS - 0.5), axis=-1))

    def encode(self, points: ArrayLike) -> NDArray[np.int64]:
        """Round points to bins.

        Args:
            points: (..., 3) metres, camera optical frame.

        Returns:
            (..., 3) int64 bins.

        Raises:
            TaihriError: A point lies outside the interaction space.
        """
        points = np.asarray(points, np.float64)
        if not np.all(self.contains(points)):
            raise TaihriError(
                f"a point lies outside the interaction space x {self.x}, y {self.y}, z {self.z} m: "
                "encode only points inside it"
            )
        return np.rint((points - self.low) / self.step).astype(np.int64)

    def decode(self, bins: ArrayLike) -> NDArray[np.float64]:
        """Return the positions of bins.

        Args:
            bins: (..., 3) bins or fractions of bins, in [0, 999].

        Returns:
            (..., 3) metres, camera optical frame.

        Raises:
            TaihriError: A bin is out of range.
        """
        return np.asarray(self.low + _checked(bins) * self.step)


def encode_pixels(pixels: ArrayLike, size: tuple[int, int]) -> NDArray[np.int64]:
    """Round pixel positions to bins.

    Args:
        pixels: (..., 2) px in the model's input image.
        size: Width and height of that image, px.

    Returns:
        (..., 2) int64 bins.

    Raises:
        TaihriError: A pixel lies outside the image.
    """
    bins = np.rint(np.asarray(pixels, np.float64) / np.array(size, np.float64) * (BINS - 1))
    if not np.all((bins >= 0) & (bins < BINS)):
        raise TaihriError(f"a pixel lies outside the {size[0]}x{size[1]} image: encode only pixels inside it")
    return bins.astype(np.int64)


def decode_pixels(bins: ArrayLike, size: tuple[int, int]) -> NDArray[np.float64]:
    """Return the pixel positions of bins, the inverse of `encode_pixels`.

    Args:
        bins: (..., 2) bins or fractions of bins, in [0, 999].
        size: Width and height of the model's input image, px.

    Returns:
        (..., 2) px in that image.

    Raises:
        TaihriError: A bin is out of range.
    """
    return np.asarray(_checked(bins) / (BINS - 1) * np.array(size, np.float64))


@dataclass(frozen=True, eq=False)
class BinEstimates:
    """Estimates of coordinates in bins, from the generated tokens and their top-k log-probabilities.

    All arrays have the same shape.

    Attributes:
        index: Bins of the generated tokens, int64.
        mean: Mean of the mode around the generated token, in bins, float64.
        variance: Variance in bins², float64, including the quantization's 1/12; NaN without top-k log-probabilities.
        probability: Probability of the generated token, float64; NaN without top-k log-probabilities.
        censored: Whether the coordinate lies in the first or last bin or anywhere beyond, bool: the generated token is
            that bin, or that bin is more probable than the generated token.
    """

    index: NDArray[np.int64]
    mean: NDArray[np.float64]
    variance: NDArray[np.float64]
    probability: NDArray[np.float64]
    censored: NDArray[np.bool_]


def estimate_bins(index: ArrayLike, bins: ArrayLike, logprobs: ArrayLike) -> BinEstimates:
    """Estimate coordinates with sub-bin resolution from the top-k log-probabilities of their tokens.

    An engine returns only the k most probable bins, but the distribution of an uncertain model is much wider. The
    variance is therefore the larger of two estimates: the variance of the top-k bins, and the variance of the normal
    distribution whose central bin has the probability of the generated token.

    The mean is computed over the bins within two standard deviations of the generated one. Bins beyond them contribute
    to the variance only, so that a second mode does not move the point to a position between the two modes.

    Args:
        index: (...) bins of the generated tokens.
        bins: (..., K) top-k bins, including the generated one; K is 0 if the engine returns none.
        logprobs: (..., K) natural logarithms of their probabilities; rows with fewer than K bins are padded with -inf.

    Returns:
        The estimates; the arrays have the shape of `index`.
    """
    index, values = np.asarray(index, np.int64), np.asarray(bins, np.float64)
    weights = np.exp(np.asarray(logprobs, np.float64))
    distances = values - index[..., None]
    known = weights.sum(axis=-1) > 0.0
    chosen = np.minimum(np.where(distances == 0.0, weights, 0.0).sum(axis=-1), 1.0)
    width = _width_of_peak(chosen)
    radius = np.maximum(2.0 * width, _MIN_RADIUS)
    near = np.where(np.abs(distances) <= radius[..., None], weights, 0.0)
    offset = np.divide((near * distances).sum(axis=-1), near.sum(axis=-1), out=np.zeros(index.shape), where=known)
    squares = (weights * (distances - offset[..., None]) ** 2).sum(axis=-1)
    spread = np.divide(squares, weights.sum(axis=-1), out=np.full(index.shape, np.nan), where=known)
    variance = np.where(known, np.maximum(spread, width**2), np.nan) + 1 / 12
    at_edge = np.where(is_edge(values), weights, 0.0).max(axis=-1, initial=0.0)
    censored = is_edge(index) | (at_edge > chosen)
    return BinEstimates(index, index + offset, variance, np.where(known, chosen, np.nan), censored)


def is_edge(bins: ArrayLike) -> NDArray[np.bool_]:
    """Return which bins (...) are the first or the last one, which stand for any coordinate at or beyond the edge."""
    values = np.asarray(bins)
    return np.asarray((values <= 0) | (values >= BINS - 1))


_MIN_RADIUS = 3.0
"""Smallest distance from the generated bin up to which bins contribute to the mean, in bins."""

_WIDTHS = np.geomspace(BINS / math.sqrt(12), 0.08, 10_000)
"""Standard deviations of normal distributions, in bins, descending from that of a uniform distribution over all."""

_PEAKS = np.array([math.erf(0.5 / (width * math.sqrt(2.0))) for width in _WIDTHS.tolist()])
"""Probability of the central bin for each of `_WIDTHS`."""


def _width_of_peak(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the standard deviation of the normal distribution whose central bin has the given probability, in bins.

    The largest value is that of a uniform distribution over all bins. The value for a probability of 1 is 0.
    """
    return np.asarray(np.interp(probability, _PEAKS, _WIDTHS, right=0.0))


def _checked(bins: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(bins, np.float64)
    if not np.all((values >= 0) & (values <= BINS - 1)):
        raise TaihriError(f"a bin is outside 0 to {BINS - 1}: check the answer before decoding it")
    return values
