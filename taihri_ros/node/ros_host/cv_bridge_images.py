"""Image decoding by cv_bridge, with the package's own decoder for what cv_bridge cannot decode correctly."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taihri_ros.node.image_encodings import BAYER, COLOUR, without_bits
from taihri_ros.node.images import check_layout, decode_image

logger = logging.getLogger(__name__)

_BY_CV_BRIDGE = frozenset(COLOUR) | frozenset(BAYER)
"""The encodings that cv_bridge decodes, without the number of bits."""


class ImageDecoder:
    """Decoder of sensor_msgs/Image to RGB arrays.

    It uses cv_bridge for the encodings of colour, grey and Bayer images. The package's own decoder is used in three
    cases: cv_bridge does not load; the encoding is another one (yuyv, nv12, 8UC3 and others); or the row padding is not
    a whole number of pixels, in which case cv_bridge returns a sheared image.
    """

    def __init__(self) -> None:
        """Load cv_bridge, or log that it cannot be loaded."""
        self._bridge: Any = None
        try:
            import cv_bridge
            from cv_bridge.boost import cv_bridge_boost  # noqa: F401 - fails with a NumPy that it was not built for
        except (ImportError, AttributeError) as error:
            logger.info("cv_bridge cannot be loaded, so images are decoded without it: %s", error)
            return
        self._bridge = cv_bridge.CvBridge()
        self._refusal: type[Exception] = cv_bridge.CvBridgeError

    def __call__(self, message: Any) -> NDArray[np.uint8]:
        """Decode an image.

        Args:
            message: A sensor_msgs/Image.

        Returns:
            (height, width, 3) uint8 RGB.

        Raises:
            ImageError: Size, step, data and encoding are inconsistent, or the encoding is not that of a picture.
        """
        if self._bridge is None or without_bits(message.encoding) not in _BY_CV_BRIDGE:
            return decode_image(message)
        try:
            dtype, channels = self._bridge.encoding_to_dtype_with_channels(message.encoding)
            pixel = np.dtype(dtype).itemsize * channels
            check_layout(message, message.height, message.width * pixel)
            if message.step % pixel:
                return decode_image(message)
            return np.asarray(self._bridge.imgmsg_to_cv2(message, "rgb8"), np.uint8)
        except self._refusal:
            return decode_image(message)
