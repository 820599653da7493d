"""PNGs of every kind are decoded exactly; one with a wrong checksum or without all of its data is refused."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from encoded_pictures import PNG_START, chunk, chunks, decoded, filtered, noise, png, png_of, smooth, with_chunk
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from taihri_ros.camera.picture_error import PictureError
from taihri_ros.camera.png_codec import decode_png, decode_png_numbers, read_png_structure

PICTURE = noise(16, 24)
PNG = png(PICTURE)
ROWS = filtered(PICTURE)


def decode(data: bytes) -> NDArray[np.uint8]:
    return decode_png(read_png_structure(data))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_every_mode_gives_the_pixels_of_pillow(mode: str) -> None:
    data = png(smooth(), mode=mode)
    np.testing.assert_array_equal(decode(data), decoded(data))


@pytest.mark.parametrize("bits", [1, 2, 4])
@pytest.mark.parametrize("color", [0, 3])
def test_packed_samples_are_decoded(bits: int, color: int) -> None:
    levels = np.random.default_rng(2).integers(0, 2**bits, (6, 16), np.uint8)
    packed = np.packbits(np.unpackbits(levels[..., None], axis=2)[..., 8 - bits :].reshape(6, -1), axis=1)
    data = png_of(filtered(packed), 16, 6, bits, color)
    palette = np.repeat(np.arange(2**bits, dtype=np.uint8)[:, None] * (255 // (2**bits - 1)), 3, axis=1)
    if color == 3:
        palette = noise(1, 2**bits)[0]
        data = with_chunk(data, b"PLTE", palette.tobytes())
    np.testing.assert_array_equal(decode(data), palette[levels])


@pytest.mark.handles("Pictures", "PNG with 16 bits per sample", "answered with the upper eight bits")
@pytest.mark.parametrize(("color", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_16_bits_keep_the_upper_eight(color: int, channels: int) -> None:
    samples = np.random.default_rng(1).integers(0, 65536, (6, 8, channels), np.uint16)
    data = png_of(filtered(samples.astype(">u2").reshape(6, -1).view(np.uint8)), 8, 6, 16, color)
    expected = (samples >> 8)[..., :3] if channels >= 3 else np.repeat((samples >> 8)[..., :1], 3, axis=2)
    np.testing.assert_array_equal(decode(data), expected)


def test_an_interlaced_png_is_decoded() -> None:
    structure = read_png_structure(png(PICTURE))
    assert not structure.grey
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    rows = b"".join(filtered(PICTURE[y::dy, x::dx]) for x, y, dx, dy in passes)
    header = struct.pack(">IIBBBBB", 24, 16, 8, 2, 0, 0, 1)
    data = PNG_START + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    np.testing.assert_array_equal(decode(data), PICTURE)


@pytest.mark.handles("Pictures", "animated PNG", "answered: its still picture")
def test_the_still_picture_of_an_animated_png_is_decoded() -> None:
    frame = struct.pack(">IIIIIHHBB", 0, 24, 16, 0, 0, 1, 10, 0, 0)
    animated = with_chunk(PNG, b"acTL", struct.pack(">II", 1, 0))
    animated = animated[:-12] + chunk(b"fcTL", frame) + chunk(b"fdAT", bytes(4) + zlib.compress(ROWS)) + animated[-12:]
    np.testing.assert_array_equal(decode(animated), PICTURE)


@pytest.mark.handles("Pictures", "PNG with transparency, gamma, colour profile or text", "answered: these are ignored")
@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (b"tRNS", struct.pack(">HHH", *PICTURE[0, 0].tolist())),
        (b"gAMA", struct.pack(">I", 100000)),
        (b"iCCP", b"profile\0\0" + zlib.compress(b"not a profile")),
        (b"tEXt", b"Comment\0text"),
        (b"sBIT", b"\x05\x05\x05"),
    ],
)
def test_chunks_that_do_not_define_the_pixels_are_ignored(kind: bytes, content: bytes) -> None:
    np.testing.assert_array_equal(decode(with_chunk(PNG, kind, content)), PICTURE)


def test_the_pixels_may_be_in_several_chunks_and_bytes_may_follow() -> None:
    compressed = zlib.compress(ROWS)
    parts = b"".join(chunk(b"IDAT", compressed[start : start + 100]) for start in range(0, len(compressed), 100))
    data = PNG[:33] + parts + chunk(b"IDAT", b"") + PNG[-12:]
    np.testing.assert_array_equal(decode(data + b"\0" * 999), PICTURE)


@pytest.mark.handles("Pictures", "PNG cut off at any byte", "refused: cut off")
def test_a_png_cut_off_anywhere_is_refused() -> None:
    for length in range(8, len(PNG)):
        with pytest.raises(PictureError, match="the PNG is cut off after"):
            read_png_structure(PNG[:length])


@pytest.mark.handles("Pictures", "PNG with any bit changed", "refused: a checksum is wrong")
def test_every_changed_bit_is_found() -> None:
    data = png(noise(4, 4))
    for bit in range(8 * 8, 8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(PictureError):
            decode(bytes(damaged))


@pytest.mark.handles("Pictures", "PNG with right checksums over data that is too short or damaged", "refused: damaged")
@pytest.mark.parametrize(
    "data",
    [
        png_of(ROWS[:-1], 24, 16),
        png_of(b"", 24, 16, compressed=zlib.compress(ROWS)[:-100]),
        png_of(b"", 24, 16, compressed=zlib.compress(ROWS)[:-4] + b"abcd"),
        png_of(b"", 24, 16, compressed=b""),
        png_of(b"", 24, 16, compressed=b"no zlib stream"),
        png_of(b"\x07" + ROWS[1:], 24, 16),
    ],
)
def test_compressed_data_that_does_not_hold_the_pixels_is_refused(data: bytes) -> None:
    with pytest.raises(PictureError, match=r"its compressed data does not hold its pixels"):
        decode(data)


def header(*, width: int = 24, height: int = 16, bits: int = 8, color: int = 2, interlace: int = 0) -> bytes:
    return struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, interlace)


END = chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (END, "its first chunk is not IHDR"),
        (chunk(b"IHDR", header()[:12]) + END, "its header has the wrong length"),
        (chunk(b"IHDR", header(width=0)) + END, "its size is 0x16"),
        (chunk(b"IHDR", header(height=2**31)) + END, "its size is"),
        (chunk(b"IHDR", header(bits=3)) + END, "3 bits of colour type 2"),
        (chunk(b"IHDR", header(color=5)) + END, "8 bits of colour type 5"),
        (chunk(b"IHDR", header(interlace=2)) + END, "its header has"),
        (chunk(b"IHDR", header()) + END, "no pixels"),
        (chunk(b"IHDR", header()) * 2 + END, "a chunk IHDR out of order"),
        (chunk(b"IHDR", header()) + chunk(b"XYZW", b"") + END, "an unknown critical chunk"),
        (chunk(b"IHDR", header(color=3)) + chunk(b"IDAT", b"") + END, "no palette"),
        (chunk(b"IHDR", header()) + chunk(b"IDAT", b"") + chunk(b"PLTE", b"") + END, "a chunk PLTE out of order"),
        (
            chunk(b"IHDR", header()) + chunk(b"IDAT", b"") + chunk(b"tEXt", b"") + chunk(b"IDAT", b"") + END,
            "a chunk IDAT out of order",
        ),
        (chunk(b"IHDR", header()) + b"\0\0\0\0<b>!" + bytes(4) + END, "no chunk at byte 33"),
    ],
)
def test_a_damaged_structure_is_refused(body: bytes, message: str) -> None:
    with pytest.raises(PictureError, match=message):
        read_png_structure(PNG_START + body)


def test_numbers_of_16_bits_are_read_as_stored() -> None:
    numbers = np.arange(48, dtype=np.uint16).reshape(6, 8) * 1000
    np.testing.assert_array_equal(decode_png_numbers(read_png_structure(png(numbers))), numbers)
    for other in (PNG, png(smooth()[..., 0])):
        with pytest.raises(PictureError, match="must be grey with 16 bits"):
            decode_png_numbers(read_png_structure(other))


def test_the_chunks_of_the_helper_are_those_of_the_file() -> None:
    assert [kind for kind, _, _ in chunks(PNG)] == [b"IHDR", b"IDAT", b"IEND"]


@given(st.data())
def test_any_change_of_bytes_is_refused_or_changes_nothing(data: st.DataObject) -> None:
    damaged = bytearray(PNG)
    for _ in range(data.draw(st.integers(1, 5))):
        damaged[data.draw(st.integers(8, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        pixels = decode(bytes(damaged))
    except PictureError:
        return
    np.testing.assert_array_equal(pixels, PICTURE)
