"""The DDS node, which uses Cyclone DDS, exchanges messages with Fast DDS."""

from __future__ import annotations

import queue
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest
from domains import new_domain
from required import require

from taihri_ros.node.dds_host import DEFAULT, SENSOR_DATA, DdsNode, RosTypes

HERE = Path(__file__).parent
BUILD = HERE.parents[1] / "build" / "interop"
PACKAGES = "g++ cmake make libfastrtps-dev libfastcdr-dev fastddsgen default-jre-headless"
TIMEOUT = 30.0
"""Seconds until a wait fails."""


@pytest.fixture(scope="module")
def program() -> Path:
    """Path of the Fast DDS program, which is built from this directory."""
    tools = all(map(shutil.which, ("fastddsgen", "java", "cmake", "make", "g++")))
    headers = Path("/usr/include/fastdds/dds/domain/DomainParticipant.hpp").is_file()
    require(tools and headers, "Fast DDS with its code generator", f"sudo apt-get install {PACKAGES}")
    for command in (["cmake", "-S", HERE, "-B", BUILD], ["cmake", "--build", BUILD]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    return BUILD / "fastdds_peer"


@pytest.fixture
def node() -> Iterator[DdsNode]:
    with DdsNode("taihri", types=RosTypes("jazzy"), domain_id=new_domain()) as opened:
        yield opened


@dataclass
class Peer:
    """The running program."""

    stdin: IO[str]
    lines: queue.Queue[str]

    def next_line(self) -> str:
        return self.lines.get(timeout=TIMEOUT)

    def tell_to_write(self) -> None:
        self.stdin.write("\n")
        self.stdin.flush()


@contextmanager
def running(program: Path, mode: str, node: DdsNode, topic: str, *arguments: int) -> Iterator[Peer]:
    """Run the program."""
    command = [str(program), mode, str(node.domain_id), topic, *map(str, arguments)]
    lines: queue.Queue[str] = queue.Queue()

    def read(stream: IO[str]) -> None:
        for line in stream:
            lines.put(line.rstrip("\n"))

    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        reader = threading.Thread(target=read, args=(process.stdout,))
        reader.start()
        try:
            yield Peer(process.stdin, lines)
        finally:
            process.stdin.close()
            try:
                process.wait(TIMEOUT)
            finally:
                process.kill()
                reader.join()
    assert process.returncode == 0


def wait_until(condition: Callable[[], object]) -> None:
    """Wait until a condition is true; fail on a timeout."""
    ticks = threading.Event()
    for _ in range(int(TIMEOUT / 0.005)):
        if condition():
            return
        ticks.wait(0.005)
    pytest.fail("timed out")


def test_a_pose_array_arrives_with_its_exact_numbers(program: Path, node: DdsNode) -> None:
    message = node.types.message
    numbers = np.random.default_rng(0).normal(size=(22, 7))
    header = message("std_msgs/msg/Header")(
        stamp=message("builtin_interfaces/msg/Time")(sec=1_700_000_000, nanosec=999_999_999), frame_id="camera_optical"
    )
    poses = [
        message("geometry_msgs/msg/Pose")(
            position=message("geometry_msgs/msg/Point")(x=x, y=y, z=z),
            orientation=message("geometry_msgs/msg/Quaternion")(x=qx, y=qy, z=qz, w=qw),
        )
        for x, y, z, qx, qy, qz, qw in numbers
    ]
    publisher = node.publisher("geometry_msgs/msg/PoseArray", "~/keypoints", DEFAULT)
    with running(program, "poses", node, "/taihri/keypoints") as peer:
        assert peer.next_line() == "matched"
        wait_until(lambda: publisher.matched)
        publisher.publish(message("geometry_msgs/msg/PoseArray")(header=header, poses=poses))
        publisher.publish(message("geometry_msgs/msg/PoseArray")(header=header, poses=[]))
        sec, nanosec, frame_id, *values = peer.next_line().split(" ")
        empty = peer.next_line()
    assert (sec, nanosec, frame_id) == ("1700000000", "999999999", "camera_optical")
    assert np.array_equal(np.array(values, dtype=float).reshape(22, 7), numbers)
    assert empty == "1700000000 999999999 camera_optical"


@pytest.mark.parametrize(("width", "height"), [(640, 480), (1280, 720)])
def test_an_image_is_received(program: Path, node: DdsNode, width: int, height: int) -> None:
    images: queue.Queue[Any] = queue.Queue()
    subscription = node.subscribe("sensor_msgs/msg/Image", "/camera/image_raw", images.put, SENSOR_DATA)
    with running(program, "image", node, "/camera/image_raw", width, height):
        image = images.get(timeout=TIMEOUT)
        assert subscription.matched == 1
    index = np.arange(3 * width * height)
    assert (image.header.stamp.sec, image.header.stamp.nanosec) == (1_700_000_000, 123_456_789)
    assert image.header.frame_id == "camera_optical"
    assert (image.width, image.height, image.step, image.encoding) == (width, height, 3 * width, "rgb8")
    assert np.array_equal(image.data, (index * 7 + index // 256).astype(np.uint8))


def test_malformed_samples_are_dropped_and_the_next_message_is_received(program: Path, node: DdsNode) -> None:
    texts: queue.Queue[Any] = queue.Queue()
    subscription = node.subscribe("std_msgs/msg/String", "/taihri/command", texts.put)
    with running(program, "malformed", node, "/taihri/command") as peer:
        wait_until(lambda: subscription.matched)
        peer.tell_to_write()
        assert [texts.get(timeout=TIMEOUT).data for _ in range(6)] == ["ok"] * 6
    assert texts.empty()
    assert subscription.received == 6
    assert subscription.malformed >= 1  # DDS itself drops the others
