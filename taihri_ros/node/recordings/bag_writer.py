"""Writes a bag whose accepted messages are readable at the end, also when the disk becomes full.

rosbags writes SQLite in one transaction and MCAP through a buffer: a failure in between would lose all. Here SQLite
commits after each group of messages, and MCAP reserves the space of a group and of the end of the file before it
accepts the group. The space for metadata.yaml is reserved from the beginning.
"""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from rosbags.interfaces import Connection
from rosbags.rosbag2 import CompressionMode, StoragePlugin, Writer, WriterError
from rosbags.rosbag2.storage_mcap import McapWriter
from rosbags.rosbag2.storage_sqlite3 import Sqlite3Writer
from rosbags.typesys.store import Typestore

from taihri_ros.node.recordings.errors import BagError

_METADATA_RESERVE = 64 * 1024
"""Space for metadata.yaml, bytes."""

_END_RESERVE = 64 * 1024
"""Space for the end of an MCAP file without the index of its chunks, bytes: definitions, channels and metadata."""

_CHUNK_RESERVE = 1024
"""Space for the headers of a chunk and for its entry in the index, bytes."""

_MESSAGE_RESERVE = 64
"""Space for the header of a message and for its entry in the index, bytes."""

_CHUNK_SIZE = 64 * 1024
"""Size at which a chunk is written, bytes: so much is lost at most where the process is killed."""

_STEP = 1024 * 1024
"""Space that is reserved at once, bytes."""

_LATEST = 2**63 - 1
"""Latest time of a recording, nanoseconds: storages keep it as int64."""


class BagWriter:
    """A bag that is being written. `close` must be called, also after an error."""

    def __init__(self, path: Path, topics: Mapping[str, str], types: Typestore, *, storage: str) -> None:
        """Create the bag.

        Args:
            path: Its directory; it must not exist.
            topics: The message type of each topic, by its absolute name.
            types: The message types.
            storage: `sqlite3` or `mcap`.

        Raises:
            BagError: The bag cannot be created; nothing is left of it.
        """
        self._path = path
        self._reserve = path / ".reserved"
        self._types = types
        if path.exists():
            raise BagError(f"{path} already exists: choose another name, or remove it")
        created = _first_missing(path)
        self._writer = _Writer(path, version=9, storage_plugin=StoragePlugin[storage.upper()])
        try:
            self._writer.open()
            _reserve_file(self._reserve, _METADATA_RESERVE)
            self._topics: dict[str, Connection] = {
                topic: self._writer.add_connection(topic, kind, typestore=types) for topic, kind in topics.items()
            }
            self._storage.commit()
        except WriterError as error:  # another process created it just now
            raise BagError(f"cannot write {path}: {error}") from error
        except (OSError, sqlite3.Error) as error:
            self._writer.abort()
            shutil.rmtree(created, ignore_errors=True)
            raise BagError(f"cannot write {path}: {_reason(error)}") from error

    def write(self, recorded: int, messages: list[tuple[str, Any]]) -> None:
        """Write some messages, or none of them.

        Args:
            recorded: Time of the recording, nanoseconds.
            messages: Topics and their messages.

        Raises:
            BagError: The messages cannot be written; those before are.
        """
        recorded = min(max(recorded, 0), _LATEST)
        data = [
            (self._topics[topic], bytes(self._types.serialize_cdr(message, self._topics[topic].msgtype)))
            for topic, message in messages
        ]
        counts = dict(self._writer.counts)
        try:
            self._storage.prepare([len(each) for _, each in data])
            for connection, each in data:
                self._writer.write(connection, recorded, each)
            self._storage.commit()
        except (OSError, sqlite3.Error) as error:
            self._storage.rollback()
            self._writer.counts = counts
            raise BagError(f"cannot write {self._path}: {_reason(error)}; the answers before this are in it") from error

    def close(self) -> None:
        """Complete the bag.

        Raises:
            BagError: The end cannot be written.
        """
        self._reserve.unlink(missing_ok=True)
        try:
            self._writer.close()
        except (OSError, sqlite3.Error) as error:
            self._writer.abort()
            raise BagError(f"cannot write the end of {self._path}: {_reason(error)}") from error

    @property
    def _storage(self) -> _Sqlite | _Mcap:
        storage = self._writer.storage
        assert isinstance(storage, (_Sqlite, _Mcap))
        return storage


