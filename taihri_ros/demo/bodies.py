"""The bodies of the demo: their surfaces from the joints that the node published."""

from __future__ import annotations

import numpy as np

from taihri_ros.body.recovery import Body, BodyRecovery
from taihri_ros.demo.planner import Record


def recovered_bodies(record: Record) -> dict[int, Body]:
    """Return the body of each image, by its stamp (ns), in the order of the stamps.

    `~/body_joints` has the joints of a body, but not its surface; a fit to these joints gives it back.

    Args:
        record: What the planner received, with the node's `body.enabled`.

    Returns:
        The bodies, in the camera's optical frame; images without one are left out.
    """
    recovery, bodies = BodyRecovery(), {}
    for stamp, (points, deviations_m) in sorted(record.body_joints.items()):
        body = recovery.update(points, deviations_m[:, None, None] ** 2 * np.eye(3), stamp_ns=stamp)
        if body is not None:
            bodies[stamp] = body
    return bodies
