"""Bags are read whatever their metadata, their other topics and their damaged parts are."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import struct
from pathlib import Path
from typing import Any

import pytest
from bag_files import (
    CAMERA,
    IMAGE_TYPE,
    IMAGES,
    McapChannel,
    Record,
    camera_mcap_messages,
    camera_records,
    definition,
    mcap,
    mcap_record,
    storage_file,
    write_bag,
    zstd,
)
from camera_messages import TYPES

from taihri_ros.node.messages import stamp_ns
from taihri_ros.node.recordings.errors import BagError
from taihri_ros.node.recordings.message_types import MessageTypes
from taihri_ros.node.recordings.recording import Recording

STAMPS = [5_000_000_000, 5_100_000_000, 5_200_000_000, 5_300_000_000]
TYPES_OF_BAG = MessageTypes(TYPES)
Message = tuple[int, int, bytes]


def read(path: Path, topic: str = IMAGES) -> tuple[list[int], list[str]]:
    """Return the stamps of the messages of a topic, in the order of their recording, and the problems of the bag."""
    with Recording(path) as recording:
        wanted = [channel for channel in recording.channels if channel.topic == topic]
        entries = recording.index(wanted)
        assert [entry.recorded for entry in entries] == sorted(entry.recorded for entry in entries)
        messages = [TYPES_OF_BAG.deserialize(recording.read(entry), entry.channel) for entry in entries]
        return [stamp_ns(message.header) for message in messages], recording.problems


def mcap_file(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "bag.mcap"
    path.write_bytes(content)
    return path


# ---- well-formed bags in every form


@pytest.mark.parametrize("storage", ["sqlite3", "mcap"])
@pytest.mark.parametrize("by_file", [False, True])
def test_a_bag_is_its_directory_or_its_file(tmp_path: Path, storage: str, by_file: bool) -> None:
    bag = write_bag(tmp_path / "in", camera_records(4), storage)
    assert read(storage_file(bag) if by_file else bag) == (STAMPS, [])


@pytest.mark.parametrize(
    ("storage", "compression"),
    [
        pytest.param(
            "sqlite3",
            "file",
            marks=pytest.mark.handles("Bags", "zstd by file, by message or by chunk, lz4 by chunk", "answered"),
        ),
        ("sqlite3", "message"),
        ("mcap", "file"),
        ("mcap", "message"),
        ("mcap", "storage"),
    ],
)
@pytest.mark.parametrize("metadata", [True, False])
def test_a_compressed_bag_is_read(tmp_path: Path, storage: str, compression: str, metadata: bool) -> None:
    bag = write_bag(tmp_path / "in", camera_records(4), storage, compression=compression)
    if not metadata:
        (bag / "metadata.yaml").unlink()
    assert read(bag) == (STAMPS, [])


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"compression": "zstd"},
        {"compression": "lz4"},
        {"profile": ""},
        {"per_chunk": 1},
        {"message_index": False},
        {"summary": False},
        {"summary": False, "compression": "lz4"},
        {"chunked": False},
        pytest.param(
            {"chunked": False, "summary": False},
            marks=pytest.mark.handles("Bags", "MCAP without summary, chunks or index", "answered"),
        ),
        pytest.param(
            {"extra": mcap_record(0x09, b"\0" * 40) + mcap_record(0x90, b"ours")},
            marks=pytest.mark.handles("Bags", "MCAP with attachments and unknown records", "answered"),
        ),
    ],
)
def test_mcap_is_read_in_every_form(tmp_path: Path, form: dict[str, Any]) -> None:
    assert read(mcap_file(tmp_path, mcap(camera_mcap_messages(), **form))) == (STAMPS, [])


@pytest.mark.handles(
    "Bags", "messages that were not recorded in the order of their time", "answered in the order of the recording times"
)
@pytest.mark.parametrize("summary", [True, False])
def test_messages_are_in_the_order_of_their_recording(tmp_path: Path, summary: bool) -> None:
    assert read(mcap_file(tmp_path, mcap(camera_mcap_messages()[::-1], summary=summary))) == (STAMPS, [])


def test_mcap_with_padding_behind_its_end_is_read(tmp_path: Path) -> None:
    assert read(mcap_file(tmp_path, mcap(camera_mcap_messages()) + bytes(512))) == (STAMPS, [])


@pytest.mark.handles("Bags", "bag that was split into several files", "answered in the order of the recording times")
@pytest.mark.parametrize("metadata", [True, False])
def test_a_split_bag_is_read_in_order(tmp_path: Path, metadata: bool) -> None:
    bag = split_bag(tmp_path)
    if not metadata:
        (bag / "metadata.yaml").unlink()
    assert read(bag) == (STAMPS, [])


def split_bag(tmp_path: Path) -> Path:
    """Write a bag of two files; the second file has the earlier messages."""
    bag = write_bag(tmp_path / "in", camera_records(2, STAMPS[2]))
    storage_file(bag).rename(bag / "in_0.db3")
    other = storage_file(write_bag(tmp_path / "other", camera_records(2)))
    shutil.copy(other, bag / "in_1.db3")
    metadata = bag / "metadata.yaml"
    metadata.write_text(metadata.read_text().replace("- in.db3", "- in_0.db3\n  - in_1.db3"))
    assert "in_1.db3" in metadata.read_text()
    return bag


# ---- metadata.yaml


def test_a_bag_without_metadata_is_read(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "in", camera_records(4))
    (bag / "metadata.yaml").unlink()
    assert read(bag) == (STAMPS, [])


@pytest.mark.handles("Bags", "metadata.yaml of any version or storage plugin", "answered: the files decide")
@pytest.mark.parametrize(
    ("old", "new"),
    [
        *(("version: 9", f"version: {version}") for version in (1, 2, 3, 4, 5, 6, 7, 8, 10, 99)),
        ("storage_identifier: sqlite3", "storage_identifier: cyberstore"),
        ("  storage_identifier: sqlite3\n", ""),
        ("serialization_format: cdr", "serialization_format: protobuf"),
        ("- in.db3", "- in/in.db3"),
        ("- in.db3", "- /home/robot/bags/in/in.db3"),
        ("message_count: 4", "message_count: -1"),
    ],
)
def test_the_metadata_does_not_decide(tmp_path: Path, old: str, new: str) -> None:
    bag = write_bag(tmp_path / "in", camera_records(4))
    metadata = bag / "metadata.yaml"
    assert old in metadata.read_text()
    metadata.write_text(metadata.read_text().replace(old, new))
    assert read(bag) == (STAMPS, [])


@pytest.mark.handles("Bags", "malformed offered QoS", "answered: it is ignored")
def test_the_offered_qos_does_not_matter(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "in", camera_records(4))
    with sqlite3.connect(storage_file(bag)) as database:
        database.execute("UPDATE topics SET offered_qos_profiles = '- history: [3, x]\n  depth: }'")
    database.close()
    assert read(bag) == (STAMPS, [])
    channels = (CAMERA[0], McapChannel(2, IMAGES, IMAGE_TYPE, metadata=("offered_qos_profiles", "- {")))
    assert read(mcap_file(tmp_path, mcap(camera_mcap_messages(), channels))) == (STAMPS, [])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"rosbag2_bagfile_information: 3\n",
        b"[",
        b"a: 1\n",
        b"\xff\xfe\0",
        pytest.param(
            b"rosbag2_bagfile_information: {relative_file_paths: 7}\n",
            marks=pytest.mark.handles("Bags", "metadata.yaml that is damaged", "answered, and one line says so"),
        ),
    ],
)
def test_damaged_metadata_is_reported_and_the_files_are_read(tmp_path: Path, content: bytes) -> None:
    bag = write_bag(tmp_path / "in", camera_records(4))
    (bag / "metadata.yaml").write_bytes(content)
    stamps, problems = read(bag)
    assert stamps == STAMPS
    (problem,) = problems
    assert problem.startswith(f"{bag}/metadata.yaml is damaged (")
    assert "\n" not in problem


@pytest.mark.handles(
    "Bags",
    "metadata.yaml that lists missing or renamed files",
    "the files there are answered, and one line names the others",
)
def test_missing_files_are_named_and_the_others_read(tmp_path: Path) -> None:
    bag = split_bag(tmp_path)
    (bag / "in_0.db3").unlink()
    assert read(bag) == (STAMPS[:2], [f"{bag}: files that metadata.yaml lists are missing: in_0.db3"])
    (bag / "in_1.db3").rename(bag / "renamed.db3")
    stamps, problems = read(bag)
    assert stamps == STAMPS[:2]
    assert problems == [
        f"{bag}: files that metadata.yaml lists are missing: in_0.db3, in_1.db3; the files there were read"
    ]
    (bag / "renamed.db3").unlink()
    with pytest.raises(BagError, match=r"the files that metadata.yaml lists are missing: in_0.db3, in_1.db3"):
        Recording(bag)


@pytest.mark.handles("Bags", "directory with several recordings", "refused with their names")
def test_several_recordings_without_metadata_are_not_mixed(tmp_path: Path) -> None:
    for name in ("kitchen", "hall"):
        shutil.copy(storage_file(write_bag(tmp_path / name / "in", camera_records(1))), tmp_path / f"{name}_0.db3")
        shutil.rmtree(tmp_path / name)
    with pytest.raises(BagError, match=r"holds 2 recordings: name one of hall_0.db3, kitchen_0.db3"):
        Recording(tmp_path)


def test_a_file_that_is_also_there_compressed_is_read_once(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "in", camera_records(4))
    (bag / "metadata.yaml").unlink()
    (bag / "in.db3.zstd").write_bytes(zstd.compress((bag / "in.db3").read_bytes()))
    assert read(bag) == (STAMPS, [])


# ---- what is not one of the wanted topics


WRONG_HEADER = "std_msgs/Header header\n" + "=" * 80 + "\nMSG: std_msgs/Header\nuint8 a"
FOREIGN = {
    "a JSON schema": McapChannel(3, "/log", "foxglove.Log", "json", "jsonschema", '{"type": "object"}'),
    "protobuf": McapChannel(3, "/log", "foxglove.Log", "protobuf", "protobuf", "\0\1"),
    "ROS 1": McapChannel(3, "/log", "rosgraph_msgs/Log", "ros1", "ros1msg", "string msg"),
    "an empty definition": McapChannel(3, "/foo", "my_msgs/msg/Foo", "cdr", "", ""),
    "an unknown definition": McapChannel(3, "/foo", "my_msgs/msg/Foo", "cdr", "unknown", ""),
    "a malformed definition": McapChannel(3, "/foo", "my_msgs/msg/Foo", "cdr", "ros2msg", "this is }{ not one"),
    "a wrong definition of Header": McapChannel(3, "/foo", "my_msgs/msg/Foo", "cdr", "ros2msg", WRONG_HEADER),
    "no type": McapChannel(3, "/foo", "", "", "", ""),
}  # fmt: skip


@pytest.mark.handles(
    "Bags",
    "channels of other encodings, and empty, unknown or malformed definitions of other topics",
    "answered: they do not matter",
)
@pytest.mark.parametrize("summary", [True, False])
@pytest.mark.parametrize("foreign", FOREIGN.values(), ids=FOREIGN)
def test_a_foreign_channel_does_not_matter(tmp_path: Path, foreign: McapChannel, summary: bool) -> None:
    messages: list[Message] = [(3, STAMPS[0], b"{}"), *camera_mcap_messages()]
    path = mcap_file(tmp_path, mcap(messages, (*CAMERA, foreign), summary=summary))
    assert read(path) == (STAMPS, [])


@pytest.mark.parametrize("encoding", ["", "unknown", "ros2idl", "ros2msg"])
def test_a_foreign_definition_in_sqlite_does_not_matter(tmp_path: Path, encoding: str) -> None:
    records = camera_records(4)
    text = TYPES.message("std_msgs/msg/String")(data="x")
    bag = write_bag(tmp_path / "in", [*records, Record("/text", 1, text)])
    with sqlite3.connect(storage_file(bag)) as database:
        change = "UPDATE message_definitions SET encoding = ?, encoded_message_definition = '' WHERE topic_type LIKE ?"
        database.execute(change, (encoding, "%String"))
    database.close()
    assert read(bag) == (STAMPS, [])


@pytest.mark.handles("Bags", "one topic in several channels", "all of them are answered")
@pytest.mark.parametrize("summary", [True, False])
def test_the_channels_of_one_topic_are_joined(tmp_path: Path, summary: bool) -> None:
    second = McapChannel(7, IMAGES, IMAGE_TYPE, metadata=("note", "merged"))
    messages = [(7 if number == 2 and index % 4 == 1 else number, recorded, data)
                for index, (number, recorded, data) in enumerate(camera_mcap_messages())]  # fmt: skip
    assert {number for number, _, _ in messages} == {1, 2, 7}
    assert read(mcap_file(tmp_path, mcap(messages, (*CAMERA, second), summary=summary))) == (STAMPS, [])


@pytest.mark.handles(
    "Bags", "one channel id for two topics (joined files)", "each message belongs to the topic described before it"
)
@pytest.mark.parametrize("summary", [True, False])
def test_a_channel_id_that_is_described_anew_is_another_channel(tmp_path: Path, summary: bool) -> None:
    again = McapChannel(2, "/rear/image_raw", IMAGE_TYPE)
    (first, second) = (
        mcap(camera_mcap_messages(2), channels, summary=False) for channels in (CAMERA, (CAMERA[0], again))
    )
    joined = first[: -37 - 13] + second[8:]
    if summary:
        joined = mcap(camera_mcap_messages(2), (*CAMERA, again))
        stamps = {topic: read(mcap_file(tmp_path, joined), topic)[0] for topic in (IMAGES, "/rear/image_raw")}
        assert stamps == {IMAGES: [], "/rear/image_raw": STAMPS[:2]}
        return
    path = mcap_file(tmp_path, joined)
    assert read(path) == (STAMPS[:2], [])
    assert read(path, "/rear/image_raw") == (STAMPS[:2], [])


# ---- definitions of the wanted topics


IDL = (
    "=" * 80
    + "\nIDL: sensor_msgs/msg/Image\nmodule sensor_msgs { module msg { struct Image { std_msgs::msg::Header header; "
    + "uint32 height; uint32 width; string encoding; uint8 is_bigendian; uint32 step; sequence<uint8> data; }; }; };\n"
    + "=" * 80
    + "\nIDL: std_msgs/msg/Header\nmodule std_msgs { module msg { struct Header { "
    + "builtin_interfaces::msg::Time stamp; string frame_id; }; }; };\n"
    + "=" * 80
    + "\nIDL: builtin_interfaces/msg/Time\nmodule builtin_interfaces { module msg { struct Time { "
    + "int32 sec; uint32 nanosec; }; }; };\n"
)


@pytest.mark.parametrize(
    ("kind", "encoding", "text"),
    [
        (IMAGE_TYPE, "ros2msg", None),
        pytest.param(
            IMAGE_TYPE,
            "ros2idl",
            IDL,
            marks=pytest.mark.handles("Bags", "definitions as IDL, and type names in other forms", "answered"),
        ),
        pytest.param(
            IMAGE_TYPE,
            "",
            "",
            marks=pytest.mark.handles(
                "Bags", "empty, partial or unknown definition of a standard type", "read with the type of ROS 2"
            ),
        ),
        (IMAGE_TYPE, "unknown", ""),
        (IMAGE_TYPE, "ros2msg", ""),
        (IMAGE_TYPE, "ros2msg", definition(IMAGE_TYPE).split("=" * 80)[0]),
        (IMAGE_TYPE, "ros2msg", definition(IMAGE_TYPE)[:400]),
        (IMAGE_TYPE, "ros2msg", "}{"),
        ("sensor_msgs/Image", "ros2msg", definition(IMAGE_TYPE)),
        ("sensor_msgs::msg::Image", "", ""),
        ("sensor_msgs::msg::dds_::Image_", "omgidl", ""),
    ],
)
def test_a_standard_type_is_read_with_any_definition(
    tmp_path: Path, kind: str, encoding: str, text: str | None
) -> None:
    channels = (CAMERA[0], McapChannel(2, IMAGES, kind, "cdr", encoding, text))
    assert read(mcap_file(tmp_path, mcap(camera_mcap_messages(), channels))) == (STAMPS, [])


def extended_image(stamp: int) -> tuple[str, bytes]:
    """Return the definition of an Image with one more field, and a message of it."""
    text = definition(IMAGE_TYPE).replace("uint8[] data", "uint8[] data\nuint32 sequence")
    head = struct.pack("<iII", stamp // 10**9, stamp % 10**9, 4) + b"cam\0"
    body = struct.pack("<III", 1, 2, 6) + b"mono8\0" + b"\0" + b"\0" + struct.pack("<II", 2, 2) + b"\5\6" + b"\0\0"
    return text, b"\0\1\0\0" + head + body + struct.pack("<I", 77)


@pytest.mark.handles(
    "Bags", "recorded type with more fields than in ROS 2, or fewer", "read by its own definition, or refused by name"
)
def test_the_recorded_definition_counts_where_it_differs(tmp_path: Path) -> None:
    text, data = extended_image(STAMPS[0])
    channels = (CAMERA[0], McapChannel(2, IMAGES, IMAGE_TYPE, definition=text))
    path = mcap_file(tmp_path, mcap([(2, 1, data)], channels))
    with Recording(path) as recording:
        (entry,) = recording.index(recording.channels)
        message = TYPES_OF_BAG.deserialize(recording.read(entry), entry.channel)
    assert (message.width, message.height, message.encoding, message.sequence) == (2, 1, "mono8", 77)
    assert message.data.tolist() == [5, 6]
    less = definition(IMAGE_TYPE).replace("uint32 step\n", "")
    channels = (CAMERA[0], McapChannel(2, IMAGES, IMAGE_TYPE, definition=less))
    with pytest.raises(BagError, match=r"another sensor_msgs/msg/Image than that of ROS 2: it has no field step"):
        read(mcap_file(tmp_path, mcap(camera_mcap_messages(1), channels)))


# ---- damage


@pytest.mark.handles(
    "Bags", "SQLite file that is cut off", "what is there is answered, and one line says that it is damaged"
)
@pytest.mark.parametrize("part", [0.3, 0.5, 0.7, 0.99])
def test_a_truncated_sqlite_file_is_read_as_far_as_it_goes(tmp_path: Path, part: float) -> None:
    bag = write_bag(tmp_path / "in", camera_records(40))
    file = storage_file(bag)
    whole = file.read_bytes()
    file.write_bytes(whole[: int(len(whole) * part)])
    stamps, problems = read_damaged(bag)
    expected = [5_000_000_000 + 100_000_000 * index for index in range(40)]
    assert part * 40 - 4 <= len(stamps) <= part * 40
    assert stamps == expected[: len(stamps)]
    assert problems
    assert all("damage" in problem for problem in problems)


def read_damaged(path: Path) -> tuple[list[int], list[str]]:
    """Return the stamps of the readable images, and the problems of the bag and of single images."""
    stamps, problems = [], []
    with Recording(path) as recording:
        for entry in recording.index([channel for channel in recording.channels if channel.topic == IMAGES]):
            try:
                stamps.append(stamp_ns(TYPES_OF_BAG.deserialize(recording.read(entry), entry.channel).header))
            except BagError as error:
                problems.append(str(error))
        return stamps, [*recording.problems, *problems]


@pytest.mark.handles(
    "Bags",
    "bag that is damaged in the middle",
    "what lies before and behind it is answered, and one line says what is not",
)
def test_a_sqlite_file_with_a_damaged_page_is_read_around_it(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "in", camera_records(40))
    file = storage_file(bag)
    data = bytearray(file.read_bytes())
    middle = len(data) // 2 // 4096 * 4096
    data[middle : middle + 3 * 4096] = b"\xff" * 3 * 4096
    file.write_bytes(data)
    stamps, problems = read_damaged(bag)
    assert 30 <= len(stamps) < 40
    assert {5_000_000_000, 8_900_000_000} <= set(stamps)
    assert problems


@pytest.mark.handles(
    "Bags", "MCAP whose recorder was killed, or that is cut off", "what is there is answered, and one line says so"
)
@pytest.mark.parametrize("compression", ["", "zstd", "lz4"])
@pytest.mark.parametrize("part", [0.3, 0.6, 0.95])
def test_a_truncated_mcap_file_is_read_as_far_as_it_goes(tmp_path: Path, compression: str, part: float) -> None:
    per_chunk = 2 if compression else 20
    data = mcap(camera_mcap_messages(10), compression=compression, per_chunk=per_chunk, summary=False)
    path = mcap_file(tmp_path, data[: int(len(data) * part)])
    stamps, (problem,) = read(path)
    assert stamps == [5_000_000_000 + 100_000_000 * index for index in range(len(stamps))]
    assert len(stamps) >= part * 10 - 2
    assert problem.startswith(f"{path}: it is damaged at byte ")
    assert problem.endswith((" (a chunk is cut off)", " (a record is cut off)"))


def test_mcap_without_its_end_is_read(tmp_path: Path) -> None:
    data = mcap(camera_mcap_messages(), summary=False)
    path = mcap_file(tmp_path, data[: -8 - 29 - 13])
    assert read(path) == (STAMPS, [f"{path}: its end is missing, because the recorder was stopped"])


@pytest.mark.parametrize("summary", [True, False])
@pytest.mark.parametrize("compression", ["", "zstd"])
def test_a_damaged_chunk_is_left_out(tmp_path: Path, summary: bool, compression: str) -> None:
    data = bytearray(mcap(camera_mcap_messages(), compression=compression, per_chunk=2, summary=summary))
    second = data.index(b"\x06", data.index(b"\x07", len(data) // 4))
    place = second + 9 + 40 + len(compression) + 500
    data[place : place + 8] = b"\xff" * 8
    stamps, problems = read_damaged(mcap_file(tmp_path, bytes(data)))
    assert len(stamps) == 3
    assert set(stamps) < set(STAMPS)
    (problem,) = problems
    assert "damaged" in problem
    assert "checksum" in problem or "decompressed" in problem


def test_zeros_at_the_end_of_mcap_are_reported(tmp_path: Path) -> None:
    data = mcap(camera_mcap_messages(), summary=False)[: -8 - 29 - 13]
    path = mcap_file(tmp_path, data + bytes(4096))
    stamps, (problem,) = read(path)
    assert stamps == STAMPS
    assert (
        problem
        == f"{path}: it is damaged at byte {len(data)} of {len(data) + 4096} (there are zeros instead of a record)"
    )


@pytest.mark.parametrize("part", [0.2, 0.6])
def test_a_truncated_compressed_file_is_read_as_far_as_it_goes(tmp_path: Path, part: float) -> None:
    bag = write_bag(tmp_path / "in", camera_records(40), compression="file")
    file = storage_file(bag)
    whole = file.read_bytes()
    file.write_bytes(whole[: int(len(whole) * part)])
    try:
        stamps, problems = read_damaged(bag)
    except BagError as error:
        stamps, problems = [], [str(error)]
    assert stamps == [5_000_000_000 + 100_000_000 * index for index in range(len(stamps))]
    assert len(stamps) < 40
    assert "is damaged (" in problems[0]


@pytest.mark.handles(
    "Bags", "SQLite bag whose recorder was killed with messages in its write-ahead log", "they are answered too"
)
def test_messages_in_a_write_ahead_log_are_read(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "in", camera_records(2))
    file = storage_file(bag)
    other = storage_file(write_bag(tmp_path / "other", camera_records(2, STAMPS[2])))
    database = sqlite3.connect(file)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA wal_autocheckpoint = 0")
    database.execute("ATTACH ? AS other", (str(other),))
    database.execute(
        "INSERT INTO messages (topic_id, timestamp, data) SELECT topic_id, timestamp, data FROM other.messages"
    )
    database.commit()
    left = tmp_path / "left"  # what a killed recorder leaves
    left.mkdir()
    for name in ("in.db3", "in.db3-wal"):
        shutil.copy(bag / name, left / name)
    database.close()
    assert (left / "in.db3-wal").stat().st_size
    assert read(left) == (STAMPS, [])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        pytest.param(
            "notes.txt",
            b"hello",
            "notes.txt is not a bag: it starts neither like SQLite (.db3) nor like MCAP",
            marks=pytest.mark.handles(
                "Bags", "file that is not a bag, or is empty", "refused: the message says what it is"
            ),
        ),
        ("empty.mcap", b"", "empty.mcap is empty (0 bytes): nothing was recorded"),
        ("random.db3", bytes(range(1, 256)) * 8, "random.db3 is damaged at its beginning"),
        ("head.mcap", b"\x89MCAP0\r\n", "head.mcap: its end is missing, because the recorder was stopped"),
        ("head.db3", b"SQLite format 3\0", "head.db3 is damaged: its list of topics cannot be read"),
        pytest.param(
            "old.bag",
            b"#ROSBAG V2.0\n",
            "old.bag is a bag of ROS 1: convert it with rosbags-convert --src ",
            marks=pytest.mark.handles("Bags", "bag of ROS 1", "refused with the command that converts it"),
        ),
        ("old.mcap", b"#ROSBAG V2.0\n", "old.mcap is a bag of ROS 1: convert it with rosbags-convert --src "),
        ("lfs.mcap", b"version https://git-lfs.github.com/spec/v1\n", "is a pointer of Git LFS"),
        ("none", None, "none: No such file or directory"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_for_what_it_is(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(BagError) as raised:
        Recording(tmp_path / name)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_bag_may_have_the_ending_of_ros1(tmp_path: Path) -> None:
    path = tmp_path / "new.bag"
    path.write_bytes(mcap(camera_mcap_messages()))
    assert read(path) == (STAMPS, [])


def test_another_database_is_not_a_bag(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "books.db3") as database:
        database.execute("CREATE TABLE books (title TEXT)")
    database.close()
    with pytest.raises(
        BagError, match=r"is an SQLite database, but not a bag: it has no tables 'topics' and 'messages'"
    ):
        Recording(tmp_path / "books.db3")


@pytest.mark.handles("Bags", "SQLite file that is cut off within its list of topics", "refused: cut off")
def test_a_database_without_its_list_of_topics_is_cut_off(tmp_path: Path) -> None:
    file = storage_file(write_bag(tmp_path / "bag", camera_records(3)))
    file.write_bytes(file.read_bytes()[:3000])
    with pytest.raises(BagError, match=r"is cut off: it has 3000 of \d+ bytes, and its list of topics is lost"):
        Recording(file)


@pytest.mark.handles("Bags", "directory without a bag", "refused: it is not a bag")
def test_a_directory_without_a_bag_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BagError, match=r"is not a bag: it holds no .db3 or .mcap file$"):
        Recording(tmp_path)
    (tmp_path / "old.bag").write_bytes(b"#ROSBAG V2.0\n")
    write_bag(tmp_path / "drives" / "first", camera_records(1))
    with pytest.raises(BagError, match=r"it holds no .db3 or .mcap file; it holds bags: name one of them \(first\)$"):
        Recording(tmp_path / "drives")
    with pytest.raises(BagError, match=r"it holds no .db3 or .mcap file; it holds bags of ROS 1: name one of them"):
        Recording(tmp_path)


def test_a_bag_without_topics_is_refused(tmp_path: Path) -> None:
    path = mcap_file(tmp_path, mcap([], ()))
    with pytest.raises(BagError, match=r"has no topics: nothing was recorded"):
        Recording(path)


def test_a_topic_without_messages_is_empty(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "in", camera_records(1))
    with sqlite3.connect(storage_file(bag)) as database:
        database.execute("DELETE FROM messages")
    database.close()
    assert read(bag) == ([], [])


@pytest.mark.handles("Bags", "paths with blanks, URI characters, names that are not UTF-8, symbolic links", "read")
@pytest.mark.parametrize("name", ["my bag", "50%25?mode=rwc#x", os.fsdecode(b"caf\xe9"), "Küche"])
@pytest.mark.parametrize("storage", ["sqlite3", "mcap"])
def test_any_name_is_read(tmp_path: Path, storage: str, name: str) -> None:
    file = storage_file(write_bag(tmp_path / "in", camera_records(4), storage))
    odd = tmp_path / name / f"{name}{file.suffix}"
    odd.parent.mkdir()
    shutil.copy(file, odd)
    (tmp_path / "link").symlink_to(odd)
    (tmp_path / "directory").symlink_to(odd.parent)
    for path in (odd, odd.parent, tmp_path / "link", tmp_path / "directory"):
        assert read(path) == (STAMPS, [])


def test_reading_leaves_the_folder_as_it_is(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "in", camera_records(4))
    before = {path: path.read_bytes() for path in bag.iterdir()}
    read(bag)
    assert {path: path.read_bytes() for path in bag.iterdir()} == before


@pytest.mark.parametrize("storage", ["sqlite3", "mcap"])
def test_any_damage_leads_to_fewer_messages_or_a_bag_error(tmp_path: Path, storage: str) -> None:
    file = storage_file(write_bag(tmp_path / "in", camera_records(3), storage))
    whole = file.read_bytes()
    for place in range(0, len(whole), len(whole) // 150):
        data = bytearray(whole)
        data[place : place + 3] = b"\xff\x7f\x80"
        file.write_bytes(data)
        with contextlib.suppress(BagError):
            assert len(read_damaged(file)[0]) <= 3
