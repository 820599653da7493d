"""RVL streams are decoded exactly; those that no encoder writes are refused."""

from __future__ import annotations

import struct
from contextlib import suppress

import numpy as np
import pytest
from depth_encoder import rvl
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from taihri_ros.node.rvl import decode_rvl


def packed(nibbles: list[int]) -> bytes:
    """Return nibbles in words of 32 bits, from the top."""
    padded = [*nibbles, *[0] * (-len(nibbles) % 8)]
    words = [sum(nibble << 4 * (7 - n) for n, nibble in enumerate(padded[i : i + 8])) for i in range(0, len(padded), 8)]
    return struct.pack(f"<{len(words)}I", *words)


def stream(*numbers: int) -> bytes:
    """Return a stream of numbers below 64."""
    return packed(
        [nibble for number in numbers for nibble in ([number % 8 | 8, number // 8] if number > 7 else [number])]
    )


TOO_LONG = [8] * 11 + [1]


def test_a_stream_that_was_worked_out_by_hand() -> None:
    # two zeros; three others: 5 (+5: 10), 4 (-1: 1), 104 (+100: 200 = 0b11_001_000); one zero; none
    data = packed([2, 3, 0b1010, 1, 1, 0b1000, 0b1001, 0b0011, 1, 0])
    np.testing.assert_array_equal(decode_rvl(data, 6), [0, 0, 5, 4, 104, 0])


@given(arrays.arrays(np.uint16, st.integers(1, 200), elements=st.sampled_from([0, 0, 0, 1, 500, 501, 40000, 65535])))
def test_what_was_encoded_is_decoded(pixels: NDArray[np.uint16]) -> None:
    np.testing.assert_array_equal(decode_rvl(rvl(pixels), pixels.size), pixels)
    np.testing.assert_array_equal(decode_rvl(rvl(pixels) + b"\xff" * 9, pixels.size), pixels)


def test_a_picture_without_measurements_is_decoded() -> None:
    np.testing.assert_array_equal(decode_rvl(rvl(np.zeros(300_000, np.uint16)), 300_000), np.zeros(300_000))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "it ends after 0 of 10 pixels"),
        (b"\0\0", "it ends after 0 of 10 pixels"),
        (stream(2, 3, 2, 2, 2, 2, 3, 2)[:4], "a run of 3 pixels at pixel 7 of 10"),
        (stream(1, 1, 2, 1, 1, 2, 1, 1), "a run of 1 pixels at pixel 5 of 10"),
        (stream(9, 3, 2, 2, 2), "a run of 3 pixels at pixel 9 of 10"),
        (stream(11), "a run of 0 pixels at pixel 11 of 10"),
        (stream(1, 1, 2, 9, 0, 0), "a run of 0 pixels at pixel 11 of 10"),
        (stream(2, 0, 5, 5), "a run of 0 pixels at pixel 2"),
        (stream(0, 2, 2, 3, 8), "a depth outside of 1 to 65535"),
        (stream(0, 2, 0, 2, 8), "a depth outside of 1 to 65535"),
        (packed(TOO_LONG), "it ends after 0 of 10 pixels"),
        (packed([0, 2, 1, *TOO_LONG, 0b1000, 1, 0]), "a number that is too long"),
        (stream(0, 10, 1), "a run of 10 pixels at pixel 0"),
    ],
)
def test_streams_that_no_encoder_writes_are_refused(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        decode_rvl(data, 10)


@given(st.binary(max_size=80), st.integers(1, 500))
def test_any_stream_is_decoded_or_refused(data: bytes, pixels: int) -> None:
    with suppress(ValueError):
        assert decode_rvl(data, pixels).shape == (pixels,)


def test_a_vga_image_with_many_holes_is_decoded() -> None:
    generator = np.random.default_rng(0)
    depths = generator.integers(500, 4000, (480, 640))
    pixels = np.where(generator.random((480, 640)) < 0.05, 0, depths).astype(np.uint16)
    np.testing.assert_array_equal(decode_rvl(rvl(pixels), pixels.size), pixels.ravel())
