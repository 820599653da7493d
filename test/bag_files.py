"""Recorded bags of a small camera, well-formed and odd."""

from __future__ import annotations

import sqlite3
import struct
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import lz4.frame
from camera_messages import TYPES, camera_info, image
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

IMAGE_TYPE, INFO_TYPE = "sensor_msgs/msg/Image", "sensor_msgs/msg/CameraInfo"
IMAGES, INFOS = "/camera/image_raw", "/camera/camera_info"


@dataclass
class Record:
    topic: str
    recorded: int
    message: Any


def camera_records(count: int = 3, first: int = 5_000_000_000) -> list[Record]:
    """Return the records of a camera at 10 Hz; every image is recorded 2 ms after its stamp."""
    found = []
    for stamp in range(first, first + count * 100_000_000, 100_000_000):
        found.append(Record(INFOS, stamp + 1_000_000, camera_info(stamp)))
        found.append(Record(IMAGES, stamp + 2_000_000, image(stamp)))
    return found


def write_bag(path: Path, records: list[Record], storage: str = "sqlite3", *, compression: str = "") -> Path:
    """Write a bag with rosbags; compression is file, message, or storage (chunks of mcap)."""
    writer = Writer(path, version=9, storage_plugin=StoragePlugin[storage.upper()])
    if compression:
        writer.set_compression(CompressionMode[compression.upper()], CompressionFormat.ZSTD)
    with writer:
        connections: dict[str, Any] = {}
        for record in records:
            msg_type = record.message.__msgtype__
            if record.topic not in connections:
                connections[record.topic] = writer.add_connection(record.topic, msg_type, typestore=TYPES.store)
            data = bytes(TYPES.serialize(record.message, msg_type))
            writer.write(connections[record.topic], record.recorded, data)
    return path


def storage_file(bag: Path) -> Path:
    """Return the only file of a bag beside metadata.yaml."""
    (found,) = (path for path in bag.iterdir() if path.name != "metadata.yaml")
    return found


def read_bag(path: Path) -> dict[str, list[tuple[int, Any]]]:
    """Return all messages by topic, as (record time in nanoseconds, message), read with rosbags."""
    found: dict[str, list[tuple[int, Any]]] = {}
    with AnyReader([path]) as reader:
        for connection in reader.connections:
            found[connection.topic] = []
        for connection, recorded, raw in reader.messages():
            found[connection.topic].append((recorded, reader.deserialize(raw, connection.msgtype)))
    return found


def definition(msg_type: str) -> str:
    return TYPES.store.generate_msgdef(msg_type, ros_version=2)[0]


@dataclass
class McapChannel:
    """A channel of an mcap file; by default a ROS 2 topic with its definition."""

    id: int
    topic: str
    type: str
    encoding: str = "cdr"
    schema_encoding: str = "ros2msg"
    definition: str | None = None
    metadata: tuple[str, ...] = ()

    def records(self) -> bytes:
        text = definition(self.type) if self.definition is None else self.definition
        schema = struct.pack("<H", self.id) + _text(self.type) + _text(self.schema_encoding) + _text(text)
        metadata = b"".join(map(_text, self.metadata))
        described = struct.pack("<HH", self.id, self.id) + _text(self.topic) + _text(self.encoding)
        return mcap_record(0x03, schema) + mcap_record(0x04, described + struct.pack("<I", len(metadata)) + metadata)


CAMERA = (McapChannel(1, INFOS, INFO_TYPE), McapChannel(2, IMAGES, IMAGE_TYPE))
"""The channels of `camera_messages`."""


def camera_mcap_messages(count: int = 4) -> list[tuple[int, int, bytes]]:
    """Return the messages of `camera_records` as (channel id, record time, data)."""
    numbers = {INFOS: 1, IMAGES: 2}
    return [
        (numbers[each.topic], each.recorded, bytes(TYPES.serialize(each.message, each.message.__msgtype__)))
        for each in camera_records(count)
    ]


