from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from ended_run import Run
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import Writer

from taihri_ros.node.dds_host import RosTypes
from taihri_ros.node.messages import Messages

TYPES = RosTypes("jazzy")
MESSAGES = Messages(TYPES.message)
SIDE = 64


def write_bag(path: Path, images: int) -> Path:
    """Write a bag with one CameraInfo and some images; the second image has an unknown encoding."""
    header = MESSAGES.make("std_msgs/msg/Header", stamp=MESSAGES.time(1), frame_id="camera")
    k = np.array([100.0, 0, 32, 0, 100.0, 32, 0, 0, 1])
    info = MESSAGES.make(
        "sensor_msgs/msg/CameraInfo",
        header=header,
        height=SIDE,
        width=SIDE,
        distortion_model="",
        d=np.zeros(0),
        k=k,
        r=np.eye(3).ravel(),
        p=np.zeros(12),
        binning_x=0,
        binning_y=0,
        roi=MESSAGES.make(
            "sensor_msgs/msg/RegionOfInterest", x_offset=0, y_offset=0, height=0, width=0, do_rectify=False
        ),
    )
    with Writer(path, version=9) as writer:
        info_topic = writer.add_connection("/info", "sensor_msgs/msg/CameraInfo", typestore=TYPES.store)
        image_topic = writer.add_connection("/image", "sensor_msgs/msg/Image", typestore=TYPES.store)
        writer.write(info_topic, 1, bytes(TYPES.serialize(info, "sensor_msgs/msg/CameraInfo")))
        for index in range(images):
            image = MESSAGES.make(
                "sensor_msgs/msg/Image",
                header=header,
                height=SIDE,
                width=SIDE,
                encoding="mono8" if index != 1 else "mono9",
                is_bigendian=0,
                step=SIDE,
                data=np.zeros(SIDE * SIDE, np.uint8),
            )
            writer.write(image_topic, 2 + index, bytes(TYPES.serialize(image, "sensor_msgs/msg/Image")))
    return path


def test_a_bag_is_replayed(taihri: Callable[..., Run], checkpoint: str, engine_python: str, tmp_path: Path) -> None:
    bag, out = write_bag(tmp_path / "in", 3), tmp_path / "out"
    arguments = ["--engine", "transformers", "--model", checkpoint, "--engine-python", engine_python]
    done = taihri("bag", bag, "--out", out, "--command", "left_wrist", *arguments)
    assert done.status == 0, done.err
    assert done.out == f"2 of 3 images answered, written to {out}\n"
    assert "1 dropped: image encoding 'mono9' cannot be used" in done.err
    assert "random weights: these points mean nothing" in done.err
    with AnyReader([out]) as reader:
        counts = {connection.topic: connection.msgcount for connection in reader.connections}
    assert counts["/taihri/keypoints"] == counts["/taihri/person"] == 2


def test_errors_are_one_line_and_leave_no_bag(taihri: Callable[..., Run], tmp_path: Path) -> None:
    bag, out = write_bag(tmp_path / "in", 1), tmp_path / "out"
    (tmp_path / "there").mkdir()
    for arguments, message in (
        (("nowhere", "--out", out, "--command", "head"), "'nowhere' does not exist"),
        ((tmp_path / "there", "--out", out, "--command", "head"), "there is damaged, or is not a ROS 2 bag"),
        ((bag, "--out", tmp_path / "there", "--command", "head"), "there already exists"),
        ((bag, "--out", out, "--command", "stop"), "'stop' requests no joints"),
        ((bag, "--out", out, "--command", "head", "--image", "/rear"), "named /rear: choose one with --image"),
        ((bag, "--out", out, "--command", "head", "--engine", "openai"), "no model: set engine.model (--model)"),
        ((bag, "--out", out, "--command", "head", "--model", "x"), "taihri engine install"),
    ):
        taihri("bag", *arguments).fails_with(message)
        assert not out.exists()
