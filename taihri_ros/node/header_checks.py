"""Warnings about headers of images whose stamp or frame_id other nodes cannot use; each is logged once."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from taihri_ros.inference.printable import printable
from taihri_ros.node.messages import SECOND_NS, stamp_ns, tf_frame

logger = logging.getLogger(__name__)

_FUTURE_NS = 100_000_000
"""Clocks of two machines may differ by this much without a warning, nanoseconds."""


class HeaderChecks:
    """Checks of the headers of one image topic. The images are answered nevertheless, with their own header."""

    def __init__(self) -> None:
        """Create the checks."""
        self._warned: set[str] = set()

    def check(self, header: Any, now_ns: int) -> None:
        """Log what is wrong with the header of an image, each kind of fault once.

        Args:
            header: The std_msgs/Header.
            now_ns: Current time on the clock of the stamps, nanoseconds; 0 if it is unknown.
        """
        for kind, message in _faults(header, now_ns):
            if kind not in self._warned:
                self._warned.add(kind)
                logger.warning("%s", printable(message))


def _faults(header: Any, now_ns: int) -> Iterator[tuple[str, str]]:
    """Yield the kind of each fault and its message, one line with what to do."""
    stamp, frame_id = header.stamp, header.frame_id
    ahead_ns = stamp_ns(header) - now_ns
    if not 0 <= stamp.nanosec < SECOND_NS:
        yield (
            "invalid",
            f"an image's stamp is invalid (sec {stamp.sec}, nanosec {stamp.nanosec}) and counts as "
            f"{stamp_ns(header) / SECOND_NS:.9f} s: nanosec must be below 1000000000; correct the camera driver",
        )
    if stamp_ns(header) == 0:
        yield (
            "zero",
            "the images have no stamp (0), so their results cannot be matched with TF at their time: set the stamp in "
            "the camera driver",
        )
    elif stamp.sec < 0:
        yield (
            "negative",
            f"an image's stamp is before 1970 (sec {stamp.sec}), which TF cannot look up: correct the camera's clock",
        )
    elif now_ns and ahead_ns > _FUTURE_NS:
        yield (
            "future",
            f"an image's stamp is {ahead_ns / SECOND_NS:.3g} s in the future: synchronise the clocks of the camera "
            "and of this machine (chrony, PTP), or set use_sim_time for simulated time",
        )
    if not tf_frame(frame_id):
        yield (
            "no frame",
            f"the images have no frame_id ({frame_id!r}): no TF is published for them; set the frame_id of the optical "
            "frame in the camera driver",
        )
    elif frame_id.startswith("/"):
        yield (
            "slash",
            f"the images' frame_id {frame_id!r} begins with a slash, which tf2 rejects, so TF is published under "
            f"{tf_frame(frame_id)!r}: set this name in the camera driver",
        )
