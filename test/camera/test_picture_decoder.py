"""Every compressed picture is understood or refused in one line; its size is checked before its pixels are decoded."""

from __future__ import annotations

import array
import io
import tracemalloc

import numpy as np
import pytest
from encoded_pictures import claiming, decoded, exif, jpeg, noise, png, smooth, with_chunk, with_segment
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.camera_info import CameraError
from taihri_ros.camera.distortion import DistortionModel
from taihri_ros.camera.picture_decoder import decode_picture, read_structure
from taihri_ros.camera.picture_error import PictureError

CAMERA = Camera(96, 64, np.array([[100.0, 0, 48], [0, 100, 32], [0, 0, 1]]), np.empty(0), DistortionModel.NONE)
JPEG, PNG = jpeg(smooth()), png(smooth())


def rotated(orientation: int) -> bytes:
    return with_segment(JPEG, 0xE1, b"Exif\0\0" + exif(orientation))


def test_a_png_is_decoded_exactly_and_a_jpeg_nearly() -> None:
    np.testing.assert_array_equal(decode_picture(PNG), smooth())
    np.testing.assert_array_equal(decode_picture(JPEG), decoded(JPEG))
    assert np.abs(decode_picture(JPEG).astype(int) - smooth()).max() <= 12


@pytest.mark.handles("Pictures", "grey, progressive, palette and transparent pictures", "answered")
@pytest.mark.parametrize(
    "data",
    [jpeg(smooth(), mode="L"), jpeg(smooth(), progressive=True), png(smooth(), mode="P"), png(smooth(), mode="RGBA")],
)
def test_other_kinds_of_pictures_are_decoded(data: bytes) -> None:
    pixels = decode_picture(data)
    assert (pixels.shape, pixels.dtype) == ((64, 96, 3), np.uint8)
    np.testing.assert_array_equal(pixels, decoded(data))


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, lambda data: array.array("B", data)])
def test_the_data_may_be_any_buffer(kind: type) -> None:
    np.testing.assert_array_equal(decode_picture(kind(PNG)), smooth())
    np.testing.assert_array_equal(decode_picture(np.frombuffer(JPEG, np.uint8)), decoded(JPEG))


@pytest.mark.handles(
    "Pictures", "bytes after the end: zeros, 0xFF, old data, another picture", "answered: they are ignored"
)
@pytest.mark.parametrize("picture", [JPEG, PNG], ids=["jpeg", "png"])
@pytest.mark.parametrize(
    "padding", [bytes(1), bytes(60), bytes(4096), b"\xff" * 99, noise().tobytes(), JPEG, JPEG[:900]]
)
def test_what_follows_the_end_is_ignored(picture: bytes, padding: bytes) -> None:
    np.testing.assert_array_equal(decode_picture(picture + padding), decode_picture(picture))


