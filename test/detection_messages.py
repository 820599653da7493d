"""Messages of a detector, as vision_msgs/Detection2DArray."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from camera_messages import MESSAGES, header

Hypotheses = Iterable[tuple[str, float]]


def detection(stamp: int, box: Iterable[float], hypotheses: Hypotheses = (("person", 0.9),), theta: float = 0.0) -> Any:
    """Return a detection of a box (left, top, right, bottom) in px with its classes and their scores."""
    make, (left, top, right, bottom) = MESSAGES.make, map(float, box)
    position = make("vision_msgs/msg/Point2D", x=(left + right) / 2, y=(top + bottom) / 2)
    pose = make("geometry_msgs/msg/PoseWithCovariance", pose=MESSAGES.pose(np.zeros(3)), covariance=np.zeros(36))
    results = [
        make(
            "vision_msgs/msg/ObjectHypothesisWithPose",
            hypothesis=make("vision_msgs/msg/ObjectHypothesis", class_id=name, score=score),
            pose=pose,
        )
        for name, score in hypotheses
    ]
    bbox = make(
        "vision_msgs/msg/BoundingBox2D",
        center=make("vision_msgs/msg/Pose2D", position=position, theta=theta),
        size_x=right - left,
        size_y=bottom - top,
    )
    return make("vision_msgs/msg/Detection2D", header=header(stamp), results=results, bbox=bbox, id="")


def detections(stamp: int, *found: Any) -> Any:
    return MESSAGES.make("vision_msgs/msg/Detection2DArray", header=header(stamp), detections=list(found))
