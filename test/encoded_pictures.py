"""Encoded pictures for tests, and their segments and chunks. Pillow encodes and decodes them."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

PNG_START = b"\x89PNG\r\n\x1a\n"


def smooth(height: int = 64, width: int = 96) -> NDArray[np.uint8]:
    """Return a picture that compression and demosaicing preserve."""
    rows, columns = np.mgrid[:height, :width]
    return np.dstack([60 + rows * 120 // height, 40 + columns * 150 // width, 230 - rows - columns // 2]).astype(
        np.uint8
    )


def noise(height: int = 64, width: int = 96, seed: int = 0) -> NDArray[np.uint8]:
    """Return a picture of which no two parts are equal."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def lifelike(height: int = 480, width: int = 640, seed: int = 0) -> NDArray[np.uint8]:
    """Return a picture with as much detail as a photograph: spots of many sizes, and sensor noise."""
    generator = np.random.default_rng(seed)
    picture = smooth(height, width).astype(np.float32)
    for scale in (2, 8, 32):
        spots = generator.normal(0.0, 12.0, (height // scale + 1, width // scale + 1, 3)).astype(np.float32)
        picture += np.asarray(cv2.resize(spots, (width, height), interpolation=cv2.INTER_CUBIC))
    return np.clip(picture + generator.normal(0.0, 2.0, picture.shape), 0, 255).astype(np.uint8)


def mosaic(pattern: str, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the Bayer mosaic of a picture with even sides; the pattern is that of the first two rows, as in `rggb`."""
    tile = np.array([["rgb".index(name) for name in row] for row in (pattern[:2], pattern[2:])])
    channels = np.tile(tile, (picture.shape[0] // 2, picture.shape[1] // 2))
    return np.take_along_axis(picture, channels[..., None], axis=2)[..., 0]


def jpeg(picture: NDArray[np.uint8], *, mode: str = "RGB", quality: int = 90, **options: Any) -> bytes:
    """Return a JPEG of a picture; the options are Pillow's."""
    stream = io.BytesIO()
    Image.fromarray(picture).convert(mode).save(stream, "JPEG", quality=quality, **options)
    return stream.getvalue()


def png(picture: NDArray[Any], *, mode: str | None = None, **options: Any) -> bytes:
    """Return a PNG of a picture; the options are Pillow's."""
    stream = io.BytesIO()
    encoded = Image.fromarray(picture)
    (encoded if mode is None else encoded.convert(mode)).save(stream, "PNG", **options)
    return stream.getvalue()


def decoded(data: bytes) -> NDArray[np.uint8]:
    """Return the RGB pixels that Pillow decodes."""
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def segment(marker: int, content: bytes) -> bytes:
    """Return a segment of a JPEG."""
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def with_segment(data: bytes, marker: int, content: bytes) -> bytes:
    """Return a JPEG with a further segment at its start."""
    return data[:2] + segment(marker, content) + data[2:]


def segments(data: bytes) -> list[tuple[int, int, int]]:
    """Return marker, start and end of each segment of a JPEG up to its first scan."""
    found, place = [], 2
    while not found or found[-1][0] != 0xDA:
        marker, length = data[place + 1], int.from_bytes(data[place + 2 : place + 4], "big")
        found.append((marker, place, place + 2 + length))
        place += 2 + length
    return found


def without_segments(data: bytes, marker: int) -> bytes:
    """Return a JPEG without its segments of one kind."""
    parts = [data[start:end] for kind, start, end in segments(data) if kind != marker]
    return data[:2] + b"".join(parts) + data[segments(data)[-1][2] :]


def claiming(data: bytes, width: int, height: int) -> bytes:
    """Return a JPEG whose header states another size."""
    start = next(start for marker, start, _ in segments(data) if marker in (0xC0, 0xC2))
    return data[: start + 5] + struct.pack(">HH", height, width) + data[start + 9 :]


def exif(orientation: int, order: str = "<", kind: int = 3) -> bytes:
    """Return EXIF data with an orientation."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    value = struct.pack(
        f"{order}HH" if kind == 3 else f"{order}I", *((orientation, 0) if kind == 3 else (orientation,))
    )
    return mark + struct.pack(f"{order}IHHHI", 8, 1, 0x0112, kind, 1) + value + bytes(4)


def chunk(kind: bytes, content: bytes) -> bytes:
    """Return a chunk of a PNG."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def chunks(data: bytes) -> list[tuple[bytes, int, int]]:
    """Return type, start and end of each chunk of a PNG."""
    found, place = [], 8
    while place < len(data):
        end = place + 12 + int.from_bytes(data[place : place + 4], "big")
        found.append((data[place + 4 : place + 8], place, end))
        place = end
    return found


def with_chunk(data: bytes, kind: bytes, content: bytes) -> bytes:
    """Return a PNG with a further chunk behind its header."""
    return data[:33] + chunk(kind, content) + data[33:]


def png_of(
    rows: bytes, width: int, height: int, bits: int = 8, color: int = 2, compressed: bytes | None = None
) -> bytes:
    """Return a PNG of filtered rows, or of compressed data."""
    header = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0)
    data = zlib.compress(rows) if compressed is None else compressed
    return PNG_START + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def filtered(picture: NDArray[np.uint8]) -> bytes:
    """Return the rows of a picture as a PNG stores them, without a filter."""
    return b"".join(b"\0" + row.tobytes() for row in picture)
