"""Another robot's software sees the bodies over DDS, and no publisher stays behind."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from camera_messages import FRAME_ID, TYPES, camera_info, image
from dds_peer import wait_until
from oracle import Oracle
from posed_bodies import posed
from quick_host import running_host

from taihri_ros.body.recovery import BodyRecovery
from taihri_ros.keypoints import Person
from taihri_ros.node import topics
from taihri_ros.node.dds_host import LATCHED, DdsNode
from taihri_ros.node.dds_host.embedded_host import EmbeddedHost
from taihri_ros.node.messages import Messages
from taihri_ros.node.ros4hri.humans import TRACKED, BodyTopics, Human, Humans
from taihri_ros.node.topics import Topic
from taihri_ros.pipeline.frames import Result
from taihri_ros.skeleton import JOINTS

STANDING = BodyRecovery().rest_joints() + np.array([0.0, 0.15, 3.3])


class Robot:
    """A node with a camera that listens to people, as libhri does: first to who is tracked, then to each body."""

    def __init__(self, node: DdsNode) -> None:
        self.node = node
        self.received: dict[str, list[Any]] = {}
        self.image = node.publisher(topics.IMAGE.type, "/image")
        self.info = node.publisher(topics.CAMERA_INFO.type, "/camera_info")
        self.command = node.publisher(topics.COMMAND.type, "/taihri/command")
        self.stamps = itertools.count(time.time_ns(), 100_000_000)

    def listen(self, topic: Topic) -> None:
        messages = self.received.setdefault(topic.name, [])
        qos = {"qos": LATCHED} if topic.latched else {}
        self.node.subscribe(topic.type, topic.name, messages.append, **qos)

    def show(self) -> None:
        stamp = next(self.stamps)
        self.info.publish(camera_info(stamp))
        self.image.publish(image(stamp))
        time.sleep(0.02)

    def wait_for(self, *wanted: Topic) -> list[Any]:
        """Show pictures until a message has come on each topic; return the newest ones."""

        def have() -> bool:
            self.show()
            return all(self.received[topic.name] for topic in wanted)

        wait_until(have)
        return [self.received[topic.name][-1] for topic in wanted]


@pytest.fixture
def host() -> Iterator[tuple[EmbeddedHost, Robot]]:
    oracle = Oracle(dict(zip(JOINTS, STANDING, strict=True)))
    running = running_host(oracle, ros4hri_enabled=True)
    with running as (host, domain), DdsNode("robot", types=TYPES, domain_id=domain) as node:
        yield host, Robot(node)


def test_a_listener_finds_the_body_and_reads_it(host: tuple[EmbeddedHost, Robot]) -> None:
    _, robot = host
    robot.listen(TRACKED)
    robot.listen(topics.TRANSFORMS)
    wait_until(lambda: robot.image.matched and robot.info.matched)
    (tracked,) = robot.wait_for(TRACKED)
    wait_until(lambda: robot.show() or robot.received[TRACKED.name][-1].ids)
    (found,) = robot.received[TRACKED.name][-1].ids
    own = BodyTopics.of(found)
    for topic in own.all:
        robot.listen(topic)
    roi, cropped, skeleton, states, urdf = robot.wait_for(*own.all)
    assert tracked.header.frame_id == skeleton.header.frame_id == FRAME_ID
    wrist, nose = skeleton.skeleton[7], skeleton.skeleton[0]
    assert 0.0 < wrist.c <= 1.0
    assert 0.5 < wrist.x < 1.0, "the left hand of somebody who faces the camera is on its right"
    assert nose.c == 0.0
    assert (roi.xmin < wrist.x < roi.xmax, roi.ymin < wrist.y < roi.ymax) == (True, True)
    assert cropped.data.size == cropped.width * cropped.height * 3
    assert f"l_elbow_{found}" in states.name
    assert all(f'name="{name}"' in urdf.data for name in states.name)
    frames = {each.child_frame_id: each for message in robot.received["/tf"] for each in message.transforms}
    hips = frames[f"body_{found}"].transform.translation
    np.testing.assert_allclose([hips.x, hips.y, hips.z], STANDING[[1, 2]].mean(axis=0), atol=0.1)
    assert frames[f"l_wrist_{found}"].header.frame_id == f"l_elbow_{found}"


def test_stop_ends_the_topics(host: tuple[EmbeddedHost, Robot]) -> None:
    running, robot = host
    robot.listen(TRACKED)
    wait_until(lambda: robot.image.matched and robot.info.matched and robot.command.matched)
    before = len(running._publishers)
    wait_until(lambda: robot.show() or any(message.ids for message in robot.received[TRACKED.name]))
    wait_until(lambda: len(running._publishers) == before + 6)
    robot.command.publish(TYPES.message("std_msgs/msg/String")(data="stop"))
    wait_until(lambda: robot.received[TRACKED.name][-1].ids == [])
    wait_until(lambda: len(running._publishers) == before + 1)


def test_fifty_people_leave_no_publisher_behind(host: tuple[EmbeddedHost, Robot], result: Result) -> None:
    running, robot = host
    robot.listen(TRACKED)
    humans, body = Humans(Messages(TYPES.message), running, publish_tf=False), posed()
    person = Person((), np.array([5.0, 5.0, 40.0, 40.0]))
    before, topics_before = len(running._node._endpoints), len(running._node._participant._topics)
    most = 0
    for number in range(50):
        people = [Human(f"p{name:04d}", person, body) for name in (number, number + 1)]
        for send in humans.prepare(people, result):
            send()
        most = max(most, len(running._node._endpoints) - before)
    humans.close()
    assert most == 11, "two people with five topics each, and the list of ids"
    assert len(running._node._endpoints) - before == 1
    wait_until(lambda: [message for message in robot.received[TRACKED.name] if "p0050" in message.ids])
    assert len(running._node._participant._topics) == topics_before + 1
