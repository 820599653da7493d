"""The people in a picture as a detector without errors would publish them, as vision_msgs/Detection2DArray."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taihri_ros.node import topics
from taihri_ros.node.messages import Messages

Boxes = Mapping[int, NDArray[np.float64]]
"""Left, top, right and bottom (4,) in px of everybody of whom enough can be seen, by their number in the scene."""


def true_detections(messages: Messages, header: Any, boxes: Boxes) -> Any:
    """Return a vision_msgs/Detection2DArray.

    Args:
        messages: Builds the messages.
        header: The header of the picture.
        boxes: The boxes.

    Returns:
        The message. The id of each detection is the number of the person; the node does not read it.
    """
    detections = [_detection(messages, header, number, box) for number, box in boxes.items()]
    return messages.make(topics.DETECTIONS.type, header=header, detections=detections)


def _detection(messages: Messages, header: Any, number: int, box: NDArray[np.float64]) -> Any:
    make, (left, top, right, bottom) = messages.make, box.tolist()
    centre = make("vision_msgs/msg/Point2D", x=(left + right) / 2.0, y=(top + bottom) / 2.0)
    pose = make("geometry_msgs/msg/PoseWithCovariance", pose=messages.pose(np.zeros(3)), covariance=np.zeros(36))
    person = make("vision_msgs/msg/ObjectHypothesis", class_id="person", score=1.0)
    return make(
        "vision_msgs/msg/Detection2D",
        header=header,
        results=[make("vision_msgs/msg/ObjectHypothesisWithPose", hypothesis=person, pose=pose)],
        bbox=make(
            "vision_msgs/msg/BoundingBox2D",
            center=make("vision_msgs/msg/Pose2D", position=centre, theta=0.0),
            size_x=right - left,
            size_y=bottom - top,
        ),
        id=str(number),
    )
