"""The bodies of the demo are those of the joints that the node published, and their outlines are drawn."""

from __future__ import annotations

import numpy as np
import pytest
from recorded import CAMERA, TRUTH, answer, keypoint, record

from taihri_ros.body.recovery import Body, BodyRecovery
from taihri_ros.demo.bodies import recovered_bodies
from taihri_ros.demo.pictures import draw
from taihri_ros.demo.planner import Record
from taihri_ros.skeleton import INDEX

LEFT_ARM = [INDEX["left_elbow"], INDEX["left_wrist"]]


@pytest.fixture(scope="module")
def body() -> Body:
    """Somebody 2 m in front of the camera, of whom no keypoint shows the left arm."""
    points = BodyRecovery().rest_joints() + np.array([0.0, 0.2, 2.0])
    points[LEFT_ARM] = np.nan
    found = BodyRecovery().update(points, np.tile(0.02**2 * np.eye(3), (22, 1, 1)), stamp_ns=0)
    assert found is not None
    return found


def published(*bodies: Body | None) -> Record:
    """Return a record with the joints of bodies as `~/body_joints` has them, 0.1 s apart; the last comes first."""
    unseen = np.full((22, 3), np.nan), np.full(22, np.nan)
    joints = {
        100_000_000 * number: unseen
        if body is None
        else (np.where(body.supported[:, None], body.joints, np.nan), np.where(body.supported, body.doubts_m, np.nan))
        for number, body in enumerate(bodies)
    }
    return Record(body_joints=dict(reversed(joints.items())))


def test_the_body_of_published_joints_is_the_one_that_the_node_had(body: Body) -> None:
    bodies = recovered_bodies(published(body, None, body))
    assert list(bodies) == [0, 200_000_000], "in the order of the stamps, without the image that shows no body"
    for again in bodies.values():
        assert (again.supported == body.supported).all()
        shown = body.supported_vertices
        assert np.linalg.norm(again.vertices - body.vertices, axis=1)[shown].max() < 0.02
    assert recovered_bodies(record(answer(0, "head", keypoint("head", 0.1)))) == {}


def test_the_outline_is_drawn(body: Body) -> None:
    shown = answer(0, "head", keypoint("head", 0.0))
    changed = (draw(shown, TRUTH, CAMERA) != draw(shown, TRUTH, CAMERA, body)).any(axis=2)
    right_hip = np.rint(CAMERA.project(body.joints[INDEX["right_hip"]])[0]).astype(int)
    assert changed[right_hip[1], right_hip[0]]
    assert changed.mean() < 0.5
