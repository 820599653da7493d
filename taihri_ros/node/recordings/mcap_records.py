"""Records of the MCAP format (https://mcap.dev/spec): only those that a reader of messages needs."""

from __future__ import annotations

import struct
import sys
from dataclasses import dataclass
from zlib import crc32

import lz4.frame

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MAGIC = b"\x89MCAP0\r\n"
"""The first and the last bytes of a file."""

HEADER, FOOTER, SCHEMA, CHANNEL, MESSAGE, CHUNK, MESSAGE_INDEX, CHUNK_INDEX, STATISTICS, DATA_END = (
    0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x0B, 0x0F,
)  # fmt: skip

PREFIX = 9
"""Size in bytes of a record's opcode and length."""


class RecordError(Exception):
    """A record is cut off or damaged."""


class Fields:
    """The fields of a record, in their order."""

    def __init__(self, data: bytes | memoryview) -> None:
        """Start at the first field.

        Args:
            data: The content of the record.
        """
        self._data = memoryview(data)
        self.position = 0

    @property
    def left(self) -> int:
        """Number of bytes that are left."""
        return len(self._data) - self.position

    def numbers(self, layout: str) -> tuple[int, ...]:
        """Return integers; `layout` has the letters of `struct`."""
        return struct.unpack(f"<{layout}", self.take(struct.calcsize(f"<{layout}")))

    def number(self, letter: str) -> int:
        """Return one integer; `letter` is one of `struct`."""
        return self.numbers(letter)[0]

    def take(self, size: int) -> memoryview:
        """Return the next bytes."""
        if size > self.left:
            raise RecordError(f"a record ends {size - self.left} bytes too early")
        self.position += size
        return self._data[self.position - size : self.position]

    def text(self) -> str:
        """Return a string."""
        return bytes(self.take(self.number("I"))).decode(errors="replace")


@dataclass(frozen=True)
class Chunk:
    """The content of a chunk.

    Attributes:
        data: The uncompressed records.
        problem: One line if not all records are there, or they fail the checksum; else empty.
    """

    data: bytes
    problem: str = ""


def read_chunk(content: bytes | memoryview) -> Chunk:
    """Decompress a chunk, also one that is cut off.

    Args:
        content: The content of the chunk record, or the beginning of it.

    Returns:
        The records, as far as they are there. Data that fail the checksum are left out.
    """
    fields = Fields(content)
    try:
        _, _, size, checksum = fields.numbers("QQQI")
        compression = fields.text()
        compressed_size = fields.number("Q")
    except RecordError as error:
        return Chunk(b"", str(error))
    compressed = fields.take(min(compressed_size, fields.left))
    try:
        data = _decompress(compressed, compression)
    except (RuntimeError, zstd.ZstdError, EOFError, ValueError) as error:
        return Chunk(b"", f"a chunk cannot be decompressed ({error})")
    except RecordError as error:
        return Chunk(b"", str(error))
    if len(data) < size:
        return Chunk(data, "a chunk is cut off")
    if checksum and crc32(data) != checksum:
        return Chunk(b"", "a chunk fails its checksum")
    return Chunk(data)


def _decompress(data: memoryview, compression: str) -> bytes:
    """Return the decompressed data; those of a cut-off stream as far as they go."""
    if compression == "zstd":
        return zstd.ZstdDecompressor().decompress(bytes(data))
    if compression == "lz4":
        return bytes(lz4.frame.LZ4FrameDecompressor().decompress(bytes(data)))
    if compression:
        raise RecordError(f"a chunk is compressed with {compression!r}, which is not known")
    return bytes(data)
