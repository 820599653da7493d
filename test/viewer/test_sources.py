from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from bag_files import IMAGES, INFOS, Record, camera_records, write_bag
from camera_messages import TYPES, camera_info, compressed, image
from dds_peer import wait_until
from domains import new_domain
from viewed_person import person_message, wrist

from taihri_ros.node import topics
from taihri_ros.node.dds_host import DdsNode, QoS
from taihri_ros.node.parameters import Parameters
from taihri_ros.node.recordings.errors import BagError
from taihri_ros.node.topics import Topic
from taihri_ros.viewer import sources
from taihri_ros.viewer.sources import BagSource, LiveSource


class Shown:
    """A scene that keeps what it is given."""

    def __init__(self) -> None:
        self.received: list[tuple[Topic, Any]] = []
        self.notes: list[str] = []
        self.missing: list[list[str]] = []

    def receive(self, topic: Topic, message: Any) -> None:
        self.received.append((topic, message))

    def note(self, text: str) -> None:
        self.notes.append(text)

    def miss(self, missing: list[str]) -> None:
        self.missing.append(missing)


def play(*bags: Path, **options: Any) -> Shown:
    shown = Shown()
    with BagSource(bags, Parameters(), **options) as source:
        count = sum(1 for _ in source.play(shown))  # type: ignore[arg-type]
        assert count == source.messages
    return shown


def answers(path: Path, topic: str = "/taihri/person") -> Path:
    """Write a bag of answers, as `taihri bag` does: with the recording times of the images."""
    stamps = [record.recorded for record in camera_records() if "image" in record.topic]
    return write_bag(path, [Record(topic, stamp, person_message(wrist())) for stamp in stamps])


def test_a_recording_and_its_answers_are_shown_in_the_order_of_time(tmp_path: Path) -> None:
    shown = play(write_bag(tmp_path / "camera", camera_records()), answers(tmp_path / "answers"))
    assert [topic for topic, _ in shown.received] == [topics.CAMERA_INFO, topics.IMAGE, topics.PERSON] * 3
    assert shown.notes == []


def test_a_node_of_another_name_is_found_by_its_rule(tmp_path: Path) -> None:
    bag = answers(tmp_path / "answers", "/robot/eyes/person")
    with pytest.raises(BagError, match="no picture and no answer of //taihri: name a bag"):
        play(bag)
    assert len(play(bag, remaps=["__ns:=/robot", "__node:=eyes"]).received) == 3


def test_the_picture_of_one_of_several_cameras_is_chosen(tmp_path: Path) -> None:
    other = [Record("/other/image_raw", 5_000_000_000, image(5_000_000_000))]
    bag = write_bag(tmp_path / "two", camera_records() + other)
    with pytest.raises(BagError, match="choose one with --image"):
        play(bag)
    shown = play(bag, inputs={"image": "other/image_raw", "camera_info": "/camera/camera_info"})
    assert [topic for topic, _ in shown.received].count(topics.IMAGE) == 1


def test_a_picture_without_camera_info_is_shown_and_an_overlay_is_no_picture(tmp_path: Path) -> None:
    records = [each for each in camera_records() if each.topic == IMAGES]
    bag = write_bag(tmp_path / "camera", [*records, Record("/taihri/overlay/compressed", 1, compressed(1))])
    assert [topic for topic, _ in play(bag).received] == [topics.IMAGE] * 3
    with BagSource([bag], Parameters()) as source:
        assert source.problems == ("the bags have no CameraInfo: the picture is shown, but not in metres",)


def test_other_pictures_beside_the_answers_do_not_hide_the_camera_of_another_bag(tmp_path: Path) -> None:
    camera = write_bag(tmp_path / "camera", camera_records())
    found = write_bag(
        tmp_path / "answers", [Record("/debug", 1, image(1)), Record("/taihri/person", 1, person_message())]
    )
    shown = play(camera, found, inputs={"image": IMAGES})
    assert {topic for topic, _ in shown.received} == {topics.CAMERA_INFO, topics.IMAGE, topics.PERSON}


