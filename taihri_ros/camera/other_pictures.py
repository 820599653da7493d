"""Reads the size of pictures in the further formats that can be allowed, before OpenCV decodes them."""

from __future__ import annotations

import struct
from typing import NamedTuple

from taihri_ros.camera.exif import UPRIGHT, exif_orientation, orientation_of, tiff_tags
from taihri_ros.camera.picture_error import damaged, unsupported


class Header(NamedTuple):
    """The contents of a header: width and height in px, and the EXIF orientation."""

    width: int
    height: int
    orientation: int = UPRIGHT


_WIDTH, _LENGTH, _BITS, _SAMPLE_FORMAT = 256, 257, 258, 339
_UNSIGNED = 1


def read_webp_header(data: memoryview) -> Header:
    """Return the contents of the header of a WebP.

    Args:
        data: The bytes.

    Raises:
        PictureError: There is no such header, or the picture is animated.
    """
    kind, content = bytes(data[12:16]), bytes(data[20:32])
    if int.from_bytes(data[4:8], "little") + 8 > len(data) or len(content) < 10:
        raise damaged("WebP", "it is cut off")
    if kind == b"VP8 " and content[3:6] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", content, 6)
        return Header(width & 0x3FFF, height & 0x3FFF)
    if kind == b"VP8L" and content[0] == 0x2F:
        (bits,) = struct.unpack_from("<I", content, 1)
        return Header((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    if kind == b"VP8X":
        if content[0] & 0x02:
            raise unsupported("WebP", "with an animation")
        width, height = (int.from_bytes(content[start : start + 3], "little") + 1 for start in (4, 7))
        place = bytes(data).find(b"EXIF", 30) if content[0] & 0x08 else -1
        exif = bytes(data[place + 8 :]).removeprefix(b"Exif\0\0") if place > 0 else b""
        return Header(width, height, exif_orientation(exif))
    raise damaged("WebP", "it has no picture")


def read_tiff_header(data: memoryview) -> Header:
    """Return the contents of the first directory of a TIFF.

    Args:
        data: The bytes.

    Raises:
        PictureError: It lacks the size, or its samples are not unsigned numbers of 8 or 16 bits.
    """
    tags = tiff_tags(data)
    if not tags.get(_WIDTH) or not tags.get(_LENGTH):
        raise damaged("TIFF", "it has no size")
    if tags.get(_BITS, 1) > 16 or tags.get(_SAMPLE_FORMAT, _UNSIGNED) != _UNSIGNED:
        raise unsupported("TIFF", "of depth or raw numbers")
    return Header(tags[_WIDTH], tags[_LENGTH], orientation_of(tags))


def read_bmp_header(data: memoryview) -> Header:
    """Return the contents of the header of a BMP.

    Args:
        data: The bytes.

    Raises:
        PictureError: There is no such header, or the file is shorter than it states.
    """
    if len(data) < 26 or struct.unpack_from("<I", data, 14)[0] < 40:
        raise damaged("BMP", "its header is not known")
    (size,) = struct.unpack_from("<I", data, 2)
    width, height = struct.unpack_from("<ii", data, 18)
    if size > len(data) or width < 1 or height == 0:
        raise damaged("BMP", f"{len(data)} of {size} bytes, {width}x{height}")
    return Header(width, abs(height))
