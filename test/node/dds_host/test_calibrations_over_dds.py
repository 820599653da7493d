"""The embedded host answers each image of a camera in another process with the calibration that belongs to it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from camera_messages import HEIGHT, MESSAGES, WIDTH, camera_info, image
from dds_peer import Peer, plain, wait_until
from domains import new_domain
from oracle import Oracle

from taihri_ros.node import topics
from taihri_ros.node.dds_host import LATCHED, QoS
from taihri_ros.node.dds_host.embedded_host import EmbeddedHost
from taihri_ros.node.parameters import Parameters

WRIST = np.array([0.3, 0.0, 1.5])
WIDE = (2 * WIDTH, HEIGHT)


@pytest.fixture(scope="module")
def domain() -> Iterator[int]:
    number = new_domain()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROS_DOMAIN_ID", str(number))
        patch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
        yield number


@pytest.fixture(scope="module")
def camera(domain: int) -> Iterator[Peer]:
    """A process that publishes images and camera_info, and receives the results."""
    with Peer(domain, name="camera") as peer:
        peer.publisher(topics.IMAGE.type, "/image", QoS(depth=1))
        peer.subscribe(topics.PERSON.type, "/taihri/person")
        yield peer


@contextmanager
def running(**parameters: Any) -> Iterator[EmbeddedHost]:
    """Return a running host whose engine sees a wrist 0.3 m right of the optical axis, 1.5 m away."""
    stop = threading.Event()
    parameters = {"command_initial": "left_wrist", "person_crop_mode": "never"} | parameters
    with EmbeddedHost(Parameters(**parameters), Oracle({"left_wrist": WRIST})) as host:
        thread = threading.Thread(target=host.run, args=(stop,))
        thread.start()
        try:
            yield host
        finally:
            stop.set()
            thread.join()


def info(stamp: int, focal: float, size: tuple[int, int] = (WIDTH, HEIGHT)) -> Any:
    width, height = size
    k = np.array([focal, 0, width / 2, 0, focal, height / 2, 0, 0, 1])
    return camera_info(stamp, width=width, height=height, k=k)


def picture(stamp: int, size: tuple[int, int] = (WIDTH, HEIGHT)) -> dict[str, Any]:
    width, height = size
    return plain(image(stamp, width=width, step=width * 3, data=np.zeros(width * height * 3, np.uint8)))


def connect(camera: Peer) -> None:
    wait_until(lambda: camera.matched("/image") == 1 and camera.matched("/taihri/person") == 1)


def focal_of_answer(camera: Peer, stamp: int, width: int = WIDTH) -> float:
    """Return the focal length with which the next answer was computed, from its pixel: u = f * x / z + cx."""
    person = camera.receive("/taihri/person")
    time = MESSAGES.time(stamp)
    assert person["header"]["stamp"] == {"sec": time.sec, "nanosec": time.nanosec}
    return float((person["keypoints"][0]["u"] - width / 2) / (WRIST[0] / WRIST[2]))


@pytest.mark.handles("Calibration", "camera_info latched before the node started", "it is received and used")
def test_a_calibration_that_was_latched_before_the_node_started_is_heard(
    camera: Peer, caplog: pytest.LogCaptureFixture
) -> None:
    camera.publisher(topics.CAMERA_INFO.type, "/camera_info", LATCHED)
    camera.publish("/camera_info", plain(info(0, 150.0)))
    with running() as host, caplog.at_level(logging.WARNING):
        connect(camera)
        wait_until(lambda: host.application.scheduler.calibrations._known)
        camera.publish("/image", picture(1_700_000_000_000_000_000))
        assert focal_of_answer(camera, 1_700_000_000_000_000_000) == pytest.approx(150.0, rel=0.05)
        camera.publisher(topics.CAMERA_INFO.type, "/camera_info", QoS())
        latched = host._latched_camera_info
        wait_until(lambda: latched and latched.incompatible_qos == "durability")
    assert not [record for record in caplog.records if "durability" in record.getMessage()]
    camera.destroy("/camera_info")


def test_each_image_is_answered_with_its_own_calibration_across_a_change_of_resolution(camera: Peer) -> None:
    camera.publisher(topics.CAMERA_INFO.type, "/camera_info", QoS(reliable=False, depth=5))
    with running() as host:
        connect(camera)
        wait_until(lambda: camera.matched("/camera_info"))
        assert host.subscribers(topics.PERSON) == 1
        for stamp, focal, size in ((10, 100.0, (WIDTH, HEIGHT)), (20, 130.0, (WIDTH, HEIGHT)), (30, 300.0, WIDE)):
            camera.publish("/camera_info", plain(info(stamp, focal, size)))
        wait_until(lambda: len(host.application.scheduler.calibrations._known) == 3)
        for stamp, focal, size in (
            (10, 100.0, (WIDTH, HEIGHT)),
            (20, 130.0, (WIDTH, HEIGHT)),
            (30, 300.0, WIDE),
            (31, 300.0, WIDE),
            (21, 130.0, (WIDTH, HEIGHT)),  # a late one from before the change
        ):
            camera.publish("/image", picture(stamp, size))
            assert focal_of_answer(camera, stamp, size[0]) == pytest.approx(focal, rel=0.05)
        camera.publish("/image", picture(32))  # of the old size, after the change
        wait_until(lambda: host.application.scheduler.counters.snapshot().dropped == {"bad_camera_info": 1})
        assert host._latched_camera_info is None, "no publisher keeps its camera_info"
    assert camera.incompatible_qos("/camera_info") is None, "the camera driver would warn about the node"
    camera.destroy("/camera_info")
