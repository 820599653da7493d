"""With several people, everybody has a body for ROS4HRI, whomever the command means."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from camera_messages import MESSAGES, image
from detection_messages import detection, detections
from people_oracle import PeopleOracle, SightedEstimator, box_of
from test_application import Recorder, process

from taihri_ros.body.recovery import Body, BodyRecovery
from taihri_ros.camera.camera import Camera
from taihri_ros.camera.distortion import DistortionModel
from taihri_ros.node.application import Application
from taihri_ros.node.images import decode_image
from taihri_ros.node.parameters import Parameters
from taihri_ros.node.ros4hri.humans import TRACKED, BodyTopics
from taihri_ros.skeleton import JOINTS

STANDING = BodyRecovery().rest_joints()
LEFT, RIGHT = (dict(zip(JOINTS, STANDING + np.array([x, 0.15, 3.3]), strict=True)) for x in (-0.7, 0.7))
CAMERA = Camera(96, 64, [[100.0, 0, 48], [0, 100.0, 32], [0, 0, 1]], [], DistortionModel.NONE)
"""The camera of `camera_messages`."""


def test_everybody_has_a_body(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taihri_ros.node.configured_tracker.Estimator", SightedEstimator)
    fits, fit = [], BodyRecovery.update

    def counted(recovery: BodyRecovery, *args: Any, **options: Any) -> Body | None:
        fits.append(recovery)
        return fit(recovery, *args, **options)

    monkeypatch.setattr(BodyRecovery, "update", counted)
    recorder = Recorder()
    parameters = Parameters(
        people_enabled=True, people_detections=True, ros4hri_enabled=True, command_initial="left_wrist"
    )
    application = Application(parameters, PeopleOracle(LEFT, RIGHT), MESSAGES, recorder, decode_image)
    application.start()
    try:
        for stamp in (100_000_000, 200_000_000, 300_000_000):
            boxes = [detection(stamp, box_of(CAMERA, person)) for person in (LEFT, RIGHT)]
            application.on_detections(detections(stamp, *boxes))
            process(application, image(stamp))
    finally:
        application.stop()
    tracked = [message.ids for topic, message in recorder.published if topic == TRACKED]
    assert [len(ids) for ids in tracked] == [0, 0, 2, 0], "tentative for two images; nobody after the end"
    hips = {each.child_frame_id: each.transform.translation.x for each in recorder.transforms}
    assert sorted(hips[f"body_{name}"] for name in tracked[2]) == pytest.approx([-0.7, 0.7], abs=0.1)
    assert application._body_fits is not None
    own = set(application._body_fits._recoveries.values())
    assert len(own) == 2
    assert [fits.count(recovery) for recovery in own] == [1, 1], "one fit for each of them, whatever reads it"
    frames = {frame for frame in hips if "/body/" in frame}
    assert len(frames) == 3 * len(JOINTS), "of the selected person, and of everybody by id"
    assert {f"person_{name}/body/left_wrist" for name in tracked[2]} < frames
    topics = {topic.name for topic, _ in recorder.published}
    for name in tracked[2]:
        own = BodyTopics.of(name)
        assert {own.roi.name, own.skeleton.name, own.joint_states.name, own.urdf.name} <= topics
        assert set(own.all) <= set(recorder.retired)
