"""The topics of a recorded file, and the index of its messages."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import NamedTuple, Protocol


@dataclass(frozen=True)
class Channel:
    """The messages of one topic in one file; a topic may have several channels.

    Attributes:
        id: Number of the channel in its file.
        topic: Absolute name.
        type: Full name of the message type, such as `sensor_msgs/msg/Image`.
        encoding: How the messages are encoded, such as `cdr`.
        definition: The recorded definition of the type; empty if there is none.
        definition_format: Its format, such as `ros2msg`; empty or anything else if there is none.
    """

    id: int
    topic: str
    type: str
    encoding: str
    definition: str = ""
    definition_format: str = ""


class Entry(NamedTuple):
    """The place of one message in a file; entries are in the order of their recording.

    Attributes:
        recorded: Time of the recording, nanoseconds.
        place: Where the message is, for the file that the entry came from.
        channel: The channel of the message.
    """

    recorded: int
    place: tuple[int, ...]
    channel: Channel


class RecordedFile(Protocol):
    """One file of a bag.

    Attributes:
        channels: The channels of the file.
        problem: One line about the part of the file that cannot be read; empty if all is readable.
    """

    channels: tuple[Channel, ...]
    problem: str

    def index(self, wanted: Collection[Channel]) -> Iterable[Entry]:
        """Return the messages of some channels, without their data, in any order."""

    def read(self, entry: Entry) -> bytes:
        """Return the data of a message; raise `UnreadableMessageError` if it is damaged."""

    def close(self) -> None:
        """Close the file."""


class UnreadableMessageError(Exception):
    """A message is in a damaged part of its file."""


def type_name(name: str) -> str:
    """Return the full name of a ROS 2 message type.

    Args:
        name: A name as recorders write it: `sensor_msgs/msg/Image`, `sensor_msgs/Image`, `sensor_msgs::msg::Image` or
            `sensor_msgs::msg::dds_::Image_`.

    Returns:
        `sensor_msgs/msg/Image`; a name of another form as it is.
    """
    parts = name.replace("::", "/").split("/")
    if len(parts) == 4 and parts[2] == "dds_":
        parts = [*parts[:2], parts[3].removesuffix("_")]
    if len(parts) == 2:
        parts.insert(1, "msg")
    return "/".join(parts) if len(parts) == 3 else name
