"""Encodes depth images as compressed_depth_image_transport does, number by number."""

from __future__ import annotations

import struct
from types import SimpleNamespace
from typing import Any

import numpy as np
from encoded_pictures import png
from numpy.typing import NDArray

MAX_M, QUANTISATION = 10.0, 100.0
"""Default values of the parameters depth_max and depth_quantization."""


def rvl(pixels: NDArray[np.uint16]) -> bytes:
    """Return the RVL stream of pixels (Wilson 2017)."""
    nibbles: list[int] = []

    def write(number: int) -> None:
        while True:
            number, bits = number >> 3, number & 7
            nibbles.append(bits | (8 if number else 0))
            if not number:
                return

    values, place, previous = pixels.ravel().tolist(), 0, 0
    while place < len(values):
        for zero in (True, False):
            end = place
            while end < len(values) and (values[end] == 0) is zero:
                end += 1
            write(end - place)
            for value in [] if zero else values[place:end]:
                delta, previous = value - previous, value
                write(2 * delta if delta >= 0 else -2 * delta - 1)
            place = end
    nibbles += [0] * (-len(nibbles) % 8)
    words = [
        int("".join(f"{nibble:x}" for nibble in nibbles[start : start + 8]), 16) for start in range(0, len(nibbles), 8)
    ]
    return struct.pack(f"<{len(words)}I", *words)


def compressed_depth(pixels: NDArray[Any], codec: str = "png", **changes: Any) -> Any:
    """Return the CompressedImage of a depth image: uint16 millimetres or float32 metres."""
    a = b = 0.0
    encoding, stored = "16UC1", pixels
    if pixels.dtype == np.float32:
        encoding, a = "32FC1", QUANTISATION * (QUANTISATION + 1.0)
        b = 1.0 - a / MAX_M
        with np.errstate(divide="ignore", invalid="ignore"):
            inverse = a / pixels + b
        stored = np.where(pixels < MAX_M, inverse, 0).astype(np.uint16)
    height, width = pixels.shape
    body = png(stored) if codec == "png" else struct.pack("<II", width, height) + rvl(stored)
    data = np.frombuffer(struct.pack("<iff", 0, a, b) + body, np.uint8)
    return SimpleNamespace(**{"format": f"{encoding}; compressedDepth {codec}", "data": data} | changes)
