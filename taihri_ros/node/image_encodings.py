"""What the names of sensor_msgs/image_encodings mean."""

from __future__ import annotations

import re

import cv2

COLOR: dict[str, tuple[int, int | None]] = {
    "rgb": (3, None),
    "bgr": (3, cv2.COLOR_BGR2RGB),
    "rgba": (4, cv2.COLOR_RGBA2RGB),
    "bgra": (4, cv2.COLOR_BGRA2RGB),
    "mono": (1, cv2.COLOR_GRAY2RGB),
}
"""Number of channels and conversion to RGB of the encodings whose names end in the number of bits, 8 or 16."""

BAYER: dict[str, int] = {
    "bayer_rggb": cv2.COLOR_BayerBG2RGB,
    "bayer_bggr": cv2.COLOR_BayerRG2RGB,
    "bayer_gbrg": cv2.COLOR_BayerGR2RGB,
    "bayer_grbg": cv2.COLOR_BayerGB2RGB,
}
"""Conversion to RGB by the pattern of the first two rows; the names end in the number of bits, 8 or 16."""

_ALIASES = {"8uc1": "mono8", "8uc3": "bgr8", "8uc4": "bgra8", "16uc3": "bgr16", "16uc4": "bgra16"}
_ALIASES |= {"yuy2": "yuyv", "yuyv422": "yuyv", "yuv422-yuy2": "yuyv", "uyvy422": "uyvy"}
_ALIASES |= {"yuv420": "i420", "yuv420p": "i420", "yu12": "i420"}
"""Further names: those of OpenCV, which have its channel order, and those of FFmpeg and V4L2."""

PACKED_YUV = {
    "uyvy": cv2.COLOR_YUV2RGB_UYVY,
    "yuv422": cv2.COLOR_YUV2RGB_UYVY,
    "yuyv": cv2.COLOR_YUV2RGB_YUY2,
    "yuv422_yuy2": cv2.COLOR_YUV2RGB_YUY2,
}
"""Conversion to RGB of the encodings with two bytes per pixel and interleaved chroma."""

_NUMBERS = re.compile(r"16UC[12]?|8UC2|(8S|16S|32S|32F|64F)(C\d+)?", re.IGNORECASE)
"""Encodings of depth (16UC1 and 32FC1, REP 118), of disparities and of other numbers, which are not a picture."""


def canonical(encoding: str) -> str:
    """Return the name under which `COLOUR`, `BAYER` and the layouts of YUV have an encoding; capitals do not matter."""
    plain = encoding.strip(" \0").lower()
    return _ALIASES.get(plain, plain)


def without_bits(encoding: str) -> str:
    """Return an encoding without the number of bits at its end, as `COLOUR` and `BAYER` name it."""
    return encoding.rstrip("0123456789")


def is_depth_or_numbers(encoding: str) -> bool:
    """Return whether an encoding is one of depth or raw numbers, which are never a picture."""
    return _NUMBERS.fullmatch(encoding) is not None


def is_bayer(encoding: str) -> bool:
    """Return whether an encoding calls itself a Bayer mosaic, whether its pattern is known or not."""
    return "bayer" in encoding.lower()
