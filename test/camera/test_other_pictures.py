"""The headers of WebP, TIFF and BMP give the size; what they do not say or do not hold is refused."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pytest
from encoded_pictures import exif, noise, smooth
from PIL import Image

from taihri_ros.camera.other_pictures import read_bmp_header, read_tiff_header, read_webp_header
from taihri_ros.camera.picture_decoder import FORMATS, decode_picture, read_structure
from taihri_ros.camera.picture_error import PictureError

LOSSLESS = {"WEBP": {"lossless": True}, "TIFF": {}, "BMP": {}}


def encode(kind: str, picture: np.ndarray | None = None, **options: Any) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(noise(30, 50) if picture is None else picture).save(stream, kind, **options)
    return stream.getvalue()


@pytest.mark.handles("Pictures", "WebP, TIFF or BMP", "refused, unless image_formats names it")
@pytest.mark.parametrize("kind", ["WEBP", "TIFF", "BMP"])
def test_a_further_format_is_decoded_only_if_it_is_accepted(kind: str) -> None:
    data = encode(kind, **LOSSLESS[kind])
    with pytest.raises(PictureError, match=rf"is a {kind}, which is not accepted: use JPEG or PNG"):
        decode_picture(data)
    np.testing.assert_array_equal(decode_picture(data, formats=FORMATS), noise(30, 50))


@pytest.mark.parametrize(
    "data",
    [
        encode("WEBP", quality=90),
        encode("WEBP", lossless=True),
        encode("WEBP", exif=b"Exif\0\0" + exif(1)),
        encode("TIFF", compression="tiff_lzw"),
        encode("BMP"),
        encode("BMP", noise(30, 50)[..., 0]),
    ],
)
def test_the_size_is_read_before_the_pixels(data: bytes) -> None:
    picture = read_structure(data, FORMATS)
    assert (picture.width, picture.height, picture.orientation) == (50, 30, 1)


@pytest.mark.parametrize("data", [encode("WEBP", exif=b"Exif\0\0" + exif(6)), encode("TIFF", tiffinfo={274: 6})])
def test_the_orientation_is_read(data: bytes) -> None:
    assert read_structure(data, FORMATS).orientation == 6
    with pytest.raises(PictureError, match="orientation 6"):
        decode_picture(data, formats=FORMATS)


@pytest.mark.parametrize("kind", ["WEBP", "TIFF", "BMP"])
def test_a_file_that_is_cut_off_is_refused(kind: str) -> None:
    data = encode(kind, smooth(), **LOSSLESS[kind])
    for length in range(12, len(data), max(1, len(data) // 50)):
        with pytest.raises(PictureError):
            decode_picture(data[:length], formats=FORMATS)


def test_an_animated_webp_is_refused() -> None:
    data = encode("WEBP", save_all=True, append_images=[Image.fromarray(smooth(30, 50))], duration=100)
    with pytest.raises(PictureError, match="with an animation"):
        read_webp_header(memoryview(data))


def test_a_tiff_of_floats_is_refused() -> None:
    with pytest.raises(PictureError, match="a TIFF of depth or raw numbers is not decoded"):
        read_tiff_header(memoryview(encode("TIFF", np.zeros((4, 4), np.float32))))
    with pytest.raises(PictureError, match="it has no size"):
        read_tiff_header(memoryview(b"II*\0" + bytes(20)))


@pytest.mark.parametrize("change", [(18, -5), (22, 0), (14, 12), (2, 10**6)])
def test_a_damaged_bmp_header_is_refused(change: tuple[int, int]) -> None:
    data = bytearray(encode("BMP"))
    struct.pack_into("<i", data, *change)
    with pytest.raises(PictureError, match="the BMP is damaged"):
        read_bmp_header(memoryview(bytes(data)))
