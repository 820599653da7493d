"""The limit of an image's age: an image that is too old is dropped before it is decoded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import time_ns

from taihri_ros.errors import TaihriError


class StaleFrameError(TaihriError):
    """An image is older than the limit."""


@dataclass(frozen=True)
class AgeLimit:
    """The largest age of an image, its stamp compared with the node's clock.

    Attributes:
        max_s: The limit, seconds; 0 for none.
        now_ns: Returns the time on the clock of the image stamps, nanoseconds.
    """

    max_s: float = 0.0
    now_ns: Callable[[], int] = time_ns

    def check(self, stamp_ns: int) -> None:
        """Check the age of an image. Without a stamp it counts as stale, because its age is unknown.

        Args:
            stamp_ns: Stamp of the image, nanoseconds; 0 for none.

        Raises:
            StaleFrameError: The image is too old.
        """
        if self.max_s == 0.0:
            return
        if stamp_ns == 0:
            raise StaleFrameError(
                "the image has no stamp, so that max_frame_age_s cannot be checked: set the stamp in the camera "
                "driver, or set max_frame_age_s to 0"
            )
        age_s = (self.now_ns() - stamp_ns) / 1e9
        if age_s > self.max_s:
            raise StaleFrameError(
                f"the image is {age_s:.3g} s old, but max_frame_age_s is {self.max_s:g}: compare the clocks of camera "
                "and node, look for a slow connection, or raise max_frame_age_s"
            )


NO_LIMIT = AgeLimit()
"""Images of every age are accepted."""
