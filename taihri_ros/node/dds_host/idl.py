"""IDL of ROS 2 message types for Cyclone DDS, so that discovery announces the correct type information.

The binding handles samples as bytes: rosbags reads and writes CDR about a hundred times faster than it does.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from cyclonedds.idl import IdlStruct, make_idl_struct
from cyclonedds.idl import types as idl
from rosbags.interfaces import Nodetype

if TYPE_CHECKING:
    from rosbags.interfaces.typing import FieldDesc

    from taihri_ros.node.dds_host.types import RosTypes

PRIMITIVES: dict[str, Any] = {
    "bool": bool,
    "byte": idl.uint8,
    "int8": idl.int8,
    "uint8": idl.uint8,
    "int16": idl.int16,
    "uint16": idl.uint16,
    "int32": idl.int32,
    "uint32": idl.uint32,
    "int64": idl.int64,
    "uint64": idl.uint64,
    "float32": idl.float32,
    "float64": idl.float64,
}


def dds_type_name(msg_type: str) -> str:
    """Return the DDS name of a ROS 2 type, with dots that the binding replaces by `::`.

    Args:
        msg_type: Full name, such as `sensor_msgs/msg/Image`.

    Returns:
        `sensor_msgs.msg.dds_.Image_`
    """
    package, kind, name = msg_type.split("/")
    return f"{package}.{kind}.dds_.{name}_"


_Key = tuple[str, str]
"""Full name and type hash of a message type, which differs between distributions."""

_lock = threading.RLock()
_structs: dict[_Key, type[IdlStruct]] = {}
_cdr: dict[_Key, type[IdlStruct]] = {}
"""The classes of this process. The binding keeps every class until the process ends, so each is made only once."""


class IdlTypes:
    """IDL classes for ROS 2 message types, each built once in a process."""

    def __init__(self, types: RosTypes) -> None:
        """Use some message definitions.

        Args:
            types: The message definitions.
        """
        self._types = types

    def cdr(self, msg_type: str) -> type[IdlStruct]:
        """Return a class whose samples are CDR bytes, with the name and type information of the message type.

        Args:
            msg_type: Full name, such as `sensor_msgs/msg/Image`.

        Returns:
            The class for a DDS topic.
        """
        with _lock:
            key = self._key(msg_type)
            if key not in _cdr:
                cdr = make_idl_struct("Cdr", dds_type_name(msg_type), {})
                cdr.__idl__ = self._struct(msg_type).__idl__
                _cdr[key] = cdr
            return _cdr[key]

    def _key(self, msg_type: str) -> _Key:
        return msg_type, self._types.type_hash(msg_type)

    def _struct(self, msg_type: str) -> type[IdlStruct]:
        key = self._key(msg_type)
        if key not in _structs:
            _, fields = self._types.store.fielddefs[msg_type]
            members = {name: self._member(desc) for name, desc in fields}
            class_name = msg_type.rpartition("/")[2] + "_"
            _structs[key] = make_idl_struct(class_name, dds_type_name(msg_type), members)
        return _structs[key]

    def _member(self, desc: FieldDesc) -> Any:
        if desc[0] == Nodetype.NAME:
            return self._struct(desc[1])
        if desc[0] == Nodetype.BASE:
            name, bound = desc[1]
            if name == "string":
                return idl.bounded_str[bound] if bound else str
            return PRIMITIVES[name]
        element, size = self._member(desc[1][0]), desc[1][1]
        if desc[0] == Nodetype.ARRAY:
            return idl.array[element, size]
        return idl.sequence[element, size] if size else idl.sequence[element]
