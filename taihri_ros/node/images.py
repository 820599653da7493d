"""Converts sensor_msgs/Image to arrays: every encoding of sensor_msgs/image_encodings that is a picture.

Both hosts decode with it: the pictures are those of cv_bridge (`test/ros2/test_images.py`), in a fraction of its time,
with any NumPy, and padded rows, big-endian numbers and more encodings are read.
"""

from __future__ import annotations

import sys
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from taihri_ros.camera.picture_error import PictureError
from taihri_ros.camera.sixteen_bits import upper_eight_bits
from taihri_ros.node.image_encodings import BAYER, COLOR, PACKED_YUV, canonical, is_depth_or_numbers, without_bits
from taihri_ros.node.yuv_planes import PLANES, planes_to_rgb
from taihri_ros.pipeline.frames import ImageError


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
        ImageError: Size, step, data and encoding are inconsistent, the encoding is not that of a picture, or values of
            16 bits use only the lower ones.
    """
    encoding = canonical(message.encoding)
    if encoding in PACKED_YUV:
        _check_even(message, across=2, down=1)
        return _rgb(cv2.cvtColor(pixels_of(message, 2, np.uint8), PACKED_YUV[encoding]))
    if encoding in PLANES:
        return _decode_planes(message, encoding)
    name = without_bits(encoding)
    if encoding[len(name) :] not in ("8", "16") or (name not in COLOR and name not in BAYER):
        raise _unusable(message.encoding)
    channels, conversion = COLOR[name] if name in COLOR else (1, BAYER[name])
    pixels = pixels_of(message, channels, np.uint8 if encoding.endswith("8") else np.uint16)
    if pixels.dtype == np.uint16:
        pixels = _upper_bits(pixels)
    return _rgb(pixels if conversion is None else cv2.cvtColor(pixels, conversion))


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


def pixels_of(
    message: ImageMessage, channels: int, dtype: type[np.uint8] | type[np.uint16] | type[np.float32]
) -> NDArray[Any]:
    """Return the numbers of a message without padding, in native byte order.

    Args:
        message: The message.
        channels: Number of channels.
        dtype: Type of the numbers.

    Returns:
        (height, width) for one channel, else (height, width, channels); a view of the message's data if possible.

    Raises:
        ImageError: Size, step and data are inconsistent.
    """
    size = np.dtype(dtype).itemsize
    used = message.width * channels * size
    check_layout(message, message.height, used)
    pixels = _unpadded(np.frombuffer(message.data, np.uint8).reshape(message.height, message.step), used).view(dtype)
    if size > 1 and bool(message.is_bigendian) != (sys.byteorder == "big"):
        pixels = pixels.byteswap()
    shape = (message.height, message.width, channels) if channels > 1 else (message.height, message.width)
    return pixels.reshape(shape)


def _decode_planes(message: ImageMessage, encoding: str) -> NDArray[np.uint8]:
    """Return the RGB pixels of planes of luma and chroma.

    Drivers mean two things by `step`: the bytes of a row of luma; or the size of the data divided by the height, where
    no row is padded.
    """
    planes, height, width = PLANES[encoding], message.height, message.width
    _check_even(message, across=planes.across, down=planes.down)
    rows = planes.rows(height)
    if width and height and message.step * height == len(message.data) == width * rows:
        packed = np.frombuffer(message.data, np.uint8).reshape(rows, width)
    else:
        check_layout(message, rows, width)
        packed = _plane_rows(np.frombuffer(message.data, np.uint8), message, encoding)
    return planes_to_rgb(packed, height, encoding)


def _plane_rows(data: NDArray[np.uint8], message: ImageMessage, encoding: str) -> NDArray[np.uint8]:
    """Return luma and chroma without the padding of their rows, (rows, width)."""
    planes, height, step = PLANES[encoding], message.height, message.step
    if planes.interleaved or step == message.width:
        return _unpadded(data.reshape(-1, step), message.width)
    if step % 2:
        raise ImageError(f"the step of an {encoding} image must be even, not {step}: check the camera driver")
    luma = _unpadded(data[: height * step].reshape(height, step), message.width)
    chroma = data[height * step :].reshape(height, step // 2)
    return np.vstack([luma, _unpadded(chroma, message.width // 2).reshape(height // 2, message.width)])


def _upper_bits(samples: NDArray[Any]) -> NDArray[np.uint8]:
    try:
        return upper_eight_bits(samples)
    except PictureError as error:
        raise ImageError(f"the 16-bit image is refused: {error}") from error


def _unpadded(rows: NDArray[np.uint8], used: int) -> NDArray[np.uint8]:
    return rows if rows.shape[1] == used else np.ascontiguousarray(rows[:, :used])


def _check_even(message: ImageMessage, *, across: int, down: int) -> None:
    """Check that the sides whose pixels share chroma are even, without which the layout is not defined."""
    if message.width % across or message.height % down:
        sides = "an even width and height" if down == 2 else "an even width"
        raise ImageError(
            f"an image of {message.encoding} must have {sides}, not {message.width}x{message.height}: "
            "check the camera driver"
        )


def _unusable(encoding: str) -> ImageError:
    if is_depth_or_numbers(encoding):
        return ImageError(
            f"image encoding {encoding!r} cannot be used: it holds depth or raw numbers, not a picture; subscribe to "
            "the colour image, or publish mono16 if it is a grey picture"
        )
    return ImageError(f"image encoding {encoding!r} cannot be used: it is unknown; publish rgb8 or bgr8")


def _rgb(picture: Any) -> NDArray[np.uint8]:
    return np.asarray(picture, np.uint8)
