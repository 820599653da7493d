"""Decodes depth images compressed by RVL (Wilson, "Fast Lossless Depth Image Compression", ISS 2017).

The picture is a sequence of runs: the number of zeros, the number of other pixels, and for each of these the difference
to the one before. Every number is stored in groups of three bits, lowest first; the top bit of a nibble shows whether
another one follows. The nibbles fill 32-bit words from the top, as compressed_depth_image_transport writes them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_MOST_NIBBLES = 10
"""Largest number of nibbles of a number: a run has fewer than 2^30 pixels."""


def decode_rvl(data: bytes | memoryview, pixels: int) -> NDArray[np.uint16]:
    """Return the pixels of an RVL stream.

    Args:
        data: The stream; what follows the last pixel is ignored.
        pixels: Number of pixels.

    Returns:
        (pixels,) uint16.

    Raises:
        ValueError: The stream ends early, or holds numbers that no encoder writes.
    """
    numbers = _numbers(data)
    headers, runs = _runs(numbers, pixels)
    decoded = np.zeros(pixels, np.uint16)
    if not runs.size:
        return decoded
    zigzag = np.delete(numbers[: runs[-1, 2]], headers)
    if zigzag.min() < 0:
        raise ValueError("a number that is too long")
    values = np.cumsum((zigzag >> 1) ^ -(zigzag & 1), dtype=np.int64)
    if values.min() < 1 or values.max() > np.iinfo(np.uint16).max:
        raise ValueError("a depth outside of 1 to 65535")
    steps = np.zeros(pixels + 1, np.int8)
    steps[runs[:, 0]] = 1
    steps[runs[:, 1]] -= 1
    decoded[np.cumsum(steps[:-1], dtype=np.int8).view(np.bool_)] = values
    return decoded


def _numbers(data: bytes | memoryview) -> NDArray[np.int32]:
    """Return all numbers that are stored in a stream; -1 for those that are too long."""
    view = memoryview(data)
    words = np.frombuffer(view[: len(view) // 4 * 4], "<u4").astype(">u4").view(np.uint8)
    nibbles = np.empty(2 * words.size, np.uint8)
    nibbles[0::2], nibbles[1::2] = words >> 4, words & 0x0F
    ends = np.flatnonzero(nibbles < 8).astype(np.int32)
    starts = np.concatenate([np.zeros(1, np.int32), ends[:-1] + 1])[: ends.size]
    lengths = ends - starts + 1
    numbers: NDArray[np.int32] = (nibbles[starts] & 7).astype(np.int32)
    longer = np.arange(ends.size)
    for order in range(1, _MOST_NIBBLES):
        longer = longer[lengths[longer] > order]
        numbers[longer] |= (nibbles[starts[longer] + order] & 7).astype(np.int32) << (3 * order)
    numbers[lengths > _MOST_NIBBLES] = -1
    return numbers


def _runs(numbers: NDArray[np.int32], pixels: int) -> tuple[list[int], NDArray[np.int64]]:
    """Return the structure of a stream.

    Returns:
        The places of the numbers that are lengths; and (runs, 3) for each run of measured pixels its first pixel, the
        pixel behind it, and the place behind its differences among the numbers.

    Raises:
        ValueError: The runs do not make up the pixels.
    """
    stream, headers, runs = numbers.data, list[int](), list[tuple[int, int, int]]()
    at = place = 0
    while place < pixels:
        if at >= len(stream) or stream[at] < 0:
            raise ValueError(f"it ends after {place} of {pixels} pixels")
        place += stream[at]
        if place == pixels:
            break
        count = stream[at + 1] if at + 1 < len(stream) else 0
        if count < 1 or place + count > pixels or at + 2 + count > len(stream):
            raise ValueError(f"a run of {count} pixels at pixel {place} of {pixels}")
        headers += (at, at + 1)
        at += 2 + count
        runs.append((place, place + count, at))
        place += count
    return headers, np.array(runs, np.int64).reshape(-1, 3)
