"""Paths of the data files (messages, configuration, launch and RViz files) and of the small model; users' files."""

from __future__ import annotations

import errno
import os
import stat
import sys
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from taihri_ros.errors import TaihriError

PACKAGE = Path(__file__).resolve().parent
"""The directory of the Python package."""

NANO = PACKAGE / "models" / "nano"
"""The small checkpoint that ships with the package; it is trained on synthetic people only."""

BLAZEPOSE = PACKAGE / "models" / "mediapipe"
"""The directory with the `taihri.json` of the engine `mediapipe`; the weights are in the package mediapipe."""

PERSON = PACKAGE / "data" / "person.jpg"
"""A picture of a person that the package's own generator has rendered, 320x240 px."""


def share_directory() -> Path:
    """Return the directory that holds `msg/`, `srv/`, `config/`, `launch/` and `rviz/`.

    The candidates, in this order: the source tree; `share/taihri_ros` of the prefix that the package is installed in,
    which `pip install --user`, `--target` and `--prefix` choose; of the Python environment; and of every prefix in
    `AMENT_PREFIX_PATH`.

    Returns:
        The directory.

    Raises:
        TaihriError: No candidate has the message definitions.
    """
    prefixes = [*map(str, PACKAGE.parents), sys.prefix, *os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)]
    candidates = [PACKAGE.parent]
    candidates += [Path(prefix) / "share" / "taihri_ros" for prefix in prefixes if prefix]
    for candidate in candidates:
        if (candidate / "msg" / "Keypoint.msg").is_file():
            return candidate
    raise TaihriError(
        "the message definitions of taihri_ros are missing; reinstall the package (looked in "
        + ", ".join(str(candidate) for candidate in dict.fromkeys(candidates))
        + ")"
    )


def recipe_file(name: str) -> Path:
    """Return the file of a training recipe.

    Args:
        name: A file, or the name of a recipe that comes with the package: `nano`, `nano.yaml` or
            `config/training/nano.yaml`.

    Returns:
        The file; one in the working directory comes before one of the package.

    Raises:
        TaihriError: There is no such file and no such recipe.
    """
    path = expand_home(name)
    if path.is_file():
        return path
    recipes = {file.stem: file for file in sorted((share_directory() / "config" / "training").glob("*.yaml"))}
    if name in (path.stem, f"{path.stem}.yaml", f"config/training/{path.stem}.yaml") and path.stem in recipes:
        return recipes[path.stem]
    raise TaihriError(f"there is no file {name!r}: name a file, or a recipe of the package ({', '.join(recipes)})")


def read_file(path: Path, most_bytes: int) -> bytes:
    """Return the contents of a file that a user names. Never wait: a pipe, a device or a directory is refused.

    Args:
        path: The file.
        most_bytes: Largest size that is read.

    Returns:
        The contents.

    Raises:
        OSError: The file cannot be read, is not a regular file, or is larger; `strerror` says which.
    """
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file", str(path))
        data = file.read(most_bytes + 1)
    if len(data) > most_bytes:
        raise OSError(errno.EFBIG, f"it has more than {most_bytes / 1e6:g} MB", str(path))
    return data


def write_file(path: Path, data: bytes) -> None:
    """Write a file in one step: a full disk or an interruption leaves what was there before, and nothing half written.

    Args:
        path: The file. Where it is a link, the file that it names; what is no regular file is written to as it is.
        data: Its contents.

    Raises:
        OSError: The file cannot be written.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        target.write_bytes(data)
        return
    fresh = target.with_name(f".{uuid4().hex}.new")
    try:
        fresh.write_bytes(data)
        fresh.replace(target)
    except BaseException:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise


def expand_home(path: str | Path) -> Path:
    """Replace `~` at the start of a path by the home directory.

    Args:
        path: The path.

    Returns:
        The path without `~`.

    Raises:
        TaihriError: The home directory is not known.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:  # HOME is not set and the user has no entry in /etc/passwd, as in some containers
        raise TaihriError(f"{path}: the home directory is not known: set HOME, or write the whole path") from error