@pytest.mark.handles("Pictures", "small file that claims a huge picture", "refused before a pixel is decoded")
@pytest.mark.parametrize(
    "data",
    [
        claiming(JPEG, 16384, 16384),
        claiming(JPEG, 11586, 11586),
        claiming(jpeg(smooth(), progressive=True), 65535, 65535),
    ],
)
def test_the_size_is_checked_before_the_pixels_are_decoded(data: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(PictureError, match=r"is \d+x\d+, larger than 134 million pixels"):
            decode_picture(data)
        with pytest.raises(CameraError, match="image is 8000x8000 but camera_info describes 96x64"):
            decode_picture(claiming(JPEG, 8000, 8000), check_size=CAMERA.check_image)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_a_picture_of_the_right_size_passes_the_check() -> None:
    assert decode_picture(JPEG, check_size=CAMERA.check_image).shape == (64, 96, 3)


@pytest.mark.handles("Pictures", "header that claims another size than the data has", "refused: damaged")
@pytest.mark.parametrize("size", [(96, 80), (96, 48), (112, 64), (80, 64)])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_wrong_size_in_the_header_is_found(size: tuple[int, int], progressive: bool) -> None:
    with pytest.raises(PictureError, match="damaged"):
        decode_picture(claiming(jpeg(noise(), progressive=progressive), *size))


@pytest.mark.handles("Pictures", "EXIF orientation 2 to 8", "refused: no calibration fits turned pixels")
@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_turned_picture_is_refused(orientation: int) -> None:
    for data in (rotated(orientation), with_chunk(PNG, b"eXIf", exif(orientation))):
        with pytest.raises(PictureError, match=rf"stored turned \(EXIF orientation {orientation}\).*turn its pixels"):
            decode_picture(data)


def test_a_picture_with_orientation_1_is_decoded() -> None:
    np.testing.assert_array_equal(decode_picture(rotated(1)), decode_picture(JPEG))


@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_background_is_turned_upright(orientation: int) -> None:
    data = with_chunk(png(noise(4, 6)), b"eXIf", exif(orientation))
    upright = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    np.testing.assert_array_equal(decode_picture(data, upright=True), upright)


@pytest.mark.handles("Pictures", "bytes that are no picture", "refused: neither JPEG nor PNG")
@pytest.mark.parametrize(
    "data", [b"", b"\0", b"hello", b"\xff\xd8", b"GIF89a", b"\0\0\0\x1cftypavif", JPEG[1:], PNG[1:]]
)
def test_data_that_is_not_a_picture_is_refused(data: bytes) -> None:
    with pytest.raises(PictureError, match=rf"the picture \({len(data)} bytes\) is neither JPEG nor PNG"):
        decode_picture(data)


@pytest.mark.handles("Pictures", "GIF, HEIC, AVIF, JPEG 2000, JPEG XL, a frame of H.264, HTML", "refused by name")
@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"GIF89a\x40", "GIF"),
        (b"\0\0\0\x24ftypheic\0\0\0\0", "HEIC"),
        (b"\0\0\0\x1cftypavif\0\0\0\0", "AVIF"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"\xff\x0a\x08", "JPEG XL"),
        (b"\0\0\0\x01\x67\x42", r"a frame of a video \(H.264 or H.265\)"),
        (b"<!DOCTYPE html>", r"a text \(XML or HTML\)"),
    ],
)
def test_other_formats_are_refused_by_name(data: bytes, name: str) -> None:
    with pytest.raises(PictureError, match=rf"is neither JPEG nor PNG, but {name}: convert it"):
        decode_picture(data)


def test_only_the_accepted_formats_are_decoded() -> None:
    with pytest.raises(PictureError, match="is a PNG, which is not accepted: use JPEG"):
        decode_picture(PNG, formats=["jpeg"])
    with pytest.raises(PictureError, match="of no format"):
        decode_picture(b"?", formats=[])


def test_the_structure_is_read_without_decoding() -> None:
    picture = read_structure(JPEG)
    assert (picture.format, picture.width, picture.height, picture.grey, picture.bits) == ("jpeg", 96, 64, False, 8)
    assert read_structure(png(noise()[..., 0].astype(np.uint16))).bits == 16


@given(st.binary(max_size=200), st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM", b"RIFF", b"II*\0"]))
def test_random_bytes_are_refused(data: bytes, start: bytes) -> None:
    with pytest.raises(PictureError) as refused:
        decode_picture(start + data)
    assert "\n" not in str(refused.value)


@given(st.data(), st.sampled_from(["jpeg", "progressive", "png"]))
def test_a_changed_picture_is_refused_or_decoded_to_its_size(data: st.DataObject, kind: str) -> None:
    whole = {"jpeg": jpeg, "progressive": lambda picture: jpeg(picture, progressive=True), "png": png}[kind](
        smooth(16, 24)
    )
    changed = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 5))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    sizes = []
    try:
        pixels = decode_picture(bytes(changed), check_size=lambda *size: sizes.append(size))
    except PictureError:
        return
    assert pixels.shape == (sizes[0][1], sizes[0][0], 3)
    if kind == "png":
        np.testing.assert_array_equal(pixels, smooth(16, 24))
