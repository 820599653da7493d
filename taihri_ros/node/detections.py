"""Reads the people of vision_msgs/Detection2DArray, and finds those that belong to an image."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taihri_ros.inference.printable import printable
from taihri_ros.node.messages import stamp_ns
from taihri_ros.node.stamped_messages import StampedMessages
from taihri_ros.pipeline.people.whereabouts import Boxes

logger = logging.getLogger(__name__)

PERSON_CLASSES = frozenset({"", "person", "people", "human", "pedestrian", "0"})
"""Classes that are people, in small letters: the names in use, 0 as COCO's models without names number people, and no
class at all, as detectors of nothing but people leave it."""

_FARTHEST_PX = 1e6
"""Largest coordinate of a box that is used, px; a larger one, or one that is not finite, is no measurement."""

_LISTED = 5
"""Largest number of classes that a warning lists."""

_RUNNING_S = 1.0
"""A detector that has sent nothing for so long does not run, seconds."""


def person_boxes(message: Any, min_score: float) -> NDArray[np.float64]:
    """Return the boxes of the people in a message.

    Args:
        message: vision_msgs/Detection2DArray. A detection is a person if its most probable class is one.
        min_score: Smallest score of that class.

    Returns:
        (N, 4) left, top, right and bottom in the image, px, the largest first. A rotated box is replaced by the upright
        one around it. Boxes without an area, or with numbers that are huge or not finite, are left out.
    """
    found = []
    for detection in message.detections:
        classes = [(each.hypothesis.score, each.hypothesis.class_id) for each in detection.results]
        score, name = max(classes, default=(1.0, ""))
        if name.strip().lower() in PERSON_CLASSES and score >= min_score:
            found.append(_upright(detection.bbox))
    boxes = np.array(found).reshape(-1, 4)
    boxes = boxes[(np.abs(boxes) < _FARTHEST_PX).all(axis=1)]
    sizes = boxes[:, 2:] - boxes[:, :2]
    usable = (sizes > 0.0).all(axis=1)
    return np.asarray(boxes[usable][np.argsort(-sizes[usable].prod(axis=1), kind="stable")])


def _upright(box: Any) -> tuple[float, float, float, float]:
    angle = box.center.theta if math.isfinite(box.center.theta) else math.nan
    cosine, sine = abs(math.cos(angle)), abs(math.sin(angle))
    half = (box.size_x * cosine + box.size_y * sine) / 2, (box.size_x * sine + box.size_y * cosine) / 2
    x, y = box.center.position.x, box.center.position.y
    return x - half[0], y - half[1], x + half[0], y + half[1]


def _faults(message: Any) -> Iterator[str]:
    """Yield why no detection of a message can be used."""
    if stamp_ns(message.header) == 0:
        yield "the detections have no stamp (0): the detector must copy the header of the image"
    classes = {each.hypothesis.class_id.strip() for detection in message.detections for each in detection.results}
    if classes and all(name.isdecimal() for name in classes) and not classes & PERSON_CLASSES:
        listed = ", ".join(sorted(classes)[:_LISTED])
        yield f"the detections have numbers as classes, none of which is 0: {listed}; publish the name person, or 0"


class Detections(StampedMessages):
    """Thread-safe buffer of the messages of a detector."""

    def __init__(
        self,
        *,
        tolerance_s: float,
        min_score: float,
        now_s: Callable[[], float] = monotonic,
        waits: bool = True,
        capacity: int = 30,
    ) -> None:
        """Create an empty buffer.

        Args:
            tolerance_s: Largest difference between the stamps of an image and its detections, and longest wait for
                them, seconds.
            min_score: Score below which a detection is ignored.
            now_s: Returns the time on any monotonic clock, seconds.
            waits: Whether messages may still come; a recording has all of them.
            capacity: Largest number of stored messages.
        """
        super().__init__(tolerance_s=tolerance_s, capacity=capacity)
        self._longest_wait_s = tolerance_s if waits else 0.0
        self._min_score, self._now_s = min_score, now_s
        self._received_s = -math.inf
        self._warned: set[str] = set()

    def add(self, message: Any) -> None:
        """Store a vision_msgs/Detection2DArray; log once what makes a detector's messages useless."""
        self._received_s = self._now_s()
        for fault in _faults(message):
            kind = fault.partition(":")[0]
            if kind not in self._warned:
                self._warned.add(kind)
                logger.warning("%s", printable(fault))
        super().add(message)

    def boxes_at(self, stamp: int) -> Boxes | None:
        """Return the people whom the detector found in an image; wait for them if it runs.

        Args:
            stamp: Time stamp of the image, nanoseconds.

        Returns:
            The people of the image. If its detections do not come in time, the newest ones before it, which the image
            need not show. None if the detector does not run.
        """
        if self._now_s() - self._received_s > _RUNNING_S:
            return None
        with self._added:
            self._added.wait_for(lambda: self.nearest(stamp) is not None, self._longest_wait_s)
            of_image = self.nearest(stamp)
            earlier = [entry for entry in self._messages if entry[0] <= stamp]
        if of_image is not None:
            return Boxes(person_boxes(of_image, self._min_score), of_image=True)
        newest, message = max(earlier, key=lambda entry: entry[0], default=(0, None))
        recent = message is not None and (stamp - newest) / 1e9 <= _RUNNING_S
        return Boxes(person_boxes(message, self._min_score) if recent else np.empty((0, 4)), of_image=False)
