"""One recorded file in the MCAP format, also without its summary, cut off, or damaged in the middle."""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from zlib import crc32

from taihri_ros.node.recordings import mcap_records as mcap
from taihri_ros.node.recordings.channels import Channel, Entry, UnreadableMessageError, type_name
from taihri_ros.node.recordings.mcap_records import Chunk, Fields, RecordError, read_chunk

MAGIC = mcap.MAGIC
"""The first bytes of a file."""

_TOP_LEVEL = 0
"""In place of a chunk's offset: the message is not in a chunk."""

_CACHED_CHUNKS = 4
"""Number of decompressed chunks that are kept."""

_MESSAGE_HEADER = 22
_FOOTER_SIZE = mcap.PREFIX + 20


@dataclass(frozen=True)
class _ChunkIndex:
    """The place of a chunk, and of the lists of its messages by channel id."""

    offset: int
    lists: dict[int, int]
    lists_end: int

    def counts(self) -> int:
        """Return the number of messages, from the sizes of the lists."""
        starts = sorted(self.lists.values())
        ends = [*starts[1:], self.lists_end][: len(starts)]
        return sum((end - start - mcap.PREFIX - 6) // 16 for start, end in zip(starts, ends, strict=True))


class McapFile:
    """A recorded file; its attributes and methods are those of `RecordedFile`.

    The index in the summary at the end of the file is used if it is there and complete. Otherwise the whole file is
    read once.
    """

    def __init__(self, path: Path) -> None:
        """Open the file.

        Args:
            path: The file, which begins with `MAGIC`.
        """
        self.problem = ""
        self._file = path.open("rb")
        self._size = path.stat().st_size
        self._schemas: dict[int, tuple[str, str, str]] = {}
        self._by_id: dict[int, Channel] = {}
        self._channels: list[Channel] = []
        self._chunk_indexes: list[_ChunkIndex] = []
        self._scanned: dict[int, array[int]] = {}
        self._chunks: OrderedDict[int, Chunk] = OrderedDict()
        if not self._read_summary():
            self._schemas, self._by_id, self._channels, self._chunk_indexes = {}, {}, [], []
            self._scan()
        self.channels = tuple(self._channels)

    def index(self, wanted: Collection[Channel]) -> Iterator[Entry]:
        """Yield the messages of some channels without their data."""
        for channel in wanted:
            found = iter(self._scanned.get(channel.id, ()))
            for recorded, chunk, offset in zip(found, found, found, strict=True):
                yield Entry(recorded, (chunk, offset), channel)
        for index in self._chunk_indexes:
            for channel in wanted:
                if channel.id in index.lists:
                    yield from self._listed(index, channel)

    def read(self, entry: Entry) -> bytes:
        """Return the data of a message."""
        chunk_offset, offset = entry.place
        try:
            if chunk_offset == _TOP_LEVEL:
                opcode, content = self._record(offset)
            else:
                chunk = self._chunk(chunk_offset)
                opcode, content = _record_in(chunk.data, offset)
            fields = Fields(content)
            fields.numbers("HIQQ")
            if opcode != mcap.MESSAGE:
                raise RecordError("the index points to another record than a message")
        except RecordError as error:
            detail = error if chunk_offset == _TOP_LEVEL else chunk.problem or error
            raise UnreadableMessageError(str(detail)) from error
        return bytes(fields.take(fields.left))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _read_summary(self) -> bool:
        """Read channels and the index of chunks from the end of the file; return whether they are complete."""
        end = self._size - len(MAGIC) - _FOOTER_SIZE
        try:
            opcode, footer = self._record(end)
            start, _ = Fields(footer).numbers("QQ")
            if opcode != mcap.FOOTER or not 0 < start <= end or self._bytes(self._size - 8, 8) != MAGIC:
                return False
            summary = self._bytes(start, end - start)
            checksum = Fields(footer[-4:]).number("I")
            if checksum and crc32(self._bytes(end, mcap.PREFIX + 16), crc32(summary)) != checksum:
                return False
            count = self._read_summary_records(summary)
        except RecordError:
            return False
        return count == sum(index.counts() for index in self._chunk_indexes)

    def _read_summary_records(self, summary: bytes) -> int | None:
        """Read the records of the summary, and return the number of messages in the file; None if it is not there."""
        count = None
        for _, opcode, content in _records_in(summary):
            fields = Fields(content)
            if opcode == mcap.SCHEMA:
                self._add_schema(fields)
            elif opcode == mcap.CHANNEL:
                self._add_channel(fields)
            elif opcode == mcap.STATISTICS:
                count = fields.number("Q")
            elif opcode == mcap.CHUNK_INDEX:
                _, _, offset, length, size = fields.numbers("QQQQI")
                lists = Fields(fields.take(size))
                places: dict[int, int] = {}
                for _ in range(size // 10):
                    channel, place = lists.numbers("HQ")
                    places[channel] = place
                lists_end = offset + length + fields.number("Q")
                self._chunk_indexes.append(_ChunkIndex(offset, places, lists_end))
        return None if len(self._channels) != len(self._by_id) else count

    def _listed(self, index: _ChunkIndex, channel: Channel) -> Iterator[Entry]:
        """Yield the messages of a channel in a chunk, from their list or, if that is damaged, from the chunk."""
        try:
            opcode, content = self._record(index.lists[channel.id])
            fields = Fields(content)
            number, size = fields.numbers("HI")
            if opcode != mcap.MESSAGE_INDEX or number != channel.id:
                raise RecordError("the index of the chunk points to another record")
            entries = Fields(fields.take(size))
            places = [entries.numbers("QQ") for _ in range(size // 16)]
        except RecordError:
            places = [
                (at, offset)
                for at, offset, number in _messages_in(self._chunk(index.offset).data)
                if number == channel.id
            ]
        for recorded, offset in places:
            yield Entry(recorded, (index.offset, offset), channel)

    def _scan(self) -> None:
        """Read the whole file, up to its end or to the first record that is damaged."""
        position = len(MAGIC)
        while True:
            if position >= self._size:
                self.problem = self.problem or "its end is missing, because the recorder was stopped"
                return
            try:
                opcode, size = self._prefix(position)
                if opcode in (mcap.DATA_END, mcap.FOOTER):
                    return
                if opcode == mcap.CHUNK:
                    self._scan_chunk(position)
                if position + mcap.PREFIX + size > self._size:
                    raise RecordError("a record is cut off")
                if opcode in (mcap.SCHEMA, mcap.CHANNEL, mcap.MESSAGE):
                    needed = min(size, _MESSAGE_HEADER) if opcode == mcap.MESSAGE else size
                    content = memoryview(self._bytes(position + mcap.PREFIX, needed))
                    self._scan_record(opcode, content, _TOP_LEVEL, position)
                elif not opcode:
                    raise RecordError("there are zeros instead of a record")
            except RecordError as error:
                self.problem = self.problem or f"it is damaged at byte {position} of {self._size} ({error})"
                return
            position += mcap.PREFIX + size

    def _scan_chunk(self, position: int) -> None:
        chunk = self._chunk(position)
        if chunk.problem:
            self.problem = f"it is damaged at byte {position} of {self._size} ({chunk.problem})"
        try:
            for offset, opcode, content in _records_in(chunk.data):
                self._scan_record(opcode, content, position, offset)
        except RecordError:
            self.problem = self.problem or f"it is damaged at byte {position} of {self._size} (in a chunk)"

    def _scan_record(self, opcode: int, content: memoryview, chunk: int, offset: int) -> None:
        fields = Fields(content)
        if opcode == mcap.SCHEMA:
            self._add_schema(fields)
        elif opcode == mcap.CHANNEL:
            self._add_channel(fields)
        elif opcode == mcap.MESSAGE:
            number, _, recorded, _ = fields.numbers("HIQQ")
            if number in self._by_id:
                self._scanned.setdefault(self._by_id[number].id, array("Q")).extend((recorded, chunk, offset))

    def _add_schema(self, fields: Fields) -> None:
        number = fields.number("H")
        self._schemas[number] = (fields.text(), fields.text(), fields.text())

    def _add_channel(self, fields: Fields) -> None:
        """Note a channel; one that is repeated is the same, and one with other values is another from here on."""
        number, schema = fields.numbers("HH")
        name, definition_format, definition = self._schemas.get(schema, ("", "", ""))
        topic, encoding = fields.text(), fields.text()
        channel = Channel(number, topic, type_name(name), encoding, definition, definition_format)
        known = self._by_id.get(number)
        if known is not None:
            if channel == replace(known, id=number):
                return
            channel = replace(channel, id=0x10000 + len(self._channels))
        self._by_id[number] = channel
        self._channels.append(channel)

    def _chunk(self, offset: int) -> Chunk:
        """Return a chunk, from the cache if it was used lately."""
        if offset not in self._chunks:
            try:
                opcode, size = self._prefix(offset)
                if opcode != mcap.CHUNK:
                    raise RecordError("the index points to another record than a chunk")
                start = offset + mcap.PREFIX
                chunk = read_chunk(self._bytes(start, min(size, self._size - start)))
            except RecordError as error:
                chunk = Chunk(b"", str(error))
            self._chunks[offset] = chunk
            if len(self._chunks) > _CACHED_CHUNKS:
                self._chunks.popitem(last=False)
        return self._chunks[offset]

    def _record(self, position: int) -> tuple[int, memoryview]:
        """Return the opcode and the content of a record of the file."""
        opcode, size = self._prefix(position)
        return opcode, memoryview(self._bytes(position + mcap.PREFIX, size))

    def _prefix(self, position: int) -> tuple[int, int]:
        opcode, size = Fields(self._bytes(position, mcap.PREFIX)).numbers("BQ")
        return opcode, size

    def _bytes(self, position: int, size: int) -> bytes:
        if position < 0 or position + size > self._size:
            raise RecordError("a record is cut off")
        self._file.seek(position)
        data = self._file.read(size)
        if len(data) < size:
            raise RecordError("a record is cut off")
        return data


def _record_in(data: bytes, position: int) -> tuple[int, memoryview]:
    """Return the opcode and the content of a record of a chunk or a summary."""
    fields = Fields(memoryview(data)[position:])
    opcode, size = fields.numbers("BQ")
    return opcode, fields.take(size)


def _records_in(data: bytes) -> Iterator[tuple[int, int, memoryview]]:
    """Yield the offset, the opcode and the content of each record of a chunk or a summary."""
    offset = 0
    while offset < len(data):
        opcode, content = _record_in(data, offset)
        yield offset, opcode, content
        offset += mcap.PREFIX + len(content)


def _messages_in(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield the time of recording, the offset and the channel of each message in a chunk."""
    try:
        for offset, opcode, content in _records_in(data):
            if opcode == mcap.MESSAGE:
                number, _, recorded, _ = Fields(content).numbers("HIQQ")
                yield recorded, offset, number
    except RecordError:
        return
