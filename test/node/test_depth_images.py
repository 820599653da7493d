"""Depth images are decoded as defined by REP 118, and found by the stamp of a colour image."""

from __future__ import annotations

import sys
from dataclasses import replace
from threading import Thread
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from test_images import Image, image

from taihri_ros.node.depth_images import DepthImages, decode_depth
from taihri_ros.pipeline.frames import ImageError

MILLIMETRES = np.array([[0, 1, 1234], [65535, 4000, 258]], np.uint16)
METRES = np.array([[0.001, 1.25, -1.25], [np.nan, np.inf, 0.0]], np.float32)
FRAME_NS = 33_333_333
START_NS = 1_700_000_000_000_000_000


@pytest.mark.handles("Depth images", "depth in 16UC1, or in mono16 as some drivers call it", "used, in millimetres")
@pytest.mark.parametrize("encoding", ["16UC1", "mono16", "16uc1"])
@pytest.mark.parametrize("bigendian", [False, True])
def test_16uc1_is_millimetres(encoding: str, bigendian: bool) -> None:
    decoded = decode_depth(image(MILLIMETRES, encoding, bigendian=bigendian))
    assert decoded.dtype == np.float32
    np.testing.assert_allclose(decoded, [[np.nan, 0.001, 1.234], [65.535, 4.0, 0.258]], rtol=1e-6)


@pytest.mark.handles("Depth images", "depth of 0, inf, NaN or a negative number", "no measurement there")
@pytest.mark.parametrize("bigendian", [False, True])
def test_32fc1_is_metres(bigendian: bool) -> None:
    decoded = decode_depth(image(METRES, "32FC1", bigendian=bigendian))
    assert decoded.dtype == np.float32
    np.testing.assert_array_equal(decoded, np.array([[0.001, 1.25, np.nan], [np.nan] * 3], np.float32))


def pad(message: Image, count: int) -> Image:
    rows = np.frombuffer(message.data, np.uint8).reshape(message.height, -1)  # type: ignore[call-overload]
    return replace(
        message, step=message.step + count, data=np.pad(rows, ((0, 0), (0, count)), constant_values=1).ravel()
    )


@pytest.mark.parametrize(("pixels", "encoding"), [(MILLIMETRES, "16UC1"), (METRES, "32FC1")])
@pytest.mark.parametrize("count", [1, 4])
@pytest.mark.parametrize("bigendian", [False, True])
def test_rows_may_be_padded(pixels: NDArray[Any], encoding: str, count: int, bigendian: bool) -> None:
    message = image(pixels, encoding, bigendian=bigendian)
    np.testing.assert_array_equal(decode_depth(pad(message, count)), decode_depth(message))
    assert np.isfinite(decode_depth(message)).any()


def test_the_received_message_is_not_modified() -> None:
    message = image(METRES.astype(METRES.dtype.newbyteorder("=")), "32FC1", bigendian=sys.byteorder == "big")
    before = np.asarray(message.data).tobytes()
    decode_depth(message)
    assert np.asarray(message.data).tobytes() == before


@pytest.mark.handles("Depth images", "depth in another encoding", "refused; logged once")
@pytest.mark.parametrize("encoding", ["rgb8", "mono8", "16UC2", "32FC3", "64FC1", "16SC1", ""])
def test_other_encodings_are_rejected_and_the_error_names_the_valid_ones(encoding: str) -> None:
    with pytest.raises(ImageError, match=rf"'{encoding}' cannot be used: publish 16UC1 \(millimetres\) or 32FC1"):
        decode_depth(image(MILLIMETRES, encoding))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"step": 5}, "step is 5 bytes, but 3 pixels of 16UC1 need 6"),
        ({"encoding": "32FC1"}, "step is 6 bytes, but 3 pixels of 32FC1 need 12"),
        ({"step": 7}, "has 12 bytes, but 2 rows of step 7 need 14"),
        ({"height": 3}, "has 12 bytes, but 3 rows of step 6 need 18"),
        ({"width": 0}, r"no pixels \(0x2\)"),
        ({"data": b""}, "has 0 bytes"),
    ],
)
def test_an_inconsistent_depth_image_is_rejected(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ImageError, match=message):
        decode_depth(replace(image(MILLIMETRES, "16UC1"), **change))


def stamped(stamp: int, name: str = "") -> Any:
    seconds, rest = divmod(stamp, 10**9)
    return SimpleNamespace(header=SimpleNamespace(stamp=SimpleNamespace(sec=seconds, nanosec=rest)), name=name)


def store(*stamps: int, tolerance_s: float = 0.02, capacity: int = 30) -> DepthImages:
    images = DepthImages(tolerance_s=tolerance_s, capacity=capacity)
    for stamp in stamps:
        images.add(stamped(stamp, str(stamp)))
    return images


def name(message: Any) -> str | None:
    return None if message is None else str(message.name)


def test_the_nearest_image_is_found_earlier_or_later() -> None:
    images = store(*(START_NS + number * FRAME_NS for number in range(5)))
    for offset in (-15_000_000, 0, 15_000_000):
        assert name(images.nearest(START_NS + 2 * FRAME_NS + offset)) == str(START_NS + 2 * FRAME_NS)
    assert name(images.nearest(START_NS + 2 * FRAME_NS + 18_000_000)) == str(START_NS + 3 * FRAME_NS)


def test_the_stored_message_is_returned() -> None:
    images, message = DepthImages(tolerance_s=0.0), stamped(START_NS)
    images.add(message)
    assert images.nearest(START_NS) is message


@pytest.mark.parametrize("sign", [-1, 1])
def test_nothing_is_returned_beyond_the_tolerance(sign: int) -> None:
    images = store(START_NS)
    assert name(images.nearest(START_NS + sign * 20_000_000)) == str(START_NS)
    assert images.nearest(START_NS + sign * 20_000_001) is None
    assert store(tolerance_s=1e9).nearest(0) is None, "the buffer is empty"


def test_only_the_last_images_are_kept() -> None:
    stamps = [START_NS + number * FRAME_NS for number in range(5)]
    images = store(*stamps, capacity=3)
    assert [name(images.nearest(stamp)) for stamp in stamps] == [None, None, *map(str, stamps[2:])]


def test_of_two_images_with_one_stamp_the_last_received_is_returned() -> None:
    images = DepthImages(tolerance_s=0.02)
    for which in ("first", "second"):
        images.add(stamped(START_NS, which))
    assert name(images.nearest(START_NS)) == "second"


@given(st.lists(st.integers(0, 10**9), max_size=8), st.integers(0, 10**9), st.integers(0, 10**9))
def test_the_returned_image_is_the_nearest(stamps: list[int], stamp: int, tolerance_ns: int) -> None:
    found = store(*stamps, tolerance_s=tolerance_ns / 1e9).nearest(stamp)
    nearest = min((abs(each - stamp) for each in stamps), default=tolerance_ns + 1)
    assert (found is None) == (nearest > tolerance_ns)
    if found is not None:
        assert abs(int(found.name) - stamp) == nearest


def test_one_thread_may_add_while_another_searches() -> None:
    images, errors = DepthImages(tolerance_s=0.02, capacity=50), list[Exception]()
    done = False

    def search() -> None:
        try:
            while not done:
                images.nearest(START_NS)
        except Exception as error:
            errors.append(error)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    thread = Thread(target=search)
    thread.start()
    try:
        for number in range(3000):
            images.add(stamped(START_NS + number))
    finally:
        done = True
        thread.join()
        sys.setswitchinterval(interval)
    assert errors == []
