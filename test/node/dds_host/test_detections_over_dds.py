"""Detections arrive over DDS at the embedded host, which asks about the people in their boxes."""

from __future__ import annotations

import pytest
from camera_messages import camera_info, image
from dds_peer import Peer, plain, wait_until
from detection_messages import detection, detections
from people_oracle import PeopleOracle, SightedEstimator, box_of
from quick_host import running_host
from test_people_output import CAMERA, LEFT, PERIOD_NS, RIGHT

from taihri_ros.node import topics
from taihri_ros.node.dds_host import QoS

STAMP = 1_700_000_000_000_000_000


@pytest.mark.parametrize("reliable", [True, False])
def test_detections_lead_to_people(monkeypatch: pytest.MonkeyPatch, reliable: bool) -> None:
    monkeypatch.setattr("taihri_ros.node.configured_tracker.Estimator", SightedEstimator)
    settings = {"people_enabled": True, "people_detections": True, "people_tolerance_s": 1.0}
    with (
        running_host(engine=PeopleOracle(LEFT, RIGHT), **settings) as (host, domain),
        Peer(domain, name="camera") as camera,
    ):
        inputs = {"/image": topics.IMAGE, "/camera_info": topics.CAMERA_INFO, "/detections": topics.DETECTIONS}
        for name, kind in inputs.items():
            camera.publisher(kind.type, name, QoS(depth=5, reliable=reliable))
            wait_until(lambda name=name: camera.matched(name))
        camera.subscribe(topics.PEOPLE.type, "/taihri/people")
        wait_until(lambda: host.subscribers(topics.PEOPLE))
        camera.publish("/camera_info", plain(camera_info(1)))
        wait_until(lambda: host.application.scheduler.calibrations._known)
        for number in range(3):
            stamp = STAMP + number * PERIOD_NS
            boxes = [detection(stamp, box_of(CAMERA, person)) for person in (LEFT, RIGHT)]
            camera.publish("/detections", plain(detections(stamp, *boxes)))
            wait_until(lambda stamp=stamp: host.application._detections.nearest(stamp))
            camera.publish("/image", plain(image(stamp)))
            people = camera.receive("/taihri/people")["people"]
        assert sorted(person["selected"] for person in people) == [False, True]
        assert [len(person["joints"]["keypoints"]) for person in people] == [1, 1]
