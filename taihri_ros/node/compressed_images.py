"""Decodes sensor_msgs/CompressedImage as what its `format` states.

The grammar is that of compressed_image_transport: `ORIG_PIXFMT; CODEC compressed COMPRESSED_PIXFMT`. Other drivers
write only the codec, such as `jpeg`.

- The codec is recognised by the bytes, whatever `format` calls it.
- ORIG_PIXFMT decides what the pixels mean. A Bayer mosaic is demosaiced, unless COMPRESSED_PIXFMT shows that the
  publisher has done so. Depth and raw numbers are refused: they are not a picture.
- The order of the colours is that of the JPEG or PNG itself, as for cv_bridge. `compressed rgb8` does not change it:
  drivers that write it publish pictures of the right colours (whose red and blue image_transport's subscriber swaps).
- A grey PNG with 16 bits is a depth image as often as a picture, so it is decoded only if `format` contains mono16.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from taihri_ros.camera.picture_decoder import DEFAULT_FORMATS, EncodedPicture, check_orientation, read_structure
from taihri_ros.camera.picture_error import PictureError
from taihri_ros.node.image_encodings import BAYER, is_bayer, is_depth_or_numbers, without_bits
from taihri_ros.pipeline.frames import ImageError, SizeCheck

_COMPRESSED = "compressed"


@dataclass(frozen=True)
class ImageFormat:
    """The field `format` of a CompressedImage.

    Attributes:
        text: The field.
        pixels: ORIG_PIXFMT in lower case; empty if the field has none.
        compressed: COMPRESSED_PIXFMT in lower case; empty if the field has none.
        depth: Whether the message is of compressed_depth_image_transport.
    """

    text: str
    pixels: str
    compressed: str
    depth: bool

    @classmethod
    def parse(cls, text: str) -> ImageFormat:
        """Return the parts of the field.

        Args:
            text: The field.

        Returns:
            The parts; those that the text does not have are empty.
        """
        first, separator, rest = text.strip().lower().partition(";")
        words = rest.split()
        after = words[words.index(_COMPRESSED) + 1 :] if _COMPRESSED in words else []
        pixels = first.strip() if separator or is_bayer(first) or is_depth_or_numbers(first) else ""
        return cls(text, pixels, after[0] if after else "", "compresseddepth" in text.lower())

    @property
    def is_mosaic(self) -> bool:
        """Whether the pixels are a Bayer mosaic, which the publisher has not demosaiced."""
        return is_bayer(self.pixels) and not self.compressed


def decode_compressed(
    message: Any, check_size: SizeCheck | None = None, formats: Sequence[str] = DEFAULT_FORMATS
) -> NDArray[np.uint8]:
    """Return the RGB pixels of a sensor_msgs/CompressedImage.

    Args:
        message: The message.
        check_size: Called with the width and height in the header before the pixels are decoded.
        formats: The accepted formats, among `picture_decoder.FORMATS`.

    Returns:
        (height, width, 3) uint8 RGB.

    Raises:
        ImageError: The bytes are not a whole and sound picture, or hold depth or raw numbers.
        CameraError: From `check_size`.
    """
    stated = ImageFormat.parse(message.format)
    if stated.depth or is_depth_or_numbers(stated.pixels):
        raise ImageError(
            f"the compressed image holds depth or raw numbers (format {stated.text!r}), not a picture: "
            "subscribe to the colour image"
        )
    try:
        picture = read_structure(message.data, formats)
        check_orientation(picture)
        pattern = _mosaic(stated, picture)
        if check_size is not None:
            check_size(picture.width, picture.height)
        pixels = picture.pixels()
    except PictureError as error:
        raise ImageError(f"the compressed image is refused (format {stated.text[:60]!r}): {error}") from error
    if pattern is None:
        return pixels
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(pixels[..., 0]), BAYER[pattern]), np.uint8)


def _mosaic(stated: ImageFormat, picture: EncodedPicture) -> str | None:
    """Return the Bayer pattern of a mosaic; None if the picture is none.

    Raises:
        PictureError: Format and picture contradict each other, or do not define what the pixels are.
    """
    if stated.is_mosaic:
        pattern = without_bits(stated.pixels)
        if pattern not in BAYER:
            raise PictureError(f"its Bayer pattern is unknown: use one of {', '.join(BAYER)} with 8 or 16 bits")
        if picture.grey is not True:
            raise PictureError("a Bayer mosaic has one channel, but this picture has colours: correct its format")
        return pattern
    if picture.grey and picture.bits == 16 and stated.pixels != "mono16":
        raise PictureError(
            "a grey PNG with 16 bits may be a depth image: publish it as 'mono16; png compressed ' if it is a picture"
        )
    return None
