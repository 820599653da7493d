"""A recorded bag: a directory or a single file, with or without metadata.yaml."""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from collections.abc import Collection
from contextlib import ExitStack
from pathlib import Path, PurePath
from typing import Any

import yaml

from taihri_ros.node.recordings import mcap_file, sqlite_file
from taihri_ros.node.recordings.channels import Channel, Entry, RecordedFile, UnreadableMessageError
from taihri_ros.node.recordings.errors import BagError
from taihri_ros.node.recordings.mcap_file import McapFile
from taihri_ros.node.recordings.sqlite_file import SqliteFile
from taihri_ros.resources import read_file

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_ENDINGS = (".db3", ".mcap", ".db3.zstd", ".mcap.zstd")
_LISTED = 10
"""Largest number of bags that an error lists."""

_MOST_METADATA = 100_000_000
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_ROS1_MAGIC = b"#ROSBAG V"
_GIT_LFS_MAGIC = b"version https://git"


class Recording:
    """The messages of a bag. Use it as a context manager, or call `close`.

    The content of the files decides, not metadata.yaml, which may be missing, damaged or of any version.

    Attributes:
        channels: The channels of all files.
        problems: One line for each part of the bag that cannot be read; complete after `index`.
    """

    def __init__(self, path: Path) -> None:
        """Open a bag.

        Args:
            path: Its directory, or one of its files.

        Raises:
            BagError: There is nothing to read.
        """
        self.problems: list[str] = []
        self._files: list[tuple[Path, RecordedFile]] = []
        with ExitStack() as stack:
            try:
                for file in self._list(path):
                    self._open(file, stack)
            except OSError as error:
                raise BagError(f"cannot read {error.filename or path}: {error.strerror or error}") from error
            self._owners = {id(channel): (name, file) for name, file in self._files for channel in file.channels}
            self.channels = tuple(channel for _, file in self._files for channel in file.channels)
            if not self.channels:
                self._note_problems()
                raise BagError(self.problems[0] if self.problems else f"{path} has no topics: nothing was recorded")
            self._stack = stack.pop_all()

    def index(self, wanted: Collection[Channel]) -> list[Entry]:
        """Return the messages of some channels in the order of their recording, without their data.

        Args:
            wanted: Channels of this recording.

        Returns:
            The messages; those recorded at the same time are in the order of the files.
        """
        entries: list[Entry] = []
        for _, file in self._files:
            entries.extend(file.index([channel for channel in wanted if self._owners[id(channel)][1] is file]))
        self._note_problems()
        return sorted(entries, key=lambda entry: entry.recorded)

    def read(self, entry: Entry) -> bytes:
        """Return the data of a message.

        Args:
            entry: The place of the message.

        Returns:
            The data, decompressed.

        Raises:
            BagError: The message is in a damaged part of its file.
        """
        name, file = self._owners[id(entry.channel)]
        try:
            data = file.read(entry)
            return zstd.decompress(data) if data[:4] == _ZSTD_MAGIC else data  # CDR begins with a byte of 0
        except (UnreadableMessageError, zstd.ZstdError, OSError) as error:
            raise BagError(f"a message of {entry.channel.topic} is in a damaged part of {name} ({error})") from error

    def close(self) -> None:
        """Close the files."""
        self._stack.close()

    def __enter__(self) -> Recording:
        """Return the recording itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the files."""
        self.close()

    def _list(self, path: Path) -> list[Path]:
        """Return the files of a bag."""
        if not path.is_dir():
            return [path]
        present = sorted(file for file in path.iterdir() if file.name.endswith(_ENDINGS))
        present = [file for file in present if file.suffix != ".zstd" or file.with_suffix("") not in present]
        listed = self._listed(path / "metadata.yaml")
        if found := [file for file in listed if file.exists()]:
            if missing := [file.name for file in listed if file not in found]:
                self.problems.append(f"{path}: files that metadata.yaml lists are missing: {', '.join(missing)}")
            return found
        names = ", ".join(file.name for file in listed)
        if not present:
            if listed:
                raise BagError(f"{path}: the files that metadata.yaml lists are missing: {names}")
            raise BagError(f"{path} is not a bag: it holds no .db3 or .mcap file{_hint(path)}")
        if len(bags := {re.sub(r"(_\d+)?(\.\w+)+$", "", file.name) for file in present}) > 1:
            raise BagError(f"{path} holds {len(bags)} recordings: name one of {', '.join(f.name for f in present)}")
        if listed:
            self.problems.append(
                f"{path}: files that metadata.yaml lists are missing: {names}; the files there were read"
            )
        return present

    def _listed(self, metadata: Path) -> list[Path]:
        """Return the files that metadata.yaml lists; none if it is missing or damaged."""
        try:
            content: Any = yaml.safe_load(read_file(metadata, _MOST_METADATA))
            names = content["rosbag2_bagfile_information"]["relative_file_paths"]
            return [metadata.parent / PurePath(name).name for name in names]
        except FileNotFoundError:
            return []
        except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError, RecursionError) as error:
            detail = " ".join(str(error).split())
            self.problems.append(f"{metadata} is damaged ({detail}): the files beside it were read without it")
            return []

    def _open(self, path: Path, stack: ExitStack) -> None:
        """Open a file; what cannot be read is noted in `problems`."""
        try:
            file = self._reader(path, stack)
        except BagError as error:
            self.problems.append(str(error))
            return
        stack.callback(file.close)
        self._files.append((path, file))

    def _reader(self, path: Path, stack: ExitStack) -> RecordedFile:
        """Return the reader of a file, by the first bytes of it."""
        if not path.is_file() and path.exists():
            raise BagError(f"{path} is neither a directory nor a file")
        with path.open("rb") as stream:
            start = stream.read(20)
        if start.startswith(_ZSTD_MAGIC):
            return self._reader(self._decompressed(path, stack), stack)
        if start.startswith(sqlite_file.MAGIC):
            return SqliteFile(path.resolve())
        if start.startswith(mcap_file.MAGIC):
            return McapFile(path)
        if not start:
            raise BagError(f"{path} is empty (0 bytes): nothing was recorded")
        if start.startswith(_ROS1_MAGIC):
            raise BagError(
                f"{path} is a bag of ROS 1: convert it with rosbags-convert --src {path} --dst {path.with_suffix('')}"
            )
        if start.startswith(_GIT_LFS_MAGIC):
            raise BagError(f"{path} is a pointer of Git LFS: get the bag itself with git lfs pull")
        if path.name.endswith(_ENDINGS):
            raise BagError(f"{path} is damaged at its beginning: it starts neither like SQLite nor like MCAP")
        raise BagError(f"{path} is not a bag: it starts neither like SQLite (.db3) nor like MCAP")

    def _decompressed(self, path: Path, stack: ExitStack) -> Path:
        """Return a decompressed copy of a file, of one that is cut off as far as it goes."""
        copy = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="taihri-bag-")), path.stem)
        try:
            with zstd.open(path, "rb") as source, copy.open("wb") as target:
                shutil.copyfileobj(source, target)
        except (zstd.ZstdError, EOFError) as error:
            self.problems.append(f"{path} is damaged ({error})")
        return copy

    def _note_problems(self) -> None:
        for path, file in self._files:
            problem = f"{path}: {file.problem}"
            if file.problem and problem not in self.problems:
                self.problems.append(problem)


def _hint(directory: Path) -> str:
    """Return what else a directory without a bag holds, for an error message; empty if it is nothing."""
    if inner := sorted(file.parent.name for file in directory.glob("*/metadata.yaml")):
        return f"; it holds bags: name one of them ({', '.join(inner[:_LISTED])})"
    if any(file.suffix == ".bag" for file in directory.iterdir()):
        return "; it holds bags of ROS 1: name one of them"
    return ""
