"""A CompressedImage is decoded as what its format says, and depth is never a picture."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from encoded_pictures import claiming, decoded, exif, jpeg, mosaic, noise, png, smooth, with_segment

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.camera_info import CameraError
from taihri_ros.camera.distortion import DistortionModel
from taihri_ros.node.compressed_images import ImageFormat, decode_compressed
from taihri_ros.pipeline.frames import ImageError

CAMERA = Camera(96, 64, np.array([[100.0, 0, 48], [0, 100, 32], [0, 0, 1]]), np.empty(0), DistortionModel.NONE)
JPEG, PNG = jpeg(smooth()), png(smooth())
GREY = smooth()[..., 0]


def message(data: bytes, stated: str) -> Any:
    return SimpleNamespace(data=np.frombuffer(data, np.uint8), format=stated)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("rgb8; jpeg compressed bgr8", ("rgb8", "bgr8", False)),
        ("bgr8; png compressed bgr8", ("bgr8", "bgr8", False)),
        ("mono8; jpeg compressed ", ("mono8", "", False)),
        ("bayer_rggb8; jpeg compressed ", ("bayer_rggb8", "", False)),
        ("bayer_rggb8; jpeg compressed mono8", ("bayer_rggb8", "mono8", False)),
        ("BGR8; JPEG Compressed BGR8", ("bgr8", "bgr8", False)),
        ("bayer_gbrg16", ("bayer_gbrg16", "", False)),
        ("16UC1", ("16uc1", "", False)),
        ("16UC1; compressedDepth png", ("16uc1", "", True)),
        ("compressedDepth", ("", "", True)),
        ("; jpeg compressed bgr8", ("", "bgr8", False)),
        ("jpeg", ("", "", False)),
        (".jpg", ("", "", False)),
        ("", ("", "", False)),
    ],
)
def test_the_parts_of_the_format_are_read(text: str, parts: tuple[str, str, bool]) -> None:
    stated = ImageFormat.parse(text)
    assert (stated.pixels, stated.compressed, stated.depth) == parts


@pytest.mark.handles("Pictures", "CompressedImage.format as drivers write it: jpeg, jpg, png, empty", "answered")
@pytest.mark.parametrize(
    "stated",
    [
        "jpeg",
        "jpg",
        ".jpg",
        "JPEG",
        "",
        "; jpeg compressed bgr8",
        "rgb8; jpeg compressed bgr8",
        "bgr8; jpeg compressed bgr8",
        "rgba8; jpeg compressed bgr8",
        "yuv422_yuy2; jpeg compressed ",
        "nv12; jpeg compressed bgr8",
        "bayer_rggb8; jpeg compressed bgr8",
        "mjpeg",
        "image/jpeg",
    ],
)
def test_a_color_jpeg_is_decoded(stated: str) -> None:
    np.testing.assert_array_equal(decode_compressed(message(JPEG, stated)), decoded(JPEG))


@pytest.mark.handles(
    "Pictures", "format rgb8; jpeg compressed rgb8", "answered with the colours of the JPEG, as cv_bridge does"
)
@pytest.mark.parametrize(
    "stated", ["rgb8; jpeg compressed rgb8", "bgr8; jpeg compressed rgb8", "rgb8; jpeg compressed"]
)
def test_the_order_of_colors_is_that_of_the_jpeg(stated: str) -> None:
    np.testing.assert_array_equal(decode_compressed(message(JPEG, stated)), decoded(JPEG))


@pytest.mark.handles("Pictures", "format that names another codec than the bytes have", "answered: the bytes decide")
@pytest.mark.parametrize(("data", "stated"), [(PNG, "jpeg"), (JPEG, "png"), (PNG, "bgr8; jpeg compressed bgr8")])
def test_the_bytes_decide_about_the_codec(data: bytes, stated: str) -> None:
    np.testing.assert_array_equal(decode_compressed(message(data, stated)), decoded(data))


@pytest.mark.parametrize(
    "stated", ["mono8; jpeg compressed mono8", "mono8; jpeg compressed ", "jpeg", "8UC1; jpeg compressed "]
)
def test_a_grey_jpeg_gets_three_equal_channels(stated: str) -> None:
    data = jpeg(GREY, mode="L")
    np.testing.assert_array_equal(decode_compressed(message(data, stated)), decoded(data))


@pytest.mark.handles("Pictures", "Bayer mosaic in a PNG or JPEG", "answered: demosaiced")
@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
def test_a_bayer_mosaic_is_demosaiced(pattern: str) -> None:
    stored = mosaic(pattern, smooth())
    inner = (slice(2, -2), slice(2, -2))
    for data, codec, tolerance in ((png(stored), "png", 3), (jpeg(stored, mode="L", quality=95), "jpeg", 16)):
        pixels = decode_compressed(message(data, f"bayer_{pattern}8; {codec} compressed "))
        np.testing.assert_allclose(pixels[inner].astype(int), smooth()[inner], atol=tolerance)
    deep = png(stored.astype(np.uint16) << 8 | 0x5A)
    pixels = decode_compressed(message(deep, f"bayer_{pattern}16; png compressed "))
    np.testing.assert_allclose(pixels[inner].astype(int), smooth()[inner], atol=3)


def test_unscaled_values_in_a_png_are_refused() -> None:
    with pytest.raises(ImageError, match=r"the brightest of its values is \d+ of 65535"):
        decode_compressed(message(png(GREY.astype(np.uint16) << 4), "mono16; png compressed "))


@pytest.mark.handles(
    "Pictures", "Bayer image that its publisher made grey: bayer_rggb8; jpeg compressed mono8", "answered in grey"
)
def test_a_mosaic_that_the_publisher_made_grey_is_grey() -> None:
    data = jpeg(GREY, mode="L")
    pixels = decode_compressed(message(data, "bayer_rggb8; jpeg compressed mono8"))
    np.testing.assert_array_equal(pixels, decoded(data))


@pytest.mark.handles("Pictures", "Bayer format over a picture in colour, or of an unknown pattern", "refused")
@pytest.mark.parametrize(
    ("data", "stated", "reason"),
    [
        (JPEG, "bayer_rggb8; jpeg compressed ", "a Bayer mosaic has one channel, but this picture has colours"),
        (png(smooth(), mode="P"), "bayer_rggb8; png compressed ", "has one channel"),
        (png(GREY), "bayer_rgbg8; png compressed ", "its Bayer pattern is unknown"),
        (png(GREY), "BayerRG8", "its Bayer pattern is unknown"),
    ],
)
def test_a_mosaic_that_cannot_be_one_is_refused(data: bytes, stated: str, reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        decode_compressed(message(data, stated))


@pytest.mark.handles(
    "Pictures", "depth image on the topic of pictures: 16UC1, 32FC1, compressedDepth", "refused: not a picture"
)
@pytest.mark.parametrize(
    "stated",
    [
        "16UC1; png compressed ",
        "16UC1; compressedDepth png",
        "16UC1; compressedDepth rvl",
        "32FC1; compressedDepth",
        "32FC1; tiff compressed ",
        "compressedDepth",
        "16UC1",
        "16SC1; png compressed ",
        "64FC1; png compressed ",
    ],
)
def test_depth_is_never_a_picture(stated: str) -> None:
    for data in (png(np.full((64, 96), 1000, np.uint16)), JPEG):
        with pytest.raises(ImageError, match=r"holds depth or raw numbers .*subscribe to the colour image"):
            decode_compressed(message(data, stated))


@pytest.mark.handles("Pictures", "grey PNG with 16 bits whose format does not say mono16", "refused: it may be depth")
@pytest.mark.parametrize("stated", ["png", "", "jpeg", "mono8; png compressed "])
def test_16_bits_of_grey_may_be_depth(stated: str) -> None:
    data = png(GREY.astype(np.uint16) << 8)
    with pytest.raises(ImageError, match="may be a depth image: publish it as 'mono16; png compressed '"):
        decode_compressed(message(data, stated))
    np.testing.assert_array_equal(decode_compressed(message(data, "mono16; png compressed "))[..., 1], GREY)


@pytest.mark.handles("Pictures", "video: h264, hevc, av1, ffmpeg", "refused: neither JPEG nor PNG, with its format")
@pytest.mark.parametrize("stated", ["h264", "hevc", "av1", "ffmpeg", "theora", "rgb8; zstd"])
def test_video_is_refused_with_its_format(stated: str) -> None:
    with pytest.raises(ImageError, match=rf"is refused \(format '{stated}'\): the picture .* is neither JPEG nor PNG"):
        decode_compressed(message(b"\0\0\0\1\x67\x42\0\x1e", stated))


@pytest.mark.parametrize("data", [JPEG[:900], PNG[: len(PNG) // 2], JPEG[:700] + bytes(300) + JPEG[1000:], b""])
def test_damaged_pictures_are_refused(data: bytes) -> None:
    with pytest.raises(ImageError, match="the compressed image is refused"):
        decode_compressed(message(data, "jpeg"))


def test_a_turned_picture_is_refused() -> None:
    with pytest.raises(ImageError, match="EXIF orientation 6"):
        decode_compressed(message(with_segment(JPEG, 0xE1, b"Exif\0\0" + exif(6)), "jpeg"))


def test_the_size_is_checked_before_the_pixels_are_decoded() -> None:
    with pytest.raises(CameraError, match="image is 8000x8000 but camera_info describes 96x64"):
        decode_compressed(message(claiming(JPEG, 8000, 8000), "jpeg"), CAMERA.check_image)
    assert decode_compressed(message(JPEG, "jpeg"), CAMERA.check_image).shape == (64, 96, 3)


def test_the_formats_are_those_of_the_parameter() -> None:
    with pytest.raises(ImageError, match="is a PNG, which is not accepted: use JPEG"):
        decode_compressed(message(PNG, "png"), formats=("jpeg",))


def test_noise_is_not_taken_for_anything_else() -> None:
    data = jpeg(noise())
    np.testing.assert_array_equal(decode_compressed(message(data + bytes(60), "jpeg")), decoded(data))
