"""Decodes JPEGs with libjpeg-turbo, and refuses those in whose data it finds damage.

A JPEG has no checksum. After an error in the entropy-coded data libjpeg-turbo warns and goes on; OpenCV prints the
warning and returns the picture. TurboJPEG, another interface of the same library, reports it. It is reached through the
package simplejpeg, or through the shared library libturbojpeg where packages come from Debian or Ubuntu. If neither is
installed, OpenCV decodes, and damage in the entropy-coded data is not noticed.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from taihri_ros.camera.jpeg_structure import NAME, JpegStructure
from taihri_ros.camera.opencv_codec import decode_stored
from taihri_ros.camera.picture_error import cut_off, damaged

Decoder = Callable[[memoryview, JpegStructure], NDArray[np.uint8]]
"""Returns the (height, width, 3) uint8 RGB pixels of a JPEG; raises ValueError with the reason if it is damaged."""

INSTALL_ADVICE = "apt-get install libturbojpeg0 (Ubuntu: libturbojpeg), or pip install simplejpeg"

_CMYK = 4
_END = b"\xff\xd9"


def decode_jpeg(data: memoryview, structure: JpegStructure) -> NDArray[np.uint8]:
    """Return the pixels of a JPEG.

    Args:
        data: The bytes, up to and with the end marker if there is one.
        structure: Its structure.

    Returns:
        (height, width, 3) uint8 RGB.

    Raises:
        PictureError: The data is damaged or cut off.
    """
    strict = strict_decoder()
    if not structure.has_end:
        if strict is None:
            raise cut_off(NAME, len(data))
        data = memoryview(_stripped(data) + _END)
    decode = strict or decode_with_opencv
    try:
        return decode(data, structure)
    except ValueError as error:
        unpadded = _without_padding(data)
        if unpadded is not None:
            try:
                return decode(memoryview(unpadded), structure)
            except ValueError:
                pass
        raise (damaged(NAME, error) if structure.has_end else cut_off(NAME, structure.end)) from error


@lru_cache(maxsize=1)
def strict_decoder() -> Decoder | None:
    """Return the decoder that reports damage; None if neither simplejpeg nor libturbojpeg is installed."""
    for load in (simplejpeg_decoder, turbojpeg_decoder):
        try:
            return load()
        except (ImportError, OSError, AttributeError):
            continue
    return None


def simplejpeg_decoder() -> Decoder:
    """Return the decoder of the package simplejpeg.

    Raises:
        ImportError: The package is not installed.
    """
    import simplejpeg

    def decode(data: memoryview, structure: JpegStructure) -> NDArray[np.uint8]:
        try:
            return np.asarray(simplejpeg.decode_jpeg(data, "RGB", strict=True), np.uint8)
        except ValueError as error:
            if "subsampling" in str(error):  # a rare combination of sampling factors, which TurboJPEG does not name
                return decode_with_opencv(data, structure)
            raise

    return decode


def turbojpeg_decoder() -> Decoder:
    """Return the decoder of the shared library libturbojpeg.

    Raises:
        OSError: The library is not installed.
        AttributeError: The library is too old.
    """
    library = ctypes.CDLL("libturbojpeg.so.0")
    library.tjInitDecompress.restype = ctypes.c_void_p
    library.tjDestroy.argtypes = [ctypes.c_void_p]
    library.tjGetErrorStr2.argtypes, library.tjGetErrorStr2.restype = [ctypes.c_void_p], ctypes.c_char_p
    library.tjDecompress2.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_ulong, ctypes.c_void_p) + (
        ctypes.c_int,
    ) * 5
    rgb, cmyk, stop_on_warning = 0, 11, 8192

    def decode(data: memoryview, structure: JpegStructure) -> NDArray[np.uint8]:
        source = np.frombuffer(data, np.uint8)
        channels = _CMYK if structure.components == _CMYK else 3
        pixels = np.empty((structure.height, structure.width, channels), np.uint8)
        handle = library.tjInitDecompress()
        if not handle:
            raise MemoryError("libturbojpeg cannot allocate a decoder")
        try:
            status = library.tjDecompress2(
                handle,
                source.ctypes.data,
                source.size,
                pixels.ctypes.data,
                structure.width,
                0,
                structure.height,
                cmyk if channels == _CMYK else rgb,
                stop_on_warning,
            )
            if status != 0:
                raise ValueError(library.tjGetErrorStr2(handle).decode("utf-8", "replace"))
        finally:
            library.tjDestroy(handle)
        return pixels if channels == 3 else _cmyk_to_rgb(pixels)

    return decode


def decode_with_opencv(data: memoryview, structure: JpegStructure) -> NDArray[np.uint8]:  # noqa: ARG001
    """Return the pixels of a JPEG, decoded by OpenCV: damage in the entropy-coded data is not noticed.

    Args:
        data: The bytes.
        structure: Its structure.

    Returns:
        (height, width, 3) uint8 RGB.

    Raises:
        ValueError: OpenCV cannot decode it.
    """
    picture = decode_stored(data, cv2.IMREAD_COLOR)
    if picture is None:
        raise ValueError("OpenCV cannot decode it")
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


def _without_padding(data: memoryview) -> bytes | None:
    """Return a JPEG without zeros before its end marker, which some cameras write; None if it has none.

    The zeros are no part of the picture if it is whole without them, which its strict decoding shows.
    """
    stripped = _stripped(data[:-2])
    return stripped + bytes(data[-2:]) if len(stripped) < len(data) - 2 else None


def _stripped(scan: memoryview) -> bytes:
    """Return the data of a scan without the zeros and without half an end marker behind it."""
    stripped = bytes(scan).rstrip(b"\0")
    is_stuffed = stripped.endswith(b"\xff") and len(stripped) < len(scan)  # such a byte belongs to the picture
    return stripped + b"\0" if is_stuffed else stripped.removesuffix(b"\xff")


def _cmyk_to_rgb(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return RGB of CMYK as JPEGs store it: inverted, so that 255 is no ink (the convention of Adobe)."""
    ink, black = pixels[..., :3].astype(np.uint16), pixels[..., 3:].astype(np.uint16)
    return np.asarray((ink * black + 127) // 255, np.uint8)
