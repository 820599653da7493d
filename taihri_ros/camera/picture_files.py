"""Reads and writes picture files, whatever bytes their names have."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from taihri_ros.camera.picture_decoder import DEFAULT_FORMATS, decode_picture, read_structure
from taihri_ros.camera.picture_error import PictureError
from taihri_ros.resources import write_file

_LARGEST_FILE = 2**29
"""Largest file that is read, bytes."""

_WRITTEN = (".png", ".jpg", ".jpeg")


def read_picture(
    path: Path,
    *,
    check_size: Callable[[int, int], object] | None = None,
    formats: Sequence[str] = DEFAULT_FORMATS,
    upright: bool = False,
) -> NDArray[np.uint8]:
    """Read a picture file.

    Args:
        path: The file.
        check_size: Called with the width and height in the header before the pixels are decoded, such as
            `Camera.check_image`.
        formats: The accepted formats, among `picture_decoder.FORMATS`.
        upright: Whether to turn the picture as its EXIF orientation requires; otherwise such a picture is refused.

    Returns:
        (height, width, 3) uint8 RGB.

    Raises:
        PictureError: The file is not readable, or not a whole and sound picture.
        TaihriError: From `check_size`.
    """
    data = _read_bytes(path)
    with _naming(path):
        return decode_picture(data, check_size=check_size, formats=formats, upright=upright)


def picture_size(path: Path, formats: Sequence[str] = DEFAULT_FORMATS) -> tuple[int, int]:
    """Return the width and height of a picture file without decoding its pixels.

    Args:
        path: The file.
        formats: The accepted formats, among `picture_decoder.FORMATS`.

    Returns:
        Width and height as stored, px.

    Raises:
        PictureError: The file is not readable, or not a sound picture.
    """
    data = _read_bytes(path)
    with _naming(path):
        picture = read_structure(data, formats)
    return picture.width, picture.height


def check_picture_name(path: Path) -> None:
    """Check that a picture can be written under a name, before the work whose result it will show.

    Args:
        path: The file to write.

    Raises:
        PictureError: Its name does not end in .png or .jpg.
    """
    if path.suffix.lower() not in _WRITTEN:
        raise PictureError(f"{printable(path)} must end in .png or .jpg")


def write_picture(path: Path, picture: NDArray[np.uint8]) -> None:
    """Write a picture file.

    Args:
        path: The file, whose name ends in .png or .jpg.
        picture: (height, width, 3) uint8 RGB.

    Raises:
        PictureError: The name has another ending, or the file cannot be written.
    """
    check_picture_name(path)
    encoded = cv2.imencode(path.suffix.lower(), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1]
    try:
        write_file(path, encoded.tobytes())
    except OSError as error:
        raise PictureError(f"cannot write {printable(path)}: {error.strerror}") from error


def printable(path: Path) -> str:
    """Return the name of a file, with a replacement character for what is not UTF-8."""
    return os.fsencode(path).decode("utf-8", "replace")


def _read_bytes(path: Path) -> bytes:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise PictureError(f"{printable(path)} is not a regular file: name a JPEG or PNG file")
        if status.st_size > _LARGEST_FILE:
            raise PictureError(f"{printable(path)} has {status.st_size >> 20} MiB, too much for a picture")
        data = path.read_bytes()
    except OSError as error:
        raise PictureError(f"{printable(path)} cannot be read: {error.strerror}") from error
    except ValueError as error:  # it has a NUL or half of a surrogate pair
        raise PictureError(f"{printable(path)} cannot be the name of a file") from error
    if not data:
        raise PictureError(f"{printable(path)} is empty: name a JPEG or PNG file")
    return data


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Return a context whose errors about a picture name the file."""
    try:
        yield
    except PictureError as error:
        raise PictureError(f"{printable(path)}: {error}") from error