def mcap(
    messages: list[tuple[int, int, bytes]],
    channels: tuple[McapChannel, ...] = CAMERA,
    *,
    profile: str = "ros2",
    chunked: bool = True,
    compression: str = "",
    per_chunk: int = 3,
    message_index: bool = True,
    summary: bool = True,
    extra: bytes = b"",
) -> bytes:
    """Return an mcap file.

    Args:
        messages: (channel id, record time, data).
        channels: The channels.
        profile: The profile in the header.
        chunked: Put the messages into chunks.
        compression: Compression of the chunks: nothing, zstd or lz4.
        per_chunk: Number of messages in a chunk.
        message_index: Write the index of the messages of each chunk.
        summary: Write the summary.
        extra: Records at the beginning of the data.
    """
    described = b"".join(channel.records() for channel in channels)
    data = bytearray(b"\x89MCAP0\r\n" + mcap_record(0x01, _text(profile) + _text("test")) + extra)
    indexes = b""
    if not chunked:
        data += described + b"".join(_message(message) for message in messages)
    for first in range(0, len(messages) if chunked else 0, per_chunk):
        indexes += _append_chunk(
            data, described if not first else b"", messages[first : first + per_chunk], compression, message_index
        )
    data += mcap_record(0x0F, bytes(4))
    start = len(data) if summary else 0
    if summary:
        counts = {channel.id: sum(number == channel.id for number, _, _ in messages) for channel in channels}
        times = [recorded for _, recorded, _ in messages] or [0]
        statistics = struct.pack(
            "<QHIIIIQQ", len(messages), len(channels), len(channels), 0, 0, 0, min(times), max(times)
        )
        listed = b"".join(struct.pack("<HQ", *each) for each in counts.items())
        data += described + indexes + mcap_record(0x0B, statistics + struct.pack("<I", len(listed)) + listed)
    return bytes(data + mcap_record(0x02, struct.pack("<QQI", start, 0, 0)) + b"\x89MCAP0\r\n")


def _append_chunk(
    data: bytearray, described: bytes, messages: list[tuple[int, int, bytes]], compression: str, message_index: bool
) -> bytes:
    """Append a chunk with the index of its messages, and return its entry in the summary."""
    content, places = bytearray(described), {}
    for message in messages:
        places.setdefault(message[0], []).append((message[1], len(content)))
        content += _message(message)
    compressors = {"": bytes, "zstd": zstd.compress, "lz4": lz4.frame.compress}
    packed = compressors[compression](bytes(content))
    times = [recorded for _, recorded, _ in messages]
    header = struct.pack("<QQQI", min(times), max(times), len(content), crc32(content))
    offset = len(data)
    data += mcap_record(0x06, header + _text(compression) + struct.pack("<Q", len(packed)) + packed)
    end, lists = len(data), b""
    for number, entries in places.items() if message_index else ():
        lists += struct.pack("<HQ", number, len(data))
        listed = b"".join(struct.pack("<QQ", *entry) for entry in entries)
        data += mcap_record(0x07, struct.pack("<HI", number, len(listed)) + listed)
    entry = struct.pack("<QQQQ", min(times), max(times), offset, end - offset) + struct.pack("<I", len(lists)) + lists
    entry += struct.pack("<Q", len(data) - end) + _text(compression) + struct.pack("<QQ", len(packed), len(content))
    return mcap_record(0x08, entry)


def mcap_record(opcode: int, content: bytes) -> bytes:
    return struct.pack("<BQ", opcode, len(content)) + content


def _message(message: tuple[int, int, bytes]) -> bytes:
    number, recorded, data = message
    return mcap_record(0x05, struct.pack("<HIQQ", number, 0, recorded, recorded) + data)


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<I", len(data)) + data


def damage_image(bag: Path, recorded: int) -> None:
    """Overwrite the image of `camera_records` that was recorded at a time with bytes that are no message."""
    (file,) = bag.glob("*.db3")
    with sqlite3.connect(file) as connection:
        (topic,) = connection.execute("SELECT id FROM topics WHERE name = ?", (IMAGES,)).fetchone()
        connection.execute(
            "UPDATE messages SET data = ? WHERE topic_id = ? AND timestamp = ?",
            (b"\0\1\0\0\xff\xff\xff\xff\xff", topic, recorded),
        )
    connection.close()
