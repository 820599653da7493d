"""The types of recorded messages: the bag's own definitions where they differ from ours, and ours where it has none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rosbags.interfaces.typing import Typesdict
from rosbags.typesys import Stores, get_types_from_idl, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from taihri_ros.node.dds_host import RosTypes
from taihri_ros.node.recordings.channels import Channel
from taihri_ros.node.recordings.errors import BagError

_IDL_SEPARATOR = "=" * 80 + "\n"


class MessageTypes:
    """Deserializes recorded messages."""

    def __init__(self, types: RosTypes) -> None:
        """Create a deserializer.

        Args:
            types: The types of a ROS 2 distribution, for channels without a usable definition.
        """
        self._types = types
        self._stores: dict[Channel, Typestore] = {}

    def deserialize(self, data: bytes, channel: Channel) -> Any:
        """Return a message.

        Args:
            data: The recorded bytes, CDR.
            channel: The channel of the message.

        Returns:
            The message; arrays of numbers are numpy arrays.

        Raises:
            BagError: The bytes are not a message of the channel's type, or the type lacks a field that it has in ROS 2.
        """
        if channel not in self._stores:
            self._stores[channel] = self._store(channel)
        try:
            return self._stores[channel].deserialize_cdr(data, channel.type)
        except Exception as error:  # the generated code raises various errors for malformed bytes
            raise BagError(f"a malformed {channel.type} on {channel.topic}: {error}") from error

    def _store(self, channel: Channel) -> Typestore:
        try:
            recorded = _parse(channel)
            store = get_typestore(Stores.EMPTY)
            store.register(recorded)
        except Exception:  # the parsers raise various errors; without a usable definition, ours is used
            return self._types.store
        ours = self._types.store.fielddefs
        if all(name in ours and _begins_like(fields, ours[name][1]) for name, (_, fields) in recorded.items()):
            return self._types.store
        needed = {field for field, _ in ours[channel.type][1]}
        if missing := needed - {field for field, _ in recorded[channel.type][1]}:
            raise BagError(
                f"{channel.topic} is recorded with another {channel.type} than that of ROS 2: it has no field "
                f"{', '.join(sorted(missing))}"
            )
        return store


def _begins_like(fields: Sequence[object], ours: Sequence[object]) -> bool:
    """Check that a definition is ours, or the beginning of it: recorders leave definitions empty or cut them off."""
    return list(fields) == list(ours)[: len(fields)]


def _parse(channel: Channel) -> Typesdict:
    """Return the recorded types; raise any error if there is no definition in a known format."""
    if channel.definition_format == "ros2msg":
        return get_types_from_msg(channel.definition, channel.type)
    if channel.definition_format not in ("ros2idl", "omgidl"):
        raise ValueError("there is no definition")
    types: Typesdict = {}
    for part in channel.definition.split(_IDL_SEPARATOR):
        if part.strip():
            types.update(get_types_from_idl(part.partition("\n")[2] if part.startswith("IDL: ") else part))
    return types
