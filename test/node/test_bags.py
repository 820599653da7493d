"""Bags are replayed into bags of keypoints; damaged bags and images are reported."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from camera_messages import FRAME_ID, TYPES, camera_info, compressed, image
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import StoragePlugin, Writer

from taihri_ros.commands.command import joint_command
from taihri_ros.inference.process.supervisor import EngineProcess
from taihri_ros.node.bags import BagError, BagReplay
from taihri_ros.node.messages import stamp_ns
from taihri_ros.node.parameters import Parameters
from taihri_ros.pipeline.estimator import Estimator
from taihri_ros.pipeline.frames import ImageError
from taihri_ros.pipeline.tracker import Tracker

WRISTS = joint_command(["left_wrist", "right_wrist"])


@dataclass
class Record:
    topic: str
    recorded: int
    message: Any


def write_bag(path: Path, records: list[Record], storage: str = "sqlite3") -> Path:
    with Writer(path, version=9, storage_plugin=StoragePlugin[storage.upper()]) as writer:
        connections: dict[str, Any] = {}
        for record in records:
            msg_type = record.message.__msgtype__
            if record.topic not in connections:
                connections[record.topic] = writer.add_connection(record.topic, msg_type, typestore=TYPES.store)
            data = bytes(TYPES.serialize(record.message, msg_type))
            writer.write(connections[record.topic], record.recorded, data)
    return path


def camera_records(count: int = 3, first: int = 5_000_000_000) -> list[Record]:
    """Return the records of a camera at 10 Hz; every image is recorded 2 ms after its stamp."""
    found = []
    for stamp in range(first, first + count * 100_000_000, 100_000_000):
        found.append(Record("/camera/camera_info", stamp + 1_000_000, camera_info(stamp)))
        found.append(Record("/camera/image_raw", stamp + 2_000_000, image(stamp)))
    return found


def read_bag(path: Path) -> dict[str, list[tuple[int, Any]]]:
    """Return all messages by topic, as (record time in nanoseconds, message), read with the definitions of the bag."""
    found: dict[str, list[tuple[int, Any]]] = {}
    with AnyReader([path]) as reader:
        for connection in reader.connections:
            found[connection.topic] = []
        for connection, recorded, raw in reader.messages():
            found[connection.topic].append((recorded, reader.deserialize(raw, connection.msgtype)))
    return found


def run(replay: BagReplay, engine: EngineProcess) -> Iterator[Exception | None]:
    return replay.replay(Tracker(Estimator(engine)), WRISTS, Parameters())


@pytest.mark.parametrize("storage", ["sqlite3", "mcap"])
def test_every_image_is_answered_with_its_own_stamp(tmp_path: Path, engine: EngineProcess, storage: str) -> None:
    bag = write_bag(tmp_path / "in", camera_records(3), storage)
    with BagReplay(bag, tmp_path / "out", storage=storage) as replay:
        assert replay.images == 3
        assert list(run(replay, engine)) == [None, None, None]
        assert replay.published == 3
        assert not replay.dropped
    assert any((tmp_path / "out").glob("*.mcap" if storage == "mcap" else "*.db3"))
    found = read_bag(tmp_path / "out")
    assert set(found) == {"/taihri/keypoints", "/taihri/person", "/tf"}
    stamps = [5_000_000_000, 5_100_000_000, 5_200_000_000]
    for topic in ("/taihri/keypoints", "/taihri/person"):
        assert [recorded for recorded, _ in found[topic]] == [stamp + 2_000_000 for stamp in stamps]
        assert [stamp_ns(message.header) for _, message in found[topic]] == stamps
        assert {message.header.frame_id for _, message in found[topic]} == {FRAME_ID}
    person = found["/taihri/person"][0][1]
    assert person.__msgtype__ == "taihri_ros/msg/HumanKeypoints"
    assert person.command == "left_wrist, right_wrist"
    assert [keypoint.name for keypoint in person.keypoints] == ["left_wrist", "right_wrist"]
    positions = [each.position.x for each in person.keypoints if each.state == each.MEASURED]
    poses = found["/taihri/keypoints"][0][1].poses
    assert [pose.position.x for pose in poses] == positions
    transforms = found["/tf"][0][1].transforms
    assert [stamp_ns(each.header) for each in transforms] == [5_000_000_000] * len(poses)
    assert {each.child_frame_id for each in transforms} <= {"person/left_wrist", "person/right_wrist"}


def test_an_mcap_file_of_compressed_images_is_replayed(tmp_path: Path, engine: EngineProcess) -> None:
    records = [
        Record("/camera/camera_info", 1, camera_info(1_000)),
        Record("/camera/image/compressed", 2, compressed(1_001)),
    ]
    (file,) = write_bag(tmp_path / "in", records, "mcap").glob("*.mcap")
    with BagReplay(file, tmp_path / "out") as replay:
        assert replay.images == 1
        assert list(run(replay, engine)) == [None]
    assert [stamp_ns(message.header) for _, message in read_bag(tmp_path / "out")["/taihri/keypoints"]] == [1_001]


def test_images_before_the_first_camera_info_are_dropped_and_counted(tmp_path: Path, engine: EngineProcess) -> None:
    early = [Record("/camera/image_raw", stamp, image(stamp)) for stamp in (1, 2)]
    bag = write_bag(tmp_path / "in", early + camera_records(1))
    with BagReplay(bag, tmp_path / "out") as replay:
        first, second, third = run(replay, engine)
        assert str(first) == str(second) == "no CameraInfo before this image on /camera/camera_info"
        assert third is None
        assert replay.dropped == {"no_camera_info": 2}
        assert (replay.images, replay.published) == (3, 1)
    assert len(read_bag(tmp_path / "out")["/taihri/keypoints"]) == 1


def test_invalid_images_are_dropped_by_reason_and_the_others_answered(tmp_path: Path, engine: EngineProcess) -> None:
    records = camera_records(1)
    records.append(Record("/camera/image_raw", 6_000_000_000, image(6, encoding="32FC1")))
    records.append(Record("/camera/camera_info", 6_100_000_000, camera_info(6, k=np.zeros(9))))
    records.append(Record("/camera/image_raw", 6_200_000_000, image(6)))
    records += camera_records(1, first=7_000_000_000)
    with BagReplay(write_bag(tmp_path / "in", records), tmp_path / "out") as replay:
        first, depth, uncalibrated, last = run(replay, engine)
        assert (first, last) == (None, None)
        assert isinstance(depth, ImageError)
        assert "not calibrated" in str(uncalibrated)
        assert replay.dropped == {"bad_image": 1, "bad_camera_info": 1}
    stamps = [stamp_ns(message.header) for _, message in read_bag(tmp_path / "out")["/taihri/keypoints"]]
    assert stamps == [5_000_000_000, 7_000_000_000]


def test_one_of_several_image_topics_must_be_chosen(tmp_path: Path, engine: EngineProcess) -> None:
    records = [*camera_records(1), Record("/rear/image_raw", 5_050_000_000, image(9))]
    bag = write_bag(tmp_path / "in", records)
    with pytest.raises(BagError, match=r"has 2 topics of .*Image.*: choose one with --image") as raised:
        BagReplay(bag, tmp_path / "out")
    assert "(its topics: /camera/camera_info, /camera/image_raw, /rear/image_raw)" in str(raised.value)
    assert not (tmp_path / "out").exists()
    with pytest.raises(BagError, match=r"has no topics of .* named /front: choose one with --image"):
        BagReplay(bag, tmp_path / "out", image="/front")
    with BagReplay(bag, tmp_path / "out", image="/rear/image_raw") as replay:
        assert list(run(replay, engine)) == [None]
    assert [stamp_ns(message.header) for _, message in read_bag(tmp_path / "out")["/taihri/keypoints"]] == [9]


def test_a_bag_without_camera_info_is_rejected(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "in", [Record("/camera/image_raw", 1, image(1))])
    with pytest.raises(BagError, match="has no topics of sensor_msgs/msg/CameraInfo: it cannot be replayed"):
        BagReplay(bag, tmp_path / "out")


def test_an_existing_output_is_not_overwritten(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "in", camera_records(1))
    (tmp_path / "out").mkdir()
    with pytest.raises(BagError, match="out already exists: choose another name, or remove it"):
        BagReplay(bag, tmp_path / "out")


def test_nothing_is_written_before_the_replay(tmp_path: Path) -> None:
    with BagReplay(write_bag(tmp_path / "in", camera_records(1)), tmp_path / "out"):
        pass
    assert not (tmp_path / "out").exists()


def test_an_unwritable_output_is_reported_by_name(tmp_path: Path, engine: EngineProcess) -> None:
    bag = write_bag(tmp_path / "in", camera_records(1))
    (tmp_path / "file").touch()
    with (
        BagReplay(bag, tmp_path / "file" / "out") as replay,
        pytest.raises(BagError, match=r"cannot write .*/file/out"),
    ):
        next(run(replay, engine))


@pytest.mark.parametrize("storage", ["sqlite3", "mcap"])
@pytest.mark.parametrize("part", [0.0, 0.01, 0.3, 0.7, 0.99])
def test_a_truncated_bag_is_rejected(tmp_path: Path, engine: EngineProcess, storage: str, part: float) -> None:
    bag = write_bag(tmp_path / "in", camera_records(4), storage)
    (file,) = (path for path in bag.iterdir() if path.suffix in (".db3", ".mcap"))
    data = file.read_bytes()
    file.write_bytes(data[: int(len(data) * part)])
    with (
        pytest.raises(BagError, match="in is damaged, or is not a ROS 2 bag: "),
        BagReplay(bag, tmp_path / "out") as replay,
    ):
        list(run(replay, engine))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("notes.txt", b"hello", "notes.txt is damaged, or is not a ROS 2 bag: Unrecognized storage format"),
        ("empty.mcap", b"", "empty.mcap is damaged"),
        ("random.db3", bytes(range(256)) * 8, "random.db3 is damaged"),
        ("old.bag", b"#ROSBAG V2.0\n", "old.bag has the name of a ROS 1 bag: convert it with rosbags-convert"),
        ("none", None, "none is damaged, or is not a ROS 2 bag: The following paths are missing"),
    ],
)
def test_a_file_that_is_not_a_bag_is_rejected(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(BagError, match=message):
        BagReplay(tmp_path / name, tmp_path / "out")


@pytest.mark.parametrize("metadata", ["", "rosbag2_bagfile_information: 3\n", "[", "a: 1\n"])
def test_damaged_metadata_is_rejected(tmp_path: Path, metadata: str) -> None:
    bag = write_bag(tmp_path / "in", camera_records(1))
    (bag / "metadata.yaml").write_text(metadata)
    with pytest.raises(BagError, match="in is damaged"):
        BagReplay(bag, tmp_path / "out")


def test_a_malformed_message_is_dropped_and_the_others_answered(tmp_path: Path, engine: EngineProcess) -> None:
    bag = write_bag(tmp_path / "in", camera_records(2))
    (file,) = bag.glob("*.db3")
    with sqlite3.connect(file) as connection:
        (image_id,) = connection.execute("SELECT id FROM topics WHERE name = '/camera/image_raw'").fetchone()
        connection.execute(
            "UPDATE messages SET data = ? WHERE topic_id = ? AND timestamp = ?",
            (b"\0\1\0\0\xff\xff\xff\xff\xff", image_id, 5_002_000_000),
        )
    connection.close()
    with BagReplay(bag, tmp_path / "out") as replay:
        first, second = run(replay, engine)
        assert "contains a malformed sensor_msgs/msg/Image" in str(first)
        assert second is None
        assert sum(replay.dropped.values()) == 1