class _Sqlite(Sqlite3Writer):
    def __init__(self, path: Path, compression: CompressionMode) -> None:  # noqa: ARG002 - not supported by SQLite
        self.path = path / f"{path.name}.db3"
        self.conn = sqlite3.connect(self.path)  # rosbags opens a URI, in which some characters mean something else
        self.conn.execute("PRAGMA synchronous = OFF")  # a commit survives the process, and need not survive the power
        self.conn.executescript(self.SQLITE_SCHEMA)
        self.cursor = self.conn.cursor()

    def prepare(self, sizes: list[int]) -> None:
        """Do nothing: a transaction that does not fit is rolled back."""

    def commit(self) -> None:
        self.conn.commit()

    def rollback(self) -> None:
        self.conn.rollback()

    def close(self, version: int, metadata: str) -> None:
        try:
            super().close(version, metadata)
        except sqlite3.Error:  # the copy of the metadata is not necessary
            with suppress(sqlite3.Error):
                self.conn.rollback()
            self.conn.close()


class _Mcap(McapWriter):
    def __init__(self, path: Path, compression: CompressionMode) -> None:
        super().__init__(path, compression)
        self.bio.close()
        self._file = _ReservedFile(self.path)
        self.bio = self._file  # type: ignore[assignment]
        self.prepare([])

    def prepare(self, sizes: list[int]) -> None:
        """Reserve the space of messages, and of the end of the file behind them."""
        pending = self.chunk.bio.tell() + sum(map(len, self.chunk.msgs.values())) * _MESSAGE_RESERVE
        added = sum(sizes) + len(sizes) * _MESSAGE_RESERVE
        self._file.reserve(pending + added + (len(self.chunks) + 1) * _CHUNK_RESERVE + _END_RESERVE)

    def commit(self) -> None:
        if self.chunk.bio.tell() > _CHUNK_SIZE:
            self.close_chunk()

    def rollback(self) -> None:
        """Do nothing: messages are accepted only where they fit."""


class _ReservedFile:
    """A file that is written at its end, into space that was reserved before."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR)
        self._position = self._reserved = os.fstat(self._descriptor).st_size

    def reserve(self, size: int) -> None:
        """Reserve space behind the end; raise OSError if there is not enough."""
        missing = self._position + size - self._reserved
        if missing <= 0:
            return
        for step in (max(missing, _STEP), missing):
            try:
                _allocate(self._descriptor, self._reserved, step)
            except OSError:
                if step == missing:
                    raise
            else:
                self._reserved += step
                return

    def tell(self) -> int:
        return self._position

    def write(self, data: bytes | memoryview) -> int:
        rest = memoryview(data)
        while rest:
            written = os.pwrite(self._descriptor, rest, self._position)
            self._position += written
            rest = rest[written:]
        return len(data)

    def close(self) -> None:
        os.ftruncate(self._descriptor, self._position)
        os.close(self._descriptor)


class _Writer(Writer):
    STORAGE_PLUGINS = {StoragePlugin.SQLITE3: _Sqlite, StoragePlugin.MCAP: _Mcap}  # noqa: RUF012


def _reserve_file(path: Path, size: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        _allocate(descriptor, 0, size)
    finally:
        os.close(descriptor)


def _allocate(descriptor: int, position: int, size: int) -> None:
    """Allocate space in a file; do nothing on a file system that cannot."""
    try:
        os.posix_fallocate(descriptor, position, size)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
            raise


def _first_missing(path: Path) -> Path:
    """Return the outermost directory that has to be created for a path."""
    while not path.parent.exists():
        path = path.parent
    return path


def _reason(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
