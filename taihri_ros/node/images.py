"""Converts image messages to arrays: all colour and mono encodings of sensor_msgs/image_encodings, and depth.

The rclpy host uses cv_bridge if it can be loaded. This module is for hosts without cv_bridge, and for NumPy 2, with
which cv_bridge cannot be loaded.
"""

from __future__ import annotations

import sys
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from taihri_ros.pipeline.frames import ImageError

_COLOUR = {
    "rgb": (3, None),
    "bgr": (3, cv2.COLOR_BGR2RGB),
    "rgba": (4, cv2.COLOR_RGBA2RGB),
    "bgra": (4, cv2.COLOR_BGRA2RGB),
    "mono": (1, cv2.COLOR_GRAY2RGB),
    "bayer_rggb": (1, cv2.COLOR_BayerBG2RGB),
    "bayer_bggr": (1, cv2.COLOR_BayerRG2RGB),
    "bayer_gbrg": (1, cv2.COLOR_BayerGR2RGB),
    "bayer_grbg": (1, cv2.COLOR_BayerGB2RGB),
}
"""Number of channels and conversion to RGB of the encodings whose names end in the number of bits."""

_YUV_PACKED = {
    "uyvy": cv2.COLOR_YUV2RGB_UYVY,
    "yuv422": cv2.COLOR_YUV2RGB_UYVY,
    "yuyv": cv2.COLOR_YUV2RGB_YUY2,
    "yuv422_yuy2": cv2.COLOR_YUV2RGB_YUY2,
}
"""Conversion to RGB of the encodings with two bytes per pixel and interleaved chroma."""

_BT601 = np.array([[1.164384, 0.0, 1.596027], [1.164384, -0.391762, -0.812968], [1.164384, 2.017232, 0.0]], np.float32)
"""Matrix from (Y - 16, U - 128, V - 128) to RGB (ITU-R BT.601, Y from 16 to 235)."""

_GENERIC = {"8UC1": "mono8", "8UC3": "bgr8", "8UC4": "bgra8", "16UC1": "mono16", "16UC3": "bgr16", "16UC4": "bgra16"}
"""Encodings without a channel order, and those with the order of OpenCV that they stand for."""

_AS_SENT = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
"""Decode in colour and ignore the EXIF orientation, because camera_info describes the pixels in the order sent."""

_NOT_IMAGES = ("32F", "64F", "32S", "8S", "16S")
"""Prefixes of encodings that hold depth or raw numbers."""

_METRES: dict[str, tuple[type[np.uint16] | type[np.float32], float]] = {
    "16UC1": (np.uint16, 1e-3),
    "32FC1": (np.float32, 1.0),
}
"""Number type and unit (metres) of the depth encodings of REP 118."""


class ImageMessage(Protocol):
    """The fields of sensor_msgs/Image."""

    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: Any


def decode_image(message: ImageMessage) -> NDArray[np.uint8]:
    """Return the RGB pixels of a sensor_msgs/Image. 16-bit images keep their upper eight bits.

    Args:
        message: The message.

    Returns:
        (height, width, 3) uint8 RGB; a view of the message's data if possible.

    Raises:
        ImageError: Size, step, data and encoding are inconsistent, or the encoding is not a colour or mono encoding.
    """
    encoding = _GENERIC.get(message.encoding, message.encoding)
    if encoding in _YUV_PACKED:
        if message.width % 2:
            raise ImageError(
                f"a {encoding} image must have an even width, not {message.width}: check the camera driver"
            )
        return _rgb(cv2.cvtColor(_pixels(message, 2, np.uint8), _YUV_PACKED[encoding]))
    if encoding in ("nv21", "nv24"):
        return _decode_semiplanar(message, encoding)
    name = encoding.rstrip("0123456789")
    bits = encoding[len(name) :]
    if name not in _COLOUR or bits not in ("8", "16"):
        detail = "it holds depth or raw numbers" if encoding.startswith(_NOT_IMAGES) else "it is unknown"
        raise ImageError(f"image encoding {message.encoding!r} cannot be used: {detail}; publish rgb8 or bgr8")
    channels, conversion = _COLOUR[name]
    pixels = _pixels(message, channels, np.uint8 if bits == "8" else np.uint16)
    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)
    return _rgb(pixels if conversion is None else cv2.cvtColor(pixels, conversion))


