from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taihri_ros.node.dds_host import DISTROS, DdsError, RosTypes
from taihri_ros.resources import share_directory

STRING_HASH = "RIHS01_df668c740482bbd48fb39d76a70dfd4bd59db1288021743503259e948f6b1a18"
DETECTIONS_HASH = "RIHS01_214274120007f4a683866481336b70310268cfa107aebe9d594a6acf75bda968"
GRAPH_HASH = "RIHS01_91a0593bacdcc50ea9bdcf849a938b128412cc1ea821245c663bcd26f83c295e"

NEEDED = [
    "std_msgs/msg/String",
    "sensor_msgs/msg/Image",
    "sensor_msgs/msg/CompressedImage",
    "sensor_msgs/msg/CameraInfo",
    "geometry_msgs/msg/PoseArray",
    "tf2_msgs/msg/TFMessage",
    "visualization_msgs/msg/MarkerArray",
    "diagnostic_msgs/msg/DiagnosticArray",
    "rcl_interfaces/msg/Log",
    "rmw_dds_common/msg/ParticipantEntitiesInfo",
    "taihri_ros/msg/Keypoint",
    "taihri_ros/msg/HumanKeypoints",
    "taihri_ros/msg/People",
    "vision_msgs/msg/Detection2DArray",
]


@pytest.fixture(scope="module")
def types() -> RosTypes:
    return RosTypes("jazzy", share_directory())


@pytest.mark.parametrize("distro", DISTROS)
def test_every_distribution_has_the_types_of_the_node(distro: str) -> None:
    types = RosTypes(distro, share_directory())
    for msg_type in NEEDED:
        assert isinstance(types.message(msg_type), type)
    assert types.gid_size == (24 if distro == "humble" else 16)


@pytest.mark.parametrize("distro", ["iron", "jazzy", "rolling"])
def test_type_hashes_equal_those_of_ros(distro: str) -> None:
    types = RosTypes(distro)
    assert types.type_hash("std_msgs/msg/String") == STRING_HASH
    assert types.type_hash("vision_msgs/msg/Detection2DArray") == DETECTIONS_HASH
    assert types.type_hash("rmw_dds_common/msg/ParticipantEntitiesInfo") == GRAPH_HASH


def test_the_distribution_may_be_written_in_any_case() -> None:
    assert RosTypes("Jazzy").distro == "jazzy"


def test_an_unknown_distribution_is_refused_with_the_known_ones() -> None:
    with pytest.raises(DdsError, match=r"'melodic' is unknown: choose one of humble, .*rolling"):
        RosTypes("melodic")


def test_an_unknown_type_is_refused(types: RosTypes) -> None:
    with pytest.raises(DdsError, match=r"'sensor_msgs/Image' is unknown in ROS 2 jazzy: write 'package/msg/Name'"):
        types.message("sensor_msgs/Image")


def test_a_directory_without_definitions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DdsError, match="no message definitions"):
        RosTypes("jazzy", tmp_path)


def test_an_invalid_definition_is_refused(tmp_path: Path) -> None:
    (tmp_path / "msg").mkdir()
    (tmp_path / "msg" / "Broken.msg").write_text("float64[ x")
    with pytest.raises(DdsError, match="cannot read the message definitions"):
        RosTypes("jazzy", tmp_path)


def image(types: RosTypes, height: int, width: int) -> Any:
    header = types.message("std_msgs/msg/Header")(
        stamp=types.message("builtin_interfaces/msg/Time")(sec=1, nanosec=2), frame_id="camera"
    )
    data = np.arange(height * width * 3, dtype=np.uint32).astype(np.uint8)
    return types.message("sensor_msgs/msg/Image")(
        header=header, height=height, width=width, encoding="bgr8", is_bigendian=0, step=width * 3, data=data
    )


def test_an_image_is_deserialized_without_a_copy(types: RosTypes) -> None:
    cdr = bytes(types.serialize(image(types, 4, 5), "sensor_msgs/msg/Image"))
    data = types.deserialize(cdr, "sensor_msgs/msg/Image").data
    assert np.shares_memory(data, np.frombuffer(cdr, np.uint8))
    assert not data.flags.writeable
    assert np.array_equal(data, image(types, 4, 5).data)


@pytest.mark.parametrize("text", ["", "a", "ab", "abc", "abcd", "grüße"])
def test_cdr_is_padded_to_four_bytes(types: RosTypes, text: str) -> None:
    cdr = types.serialize(types.message("std_msgs/msg/String")(data=text), "std_msgs/msg/String")
    assert len(cdr) % 4 == 0
    assert cdr[:4] == bytes([0, sys.byteorder == "little", 0, 0])
    assert types.deserialize(cdr, "std_msgs/msg/String").data == text


def test_the_other_endianness_is_deserialized(types: RosTypes) -> None:
    message = image(types, 2, 2)
    cdr = types.store.serialize_cdr(message, "sensor_msgs/msg/Image", little_endian=sys.byteorder != "little")
    assert types.deserialize(cdr, "sensor_msgs/msg/Image").header == message.header


def test_a_field_of_the_wrong_type_is_refused(types: RosTypes) -> None:
    with pytest.raises(DdsError, match="cannot serialize a std_msgs/msg/String"):
        types.serialize(types.message("std_msgs/msg/String")(data=3), "std_msgs/msg/String")


@pytest.mark.parametrize("msg_type", ["std_msgs/msg/String", "sensor_msgs/msg/Image", "taihri_ros/msg/HumanKeypoints"])
@given(data=st.data())
def test_arbitrary_bytes_are_deserialized_or_refused(types: RosTypes, msg_type: str, data: st.DataObject) -> None:
    cdr = data.draw(st.one_of(st.binary(), st.binary().map(lambda body: b"\0\1\0\0" + body)))
    try:
        types.deserialize(cdr, msg_type)
    except DdsError as error:
        assert f"malformed {msg_type} of {len(cdr)} bytes" in str(error)  # noqa: PT017
