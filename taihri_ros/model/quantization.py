"""The numbers behind the coordinate tokens: metres and pixels to bins and back.

TAIHRI (arXiv 2604.08921) writes every coordinate as one of 1000 tokens `<0>` ... `<999>`; bin b stands for the
fraction b / 999 of a range. The ranges of the 3D answer are the interaction space in front of the camera, those of
the 2D answer the image's size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from taihri_ros.errors import TaihriError

BINS = 1000
"""Number of coordinate tokens."""


def coordinate_token(index: int) -> str:
    """Give the token of a bin, such as `<261>`."""
    return f"<{index}>"


@dataclass(frozen=True)
class InteractionSpace:
    """The box in front of the camera that the 3D bins divide.

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
                    f"the {axis} range of the interaction space must be two rising numbers, not {low}, {high}"
                )

    @property
    def low(self) -> NDArray[np.float64]:
        """Position of bin 0, (3,) metres."""
        return np.array([self.x[0], self.y[0], self.z[0]])

    @property
    def step(self) -> NDArray[np.float64]:
        """Width of a bin along each axis, (3,) metres."""
        return (np.array([self.x[1], self.y[1], self.z[1]]) - self.low) / (BINS - 1)

    def contains(self, points: ArrayLike) -> NDArray[np.bool_]:
        """Tell which points the bins can express.

        Args:
            points: (..., 3) metres.

        Returns:
            (...) bool; NaN is outside.
        """
        bins = (np.asarray(points, np.float64) - self.low) / self.step
        return np.asarray(np.all((bins >= -0.5) & (bins < BINS - 0.5), axis=-1))

    def encode(self, points: ArrayLike) -> NDArray[np.int64]:
        """Round points to bins.

        Args:
            points: (..., 3) metres, camera frame.

        Returns:
            (..., 3) int64 bins.

        Raises:
            TaihriError: A point lies outside the interaction space.
        """
        points = np.asarray(points, np.float64)
        if not np.all(self.contains(points)):
            raise TaihriError(
                f"a point lies outside the interaction space x {self.x}, y {self.y}, z {self.z} m: "
                "encode only points inside"
            )
        return np.rint((points - self.low) / self.step).astype(np.int64)

    def decode(self, bins: ArrayLike) -> NDArray[np.float64]:
        """Give the centre of bins, which may be fractions of a bin.

        Args:
            bins: (..., 3) in [0, 999].

        Returns:
            (..., 3) metres, camera frame.
        """
        return np.asarray(self.low + _checked(bins) * self.step)


def encode_pixels(pixels: ArrayLike, size: tuple[int, int]) -> NDArray[np.int64]:
    """Round pixel positions to bins, as fractions of the image's width and height.

    Args:
        pixels: (..., 2) px in the image that the model is shown.
        size: Width and height of that image.

    Returns:
        (..., 2) int64 bins.

    Raises:
        TaihriError: A pixel lies outside the image.
    """
    bins = np.rint(np.asarray(pixels, np.float64) / np.array(size, np.float64) * (BINS - 1))
    if not np.all((bins >= 0) & (bins < BINS)):
        raise TaihriError(f"a pixel lies outside the {size[0]}x{size[1]} image: encode only joints that are in it")
    return bins.astype(np.int64)


def decode_pixels(bins: ArrayLike, size: tuple[int, int]) -> NDArray[np.float64]:
    """Give the pixel position of bins, the inverse of `encode_pixels`.

    Args:
        bins: (..., 2) in [0, 999].
        size: Width and height of the image that the model was shown.

    Returns:
        (..., 2) px in that image.
    """
    return np.asarray(_checked(bins) / (BINS - 1) * np.array(size, np.float64))


@dataclass(frozen=True, eq=False)
class BinEstimates:
    """What coordinate tokens and their alternatives say of the coordinates, in bins; all arrays have one shape.

    Attributes:
        index: The bins of the chosen tokens.
        mean: Expected bin near the chosen one, a fraction of a bin.
        variance: Variance in bins², the quantisation's own 1/12 included; NaN without alternatives.
        probability: Probability of the chosen token; NaN without alternatives.
    """

    index: NDArray[np.int64]
    mean: NDArray[np.float64]
    variance: NDArray[np.float64]
    probability: NDArray[np.float64]


def estimate_bins(index: ArrayLike, bins: ArrayLike, logprobs: ArrayLike) -> BinEstimates:
    """Turn the alternatives of coordinate tokens into sub-bin estimates.

    An engine gives the likeliest bins only, and a model that is unsure spreads over far more of them. So the variance
    is read from the height of the peak, too: a normal distribution that gives its middle bin so much probability has a
    known width. The larger of that variance and of the alternatives' own holds.

    Bins within two standard deviations of the chosen one share its mode; those beyond count for the variance but do not
    pull the mean, so that a second hypothesis elsewhere in the range never moves the point to a place between the two.

    Args:
        index: (...) bins of the chosen tokens.
        bins: (..., K) bins of the alternatives, the chosen one among them; K is 0 when the engine gives none.
        logprobs: (..., K) natural logarithms of their probabilities; -inf where a row has fewer than K.

    Returns:
        The estimates, arrays of the shape of `index`.
    """
    index, values = np.asarray(index, np.int64), np.asarray(bins, np.float64)
    weights = np.exp(np.asarray(logprobs, np.float64))
    distances = values - index[..., None]
    known = weights.sum(axis=-1) > 0.0
    chosen = np.minimum(np.where(distances == 0.0, weights, 0.0).sum(axis=-1), 1.0)
    width = _width_of_peak(chosen)
    radius = np.maximum(2.0 * width, _LEAST_RADIUS)
    near = np.where(np.abs(distances) <= radius[..., None], weights, 0.0)
    offset = np.divide((near * distances).sum(axis=-1), near.sum(axis=-1), out=np.zeros(index.shape), where=known)
    squares = (weights * (distances - offset[..., None]) ** 2).sum(axis=-1)
    spread = np.divide(squares, weights.sum(axis=-1), out=np.full(index.shape, np.nan), where=known)
    variance = np.where(known, np.maximum(spread, width**2), np.nan) + 1 / 12
    return BinEstimates(index, index + offset, variance, np.where(known, chosen, np.nan))


_LEAST_RADIUS = 3.0
_WIDTHS = np.geomspace(BINS / math.sqrt(12), 0.08, 10_000)
_PEAKS = np.array([math.erf(0.5 / (width * math.sqrt(2.0))) for width in _WIDTHS.tolist()])


def _width_of_peak(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the standard deviation, in bins, of the normal distribution whose middle bin has a probability.

    At most that of a uniform distribution; 0 where the probability is 1 within 1e-9.
    """
    return np.asarray(np.interp(probability, _PEAKS, _WIDTHS, right=0.0))


def _checked(bins: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(bins, np.float64)
    if not np.all((values >= 0) & (values <= BINS - 1)):
        raise TaihriError(f"a bin lies outside 0 to {BINS - 1}: the answer must be checked before it is decoded")
    return values
