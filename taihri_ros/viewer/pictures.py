"""Images as Rerun shows them: encoded pictures, the person cut out of them, and depth."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import rerun as rr
from numpy.typing import NDArray

from taihri_ros.keypoints import Person
from taihri_ros.node.compressed_images import ImageFormat, decode_compressed
from taihri_ros.node.depth_images import decode_depth
from taihri_ros.node.images import decode_image

Picture = NDArray[np.uint8]

_JPEG_QUALITY = 85
_JPEG_MAGIC = b"\xff\xd8"

CUT_OUT_PX = 320
"""Side of the square that is cut out around a person, px."""

_MARGIN, _SMALLEST_CUT_OUT = 1.3, 0.3
"""Side of the square: a multiple of the box's larger side, and at least a fraction of the picture's height."""


def as_jpeg(message: Any) -> bytes:
    """Return a sensor_msgs/Image or CompressedImage as JPEG; a camera's own JPEG stays as it is.

    Raises:
        ImageError: The message is damaged, or no picture.
    """
    if not hasattr(message, "format"):
        return encode(decode_image(message))
    data = bytes(memoryview(message.data).cast("B"))
    if data.startswith(_JPEG_MAGIC) and not ImageFormat.parse(message.format).is_mosaic:
        return data
    return encode(decode_compressed(message))


def encode(picture: Picture) -> bytes:
    """Return a picture (height, width, 3) uint8 RGB as JPEG."""
    quality = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    return bytes(cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), quality)[1])


def decode(jpeg: bytes) -> Picture | None:
    """Return the pixels of a JPEG, (height, width, 3) uint8 RGB; None if it is damaged."""
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    return None if picture is None else np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


def shown(jpeg: bytes) -> rr.EncodedImage:
    """Return a JPEG for Rerun, behind what is drawn on it."""
    return rr.EncodedImage(contents=jpeg, media_type="image/jpeg", draw_order=-10)


def extent(person: Person) -> NDArray[np.float64] | None:
    """Return the box of a person, or else that of the joints' pixels, (4,) px; None without both."""
    if person.box is not None and np.isfinite(person.box).all():
        return person.box
    pixels = np.reshape([each.pixel for each in person.located if np.isfinite(each.pixel).all()], (-1, 2))
    return np.concatenate([pixels.min(axis=0), pixels.max(axis=0)]) if len(pixels) > 1 else None


def cut_out(picture: Picture, box: NDArray[np.float64]) -> tuple[Picture, NDArray[np.float64]]:
    """Cut a square around a person out of a picture, and scale it to `CUT_OUT_PX`: Rerun needs pictures of one size.

    Args:
        picture: (height, width, 3) uint8 RGB.
        box: (4,) left, top, right, bottom, px; not NaN.

    Returns:
        The square, black beyond the edges of the picture, and the affine map (2, 3) from the picture's pixels to its.
    """
    side = max(*(box[2:] - box[:2]) * _MARGIN, _SMALLEST_CUT_OUT * picture.shape[0])
    scale = CUT_OUT_PX / side
    shift = CUT_OUT_PX / 2 - scale * (box[:2] + box[2:]) / 2
    to_square = np.column_stack([scale * np.eye(2), shift])
    return np.asarray(cv2.warpAffine(picture, to_square, (CUT_OUT_PX, CUT_OUT_PX)), np.uint8), to_square


def depth(message: Any) -> rr.DepthImage:
    """Return a message of either depth topic as a depth image, whose points Rerun shows in front of the camera.

    Raises:
        ImageError: The message is damaged, or not of depth.
    """
    millimetres = np.nan_to_num(decode_depth(message) * np.float32(1e3), nan=0.0, posinf=0.0)
    return rr.DepthImage(np.clip(millimetres, 0, 65535).astype(np.uint16), meter=1000.0)
