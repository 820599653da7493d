"""JPEGs are decoded as Pillow decodes them, by each decoder; damage in their data is found."""

from __future__ import annotations

import random

import numpy as np
import pytest
from encoded_pictures import decoded, jpeg, lifelike, noise, smooth, without_segments

from taihri_ros.camera import jpeg_codec
from taihri_ros.camera.jpeg_codec import Decoder, decode_jpeg
from taihri_ros.camera.jpeg_structure import read_jpeg_structure
from taihri_ros.camera.picture_error import PictureError

NOISE = jpeg(noise())


@pytest.fixture(params=["simplejpeg", "turbojpeg"])
def strict(request: pytest.FixtureRequest) -> Decoder:
    """Each decoder that reports damage."""
    if request.param == "simplejpeg":
        return jpeg_codec.simplejpeg_decoder()
    try:
        return jpeg_codec.turbojpeg_decoder()
    except OSError:
        pytest.skip("libturbojpeg is not installed: apt-get install libturbojpeg0")


def decode(decoder: Decoder, data: bytes) -> np.ndarray:
    structure = read_jpeg_structure(data)
    return decoder(memoryview(data)[: structure.end], structure)


KINDS = [
    jpeg(noise()),
    jpeg(noise(), mode="L"),
    jpeg(noise(), progressive=True),
    jpeg(noise(61, 93), subsampling="4:2:0"),
    jpeg(noise(61, 93), subsampling="4:2:2"),
    jpeg(noise(61, 93), subsampling="4:4:4"),
    jpeg(noise(), restart_marker_rows=1),
    jpeg(noise(1, 1)),
]


@pytest.mark.parametrize("data", KINDS)
def test_every_decoder_gives_the_pixels_of_pillow(strict: Decoder, data: bytes) -> None:
    for decoder in (strict, jpeg_codec.decode_with_opencv):
        np.testing.assert_array_equal(decode(decoder, data), decoded(data))


@pytest.mark.handles("Pictures", "JPEG in CMYK", "answered: converted to RGB")
def test_cmyk_is_converted(strict: Decoder) -> None:
    data = jpeg(smooth(), mode="CMYK")
    for decoder in (strict, jpeg_codec.decode_with_opencv):
        assert np.abs(decode(decoder, data).astype(int) - decoded(data)).max() <= 2


@pytest.mark.handles(
    "Pictures", "JPEG without Huffman tables, as USB cameras send them", "answered with the standard tables"
)
def test_missing_huffman_tables_are_those_of_the_standard() -> None:
    np.testing.assert_array_equal(decode_jpeg_of(without_segments(NOISE, 0xC4)), decoded(NOISE))


def decode_jpeg_of(data: bytes) -> np.ndarray:
    structure = read_jpeg_structure(data)
    return decode_jpeg(memoryview(data)[: structure.end], structure)


@pytest.mark.handles(
    "Pictures", "JPEG with a packet lost, or with zeros or other data in its place", "refused: damaged"
)
@pytest.mark.parametrize("kind", ["lost", "zeros", "twice"])
def test_a_lost_packet_is_found(strict: Decoder, kind: str) -> None:
    """Losses of less than some blocks are not all found: what is left can be the valid data of another picture."""
    data, generator = jpeg(lifelike(), quality=85), random.Random(3)
    assert np.array_equal(decode(strict, data), decoded(data))
    for _ in range(40):
        place, size = generator.randrange(1000, len(data) - 4000), generator.randrange(512, 3072)
        other = {"lost": b"", "zeros": bytes(size), "twice": data[place - size : place + size]}[kind]
        with pytest.raises((ValueError, PictureError)):
            decode(strict, data[:place] + other + data[place + size :])


def test_opencv_does_not_notice_the_damage() -> None:
    damaged = NOISE[:2000] + NOISE[1000:1300] + NOISE[2300:]
    assert decode(jpeg_codec.decode_with_opencv, damaged).shape == (64, 96, 3)
    with pytest.raises(PictureError, match=r"the JPEG is damaged \(.*Corrupt JPEG data.*\): check the camera"):
        decode_jpeg_of(damaged)


@pytest.mark.handles("Pictures", "JPEG with zeros before its end marker", "answered if it is whole without them")
@pytest.mark.parametrize("count", [1, 9, 512])
def test_zeros_before_the_end_marker_are_padding(count: int) -> None:
    np.testing.assert_array_equal(decode_jpeg_of(NOISE[:-2] + bytes(count) + NOISE[-2:]), decoded(NOISE))
    with pytest.raises(PictureError, match="damaged"):
        decode_jpeg_of(NOISE[:3000] + bytes(count) + NOISE[-2:])


def test_without_a_strict_decoder_opencv_decodes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jpeg_codec, "strict_decoder", lambda: None)
    np.testing.assert_array_equal(decode_jpeg_of(NOISE), decoded(NOISE))


def test_a_strict_decoder_is_installed() -> None:
    assert jpeg_codec.strict_decoder() is not None
