"""The lock of a checkpoint, `taihri.lock`: size and SHA-256 of every file, and where the files are from.

It shows that files have changed since it was written, by a broken copy or by an edit. It is no signature: whoever can
change the files can write another lock. Directories whose name begins with a dot (`.git`, `.cache`) are left out.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taihri_ros.errors import TaihriError
from taihri_ros.inference.checkpoint.files import check_directory, open_regular, read_json, some, unreadable
from taihri_ros.inference.engine import CheckpointError
from taihri_ros.resources import write_file
from taihri_ros.validation import check_value

FILE_NAME = "taihri.lock"

_CHUNK_BYTES = 1 << 20
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class LockedFile:
    """A file as it was when the lock was written.

    Attributes:
        name: Path within the checkpoint, with `/` between directories.
        bytes: Size, bytes.
        sha256: SHA-256 of the content, 64 hexadecimal digits.
    """

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Lock:
    """The content of `taihri.lock`.

    Attributes:
        files: The files, by ascending name.
        written: Time at which the lock was written, UTC, ISO 8601.
        repository: Repository that the files were fetched from; empty if they were not fetched by `taihri model fetch`.
        revision: Commit of the repository.
        licence: Licence in the repository's model card.
        fetched: Time at which the files were fetched, UTC, ISO 8601.
    """

    files: tuple[LockedFile, ...]
    written: str
    repository: str = ""
    revision: str = ""
    licence: str = ""
    fetched: str = ""


@dataclass(frozen=True)
class Differences:
    """Differences between the files of a checkpoint and its lock, as names of files.

    Attributes:
        changed: Files with another size or content.
        missing: Files in the lock that are not there.
        additional: Files that are not in the lock.
    """

    changed: tuple[str, ...]
    missing: tuple[str, ...]
    additional: tuple[str, ...]

    def __bool__(self) -> bool:
        """Return whether there are any."""
        return bool(self.changed or self.missing or self.additional)


def write_lock(directory: Path, *, repository: str = "", revision: str = "", licence: str = "") -> Lock:
    """Write the lock of a checkpoint from its files; an existing lock is replaced.

    Args:
        directory: The checkpoint's directory.
        repository: Repository that the files have just been fetched from; empty to keep what the lock says.
        revision: Commit of the repository.
        licence: Licence in the repository's model card.

    Returns:
        The lock.

    Raises:
        CheckpointError: There is no such directory, it has no files, or a file cannot be read.
        TaihriError: The lock cannot be written.
    """
    files = tuple(_locked(directory, name) for name in sorted(_sizes(directory)))
    if not files:
        raise CheckpointError(f"{directory} has no files: specify the directory of a checkpoint")
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    if repository:
        lock = Lock(files, now, repository, revision, licence, fetched=now)
    elif has_lock(directory):
        lock = dataclasses.replace(read_lock(directory), files=files, written=now)
    else:
        lock = Lock(files, now)
    _save(directory, lock)
    return lock


def has_lock(directory: Path) -> bool:
    """Return whether a checkpoint has a lock."""
    return os.path.lexists(directory / FILE_NAME)


def read_lock(directory: Path) -> Lock:
    """Read the lock of a checkpoint.

    Args:
        directory: The checkpoint's directory.

    Returns:
        The lock.

    Raises:
        CheckpointError: It has none, or the file is not a lock.
    """
    path = directory / FILE_NAME
    if not has_lock(directory):
        raise CheckpointError(f"{directory} has no {FILE_NAME}: write one with `taihri model lock {directory}`")
    try:
        lock: Lock = check_value(read_json(path), Lock, str(path))
    except CheckpointError:
        raise
    except TaihriError as error:
        raise CheckpointError(f"{error}; write it again with `taihri model lock {directory}`") from error
    names = [file.name for file in lock.files]
    if len(set(names)) < len(names) or any(not _SHA256.fullmatch(file.sha256) for file in lock.files):
        raise CheckpointError(f"{path} is not a lock: write it again with `taihri model lock {directory}`")
    return lock


def compare(directory: Path) -> Differences:
    """Compare every file of a checkpoint with its lock; each one is read.

    Args:
        directory: The checkpoint's directory.

    Returns:
        The differences.

    Raises:
        CheckpointError: There is no lock, or a file cannot be read.
    """
    lock, sizes = read_lock(directory), _sizes(directory)
    return Differences(
        changed=tuple(
            file.name for file in lock.files if file.name in sizes and not _is_unchanged(directory, file, sizes)
        ),
        missing=tuple(file.name for file in lock.files if file.name not in sizes),
        additional=tuple(sorted(sizes.keys() - {file.name for file in lock.files})),
    )


def check_sizes(directory: Path) -> None:
    """Check that the files in the lock are there and have their sizes, without reading them; pass if there is no lock.

    An engine checks this at its start. It is fast, and finds files that were cut off or replaced by others.

    Args:
        directory: The checkpoint's directory.

    Raises:
        CheckpointError: The lock is invalid, or a file is missing or has another size.
    """
    if not has_lock(directory):
        return
    sizes = _sizes(directory)
    wrong = [
        f"{file.name} {f'has {sizes[file.name]} bytes instead of {file.bytes}' if file.name in sizes else 'is missing'}"
        for file in read_lock(directory).files
        if sizes.get(file.name) != file.bytes
    ]
    if wrong:
        raise CheckpointError(
            f"{directory} differs from its {FILE_NAME}, {some(wrong)}: fetch or copy it again, or run "
            f"`taihri model lock {directory}` if the change is yours"
        )


def renew(directory: Path, name: str) -> None:
    """Write the current size and digest of one file into the lock, if there is a lock.

    Args:
        directory: The checkpoint's directory.
        name: The file, which this package has changed.

    Raises:
        CheckpointError: The lock is invalid.
        TaihriError: The lock cannot be written.
    """
    if has_lock(directory):
        lock = read_lock(directory)
        files = {file.name: file for file in lock.files} | {name: _locked(directory, name)}
        _save(directory, dataclasses.replace(lock, files=tuple(files[key] for key in sorted(files))))


def _sizes(directory: Path) -> Mapping[str, int]:
    """Return the sizes of the files that a lock lists, in bytes, by name."""
    check_directory(directory)
    return dict(_walk(directory))


def _walk(directory: Path) -> Iterator[tuple[str, int]]:
    def refuse(error: OSError) -> None:
        raise unreadable(Path(error.filename or directory), error) from error

    for place, directories, names in os.walk(directory, onerror=refuse):
        directories[:] = sorted(name for name in directories if not name.startswith("."))
        for name in names:
            path = Path(place, name)
            if path != directory / FILE_NAME:
                try:
                    yield path.relative_to(directory).as_posix(), path.stat().st_size
                except OSError as error:
                    raise unreadable(path, error) from error


def _locked(directory: Path, name: str) -> LockedFile:
    size, digest = 0, hashlib.sha256()
    try:
        with open_regular(directory / name) as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
                size += len(chunk)
    except OSError as error:
        raise unreadable(directory / name, error) from error
    return LockedFile(name, size, digest.hexdigest())


def _is_unchanged(directory: Path, file: LockedFile, sizes: Mapping[str, int]) -> bool:
    return sizes[file.name] == file.bytes and _locked(directory, file.name) == file


def _save(directory: Path, lock: Lock) -> None:
    """Write the lock in one step, so that an interruption cannot leave half of one."""
    path = directory / FILE_NAME
    values: dict[str, Any] = dataclasses.asdict(lock)
    try:
        write_file(path, (json.dumps(values, indent=2) + "\n").encode())
    except OSError as error:
        raise TaihriError(f"{path} cannot be written ({error.strerror}): correct its permissions") from error
