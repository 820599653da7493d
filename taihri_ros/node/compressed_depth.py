"""Decodes depth images of compressed_depth_image_transport: sensor_msgs/CompressedImage with PNG or RVL.

`format` is `ENCODING; compressedDepth CODEC`. The data begins with a header of twelve bytes, ConfigHeader: an int32 and
the quantisation parameters A and B as float32. Encodings of 16 bits are stored as they are. Of 32FC1 the inverse is
stored, as the integer q = A / z + B, so that z = A / (q - B).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taihri_ros.camera.picture_decoder import MAX_PIXELS
from taihri_ros.camera.picture_error import PictureError
from taihri_ros.camera.png_codec import MAGIC, decode_png_numbers, read_png_structure
from taihri_ros.node.rvl import decode_rvl
from taihri_ros.pipeline.frames import ImageError

CONFIG_HEADER = struct.Struct("<iff")
"""An int32 and the quantisation parameters A and B, which encodings of 16 bits do not use."""

_INTEGERS = ("16uc1", "mono16")
_FLOATS = ("32fc1",)


def decode_compressed_depth(message: Any) -> NDArray[np.float32]:
    """Return the depths of a sensor_msgs/CompressedImage.

    Args:
        message: A message of the transport compressedDepth, or of the transport compressed with a PNG of 16UC1.

    Returns:
        float32 (height, width) metres along the camera's z axis; not positive or not finite where nothing was measured.

    Raises:
        ImageError: The format is not one of depth, or the data is cut off or damaged.
    """
    encoding, _, codec = (part.strip() for part in str(message.format).lower().partition(";"))
    if encoding not in _INTEGERS + _FLOATS:
        raise ImageError(
            f"compressed depth of format {message.format!r} cannot be used: publish 16UC1 or 32FC1 with "
            "compressed_depth_image_transport"
        )
    data = memoryview(message.data).cast("B")
    try:
        if bytes(data[: len(MAGIC)]) == MAGIC and encoding in _INTEGERS:  # the transport compressed has no header
            return _millimetres(_png_numbers(data))
        if len(data) <= CONFIG_HEADER.size:
            raise PictureError(f"it has only {len(data)} bytes")
        _, a, b = CONFIG_HEADER.unpack_from(data)
        numbers = _decoder(codec)(data[CONFIG_HEADER.size :])
    except (PictureError, ValueError) as error:
        raise ImageError(f"the compressed depth image is refused (format {message.format!r}): {error}") from error
    if encoding in _INTEGERS:
        return _millimetres(numbers)
    if not (np.isfinite((a, b)).all() and a > 0.0):
        raise ImageError(f"the compressed depth image has no valid quantisation parameters (A {a:g}, B {b:g})")
    with np.errstate(divide="ignore"):
        return np.where(numbers > 0, np.float32(a) / (numbers - np.float32(b)), np.float32(np.nan))


def _millimetres(numbers: NDArray[np.uint16]) -> NDArray[np.float32]:
    return numbers * np.float32(1e-3)


def _decoder(codec: str) -> Callable[[memoryview], NDArray[np.uint16]]:
    """Return the decoder of a codec as `format` names it; without a name it is PNG, as older publishers wrote it."""
    match codec.split():
        case [] | ["compresseddepth"] | ["compresseddepth", "png"]:
            return _png_numbers
        case ["compresseddepth", "rvl"]:
            return _rvl_numbers
    raise PictureError(f"its codec {codec!r} is unknown: use png or rvl")


def _png_numbers(data: memoryview) -> NDArray[np.uint16]:
    if bytes(data[: len(MAGIC)]) != MAGIC:
        raise PictureError("it holds no PNG")
    structure = read_png_structure(data)
    _check_pixels(structure.width, structure.height)
    return decode_png_numbers(structure)


def _rvl_numbers(data: memoryview) -> NDArray[np.uint16]:
    if len(data) < 8:
        raise PictureError(f"its RVL data has only {len(data)} bytes")
    width, height = struct.unpack_from("<II", data)
    _check_pixels(width, height)
    return decode_rvl(data[8:], width * height).reshape(height, width)


def _check_pixels(width: int, height: int) -> None:
    if not 0 < width * height <= MAX_PIXELS // 4:
        raise PictureError(f"its size is {width}x{height}")
