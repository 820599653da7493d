"""The files of a checkpoint: which of them may be opened, and bounded reading of JSON.

A checkpoint may come from anywhere. A link must not lead out of it, a pipe or a device must not block its reader, and
no file may fill the memory. Only the files that frameworks open are checked; a pickle beside them is never opened.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

from taihri_ros.inference.engine import CheckpointError

COPY_AGAIN = "download or copy the checkpoint again"

MAX_SETTINGS_BYTES = 8 << 20
"""Maximum size of a file of settings, such as `config.json`, bytes."""

MAX_TABLE_BYTES = 64 << 20
"""Maximum size of a file that lists tokens or tensors, such as `tokenizer.json`, bytes; Qwen3's has 11 MB."""

_MAX_DEPTH = 32
"""Maximum nesting of settings; those of a Qwen3-VL have 4 levels."""

OPENED = {".json", ".jinja", ".txt", ".model", ".safetensors"}
"""Suffixes of the files that frameworks open."""

_TEMPLATES = "additional_chat_templates"
"""The one directory within a checkpoint whose files transformers opens."""

_MAX_NAMES = 3
"""Number of names that an error message lists."""


def is_directory(path: Path) -> bool:
    """Return whether a path is a directory.

    Raises:
        CheckpointError: The path cannot be accessed.
    """
    try:
        return path.is_dir()
    except OSError as error:
        raise unreadable(path, error) from error


def check_directory(path: Path, kind: str = "checkpoint") -> None:
    """Check that a path is a directory.

    Args:
        path: The path.
        kind: What it is the directory of, for the message.

    Raises:
        CheckpointError: It is not, or may not be looked at.
    """
    if not is_directory(path):
        raise CheckpointError(f"there is no {kind} directory {path}: correct the path")


def check_files(directory: Path) -> None:
    """Check that the files of a directory that frameworks open are regular files, of a bounded size, and inside it.

    Links into the cache of Hugging Face, `models--<owner>--<name>/blobs`, are allowed.

    Args:
        directory: The directory of a checkpoint or of an adapter.

    Raises:
        CheckpointError: A file violates one of these conditions; the message names it.
    """
    try:
        root = directory.resolve()
        for path in sorted([*directory.iterdir(), *(directory / _TEMPLATES).glob("*")]):
            if path.suffix in OPENED:
                if not path.name.isprintable():
                    raise CheckpointError(f"{directory} has a file named {path.name!r}: {COPY_AGAIN}")
                check_file(path, root)
    except OSError as error:
        raise unreadable(Path(error.filename or directory), error) from error


def check_file(path: Path, root: Path) -> None:
    """Check one file as `check_files` does.

    Args:
        path: The file.
        root: The resolved directory that it must not leave.

    Raises:
        CheckpointError: The file leads out of the directory, is not a regular file, or is too large.
        OSError: The file is missing or may not be read.
    """
    try:
        target = path.resolve(strict=True)
    except RuntimeError as error:  # Python 3.10 to 3.12 report a loop of links so
        raise CheckpointError(f"{path} is a link to itself: {COPY_AGAIN}") from error
    if not target.is_relative_to(root) and not _is_blob(target):
        raise CheckpointError(f"{path} leads out of the checkpoint, to {target}: put the file itself there")
    status = target.stat()
    if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
        raise CheckpointError(f"{path} is not a regular file: {COPY_AGAIN}")
    if path.suffix != ".safetensors" and status.st_size > MAX_TABLE_BYTES:
        raise _too_large(path, status.st_size, MAX_TABLE_BYTES)


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file for reading, without waiting for a writer if the path is a pipe.

    Args:
        path: The file.

    Returns:
        The open file.

    Raises:
        CheckpointError: It is not a regular file.
        OSError: It cannot be opened.
    """
    file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise CheckpointError(f"{path} is not a regular file: {COPY_AGAIN}")
    return file


def read_json(path: Path, max_bytes: int = MAX_SETTINGS_BYTES) -> dict[str, Any]:
    """Read a JSON file whose outermost value is a mapping.

    Args:
        path: The file.
        max_bytes: Maximum size, checked before it is read, bytes.

    Returns:
        The mapping.

    Raises:
        CheckpointError: The file is missing, too large, too deeply nested, or not such a file.
    """
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size > max_bytes:
                raise _too_large(path, size, max_bytes)
            values = json.loads(file.read(max_bytes))
    except OSError as error:
        raise unreadable(path, error) from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is not JSON ({error}): {COPY_AGAIN}") from error
    if not isinstance(values, dict):
        raise CheckpointError(f"{path} is not a JSON mapping: {COPY_AGAIN}")
    if max_bytes <= MAX_SETTINGS_BYTES and not _is_shallow(values):
        raise CheckpointError(f"{path} is nested more than {_MAX_DEPTH} levels deep: {COPY_AGAIN}")
    return values


def unreadable(path: Path, error: OSError) -> CheckpointError:
    """Return the error for a file that the operating system does not let us read."""
    advice = "correct its permissions" if isinstance(error, PermissionError) else COPY_AGAIN
    return CheckpointError(f"{path} cannot be read ({error.strerror}): {advice}")


def some(names: Sequence[str]) -> str:
    """Return the first names of many, or all of a few, for a message."""
    return f"such as {', '.join(names[:_MAX_NAMES])}" if len(names) > _MAX_NAMES else ", ".join(names)


def _is_blob(target: Path) -> bool:
    return target.parent.name == "blobs" and target.parent.parent.name.startswith("models--")


def _is_shallow(values: object) -> bool:
    level = [values]
    for _ in range(_MAX_DEPTH):
        level = [
            inner
            for outer in level
            if isinstance(outer, (dict, list))
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return not level


def _too_large(path: Path, size: int, limit: int) -> CheckpointError:
    return CheckpointError(f"{path} has {size} bytes, but at most {limit} are expected: {COPY_AGAIN}")


def has_language_model(directory: Path) -> bool:
    """Return whether a directory is that of a language model, be it complete or not."""
    return os.path.lexists(directory / "config.json") or any(directory.glob("*.safetensors"))
