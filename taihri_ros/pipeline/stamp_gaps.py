"""Counts the images that were lost before the node received them, by the gaps between the stamps of the others.

DDS does not say which samples of a best-effort topic were lost, and an Image has no sequence number.
"""

from __future__ import annotations

from collections import deque
from itertools import pairwise
from statistics import median

_KEPT = 31
"""Number of gaps from which the period of the camera is known."""

_FEWEST = 8
"""Number of gaps before the period is known."""

_TOLERANCE = 0.2
"""Largest distance of a gap from a whole number of periods, in periods."""

_REGULAR = 0.8
"""Share of the gaps that must be within the tolerance; nothing is counted of a camera that is less regular."""

_LONGEST = 30
"""Periods above which a gap is a pause of the camera, not a loss."""


class StampGaps:
    """The gaps between the stamps of images. Not thread-safe.

    Example:
        >>> gaps = StampGaps()
        >>> for number in [*range(10), 12]:
        ...     gaps.note(number * 33_333_333)
        >>> gaps.missing
        2
    """

    def __init__(self) -> None:
        """Start without images."""
        self.missing = 0
        self._last_ns: int | None = None
        self._gaps: deque[int] = deque(maxlen=_KEPT)

    def note(self, stamp_ns: int) -> None:
        """Note an image.

        Args:
            stamp_ns: Its stamp, nanoseconds. After a step backwards the period is learnt anew.
        """
        gap, self._last_ns = stamp_ns - (self._last_ns or stamp_ns), stamp_ns
        if gap <= 0:
            self._gaps.clear()
            return
        if len(self._gaps) >= _FEWEST:
            self.missing += self._lost(gap)
        self._gaps.append(gap)

    def _lost(self, gap_ns: int) -> int:
        """Return how many images are missing in a gap; 0 if the camera has no period."""
        gaps = sorted(self._gaps)
        # The shortest gap that another one confirms: where most images are lost, most gaps have several periods.
        shortest = next((gap for gap, after in pairwise(gaps) if after <= (1.0 + _TOLERANCE) * gap), gaps[0])
        period = median(gap for gap in gaps if shortest <= gap <= (1.0 + _TOLERANCE) * shortest)
        whole = [abs(each / period - round(each / period)) <= _TOLERANCE for each in self._gaps]
        periods = gap_ns / period
        if sum(whole) < _REGULAR * len(whole) or periods > _LONGEST or abs(periods - round(periods)) > _TOLERANCE:
            return 0
        return max(0, round(periods) - 1)
