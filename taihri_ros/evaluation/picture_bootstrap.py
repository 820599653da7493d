"""95 % intervals of means over joints, by a bootstrap over pictures.

The joints of one picture share most of their error, so that an interval over joints would be far too narrow. Whole
pictures are resampled instead, with replacement (cluster bootstrap; Davison and Hinkley 1997, section 3.8). Two models
that answered the same pictures are compared on the same resamples, which makes the interval of their difference that of
paired pictures.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
"""Number of resamples of the pictures."""

FEWEST_PICTURES = 2
"""Below this number of pictures with a value there is no interval."""

_PERCENTILES = (2.5, 97.5)
"""Ends of a 95 % interval."""

_SEED = 0
"""Seed of the resamples, the same in every run, so that two models are compared on the same resamples."""

Array = NDArray[np.float64]


class PictureBootstrap:
    """Resamples of the pictures that some joints are in; the same pictures are resampled in the same way.

    Example:
        >>> bootstrap = PictureBootstrap(np.array([0, 0, 1, 2]))  # the picture of each of four joints
        >>> bootstrap.mean(np.array([10.0, 20.0, 30.0, 40.0]))["value"]
        25.0
    """

    def __init__(self, pictures: NDArray[np.int64]) -> None:
        """Create the resamples.

        Args:
            pictures: (R,) number of the picture of each joint.
        """
        present, self._cluster = np.unique(pictures, return_inverse=True)
        self._count = len(present)
        rng = np.random.default_rng(_SEED)
        shares = np.full(self._count, 1.0 / max(1, self._count))
        self._weights = rng.multinomial(self._count, shares, RESAMPLES) if self._count else np.zeros((RESAMPLES, 0))

    def mean(self, values: Array) -> dict[str, Any]:
        """Return a mean over joints.

        Args:
            values: (R,) one value for each joint; NaN is left out.

        Returns:
            `value` and its 95 % `interval`; None without joints or with too few pictures.
        """
        return self._rounded(*self._means(values), self._pictures(values))

    def difference(self, values: Array, others: Array) -> dict[str, Any]:
        """Return the difference of two means over the same joints, paired by picture.

        Args:
            values: (R,) values of one model.
            others: (R,) values of the other, which are subtracted.

        Returns:
            As for `mean`.
        """
        (value, resampled), (other, other_resampled) = self._means(values), self._means(others)
        return self._rounded(value - other, resampled - other_resampled, self._pictures(values + others))

    def _means(self, values: Array) -> tuple[float, Array]:
        """Return the mean over all joints, and that of each resample, (RESAMPLES,)."""
        known = np.isfinite(values)
        sums = np.bincount(self._cluster, np.where(known, values, 0.0), self._count)
        counts = np.bincount(self._cluster, known, self._count)
        with np.errstate(invalid="ignore"):  # without joints the mean is NaN
            return float(np.divide(sums.sum(), counts.sum())), (self._weights @ sums) / (self._weights @ counts)

    def _pictures(self, values: Array) -> int:
        """Return the number of pictures in which any joint has a value."""
        return len(np.unique(self._cluster[np.isfinite(values)]))

    def _rounded(self, value: float, resampled: Array, pictures: int) -> dict[str, Any]:
        if not np.isfinite(value):
            return {"value": None, "interval": None}
        interval = None
        if pictures >= FEWEST_PICTURES:
            interval = [round(float(end), 2) for end in np.nanpercentile(resampled, _PERCENTILES)]
        return {"value": round(value, 2), "interval": interval}
