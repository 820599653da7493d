"""Depth images of compressed_depth_image_transport are decoded to metres; others are refused in one line."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from depth_encoder import MAX_M, compressed_depth
from encoded_pictures import jpeg, png, smooth
from hypothesis import given
from hypothesis import strategies as st

from taihri_ros.node.depth_images import decode_depth
from taihri_ros.pipeline.frames import ImageError

MILLIMETRES = np.array([[0, 1, 1234], [65535, 4000, 258]], np.uint16)
METRES = np.array([[0.4, 1.25, 3.999], [np.nan, np.inf, 0.75]], np.float32)


@pytest.mark.handles("Depth images", "compressedDepth of 16UC1 with PNG or RVL", "used, in millimetres")
@pytest.mark.parametrize("codec", ["png", "rvl"])
@pytest.mark.parametrize("encoding", ["16UC1", "mono16"])
def test_16uc1_is_millimetres(codec: str, encoding: str) -> None:
    depth = decode_depth(compressed_depth(MILLIMETRES, codec, format=f"{encoding}; compressedDepth {codec}"))
    assert depth.dtype == np.float32
    np.testing.assert_allclose(depth, [[np.nan, 0.001, 1.234], [65.535, 4.0, 0.258]], rtol=1e-6)


@pytest.mark.handles(
    "Depth images", "compressedDepth of 32FC1 with PNG or RVL", "used: the inverse depth is dequantised"
)
@pytest.mark.parametrize("codec", ["png", "rvl"])
def test_32fc1_is_dequantised(codec: str) -> None:
    depth = decode_depth(compressed_depth(METRES, codec))
    np.testing.assert_allclose(depth, [[0.4, 1.25, 3.999], [np.nan, np.nan, 0.75]], rtol=2e-3)


def test_the_error_of_the_quantisation_is_that_of_the_transport() -> None:
    metres = np.linspace(0.4, MAX_M - 0.1, 1000, dtype=np.float32).reshape(20, 50)
    depth = decode_depth(compressed_depth(metres))
    assert (np.abs(depth - metres) <= metres**2 / 10100.0 + 1e-5).all(), "one step of the inverse depth"


@pytest.mark.parametrize(
    "stated", ["16UC1", "16UC1; compressedDepth", "16UC1;compressedDepth png", "16uc1; COMPRESSEDDEPTH PNG"]
)
def test_older_formats_name_no_codec(stated: str) -> None:
    depth = decode_depth(compressed_depth(MILLIMETRES, format=stated))
    np.testing.assert_allclose(depth[1], [65.535, 4.0, 0.258], rtol=1e-6)


@pytest.mark.handles("Depth images", "PNG of 16UC1 by the transport compressed, without a header", "used")
def test_a_png_of_the_transport_compressed_has_no_header() -> None:
    data = np.frombuffer(png(MILLIMETRES), np.uint8)
    depth = decode_depth(compressed_depth(MILLIMETRES, format="16UC1; png compressed ", data=data))
    np.testing.assert_allclose(depth[1], [65.535, 4.0, 0.258], rtol=1e-6)


def body(data: bytes, a: float = 0.0, b: float = 0.0) -> Any:
    return np.frombuffer(struct.pack("<iff", 0, a, b) + data, np.uint8)


@pytest.mark.handles("Depth images", "compressedDepth that is cut off, damaged or not of depth", "refused; logged once")
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"format": "bgr8; jpeg compressed bgr8"}, "cannot be used: publish 16UC1 or 32FC1"),
        ({"format": ""}, "cannot be used: publish 16UC1 or 32FC1"),
        ({"format": "png"}, "cannot be used"),
        ({"format": "16UC1; compressedDepth zstd"}, "its codec 'compresseddepth zstd' is unknown: use png or rvl"),
        ({"format": "16UC1; jpeg compressed "}, "its codec 'jpeg compressed' is unknown"),
        ({"data": body(b"")}, "it has only 12 bytes"),
        ({"data": np.zeros(0, np.uint8)}, "it has only 0 bytes"),
        ({"data": body(png(MILLIMETRES)[:-30])}, "the PNG is cut off"),
        ({"data": body(png(MILLIMETRES)[:-20] + bytes(20))}, "is damaged|cut off|no chunk"),
        ({"data": body(jpeg(smooth()))}, "it holds no PNG"),
        ({"data": body(png(smooth()))}, "must be grey with 16 bits"),
        ({"data": body(png(smooth()[..., 0]))}, "must be grey with 16 bits"),
        ({"format": "16UC1; compressedDepth rvl", "data": body(b"\0\0\0")}, "its RVL data has only 3 bytes"),
        (
            {"format": "16UC1; compressedDepth rvl", "data": body(struct.pack("<II", 2**31, 2**31))},
            "its size is 2147483648x2147483648",
        ),
        ({"format": "16UC1; compressedDepth rvl", "data": body(struct.pack("<II", 0, 4))}, "its size is 0x4"),
        ({"format": "16UC1; compressedDepth rvl", "data": body(struct.pack("<III", 4, 4, 0))}, "a run of 0 pixels"),
        ({"format": "32FC1; compressedDepth png"}, r"no valid quantisation parameters \(A 0, B 0\)"),
        (
            {"format": "32FC1; compressedDepth png", "data": body(png(MILLIMETRES), float("nan"), 1.0)},
            "no valid quantisation parameters",
        ),
    ],
)
def test_what_is_not_depth_is_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        decode_depth(compressed_depth(MILLIMETRES, **changes))


@pytest.mark.filterwarnings("error")
@given(st.binary(max_size=60), st.sampled_from(["16UC1", "32FC1"]), st.sampled_from(["png", "rvl"]), st.booleans())
def test_any_data_is_depth_or_refused(data: bytes, encoding: str, codec: str, small: bool) -> None:
    start = struct.pack("<iff", 0, 100.0, 1.0) + (struct.pack("<II", 3, 4) if small else b"")
    message = compressed_depth(MILLIMETRES, format=f"{encoding}; compressedDepth {codec}")
    message.data = np.frombuffer(start + data, np.uint8)
    try:
        depth = decode_depth(message)
    except ImageError:
        return
    assert not (depth <= 0.0).any()
