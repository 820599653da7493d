"""ROS 2 message types without ROS: definitions, classes, CDR and type hashes from rosbags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rosbags.interfaces import Nodetype
from rosbags.serde import SerdeError
from rosbags.typesys import Stores, TypesysError, get_types_from_msg, get_typestore

from taihri_ros.node.dds_host import hri_msgs, vision_msgs
from taihri_ros.node.dds_host.errors import DdsError

if TYPE_CHECKING:
    from pathlib import Path

    from rosbags.interfaces.typing import BaseDesc, FieldDesc, NameDesc

DISTROS = {
    "humble": Stores.ROS2_HUMBLE,
    "iron": Stores.ROS2_IRON,
    "jazzy": Stores.ROS2_JAZZY,
    "kilted": Stores.ROS2_KILTED,
    "lyrical": Stores.ROS2_LYRICAL,
    "rolling": Stores.ROS2_LYRICAL,
}
"""ROS 2 distributions and the rosbags typestores with their types."""

PACKAGE = "taihri_ros"


class RosTypes:
    """The message types of one ROS 2 distribution, those of vision_msgs and hri_msgs, and of this package.

    Attributes:
        distro: The distribution.
        store: The typestore of rosbags, for reading and writing bags.
    """

    def __init__(self, distro: str = "jazzy", interfaces: Path | None = None) -> None:
        """Load the types.

        Args:
            distro: ROS 2 distribution of the robot.
            interfaces: Directory whose `msg/*.msg` define this package's messages; None to leave them out.

        Raises:
            DdsError: The distribution is unknown, or a definition cannot be read.
        """
        if distro.lower() not in DISTROS:
            raise DdsError(f"ROS 2 distribution {distro!r} is unknown: choose one of {', '.join(DISTROS)}")
        self.distro = distro.lower()
        self.store = get_typestore(DISTROS[self.distro])
        for name, definition in (vision_msgs.DEFINITIONS | hri_msgs.DEFINITIONS).items():
            if name not in self.store.types:
                self.store.register(get_types_from_msg(definition, name))
        if interfaces is not None:
            self._register(interfaces)
        self.store.fielddefs = {
            name: (constants, [(field, _replace_char(desc)) for field, desc in fields])
            for name, (constants, fields) in self.store.fielddefs.items()
        }

    def _register(self, interfaces: Path) -> None:
        definitions = sorted((interfaces / "msg").glob("*.msg"))
        if not definitions:
            raise DdsError(f"no message definitions in {interfaces / 'msg'}: reinstall {PACKAGE}")
        types = {}
        try:
            for path in definitions:
                types.update(get_types_from_msg(path.read_text(encoding="utf-8"), f"{PACKAGE}/msg/{path.stem}"))
            self.store.register(types)
        except TypesysError as error:
            raise DdsError(f"cannot read the message definitions in {interfaces / 'msg'}: {error}") from error

    def check(self, msg_type: str) -> None:
        """Check that a type is known.

        Args:
            msg_type: Full name, such as `sensor_msgs/msg/Image`.

        Raises:
            DdsError: The type is unknown.
        """
        if msg_type not in self.store.types:
            raise DdsError(f"message type {msg_type!r} is unknown in ROS 2 {self.distro}: write 'package/msg/Name'")

    def message(self, msg_type: str) -> type[Any]:
        """Return the class of a message; its constructor takes every field by keyword.

        Args:
            msg_type: Full name, such as `sensor_msgs/msg/Image`.

        Returns:
            A dataclass with the fields of the message; arrays of numbers are numpy arrays.

        Raises:
            DdsError: The type is unknown.
        """
        self.check(msg_type)
        return self.store.types[msg_type]

    def serialize(self, message: object, msg_type: str) -> bytearray:
        """Serialize a message.

        Args:
            message: A message of that type.
            msg_type: Full name.

        Returns:
            CDR (XCDR1, with its header of four bytes), padded to a multiple of four bytes.

        Raises:
            DdsError: The value of a field does not fit its type.
        """
        try:
            cdr = self.store.serialize_cdr(message, msg_type).obj
        except Exception as error:  # the generated code raises various errors for a wrong field
            raise DdsError(f"cannot serialize a {msg_type}: {error}") from error
        assert isinstance(cdr, bytearray)
        cdr.extend(bytes(-len(cdr) % 4))
        return cdr

    def deserialize(self, cdr: bytes | memoryview, msg_type: str) -> Any:
        """Deserialize a message; arrays of numbers are read-only views of the given bytes.

        Args:
            cdr: CDR (XCDR1, with its header), of either endianness.
            msg_type: Full name.

        Returns:
            The message.

        Raises:
            DdsError: The bytes are not a message of that type.
        """
        try:
            return self.store.deserialize_cdr(memoryview(cdr), msg_type)
        except SerdeError as error:
            raise DdsError(f"malformed {msg_type} of {len(cdr)} bytes: {error}") from error

    def type_hash(self, msg_type: str) -> str:
        """Return the type hash, which identifies a definition in ROS 2 (REP 2011).

        Args:
            msg_type: Full name.

        Returns:
            `RIHS01_` and 64 hexadecimal digits.
        """
        return self.store.hash_rihs01(msg_type)

    @property
    def gid_size(self) -> int:
        """Size in bytes of a gid in the ROS graph: 24 in Humble, 16 from Iron on."""
        _, fields = self.store.fielddefs["rmw_dds_common/msg/Gid"]
        _, desc = fields[0]
        assert desc[0] == Nodetype.ARRAY
        return desc[1][1]


def _replace_char(desc: FieldDesc) -> FieldDesc:
    """Replace `char` of a .msg file by `uint8`, as rosidl_adapter does in IDL, type hash and XTypes."""
    if desc[0] in (Nodetype.ARRAY, Nodetype.SEQUENCE):
        element, size = desc[1]
        return desc[0], (_replace_scalar_char(element), size)
    return _replace_scalar_char(desc)


def _replace_scalar_char(desc: BaseDesc | NameDesc) -> BaseDesc | NameDesc:
    return (Nodetype.BASE, ("uint8", 0)) if desc == (Nodetype.BASE, ("char", 0)) else desc
