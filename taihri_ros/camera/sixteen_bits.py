"""Pictures with 16 bits per sample, of which the upper eight are used."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from taihri_ros.camera.picture_error import PictureError

_FULL_SCALE = 2**16 - 1
_TWELVE_BITS = 2**12


def upper_eight_bits(samples: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the upper eight bits of samples, which must use them.

    Many cameras measure 10 or 12 bits, and some drivers store these unscaled: such a picture would be all but black.

    Args:
        samples: uint16, any shape.

    Returns:
        uint8, of the same shape.

    Raises:
        PictureError: Some samples are not zero, but all are below 4096, as 10 or 12 bits that were not scaled.
    """
    brightest = int(samples.max(initial=0))
    if 0 < brightest < _TWELVE_BITS:
        raise PictureError(
            f"the brightest of its values is {brightest} of {_FULL_SCALE}, as where 10 or 12 bits are stored in 16: "
            "scale them to 16 bits, or publish mono8 or bgr8"
        )
    return (samples >> 8).astype(np.uint8)
