"""One recorded file in SQLite's format (.db3), also when it is cut off or damaged in the middle."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

from taihri_ros.node.recordings.channels import Channel, Entry, UnreadableMessageError, type_name
from taihri_ros.node.recordings.errors import BagError

MAGIC = b"SQLite format 3\0"
"""The first bytes of a file."""

_PROBED = 10_000
"""Number of row ids in a row without a readable message after which the rest of a damaged table is given up."""


class SqliteFile:
    """A recorded file; its attributes and methods are those of `RecordedFile`."""

    def __init__(self, path: Path) -> None:
        """Open the file.

        Args:
            path: The file.

        Raises:
            BagError: The file is not a bag, or its list of topics cannot be read.
        """
        self.problem = ""
        self._stack = ExitStack()
        try:
            self._database = self._open(path)
            tables = {name for (name,) in self._database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if not {"topics", "messages"} <= tables:
                if (size := path.stat().st_size) < (whole := _size_in_header(path)):
                    raise BagError(f"{path} is cut off: it has {size} of {whole} bytes, and its list of topics is lost")
                raise BagError(f"{path} is an SQLite database, but not a bag: it has no tables 'topics' and 'messages'")
            definitions = self._definitions() if "message_definitions" in tables else {}
            rows = self._database.execute("SELECT id, name, type, serialization_format FROM topics")
            self.channels = tuple(
                Channel(number, str(topic), type_name(str(kind)), str(encoding), *definitions.get(kind, ("", "")))
                for number, topic, kind, encoding in rows
            )
        except sqlite3.Error as error:
            self.close()
            raise BagError(f"{path} is damaged: its list of topics cannot be read ({error})") from error
        except BagError:
            self.close()
            raise

    def index(self, wanted: Collection[Channel]) -> Iterator[Entry]:
        """Yield the messages of some channels without their data."""
        channels = {channel.id: channel for channel in wanted}
        for row, recorded, topic in self._rows():
            if topic in channels and isinstance(recorded, int):
                yield Entry(recorded, (row,), channels[topic])

    def read(self, entry: Entry) -> bytes:
        """Return the data of a message."""
        try:
            ((data,),) = self._database.execute("SELECT data FROM messages WHERE rowid = ?", entry.place)
        except sqlite3.Error as error:
            raise UnreadableMessageError(str(error)) from error
        if not isinstance(data, bytes):
            raise UnreadableMessageError("it has no data")
        return data

    def close(self) -> None:
        """Close the file."""
        self._stack.close()

    def _open(self, path: Path) -> sqlite3.Connection:
        """Open a database without changing its folder, unless a recorder left messages in a write-ahead log."""
        log = Path(f"{path}-wal")
        if not log.exists() or not log.stat().st_size:
            return self._connect(path, "immutable=1")
        try:
            database = self._connect(path, "mode=ro")
            database.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.OperationalError:  # SQLite cannot write its index of the log into a read-only folder
            copy = Path(self._stack.enter_context(tempfile.TemporaryDirectory()), "bag.db3")
            shutil.copyfile(path, copy)
            shutil.copyfile(log, f"{copy}-wal")
            return self._connect(copy, "mode=rw")
        return database

    def _connect(self, path: Path, options: str) -> sqlite3.Connection:
        uri = f"file:{quote(os.fsencode(path.absolute()))}?{options}"
        database = sqlite3.connect(uri, uri=True, check_same_thread=False)
        self._stack.callback(database.close)
        database.text_factory = lambda text: text.decode(errors="replace")
        database.execute("PRAGMA writable_schema = ON")  # SQLite then reads a file that is shorter than its header says
        return database

    def _definitions(self) -> dict[str, tuple[str, str]]:
        """Return the definition of each type and its format."""
        rows = self._database.execute(
            "SELECT topic_type, encoded_message_definition, encoding FROM message_definitions"
        )
        return {kind: (str(definition or ""), str(encoding or "")) for kind, definition, encoding in rows}

    def _rows(self) -> Iterator[tuple[int, Any, int]]:
        """Yield the row id, the time and the topic of each readable message."""
        last = 0
        try:
            for found in self._database.execute("SELECT rowid, timestamp, topic_id FROM messages"):
                last = found[0]
                yield found
        except sqlite3.Error as error:
            self.problem = f"it is damaged after message {last} ({error})"
            yield from self._after_damage(last)

    def _after_damage(self, last: int) -> Iterator[tuple[int, Any, int]]:
        """Yield the readable rows behind a damaged part of the table of messages."""
        end = self._last_row()
        row, failed = last + 1, 0
        while failed < _PROBED and (end is None or row <= end):
            try:
                found: Any = self._database.execute(
                    "SELECT rowid, timestamp, topic_id FROM messages WHERE rowid = ?", (row,)
                ).fetchone()
            except sqlite3.Error:
                found = None
            failed = 0 if found else failed + 1
            if found:
                yield found
            row += 1

    def _last_row(self) -> int | None:
        try:
            ((end,),) = self._database.execute("SELECT max(rowid) FROM messages")
        except sqlite3.Error:
            return None
        return int(end or 0)


def _size_in_header(path: Path) -> int:
    """Return the size of a database that its header gives, bytes (https://sqlite.org/fileformat.html, 1.3)."""
    with path.open("rb") as file:
        header = file.read(32).ljust(32, b"\0")
    page = int.from_bytes(header[16:18], "big")
    return (65536 if page == 1 else page) * int.from_bytes(header[28:32], "big")
