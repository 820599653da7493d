"""Bags are replayed into bags of keypoints; damaged bags and images are reported."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bag_files import (
    CAMERA,
    IMAGES,
    INFOS,
    McapChannel,
    Record,
    camera_mcap_messages,
    camera_records,
    damage_image,
    mcap,
    read_bag,
    storage_file,
    write_bag,
)
from camera_messages import FRAME_ID, HEIGHT, PIXELS, WIDTH, camera_info, compressed, depth, image

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.camera_info import CameraError
from taihri_ros.commands.command import joint_command
from taihri_ros.inference.process.supervisor import EngineProcess
from taihri_ros.node.bags import BagError, BagReplay
from taihri_ros.node.messages import stamp_ns
from taihri_ros.node.parameters import ParameterError, Parameters
from taihri_ros.pipeline.belief import BeliefGate
from taihri_ros.pipeline.estimate import Estimate
from taihri_ros.pipeline.estimator import Estimator
from taihri_ros.pipeline.frames import ImageError
from taihri_ros.pipeline.tracker import Tracker

WRISTS = joint_command(["left_wrist", "right_wrist"])


GATES_OFF = Parameters(min_confidence=0.0, min_presence=0.0)
"""Joints of a model with random weights are published only where nothing is asked of their confidence."""


def run(replay: BagReplay, engine: EngineProcess) -> Iterator[Exception | None]:
    return replay.replay(Tracker(Estimator(engine, gate=BeliefGate(0.0, 0.0))), WRISTS)


def answered(bag: Path) -> list[int]:
    """Return the stamps of the answers."""
    return [stamp_ns(message.header) for _, message in read_bag(bag)["/taihri/keypoints"]]


@pytest.mark.parametrize("storage", ["sqlite3", "mcap"])
def test_every_image_is_answered_with_its_own_stamp(tmp_path: Path, engine: EngineProcess, storage: str) -> None:
    bag = write_bag(tmp_path / "in", camera_records(3), storage)
    with BagReplay(bag, tmp_path / "out", GATES_OFF, storage=storage) as replay:
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
    with BagReplay(file, tmp_path / "out", GATES_OFF) as replay:
        assert replay.images == 1
        assert list(run(replay, engine)) == [None]
    assert answered(tmp_path / "out") == [1_001]


@pytest.mark.handles("Bags", "CameraInfo that was recorded once, or after the first images", "all images are answered")
@pytest.mark.parametrize("recorded", [1, 5_050_000_000, 9_000_000_000])
def test_a_single_camera_info_is_enough(tmp_path: Path, engine: EngineProcess, recorded: int) -> None:
    images = [record for record in camera_records(3) if record.topic == IMAGES]
    bag = write_bag(tmp_path / "in", [*images, Record(INFOS, recorded, camera_info(recorded))])
    with BagReplay(bag, tmp_path / "out", GATES_OFF) as replay:
        assert list(run(replay, engine)) == [None, None, None]
    assert answered(tmp_path / "out") == [5_000_000_000, 5_100_000_000, 5_200_000_000]


@pytest.mark.handles("Bags", "CameraInfo that changes, recorded before or after its image", "each image gets its own")
@pytest.mark.parametrize("delay", [-20_000_000, 20_000_000])
def test_each_image_has_the_calibration_of_its_stamp(tmp_path: Path, engine: EngineProcess, delay: int) -> None:
    records, focal_lengths = [], {}
    for index, stamp in enumerate(range(1_000_000_000, 1_400_000_000, 100_000_000)):
        focal_lengths[stamp] = 100.0 + 50 * index
        k = np.array([focal_lengths[stamp], 0, WIDTH / 2, 0, focal_lengths[stamp], HEIGHT / 2, 0, 0, 1])
        records.append(Record(INFOS, stamp + delay, camera_info(stamp, k=k)))
        records.append(Record(IMAGES, stamp, image(stamp)))
    seen: dict[int, float] = {}

    class Watched(Tracker):
        def estimate(self, *args: Any, **options: Any) -> Estimate:
            seen[args[3]] = args[1].K[0, 0]
            return super().estimate(*args, **options)

    with BagReplay(write_bag(tmp_path / "in", records), tmp_path / "out", GATES_OFF) as replay:
        assert list(replay.replay(Watched(Estimator(engine)), WRISTS)) == [None] * 4
    assert seen == focal_lengths


@pytest.mark.handles("Bags", "depth images recorded up to half a second after their images", "fused by their stamps")
@pytest.mark.parametrize("delay", [-100_000_000, 300_000_000])
def test_depth_is_fused_as_in_the_node(tmp_path: Path, engine: EngineProcess, delay: int) -> None:
    parameters = Parameters(min_confidence=0.0, min_presence=0.0, depth_enabled=True)
    records = camera_records(2)
    wall = depth(5_100_000_000, 1.2)
    records.append(Record("/camera/depth", 5_100_000_000 + delay, wall))
    records.append(Record("/camera/depth", 5_100_000_000 + delay + 1, depth(5_190_000_000, 3.0)))
    with BagReplay(
        write_bag(tmp_path / "in", records), tmp_path / "out", parameters, remaps=["depth:=camera/depth"]
    ) as replay:
        assert list(run(replay, engine)) == [None, None]
        assert not replay.notes
    camera = Camera.from_info(camera_info(0))
    tracker = Tracker(Estimator(engine, gate=BeliefGate(0.0, 0.0)))
    plain = tracker.estimate(PIXELS, camera, WRISTS, 0)
    fused = tracker.refine(plain, 0, camera=camera, depth=np.full((HEIGHT, WIDTH), 1.2, np.float32))
    persons = [message for _, message in read_bag(tmp_path / "out")["/taihri/person"]]
    for person, expected in zip(persons, (plain, fused), strict=True):
        found = [(each.state, each.position.z, *each.covariance) for each in person.keypoints]
        right = [(each.state.value, each.position[2], *each.covariance.ravel()) for each in expected.person.keypoints]
        np.testing.assert_allclose(found, right, rtol=1e-6)
    first, second = ([each.covariance[8] for each in person.keypoints] for person in persons)
    assert first != second


def test_depth_that_cannot_be_used_is_noted_and_the_image_answered(tmp_path: Path, engine: EngineProcess) -> None:
    parameters = Parameters(min_confidence=0.0, min_presence=0.0, depth_enabled=True)
    records = [*camera_records(1), Record("/depth", 5_000_000_000, depth(5_000_000_000, 1.0, encoding="rgb8"))]
    records.append(Record("/depth", 9_000_000_000, depth(9_000_000_000, 1.0)))
    with BagReplay(write_bag(tmp_path / "in", records), tmp_path / "out", parameters) as replay:
        assert list(run(replay, engine)) == [None]
        ((note, count),) = replay.notes.items()
    assert note.startswith("the depth image is not used: depth image encoding 'rgb8' cannot be used")
    assert count == 1


def test_the_parameters_of_the_node_apply(tmp_path: Path, engine: EngineProcess) -> None:
    parameters = Parameters(min_confidence=0.0, min_presence=0.0, publish_tf=False)
    bag = write_bag(tmp_path / "in", camera_records(1))
    remaps = ["__ns:=/robot", "__node:=eyes", "~/keypoints:=/found"]
    with BagReplay(bag, tmp_path / "out", parameters, remaps=remaps) as replay:
        assert list(run(replay, engine)) == [None]
    assert set(read_bag(tmp_path / "out")) == {"/found", "/robot/eyes/person"}
    with pytest.raises(ParameterError, match="target_frame needs TF lookups, which a replay does not have"):
        BagReplay(bag, tmp_path / "other", Parameters(target_frame="map"))


@pytest.mark.handles(
    "Bags",
    "wanted topic in several channels, beside other topics and cameras",
    "all its channels, and no others, are answered",
)
def test_all_channels_of_the_topic_are_answered_and_no_other(tmp_path: Path, engine: EngineProcess) -> None:
    second = McapChannel(7, IMAGES, CAMERA[1].type, metadata=("note", "merged"))
    foreign = McapChannel(8, "/log", "foxglove.Log", "json", "jsonschema", "{}")
    messages = [(7 if number == 2 and recorded > 5_150_000_000 else number, recorded, data)
                for number, recorded, data in camera_mcap_messages(4)]  # fmt: skip
    messages.append((8, 5_000_000_000, b"{}"))
    other = McapChannel(9, "rear-camera/image.raw", CAMERA[1].type)
    messages.append((9, *camera_mcap_messages(1)[1][1:]))
    (tmp_path / "in.mcap").write_bytes(mcap(messages, (*CAMERA, second, foreign, other)))
    inputs = {"image": IMAGES}
    with BagReplay(tmp_path / "in.mcap", tmp_path / "out", GATES_OFF, inputs=inputs, storage="mcap") as replay:
        assert replay.images == 4
        assert list(run(replay, engine)) == [None] * 4
        assert replay.problems == ()
    assert answered(tmp_path / "out") == [5_000_000_000, 5_100_000_000, 5_200_000_000, 5_300_000_000]


def test_invalid_images_are_dropped_by_reason_and_the_others_answered(tmp_path: Path, engine: EngineProcess) -> None:
    records = camera_records(1)
    records.append(Record("/camera/image_raw", 6_000_000_000, image(6, encoding="32FC1")))
    records.append(Record("/camera/camera_info", 6_100_000_000, camera_info(6, k=np.zeros(9))))
    records.append(Record("/camera/image_raw", 6_200_000_000, image(6)))
    records += camera_records(1, first=7_000_000_000)
    with BagReplay(write_bag(tmp_path / "in", records), tmp_path / "out", GATES_OFF) as replay:
        first, depth, uncalibrated, last = run(replay, engine)
        assert (first, last) == (None, None)
        assert isinstance(depth, ImageError)
        assert "not calibrated" in str(uncalibrated)
        assert replay.dropped == {"bad_image": 1, "bad_camera_info": 1}
    assert answered(tmp_path / "out") == [5_000_000_000, 7_000_000_000]


@pytest.mark.handles("Bags", "bag without CameraInfo, and a calibration file in its place", "answered")
@pytest.mark.parametrize("rectified", [False, True])
def test_a_calibration_file_replaces_the_camera_info(tmp_path: Path, engine: EngineProcess, rectified: bool) -> None:
    records = [record for record in camera_records(2) if record.topic == IMAGES]
    info = camera_info(5)
    content = {"width": info.width, "height": info.height, "distortion_model": "plumb_bob", "d": info.d.tolist()}
    (tmp_path / "camera.json").write_text(json.dumps(content | {"k": info.k.tolist(), "p": info.p.tolist()}))
    bag, inputs = write_bag(tmp_path / "in", records), {"camera_info": str(tmp_path / "camera.json")}
    parameters = replace(GATES_OFF, rectified=rectified)
    with BagReplay(bag, tmp_path / "out", parameters, inputs=inputs) as replay:
        assert list(run(replay, engine)) == [None, None]
    assert answered(tmp_path / "out") == [5_000_000_000, 5_100_000_000]
    with pytest.raises(BagError, match=r"without the calibration file of the camera, --camera-info"):
        BagReplay(bag, tmp_path / "other", GATES_OFF)
    with pytest.raises(BagError, match="--camera chooses from a calibration file: name the file with --camera-info"):
        BagReplay(bag, tmp_path / "other", GATES_OFF, inputs={"camera": "cam0"})
    with pytest.raises(CameraError, match="one camera without a name: leave 'cam0' out"):
        BagReplay(bag, tmp_path / "other", GATES_OFF, inputs=inputs | {"camera": "cam0"})


def test_a_topic_without_messages_is_refused(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "in", camera_records(1))
    with sqlite3.connect(storage_file(bag)) as database:
        database.execute("DELETE FROM messages WHERE topic_id = (SELECT id FROM topics WHERE name = ?)", (INFOS,))
    database.close()
    with pytest.raises(BagError, match="the bag has no messages on /camera/camera_info: no image can be answered"):
        BagReplay(bag, tmp_path / "out", GATES_OFF)


def test_an_existing_output_is_not_overwritten(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "in", camera_records(1))
    (tmp_path / "out").mkdir()
    with pytest.raises(BagError, match="out already exists: choose another name, or remove it"):
        BagReplay(bag, tmp_path / "out", GATES_OFF)


def test_nothing_is_written_before_the_replay(tmp_path: Path) -> None:
    with BagReplay(write_bag(tmp_path / "in", camera_records(1)), tmp_path / "out", GATES_OFF):
        pass
    assert not (tmp_path / "out").exists()


def test_an_unwritable_output_is_reported_by_name(tmp_path: Path, engine: EngineProcess) -> None:
    bag = write_bag(tmp_path / "in", camera_records(1))
    (tmp_path / "file").touch()
    with (
        BagReplay(bag, tmp_path / "file" / "out", GATES_OFF) as replay,
        pytest.raises(BagError, match=r"cannot write .*/file/out"),
    ):
        next(run(replay, engine))


def test_an_output_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "in", camera_records(1))
    with pytest.raises(BagError, match=r"is not UTF-8, as metadata.yaml needs it: choose another name"):
        BagReplay(bag, tmp_path / os.fsdecode(b"caf\xe9"), GATES_OFF)


@pytest.mark.parametrize("storage", ["sqlite3", "mcap"])
def test_the_readable_part_of_a_truncated_bag_is_answered(tmp_path: Path, engine: EngineProcess, storage: str) -> None:
    bag = write_bag(tmp_path / "in", camera_records(10), storage)
    data = storage_file(bag).read_bytes()
    storage_file(bag).write_bytes(data[: len(data) * 6 // 10])
    with BagReplay(bag, tmp_path / "out", GATES_OFF) as replay:
        problems = [problem for problem in run(replay, engine) if problem is not None]
        assert 3 <= replay.published <= 6
        assert replay.published + len(problems) == replay.images
        assert all(str(problem).startswith("a message of /camera/image_raw is in a damaged") for problem in problems)
        (problem,) = replay.problems
        assert "it is damaged" in problem
    assert answered(tmp_path / "out") == [5_000_000_000 + 100_000_000 * index for index in range(replay.published)]


class Interrupted(BaseException):
    """What a signal handler raises."""


@pytest.mark.handles("Bags", "SIGINT, SIGTERM, SIGHUP or an error during a replay", "the answers so far are readable")
@pytest.mark.parametrize("storage", ["sqlite3", "mcap"])
@pytest.mark.parametrize("error", [Interrupted, RuntimeError])
def test_an_interrupted_replay_leaves_a_readable_bag(
    tmp_path: Path, engine: EngineProcess, storage: str, error: type[BaseException]
) -> None:
    bag = write_bag(tmp_path / "in", camera_records(3), storage)

    def replay_two() -> None:
        with BagReplay(bag, tmp_path / "out", GATES_OFF, storage=storage) as replay:
            answers = run(replay, engine)
            assert [next(answers), next(answers)] == [None, None]
            raise error

    with pytest.raises(error):
        replay_two()
    assert answered(tmp_path / "out") == [5_000_000_000, 5_100_000_000]


def test_a_malformed_message_is_dropped_and_the_others_answered(tmp_path: Path, engine: EngineProcess) -> None:
    bag = write_bag(tmp_path / "in", camera_records(2))
    damage_image(bag, 5_002_000_000)
    with BagReplay(bag, tmp_path / "out", GATES_OFF) as replay:
        first, second = run(replay, engine)
        assert "a malformed sensor_msgs/msg/Image on /camera/image_raw" in str(first)
        assert second is None
        assert replay.dropped == {"bad_image": 1}
