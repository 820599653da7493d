"""Images through cv_bridge, which is ROS's own decoder, where it can be used and is right."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taihri_ros.node.images import check_layout, decode_image

logger = logging.getLogger(__name__)


class ImageDecoder:
    """Turns sensor_msgs/Image into RGB arrays.

    The project's own decoder takes over for encodings that cv_bridge does not convert (nv21, uyvy, 8UC3 and others),
    for rows whose padding is no whole number of pixels, which cv_bridge shears, and where cv_bridge does not load.
    """

    def __init__(self) -> None:
        """Load cv_bridge; that it cannot be loaded is logged once."""
        self._bridge: Any = None
        try:
            import cv_bridge
            from cv_bridge.boost import cv_bridge_boost  # noqa: F401 - fails under a NumPy that it was not built for
        except (ImportError, AttributeError) as error:
            logger.info("images are decoded without cv_bridge, which does not load here: %s", error)
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
            ImageError: Size, step, data and encoding do not fit together, or the encoding is not of a picture.
        """
        if self._bridge is None:
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
