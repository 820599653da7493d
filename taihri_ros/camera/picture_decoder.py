"""The decoder of every compressed picture: of topics, bags, files and data sets.

    >>> image = decode_picture(data, check_size=camera.check_image)  # doctest: +SKIP

The format is recognised by the bytes. Structure and size are read first; the pixels are decoded only if the size is the
expected one, so that a small file that claims a huge picture does no harm.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from taihri_ros.camera import jpeg_structure, png_codec
from taihri_ros.camera.exif import UPRIGHT
from taihri_ros.camera.jpeg_codec import decode_jpeg
from taihri_ros.camera.opencv_codec import decode_stored
from taihri_ros.camera.other_pictures import Header, read_bmp_header, read_tiff_header, read_webp_header
from taihri_ros.camera.picture_error import PictureError, damaged

DEFAULT_FORMATS = ("jpeg", "png")

MAX_PIXELS = 2**27
"""Largest picture that is decoded, px: 134 million, four times an 8K picture."""

_OTHERS: dict[str, tuple[str, Callable[[memoryview], Header]]] = {
    "webp": ("WebP", read_webp_header),
    "tiff": ("TIFF", read_tiff_header),
    "bmp": ("BMP", read_bmp_header),
}
"""Name for people and reader of the header of the formats that OpenCV decodes without a check of ours."""

FORMATS = (*DEFAULT_FORMATS, *_OTHERS)
"""The formats that can be accepted."""

_KNOWN_STARTS = (
    (0, b"GIF8", "GIF"),
    (4, b"ftyphei", "HEIC"),
    (4, b"ftypmif1", "HEIF"),
    (4, b"ftypavif", "AVIF"),
    (0, b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (0, b"\xff\x0a", "JPEG XL"),
    (0, b"\0\0\0\x0cJXL ", "JPEG XL"),
    (0, b"\0\0\0\x01", "a frame of a video (H.264 or H.265)"),
    (0, b"<", "a text (XML or HTML)"),
)
"""Place, first bytes and name of what is not decoded, so that an error can call it by its name."""

_TURNS: dict[int, Callable[[Any], Any]] = {
    2: lambda picture: picture[:, ::-1],
    3: lambda picture: picture[::-1, ::-1],
    4: lambda picture: picture[::-1],
    5: lambda picture: picture.transpose(1, 0, 2),
    6: lambda picture: np.rot90(picture, -1),
    7: lambda picture: np.rot90(picture, 2).transpose(1, 0, 2),
    8: lambda picture: np.rot90(picture, 1),
}
"""How to turn a stored picture upright, by EXIF orientation."""


@dataclass(frozen=True)
class EncodedPicture:
    """A compressed picture whose structure is sound and whose pixels are not decoded yet.

    Attributes:
        format: One of `FORMATS`.
        width: Width as stored, px.
        height: Height as stored, px.
        grey: Whether it has grey values only; None if not known before decoding.
        bits: Bits per sample; None if not known before decoding.
        orientation: EXIF orientation, 1 to 8; 1 if it has none.
        pixels: Decodes it: (height, width, 3) uint8 RGB as stored; raises `PictureError`.
    """

    format: str
    width: int
    height: int
    grey: bool | None
    bits: int | None
    orientation: int
    pixels: Callable[[], NDArray[np.uint8]]


def read_structure(data: Any, formats: Sequence[str] = DEFAULT_FORMATS) -> EncodedPicture:
    """Read the structure of a compressed picture without decoding its pixels.

    Args:
        data: The bytes: bytes, memoryview, or an array of uint8.
        formats: The accepted formats, among `FORMATS`.

    Returns:
        The picture.

    Raises:
        PictureError: The bytes are not a picture of these formats; it is cut off or damaged, of a kind that is not
            decoded, or larger than `MAX_PIXELS`.
    """
    view = memoryview(data).cast("B")
    kind = _format_of(view)
    if kind is None:
        start = bytes(view[:16])
        if name := next((name for place, known, name in _KNOWN_STARTS if start.startswith(known, place)), None):
            raise PictureError(f"the picture ({len(view)} bytes) is neither {_names(formats)}, but {name}: convert it")
        raise PictureError(f"the picture ({len(view)} bytes) is neither {_names(formats)}, or its start is damaged")
    if kind not in formats:
        raise PictureError(f"the picture is a {kind.upper()}, which is not accepted: use {_names(formats, 'or')}")
    picture = _read(view, kind)
    if picture.width * picture.height > MAX_PIXELS:
        raise PictureError(
            f"the picture is {picture.width}x{picture.height}, larger than {MAX_PIXELS // 10**6} million pixels: "
            "reduce it"
        )
    return picture


def decode_picture(
    data: Any,
    *,
    check_size: Callable[[int, int], object] | None = None,
    formats: Sequence[str] = DEFAULT_FORMATS,
    upright: bool = False,
) -> NDArray[np.uint8]:
    """Return the pixels of a compressed picture.

    Args:
        data: The bytes: bytes, memoryview, or an array of uint8.
        check_size: Called with the width and height in the header before the pixels are decoded; raises an error for
            a wrong size, such as `Camera.check_image`.
        formats: The accepted formats, among `FORMATS`.
        upright: Whether to turn the picture as its EXIF orientation requires, so that no calibration fits it; otherwise
            such a picture is refused.

    Returns:
        (height, width, 3) uint8 RGB.

    Raises:
        PictureError: The bytes are not a whole and sound picture of these formats, or it is to be turned.
        TaihriError: From `check_size`.
    """
    picture = read_structure(data, formats)
    if not upright:
        check_orientation(picture)
    if check_size is not None:
        check_size(picture.width, picture.height)
    pixels = picture.pixels()
    if picture.orientation == UPRIGHT:
        return pixels
    return np.ascontiguousarray(_TURNS[picture.orientation](pixels))


def check_orientation(picture: EncodedPicture) -> None:
    """Check that a picture is stored as it is seen, because only then a calibration describes its pixels.

    Args:
        picture: The picture.

    Raises:
        PictureError: Its EXIF orientation is that of a turned or mirrored picture.
    """
    if picture.orientation != UPRIGHT:
        raise PictureError(
            f"the picture is stored turned (EXIF orientation {picture.orientation}), so that no calibration fits it: "
            "turn its pixels (exiftran -a), or remove the orientation if the calibration is of the stored pixels"
        )


def _format_of(data: memoryview) -> str | None:
    start = bytes(data[:12])
    if start.startswith(jpeg_structure.MAGIC):
        return "jpeg"
    if start.startswith(png_codec.MAGIC):
        return "png"
    if start.startswith(b"RIFF") and start[8:] == b"WEBP":
        return "webp"
    if start.startswith((b"II*\0", b"MM\0*")):
        return "tiff"
    return "bmp" if start.startswith(b"BM") else None


def _read(data: memoryview, kind: str) -> EncodedPicture:
    if kind == "jpeg":
        jpeg = jpeg_structure.read_jpeg_structure(data)
        grey = jpeg.components == 1
        return EncodedPicture(
            kind, jpeg.width, jpeg.height, grey, 8, jpeg.orientation, lambda: decode_jpeg(data[: jpeg.end], jpeg)
        )
    if kind == "png":
        png = png_codec.read_png_structure(data)
        return EncodedPicture(
            kind, png.width, png.height, png.grey, png.bits, png.orientation, lambda: png_codec.decode_png(png)
        )
    name, read = _OTHERS[kind]
    header = read(data)
    return EncodedPicture(kind, *header[:2], None, None, header.orientation, lambda: _decode_other(data, name, header))


def _decode_other(data: memoryview, name: str, header: Header) -> NDArray[np.uint8]:
    try:
        picture = decode_stored(data, cv2.IMREAD_COLOR)
    except ValueError as error:
        raise damaged(name, error) from error
    if picture is None or picture.shape[:2] != (header.height, header.width):
        raise damaged(name, "OpenCV cannot decode it")
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


def _names(formats: Sequence[str], word: str = "nor") -> str:
    if not formats:
        return "of no format, because none is accepted"
    *first, last = [_OTHERS[each][0] if each in _OTHERS else each.upper() for each in formats]
    return f"{', '.join(first)} {word} {last}" if first else last
