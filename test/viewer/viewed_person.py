"""A person whom the viewer's tests show."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from camera_messages import FRAME_ID, MESSAGES, PIXELS

from taihri_ros.commands.command import joint_command
from taihri_ros.keypoints import Keypoint, Person, State
from taihri_ros.node.messages import Placement
from taihri_ros.pipeline.estimate import Estimate
from taihri_ros.pipeline.frames import Frame, Result

STAMP = 1_700_000_000_000_000_000


def wrist(**changes: Any) -> Keypoint:
    """Return a wrist 1.5 m away that is seen at (40, 30) px."""
    position, covariance = np.array([-0.12, -0.03, 1.5]), np.diag([1e-4, 1e-4, 9e-4])
    measured = Keypoint("right_wrist", State.MEASURED, "", position, covariance, 0.8, np.array([40.0, 30.0]))
    return replace(measured, **changes)


def person_message(*keypoints: Keypoint, frame_id: str = FRAME_ID, box: tuple[float, ...] | None = None) -> Any:
    person = Person(keypoints, None if box is None else np.array(box), 0.9)
    estimate = Estimate(joint_command(["right_wrist"]), person, "", {}, "oracle")
    frame = Frame(STAMP, FRAME_ID, lambda _: PIXELS)
    result = Result(estimate, frame, PIXELS, {"engine": 12.5, "engine.prefill": 4.0, "total": 20.0})
    return MESSAGES.person(result, Placement(frame_id))
