"""The topics of a bag are chosen as the node would subscribe to them; nothing else decides."""

from __future__ import annotations

from typing import Any

import pytest

from taihri_ros.node.bag_topics import BagTopics, choose_topics
from taihri_ros.node.parameters import Parameters
from taihri_ros.node.recordings.channels import Channel
from taihri_ros.node.recordings.errors import BagError
from taihri_ros.node.topics import Topic

IMAGE, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
INFO = "sensor_msgs/msg/CameraInfo"


def channel(topic: str, kind: str, encoding: str = "cdr", number: int = 0) -> Channel:
    return Channel(number, topic, kind, encoding)


HEAD = (channel("/head/image_raw", IMAGE), channel("/head/camera_info", INFO))
REAR = (channel("/rear/image_raw", IMAGE), channel("/rear/camera_info", INFO))


def choose(*channels: Channel, remaps: dict[str, str] | None = None, **parameters: Any) -> BagTopics:
    names = remaps or {}

    def remapped(topic: Topic) -> str | None:
        return names.get(topic.name)

    return choose_topics(channels, Parameters(**parameters), remapped)


def test_the_only_topics_are_chosen() -> None:
    others = (channel("/scan", "sensor_msgs/msg/LaserScan"), channel("/image_raw", "foxglove.RawImage", "protobuf"))
    assert choose(*HEAD, *others) == BagTopics(HEAD[:1], HEAD[1:])


@pytest.mark.handles("Bags", "several cameras", "refused until one is chosen; its CameraInfo is then the one beside it")
def test_one_of_several_cameras_must_be_chosen() -> None:
    with pytest.raises(BagError, match=r"has 2 topics of .*Image.*: choose one with --image") as raised:
        choose(*HEAD, *REAR)
    assert "(its topics: /head/camera_info, /head/image_raw, /rear/camera_info, /rear/image_raw)" in str(raised.value)
    assert choose(*HEAD, *REAR, remaps={"image": "/rear/image_raw"}) == BagTopics(REAR[:1], REAR[1:])
    crossed = choose(*HEAD, *REAR, remaps={"image": "/rear/image_raw", "camera_info": "/head/camera_info"})
    assert crossed == BagTopics(REAR[:1], HEAD[1:])
    left = channel("/left_camera", IMAGE)
    with pytest.raises(BagError, match="has 2 topics of sensor_msgs/msg/CameraInfo: choose one with --camera-info"):
        choose(left, HEAD[1], REAR[1])


@pytest.mark.handles("Bags", "a camera in several transports", "the parameter image_transport decides")
@pytest.mark.parametrize("remaps", [{}, {"image": "/head/image_raw"}])
def test_the_transport_is_that_of_the_parameter(remaps: dict[str, str]) -> None:
    packed = channel("/head/image_raw/compressed", COMPRESSED)
    theora = channel("/head/image_raw/theora", "theora_image_transport/msg/Packet")
    assert choose(*HEAD, packed, theora).image == HEAD[:1]
    assert choose(*HEAD, packed, theora, image_transport="compressed").image == (packed,)
    assert choose(HEAD[1], packed, theora, remaps=remaps).image == (packed,)
    assert choose(*HEAD, packed, remaps={"image/compressed": packed.topic}).image == (packed,)


def test_a_compressed_image_has_the_camera_info_beside_its_raw_topic() -> None:
    packed = channel("/rear/image_raw/compressed", COMPRESSED)
    assert choose(HEAD[1], REAR[1], packed).camera_info == REAR[1:]


@pytest.mark.handles("Bags", "one name for topics of different types", "the one of the wanted type is answered")
def test_topics_of_one_name_are_told_apart_by_their_types() -> None:
    other = channel("/head/image_raw", "my_msgs/msg/Image")
    both = channel("/head/image_raw", COMPRESSED)
    assert choose(*HEAD, other).image == HEAD[:1]
    assert choose(*HEAD, other, both).image == HEAD[:1]
    assert choose(*HEAD, other, both, image_transport="compressed").image == (both,)


def test_a_name_without_its_leading_slash_is_the_same() -> None:
    odd = channel("front-camera/image.raw", IMAGE)
    assert choose(*HEAD, odd, remaps={"image": "/front-camera/image.raw"}).image == (odd,)


def test_all_channels_of_a_topic_are_chosen() -> None:
    more = channel("/head/image_raw", IMAGE, number=7)
    assert choose(*HEAD, more).image == (HEAD[0], more)


@pytest.mark.handles(
    "Bags", "images in another encoding (JSON, protobuf, ROS 1)", "refused by the name of the encoding"
)
@pytest.mark.parametrize("encoding", ["json", "protobuf", "ros1", ""])
def test_images_in_another_encoding_are_refused(encoding: str) -> None:
    odd = channel("/head/image_raw", IMAGE, encoding)
    message = f"/head/image_raw is recorded in the encoding {encoding or 'unknown'}, not as ROS 2 messages"
    with pytest.raises(BagError, match=message) as raised:
        choose(odd, HEAD[1])
    assert ("rosbags-convert" in str(raised.value)) == (encoding == "ros1")
    assert choose(*HEAD, odd).image == HEAD[:1]


def test_a_name_of_another_type_is_refused_by_its_type() -> None:
    picture = channel("/picture", "foxglove.CompressedImage", "protobuf")
    with pytest.raises(
        BagError, match=r"/picture is a topic of foxglove.CompressedImage, not of sensor_msgs/msg/Image"
    ):
        choose(*HEAD, picture, remaps={"image": "/picture"})


def test_a_missing_topic_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(BagError, match=r"has no topics of .* named /front: choose one with --image \(its topics: "):
        choose(*HEAD, remaps={"image": "/front"})
    with pytest.raises(BagError, match=r"CameraInfo: it cannot be replayed without .* of the camera, --camera-info"):
        choose(HEAD[0])
    many = [channel(f"/topic_{number:03}", "std_msgs/msg/String") for number in range(200)]
    with pytest.raises(BagError, match=r"/topic_029 \(std_msgs/msg/String\) and 170 more\)$"):
        choose(*many)


DEPTH, PACKED_DEPTH = channel("/head/depth", IMAGE), channel("/head/depth/compressedDepth", COMPRESSED)


@pytest.mark.handles("Bags", "depth images beside the images", "used where depth.enabled names their topic")
def test_the_depth_topic_is_never_the_image() -> None:
    named = {"depth": "/head/depth"}
    chosen = choose(*HEAD, DEPTH, PACKED_DEPTH, remaps=named, depth_enabled=True)
    assert chosen == BagTopics(HEAD[:1], HEAD[1:], (DEPTH,))
    chosen = choose(*HEAD, DEPTH, PACKED_DEPTH, remaps=named, depth_enabled=True, depth_transport="compressedDepth")
    assert chosen.depth == (PACKED_DEPTH,)
    assert choose(*HEAD, PACKED_DEPTH, remaps=named, depth_enabled=True).depth == (PACKED_DEPTH,)
    assert choose(*HEAD, PACKED_DEPTH) == BagTopics(HEAD[:1], HEAD[1:])
    with pytest.raises(BagError, match=r"depth.enabled is set: choose the depth topic with --depth"):
        choose(*HEAD, depth_enabled=True)
    with pytest.raises(BagError, match=r"no topics of .* named /head/depth: choose one with --depth"):
        choose(*HEAD, remaps=named, depth_enabled=True)
