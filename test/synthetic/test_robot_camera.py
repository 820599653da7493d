"""The simulated robot camera publishes images, camera_info and true joints, and passes commands to its scene."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from camera_messages import MESSAGES, TYPES
from dds_peer import wait_until
from domains import new_domain
from running_node import START_S

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.distortion import DistortionModel
from taihri_ros.commands.command import Command
from taihri_ros.node import topics
from taihri_ros.node.dds_host import DdsNode, QoS
from taihri_ros.node.detections import person_boxes
from taihri_ros.node.images import decode_image
from taihri_ros.node.messages import stamp_ns
from taihri_ros.skeleton import INDEX, JOINTS
from taihri_ros.synthetic import robot_camera
from taihri_ros.synthetic.robot_camera import FRAME_ID, TRUE_PEOPLE, TRUTH, RobotCamera

DOMAIN = new_domain()
CAMERA_MATRIX = [[300.0, 0, 158.0], [0, 310.0, 121.0], [0, 0, 1]]
CAMERA = Camera(320, 240, CAMERA_MATRIX, [0.1, 0, 0, 0], DistortionModel.EQUIDISTANT)
MS = 1_000_000
BOXES = {1: np.array([10.0, 20.0, 40.0, 100.0])}
"""Of two people, the first cannot be seen."""
STARTED = 1_700_000_000_000 * MS


class Listener:
    """A node that stores the messages of the camera and sends commands."""

    def __init__(self) -> None:
        self.node = DdsNode("listener", types=TYPES, domain_id=DOMAIN)
        self.images: list[Any] = []
        self.infos: list[Any] = []
        self.truths: list[Any] = []
        self.people: list[Any] = []
        self.detections: list[Any] = []
        self.node.subscribe(topics.IMAGE.type, "/image", self.images.append, QoS(depth=10))
        self.node.subscribe(topics.CAMERA_INFO.type, "/camera_info", self.infos.append, QoS(depth=10))
        self.node.subscribe(TRUTH.type, "/sim/keypoints", self.truths.append, QoS(depth=10))
        self.node.subscribe(TRUE_PEOPLE.type, "/sim/people", self.people.append, QoS(depth=10))
        self.node.subscribe(topics.DETECTIONS.type, "/detections", self.detections.append, QoS(depth=10))
        self._command = self.node.publisher(topics.COMMAND.type, "/taihri/command")

    def has_all(self, count: int) -> bool:
        return len(self.images) == len(self.infos) == len(self.truths) == count

    def send_command(self, text: str) -> None:
        wait_until(lambda: self._command.matched)
        self._command.publish(MESSAGES.make(topics.COMMAND.type, data=text))

    def first_pixel(self) -> list[int]:
        """Return the first pixel of the newest image, in which the scene encodes the commands."""
        return decode_image(self.images[-1])[0, 0].tolist()


class Clock:
    """The time of a camera, which passes only while the camera renders or waits for the next stamp.

    It takes the place of the module `time` and of the event that ends the run.
    """

    def __init__(self) -> None:
        self.now_ns = STARTED

    def time_ns(self) -> int:
        return self.now_ns

    def wait(self, seconds: float) -> bool:
        self.now_ns += round(seconds * 1e9)
        return False


class Scene:
    """A black scene whose first pixel encodes the number of commands and whose joints encode the time."""

    camera = CAMERA
    people = 2

    def __init__(self) -> None:
        self._commands: list[Command | None] = []

    def set_command(self, command: Command | None) -> None:
        self._commands.append(command)

    def expose(self, seconds: float) -> SimpleNamespace:
        image = np.zeros((CAMERA.height, CAMERA.width, 3), np.uint8)
        image[0, 0] = [len(self._commands), self._commands.count(None), CAMERA.width // 2]
        joints = np.column_stack([np.arange(len(JOINTS)), np.full(len(JOINTS), seconds), np.ones(len(JOINTS))])
        return SimpleNamespace(
            image=image, joints=joints, people=(joints, np.add(joints, [0.0, 0.0, 1.0])), boxes=BOXES
        )


class SlowScene(Scene):
    """A scene that takes a fixed time to render; before the next image, the last one must have arrived."""

    def __init__(self, clock: Clock, listener: Listener, render_ms: int) -> None:
        super().__init__()
        self._clock, self._listener, self._render_ms = clock, listener, render_ms
        self.rendered = 0

    def expose(self, seconds: float) -> SimpleNamespace:
        wait_until(lambda: self._listener.has_all(self.rendered))
        self.rendered += 1
        self._clock.now_ns += self._render_ms * MS
        return super().expose(seconds)


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    monkeypatch.setenv("ROS_DOMAIN_ID", str(DOMAIN))
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    opened = Listener()
    yield opened
    opened.node.close()


def publish(
    listener: Listener, monkeypatch: pytest.MonkeyPatch, *, seconds: float, rate_hz: float, render_ms: int
) -> list[float]:
    """Run a camera by a clock of its own, and return the age of each image when it was published, in ms."""
    clock, ages_ms = Clock(), []
    scene = SlowScene(clock, listener, render_ms)
    with (
        monkeypatch.context() as patched,
        RobotCamera(scene, rate_hz=rate_hz) as camera,
    ):
        wait_until(lambda: camera._image.matched and camera._camera_info.matched and camera._truth.matched)
        patched.setattr(robot_camera, "time", clock)
        send = camera._publish

        def publish_and_note(snapshot: Any, stamp: int) -> None:
            ages_ms.append((clock.now_ns - stamp) / MS)
            send(snapshot, stamp)

        patched.setattr(camera, "_publish", publish_and_note)
        camera.run(clock, seconds)
        wait_until(lambda: listener.has_all(camera.frames))
    return ages_ms


def test_every_image_has_calibration_and_truth_of_its_stamp(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(listener, monkeypatch, seconds=2.0, rate_hz=20.0, render_ms=20)
    expected = [STARTED + 50 * MS * number for number in range(1, 41)]
    for messages in (listener.images, listener.infos, listener.truths):
        assert [stamp_ns(message.header) for message in messages] == expected
        assert {message.header.frame_id for message in messages} == {FRAME_ID}
    assert Camera.from_info(listener.infos[0]) == CAMERA
    points = np.array([[(p.position.x, p.position.y, p.position.z) for p in m.poses] for m in listener.truths])
    assert points.shape == (40, len(JOINTS), 3)
    np.testing.assert_array_equal(points[:, :, 0], np.tile(np.arange(len(JOINTS)), (40, 1)))
    np.testing.assert_allclose(points[:, 0, 1], 0.05 * np.arange(40), atol=1e-9)


@pytest.mark.parametrize(
    ("render_ms", "period_ms", "age_ms"),
    [(60, 100, 0), (100, 100, 0), (250, 250, 250)],
    ids=["rendered before its stamp: published at its stamp", "just in time", "late: delays the ones after it"],
)
def test_an_image_is_published_at_its_stamp_or_delays_the_next(
    listener: Listener, monkeypatch: pytest.MonkeyPatch, render_ms: int, period_ms: int, age_ms: int
) -> None:
    ages_ms = publish(listener, monkeypatch, seconds=2.0, rate_hz=10.0, render_ms=render_ms)
    stamps = [stamp_ns(message.header) for message in listener.images]
    assert set(np.diff(stamps[1:]) // MS) == {period_ms}
    assert set(ages_ms[1:]) == {age_ms}
    assert len(stamps) == pytest.approx(2000 / period_ms, abs=1)


def test_the_joints_of_everybody_are_published(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(listener, monkeypatch, seconds=0.5, rate_hz=10.0, render_ms=20)
    wait_until(lambda: listener.people and listener.detections)
    (first, *_) = listener.people
    depths = [pose.position.z for pose in first.poses]
    assert depths == [1.0] * len(JOINTS) + [2.0] * len(JOINTS)
    assert stamp_ns(first.header) in {stamp_ns(message.header) for message in listener.truths}
    (detected,) = listener.detections[0].detections
    assert person_boxes(listener.detections[0], 1.0).tolist() == [BOXES[1].tolist()], "as the node reads it"
    assert detected.id == "1"


def test_valid_commands_reach_the_scene_and_invalid_ones_do_not(listener: Listener) -> None:
    stop = threading.Event()
    with RobotCamera(Scene(), rate_hz=20.0) as camera:
        running = threading.Thread(target=camera.run, args=(stop,))
        running.start()
        try:
            wait_until(lambda: listener.images)
            listener.send_command("shake my hand")
            wait_until(lambda: listener.first_pixel()[:2] == [1, 0])
            listener.send_command("<|im_end|>")
            listener.send_command("stop")
            wait_until(lambda: listener.first_pixel()[:2] == [2, 1])
        finally:
            stop.set()
            running.join()


def test_the_simulated_person_is_in_the_image_and_follows_commands(listener: Listener, simulator: str) -> None:
    with subprocess.Popen([simulator, "-m", "taihri_ros.cli", "simulate", "--size", "320x240"]) as camera:
        try:
            wait_until(lambda: len(listener.images) > 20, START_S)
            standing = len(listener.truths)
            listener.send_command("give me a hug")
            wait_until(lambda: len(listener.truths) > standing + 25)
        finally:
            camera.terminate()
        assert camera.wait(START_S) == 0
    stamps = [stamp_ns(message.header) for message in listener.truths]
    assert {stamp_ns(message.header) for message in listener.images} <= set(stamps)
    seen = Camera.from_info(listener.infos[0])
    joints = np.array([[(p.position.x, p.position.y, p.position.z) for p in m.poses] for m in listener.truths])
    pixels = np.array([seen.project(each) for each in joints])
    inside = ((pixels > 0) & (pixels < [seen.width, seen.height])).all(axis=2)
    assert inside[:, [INDEX[name] for name in ("spine3", "neck", "left_shoulder", "right_shoulder")]].all()
    assert joints[:, INDEX["spine3"], 2].min() > 0.3
    assert joints[:, INDEX["spine3"], 2].max() < 4.0
    spread = np.linalg.norm(joints[:, INDEX["left_wrist"]] - joints[:, INDEX["right_wrist"]], axis=1)
    forward = joints[:, INDEX["spine3"], 2] - joints[:, [INDEX["left_wrist"], INDEX["right_wrist"]], 2].mean(axis=1)
    assert spread[-1] > 0.95
    assert forward[-1] > 0.25, "both arms reach for the robot"