def decode_depth(message: ImageMessage) -> NDArray[np.float32]:
    """Return the depths of a sensor_msgs/Image as defined by REP 118: 16UC1 in millimetres or 32FC1 in metres.

    Args:
        message: The message.

    Returns:
        float32 (height, width) metres along the camera's z axis; NaN where the message holds zero, a negative number,
        infinity or NaN.

    Raises:
        ImageError: Size, step, data and encoding are inconsistent, or the encoding is not a depth encoding.
    """
    if message.encoding not in _METRES:
        raise ImageError(
            f"depth image encoding {message.encoding!r} cannot be used: publish 16UC1 (millimetres) or 32FC1 (metres)"
        )
    dtype, unit = _METRES[message.encoding]
    metres = _pixels(message, 1, dtype) * np.float32(unit)
    return np.where(np.isfinite(metres) & (metres > 0.0), metres, np.float32(np.nan))


def check_layout(message: ImageMessage, height: int, used: int) -> None:
    """Check that size, step and data of a message are consistent.

    Args:
        message: The message.
        height: Number of rows in the data.
        used: Number of bytes per row that hold pixels.

    Raises:
        ImageError: Size, step and data are inconsistent.
    """
    if message.width < 1 or message.height < 1:
        raise ImageError(f"the image has no pixels ({message.width}x{message.height}): check the camera driver")
    if message.step < used:
        raise ImageError(
            f"the image's step is {message.step} bytes, but {message.width} pixels of {message.encoding} need {used}: "
            "check the camera driver"
        )
    if len(message.data) != height * message.step:
        raise ImageError(
            f"the image has {len(message.data)} bytes, but {height} rows of step {message.step} need "
            f"{height * message.step}: check the camera driver"
        )


def decode_compressed(data: Any) -> NDArray[np.uint8]:
    """Return the RGB pixels of a JPEG or PNG image, as in sensor_msgs/CompressedImage.

    Args:
        data: The bytes.

    Returns:
        (height, width, 3) uint8 RGB.

    Raises:
        ImageError: The bytes are not a complete image.
    """
    buffer = np.frombuffer(data, np.uint8)
    if buffer[:2].tobytes() == b"\xff\xd8" and b"\xff\xd9" not in buffer[-64:].tobytes():
        raise ImageError(
            f"the compressed image is cut off ({buffer.size} bytes of JPEG without an end marker): check the connection"
        )
    try:
        picture = cv2.imdecode(buffer, _AS_SENT) if buffer.size else None
    except cv2.error:
        picture = None
    if picture is None:
        raise ImageError(f"the compressed image ({buffer.size} bytes) is neither JPEG nor PNG, or is damaged")
    return _rgb(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))


def _pixels(
    message: ImageMessage, channels: int, dtype: type[np.uint8] | type[np.uint16] | type[np.float32]
) -> NDArray[Any]:
    """Return the pixels of a message without padding, (height, width[, channels]), in native byte order."""
    size = np.dtype(dtype).itemsize
    rows = _rows(message, message.height, message.width * channels * size)
    pixels = rows.view(dtype)
    if size > 1 and bool(message.is_bigendian) != (sys.byteorder == "big"):
        pixels = pixels.byteswap()
    shape = (message.height, message.width, channels) if channels > 1 else (message.height, message.width)
    return pixels.reshape(shape)


def _rows(message: ImageMessage, height: int, used: int) -> NDArray[np.uint8]:
    check_layout(message, height, used)
    rows = np.frombuffer(message.data, np.uint8).reshape(height, message.step)
    return rows if message.step == used else np.ascontiguousarray(rows[:, :used])


def _decode_semiplanar(message: ImageMessage, encoding: str) -> NDArray[np.uint8]:
    """Return the RGB pixels of luma and interleaved chroma: V,U at half size (nv21) or U,V at full size (nv24)."""
    height, width = message.height, message.width
    if encoding == "nv21":
        if height % 2 or width % 2:
            raise ImageError(f"an nv21 image must have even sides, not {width}x{height}: check the camera driver")
        return _rgb(cv2.cvtColor(_rows(message, height * 3 // 2, width), cv2.COLOR_YUV2RGB_NV21))
    rows = _rows(message, height * 3, width)
    yuv = np.dstack([rows[:height], rows[height:].reshape(height, width, 2)])
    return _rgb(cv2.transform(yuv, np.column_stack([_BT601, _BT601 @ (-16.0, -128.0, -128.0)])))


def _rgb(picture: Any) -> NDArray[np.uint8]:
    return np.asarray(picture, np.uint8)