def test_answers_beside_a_camera_info_without_pictures_are_shown(tmp_path: Path) -> None:
    records = [each for each in camera_records() if each.topic == INFOS]
    bag = write_bag(tmp_path / "answers", [*records, Record("/taihri/person", 1, person_message(wrist()))])
    assert [topic for topic, _ in play(bag).received] == [topics.PERSON]


def test_a_damaged_message_is_named(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "camera", camera_records(1))
    file = next(bag.glob("*.db3"))
    with sqlite3.connect(file) as base:
        base.execute("UPDATE messages SET data = substr(data, 1, 60) WHERE length(data) > 5000")
    base.close()
    shown = play(bag)
    assert [topic for topic, _ in shown.received] == [topics.CAMERA_INFO]
    assert len(shown.notes) == 1
    assert "a malformed sensor_msgs/msg/Image on /camera/image_raw" in shown.notes[0]


@pytest.fixture
def robot(tmp_path: Path) -> Iterator[tuple[DdsNode, dict[str, str]]]:
    """A node that plays camera and taihri, and the variables of its network."""
    domain = new_domain()
    environment = {"ROS_DOMAIN_ID": str(domain), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
    with pytest.MonkeyPatch.context() as patched:
        for name, value in environment.items():
            patched.setenv(name, value)
        with DdsNode("robot", types=TYPES) as node:
            yield node, environment


def test_a_running_node_is_recorded_until_a_signal(robot: tuple[DdsNode, dict[str, str]], tmp_path: Path) -> None:
    node, environment = robot
    outputs = {
        "/camera/image": (topics.IMAGE, image),
        "/camera/info": (topics.CAMERA_INFO, camera_info),
        "/taihri/person": (topics.PERSON, lambda _: person_message(wrist())),
    }
    publishers = {
        name: (node.publisher(topic.type, name, QoS(depth=1)), make) for name, (topic, make) in outputs.items()
    }
    path = tmp_path / "live.rrd"
    rules = ["-r", "image:=/camera/image", "-r", "camera_info:=/camera/info"]
    arguments = [sys.executable, "-m", "taihri_ros.cli", "view", "--save", str(path), *rules]
    with subprocess.Popen(
        arguments, env=os.environ | environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as viewer:
        assert viewer.stdout is not None
        assert "recording" in viewer.stdout.readline()
        stamp = 1_700_000_000_000_000_000
        while not (path.exists() and b"world/person/joints" in path.read_bytes()):
            assert viewer.poll() is None
            stamp += 50_000_000
            for publisher, make in publishers.values():
                publisher.publish(make(stamp))
            time.sleep(0.05)  # the pace of a camera
        viewer.send_signal(signal.SIGINT)
        output, _ = viewer.communicate(timeout=60)
    assert viewer.returncode == 0, output
    assert re.search(rf"wrote {re.escape(str(path))}: look at it with taihri view", output)


def test_the_page_says_what_is_missing_until_it_comes_and_when_it_goes(
    robot: tuple[DdsNode, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "_SILENCE_S", 0.5)
    node, _ = robot
    shown, stop = Shown(), Event()
    with LiveSource(shown, Parameters()) as source:  # type: ignore[arg-type]
        watching = Thread(target=source.run, args=[stop])
        watching.start()
        wait_until(lambda: len(shown.missing) == 2)
        assert shown.missing[0] == []
        no_image, no_answer = shown.missing[1]
        assert no_image == "no publisher on /image: start the camera, or name its topic with -r image:=/camera/..."
        assert no_answer.startswith("no publisher on /taihri/person: start the node")
        image_publisher, _ = (
            node.publisher(topics.IMAGE.type, "/image", QoS(depth=1)),
            node.publisher(topics.PERSON.type, "/taihri/person", QoS(depth=1)),
        )
        wait_until(lambda: shown.missing[-1] == [])
        image_publisher.destroy()
        wait_until(lambda: shown.missing[-1] == [no_image])
        stop.set()
        watching.join()
