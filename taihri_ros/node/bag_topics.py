"""Chooses the topics of a bag that the node would subscribe to."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from taihri_ros.node import topics
from taihri_ros.node.parameters import Parameters
from taihri_ros.node.recordings.channels import Channel
from taihri_ros.node.recordings.errors import BagError
from taihri_ros.node.topics import Topic

_PICTURES = (topics.IMAGE.type, topics.COMPRESSED_IMAGE.type)
_DEPTHS = (topics.DEPTH.type, topics.COMPRESSED_DEPTH.type)
_ENCODING = "cdr"
_LISTED = 30
"""Largest number of topics that an error message lists."""


@dataclass(frozen=True)
class BagTopics:
    """The channels of each input of the node; a topic may have several.

    Attributes:
        image: Images or compressed images.
        camera_info: CameraInfo.
        depth: Depth images of either transport; empty without depth.
        detections: What a detector found; empty without a detector.
    """

    image: tuple[Channel, ...]
    camera_info: tuple[Channel, ...]
    depth: tuple[Channel, ...] = ()
    detections: tuple[Channel, ...] = ()


def choose_topics(
    channels: Sequence[Channel],
    parameters: Parameters,
    remapped: Callable[[Topic], str | None],
    *,
    calibrated: bool = False,
) -> BagTopics:
    """Choose the topics.

    Args:
        channels: The channels of the bag.
        parameters: `image_transport`, `depth.enabled`, `depth.transport` and `people.detections` are used.
        remapped: Returns the absolute name of an input's topic; None if neither the user nor the bag decides it.
        calibrated: Whether the calibration is known from elsewhere, so that no CameraInfo is needed.

    Returns:
        The channels of the chosen topics.

    Raises:
        BagError: A topic is missing or ambiguous, or is not recorded as ROS 2 messages.
    """
    depth: tuple[Channel, ...] = ()
    if parameters.depth_enabled:
        depth = _choose_depth(channels, parameters, remapped)
    depth_names = {channel.topic.removesuffix("/compressedDepth") for channel in depth}
    image = _choose_image(channels, parameters, remapped, depth_names)
    camera_info = () if calibrated else _choose_camera_info(channels, remapped, image[0].topic)
    detections: tuple[Channel, ...] = ()
    if parameters.people_enabled and parameters.people_detections:
        name, kind = remapped(topics.DETECTIONS), topics.DETECTIONS.type
        found = [channel for channel in channels if channel.type == kind]
        detections = _only_topic(channels, _named(found, name), (kind,), name, "detections")
    return BagTopics(image, camera_info, depth, detections)


def _choose_image(
    channels: Sequence[Channel],
    parameters: Parameters,
    remapped: Callable[[Topic], str | None],
    depth: Collection[str],
) -> tuple[Channel, ...]:
    compressed = remapped(topics.COMPRESSED_IMAGE)
    name = remapped(topics.IMAGE) if compressed is None else compressed
    pictures = [
        channel
        for channel in channels
        if channel.type in _PICTURES and channel.topic not in depth and not channel.topic.endswith("/compressedDepth")
    ]
    found = _named(pictures, name)
    if name is not None and not found:
        found = _named(pictures, f"{name}/compressed")
    if len({_base(channel.topic) for channel in found}) == 1:  # one camera in several transports
        kind = topics.COMPRESSED_IMAGE.type if parameters.image_transport == "compressed" else topics.IMAGE.type
        found = [channel for channel in found if channel.type == kind] or found
    return _only_topic(channels, found, _PICTURES, name, "image")


def _choose_camera_info(
    channels: Sequence[Channel], remapped: Callable[[Topic], str | None], image: str
) -> tuple[Channel, ...]:
    name = remapped(topics.CAMERA_INFO)
    infos = [channel for channel in channels if channel.type == topics.CAMERA_INFO.type]
    if name is None and len({channel.topic for channel in infos}) > 1:
        beside = f"{_base(image).rpartition('/')[0]}/camera_info"  # where image_transport looks for it
        infos = [channel for channel in infos if channel.topic == beside] or infos
    return _only_topic(channels, _named(infos, name), (topics.CAMERA_INFO.type,), name, "camera-info")


def _choose_depth(
    channels: Sequence[Channel], parameters: Parameters, remapped: Callable[[Topic], str | None]
) -> tuple[Channel, ...]:
    compressed = remapped(topics.COMPRESSED_DEPTH)
    name = remapped(topics.DEPTH) if compressed is None else compressed
    if name is None:
        listed = _listed(channels, _DEPTHS)
        raise BagError(f"depth.enabled is set: choose the depth topic with --depth (its topics: {listed})")
    depths = [channel for channel in channels if channel.type in _DEPTHS]
    names = [name, f"{name}/compressedDepth"]
    if parameters.depth_transport == "compressedDepth":
        names.reverse()
    found = next((found for each in names if (found := _named(depths, each))), [])
    return _only_topic(channels, found, _DEPTHS, name, "depth")


def _named(channels: Sequence[Channel], name: str | None) -> list[Channel]:
    """Return the channels of a topic, all if it is None; other recorders than ROS 2's may omit the leading slash."""
    return [channel for channel in channels if name is None or channel.topic.lstrip("/") == name.lstrip("/")]


def _base(topic: str) -> str:
    return topic.removesuffix("/compressed")


def _only_topic(
    channels: Sequence[Channel], found: Sequence[Channel], types: Collection[str], name: str | None, option: str
) -> tuple[Channel, ...]:
    """Return the channels if they are of one topic that is recorded as ROS 2 messages."""
    readable = tuple(channel for channel in found if channel.encoding.lower() == _ENCODING)
    count = len({channel.topic for channel in readable})
    if count == 1:
        return readable
    if found and not readable:
        raise BagError(_other_encoding(found))
    same_name = {channel.type or "an unknown type" for channel in channels if channel.topic == name}
    if same_name and not found:
        raise BagError(
            f"{name} is a topic of {', '.join(sorted(same_name))}, not of {' or '.join(types)}: choose another with "
            f"--{option}"
        )
    if any(channel.type in types for channel in channels):
        advice = f"choose one with --{option}"
    elif option == "camera-info":
        advice = "it cannot be replayed without the calibration file of the camera, --camera-info FILE"
    else:
        advice = "it cannot be replayed"
    raise BagError(
        f"the bag has {count or 'no'} topics of {' or '.join(types)}{f' named {name}' if name else ''}: {advice} "
        f"(its topics: {_listed(channels, types)})"
    )


def _other_encoding(found: Sequence[Channel]) -> str:
    encodings = ", ".join(sorted({channel.encoding or "unknown" for channel in found}))
    hint = ": convert the ROS 1 bag with rosbags-convert" if "ros1" in encodings else ""
    return f"{found[0].topic} is recorded in the encoding {encodings}, not as ROS 2 messages (cdr){hint}"


def _listed(channels: Sequence[Channel], types: Collection[str]) -> str:
    """Return the topics of a bag for an error message, with their types if none is of the wanted ones."""
    exists = any(channel.type in types for channel in channels)
    names = sorted({channel.topic if exists else f"{channel.topic} ({channel.type})" for channel in channels})
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"{', '.join(names[:_LISTED])}{more}"
