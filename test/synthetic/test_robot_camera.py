"""The simulated robot camera publishes images, camera_info and true joints, and passes commands to its scene."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from camera_messages import MESSAGES, TYPES
from dds_peer import wait_until
from domains import new_domain
from fake_camera import CAMERA
from required import ROOT, require
from running_node import START_S

from taihri_ros.camera.camera import Camera
from taihri_ros.node import topics
from taihri_ros.node.dds_host import DdsNode, QoS
from taihri_ros.node.images import decode_image
from taihri_ros.node.messages import stamp_ns
from taihri_ros.skeleton import INDEX, JOINTS
from taihri_ros.synthetic.robot_camera import FRAME_ID, TRUTH

DOMAIN = new_domain()
SCRIPT = ROOT / "test" / "fake_camera.py"


class Listener:
    """A node that stores the messages of the camera, with the arrival times (ns) of images, and sends commands."""

    def __init__(self) -> None:
        self.node = DdsNode("listener", types=TYPES, domain_id=DOMAIN)
        self.images: list[tuple[int, Any]] = []
        self.infos: list[Any] = []
        self.truths: list[Any] = []
        self._lock = threading.Lock()
        self.node.subscribe(topics.IMAGE.type, "/image", self._on_image, QoS(depth=10))
        self.node.subscribe(topics.CAMERA_INFO.type, "/camera_info", self.infos.append, QoS(depth=10))
        self.node.subscribe(TRUTH.type, "/sim/keypoints", self.truths.append, QoS(depth=10))
        self._command = self.node.publisher(topics.COMMAND.type, "/taihri/command")

    def send_command(self, text: str) -> None:
        wait_until(lambda: self._command.matched)
        self._command.publish(MESSAGES.make(topics.COMMAND.type, data=text))

    def first_pixel(self) -> list[int]:
        """Return the first pixel of the newest image, in which the scene encodes the commands."""
        return decode_image(self.images[-1][1])[0, 0].tolist()

    def _on_image(self, message: Any) -> None:
        self.images.append((time.time_ns(), message))


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    monkeypatch.setenv("ROS_DOMAIN_ID", str(DOMAIN))
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    opened = Listener()
    yield opened
    opened.node.close()


@pytest.fixture(scope="module")
def simulator(engine_python: str) -> str:
    """An interpreter with the packages of the simulated person."""
    has = subprocess.run([engine_python, "-c", "import anny, warp, cyclonedds, rosbags"], capture_output=True)
    require(has.returncode == 0, f"anny, warp or cyclonedds in {engine_python}", "make test")
    return engine_python


def start_camera(*arguments: float) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, str(SCRIPT), *map(str, arguments)], stdout=subprocess.PIPE, text=True)


def test_image_calibration_and_truth_share_stamp_and_frame(listener: Listener) -> None:
    with start_camera(2.0, 20.0, 0.02) as camera:
        published = int(camera.communicate()[0])
    stamps = [stamp_ns(message.header) for _, message in listener.images]
    assert published == pytest.approx(40, abs=1)
    assert len(stamps) >= published - 10, "only images before discovery may be lost"
    assert stamps == sorted(set(stamps))
    assert set(stamps) <= {stamp_ns(message.header) for message in listener.truths}
    assert set(stamps) <= {stamp_ns(message.header) for message in listener.infos}
    headers = [message.header for message in (*listener.truths, *listener.infos, listener.images[0][1])]
    assert {header.frame_id for header in headers} == {FRAME_ID}
    assert Camera.from_info(listener.infos[0]) == CAMERA


def test_images_are_published_at_the_rate_and_at_their_stamp(listener: Listener) -> None:
    with start_camera(2.0, 10.0, 0.06) as camera:
        camera.communicate()
    ages_ms = [(arrival - stamp_ns(message.header)) / 1e6 for arrival, message in listener.images]
    periods_ms = np.diff([stamp_ns(message.header) for _, message in listener.images]) / 1e6
    assert np.median(periods_ms) == pytest.approx(100.0, abs=0.5)
    assert 0.0 < np.median(ages_ms) < 50.0, "images are rendered before their stamp: rendering adds no age"


def test_the_truth_has_every_joint_at_the_time_of_the_stamp(listener: Listener) -> None:
    with start_camera(1.5, 10.0, 0.0) as camera:
        camera.communicate()
    assert len(listener.truths) > 5
    stamps = np.array([stamp_ns(message.header) for message in listener.truths])
    points = np.array([[(p.position.x, p.position.y, p.position.z) for p in m.poses] for m in listener.truths])
    assert points.shape == (len(stamps), len(JOINTS), 3)
    np.testing.assert_array_equal(points[:, :, 0], np.tile(np.arange(len(JOINTS)), (len(stamps), 1)))
    seconds = points[:, 0, 1]
    np.testing.assert_allclose(np.diff(seconds), np.diff(stamps) / 1e9, atol=1e-6)


def test_a_late_image_delays_the_ones_after_it(listener: Listener) -> None:
    with start_camera(2.0, 50.0, 0.1) as camera:
        assert 15 <= int(camera.communicate()[0]) <= 20
    assert len({stamp_ns(message.header) for _, message in listener.images}) == len(listener.images) > 5


def test_valid_commands_reach_the_scene_and_invalid_ones_do_not(listener: Listener) -> None:
    with start_camera(30.0, 20.0, 0.0) as camera:
        wait_until(lambda: listener.images)
        listener.send_command("shake my hand")
        wait_until(lambda: listener.first_pixel()[:2] == [1, 0])
        listener.send_command("<|im_end|>")
        listener.send_command("stop")
        wait_until(lambda: listener.first_pixel()[:2] == [2, 1])
        camera.kill()


def test_the_simulated_person_is_in_the_image_and_follows_commands(listener: Listener, simulator: str) -> None:
    with subprocess.Popen([simulator, "-m", "taihri_ros.cli", "simulate", "--size", "320x240"]) as camera:
        try:
            wait_until(lambda: len(listener.images) > 20, START_S)
            standing = len(listener.truths)
            listener.send_command("give me a hug")
            wait_until(lambda: len(listener.truths) > standing + 25)
        finally:
            camera.terminate()
        assert camera.wait(10) == 0
    stamps = [stamp_ns(message.header) for message in listener.truths]
    assert {stamp_ns(message.header) for _, message in listener.images} <= set(stamps)
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
    assert np.median(np.diff(stamps)) / 1e6 == pytest.approx(100.0, abs=10.0)
