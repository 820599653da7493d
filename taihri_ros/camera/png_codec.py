"""Decodes PNGs (ISO/IEC 15948) whose chunks are all there and carry the right checksums.

OpenCV is given the chunks that define the pixels and no others, so that colour profiles, text and animations do not
matter. Of an animated PNG the still picture is decoded, which is also its first frame in most files.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from taihri_ros.camera.exif import UPRIGHT, exif_orientation
from taihri_ros.camera.opencv_codec import decode_stored
from taihri_ros.camera.picture_error import PictureError, cut_off, damaged
from taihri_ros.camera.sixteen_bits import upper_eight_bits

NAME = "PNG"
MAGIC = b"\x89PNG\r\n\x1a\n"

_PIXELS = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
_GREY, _COLOR, _PALETTE, _GREY_ALPHA, _COLOR_ALPHA = 0, 2, 3, 4, 6
_BITS = {
    _GREY: (1, 2, 4, 8, 16),
    _COLOR: (8, 16),
    _PALETTE: (1, 2, 4, 8),
    _GREY_ALPHA: (8, 16),
    _COLOR_ALPHA: (8, 16),
}
"""Allowed bits per sample by colour type."""


@dataclass(frozen=True)
class PngStructure:
    """The contents of the chunks of a PNG.

    Attributes:
        width: Width of the picture, px.
        height: Height of the picture, px.
        grey: Whether it has grey values and no palette; there may be an alpha channel.
        bits: Bits per sample.
        orientation: EXIF orientation, 1 to 8.
        pixels: The PNG with only the chunks that define its pixels.
    """

    width: int
    height: int
    grey: bool
    bits: int
    orientation: int
    pixels: bytes | memoryview


def read_png_structure(data: bytes | memoryview) -> PngStructure:
    """Read the chunks of a PNG and check their order and their checksums.

    Args:
        data: The bytes, which begin with `MAGIC`; bytes after the last chunk are ignored.

    Returns:
        Size and kind.

    Raises:
        PictureError: The data is cut off or damaged.
    """
    data = memoryview(data)
    place, orientation = len(MAGIC), UPRIGHT
    header: tuple[int, int, int, int] | None = None
    kept, others = [data[:place]], False
    previous, has_pixels, has_palette = b"", False, False
    while previous != b"IEND":
        kind, content, end = _chunk(data, place)
        if header is None:
            if kind != b"IHDR":
                raise damaged(NAME, "its first chunk is not IHDR")
            header = _read_header(content)
        elif kind == b"IHDR" or (kind == b"IDAT" and has_pixels and previous != b"IDAT"):
            raise damaged(NAME, f"a chunk {kind.decode()} out of order")
        elif kind == b"PLTE" and (has_palette or has_pixels):
            raise damaged(NAME, "a chunk PLTE out of order")
        elif kind == b"eXIf":
            orientation = exif_orientation(content)
        elif kind not in _PIXELS and not kind[0] & 0x20:
            raise damaged(NAME, f"an unknown critical chunk {kind!r}")
        if kind in _PIXELS:
            kept.append(data[place:end])
        else:
            others = True
        has_pixels, has_palette = has_pixels or kind == b"IDAT", has_palette or kind == b"PLTE"
        previous, place = kind, end
    assert header is not None
    if not has_pixels:
        raise damaged(NAME, "no pixels")
    width, height, bits, color = header
    if color == _PALETTE and not has_palette:
        raise damaged(NAME, "no palette")
    pixels = b"".join(kept) if others else data[:place]
    return PngStructure(width, height, color in (_GREY, _GREY_ALPHA), bits, orientation, pixels)


def decode_png(structure: PngStructure) -> NDArray[np.uint8]:
    """Return the pixels of a PNG. Samples of 16 bits keep their upper eight; an alpha channel is ignored.

    Args:
        structure: Its structure.

    Returns:
        (height, width, 3) uint8 RGB.

    Raises:
        PictureError: The compressed data is damaged, or samples of 16 bits use only the lower ones.
    """
    if structure.bits == 16:
        picture = upper_eight_bits(_imdecode(structure, cv2.IMREAD_UNCHANGED))
        if picture.ndim == 2:
            return np.repeat(picture[..., None], 3, axis=2)
        return np.ascontiguousarray(picture[..., 2::-1])
    return np.asarray(cv2.cvtColor(_imdecode(structure, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB), np.uint8)


def decode_png_numbers(structure: PngStructure) -> NDArray[np.uint16]:
    """Return the samples of a grey PNG with 16 bits as they are stored, such as the millimetres of a depth image.

    Args:
        structure: Its structure.

    Returns:
        (height, width) uint16.

    Raises:
        PictureError: The compressed data is damaged, or it is not a grey PNG with 16 bits.
    """
    numbers = _imdecode(structure, cv2.IMREAD_UNCHANGED) if structure.grey and structure.bits == 16 else None
    if numbers is None or numbers.ndim != 2:
        raise PictureError(f"a {NAME} of numbers must be grey with 16 bits per sample and without alpha")
    return np.asarray(numbers, np.uint16)


def _imdecode(structure: PngStructure, mode: int) -> NDArray[Any]:
    try:
        picture = decode_stored(structure.pixels, mode)
    except ValueError as error:
        raise damaged(NAME, error) from error
    if picture is None or picture.shape[:2] != (structure.height, structure.width):
        raise damaged(NAME, "its compressed data does not hold its pixels")
    return picture


def _chunk(data: memoryview, place: int) -> tuple[bytes, memoryview, int]:
    """Return type, content and end of the chunk at a place, whose checksum is right."""
    if place + 12 > len(data):
        raise cut_off(NAME, len(data))
    (length,) = struct.unpack_from(">I", data, place)
    kind, end = bytes(data[place + 4 : place + 8]), place + 12 + length
    if not (kind.isalpha() and kind.isascii()):
        raise damaged(NAME, f"no chunk at byte {place}")
    if end > len(data):
        raise cut_off(NAME, len(data))
    if zlib.crc32(data[place + 4 : end - 4]) != struct.unpack_from(">I", data, end - 4)[0]:
        raise damaged(NAME, f"the checksum of the chunk {kind.decode()} at byte {place} is wrong")
    return kind, data[place + 8 : end - 4], end


def _read_header(content: memoryview) -> tuple[int, int, int, int]:
    if len(content) != 13:
        raise damaged(NAME, "its header has the wrong length")
    width, height, bits, color, compression, filters, interlace = struct.unpack(">IIBBBBB", content)
    if not 0 < width < 2**31 or not 0 < height < 2**31:
        raise damaged(NAME, f"its size is {width}x{height}")
    if bits not in _BITS.get(color, ()) or compression or filters or interlace > 1:
        raise damaged(NAME, f"its header has {bits} bits of colour type {color}")
    return width, height, bits, color
