"""cv_bridge and the package's own decoder return the same picture."""

from __future__ import annotations

import numpy as np
import pytest
from sensor_msgs.msg import Image

from taihri_ros.node.images import decode_image

cv_bridge = pytest.importorskip("cv_bridge", reason="cv_bridge is not installed")

WIDTH, HEIGHT = 12, 8
EIGHT_BITS = {"rgb8": 3, "bgr8": 3, "rgba8": 4, "bgra8": 4, "mono8": 1, "yuv422": 2, "yuv422_yuy2": 2}
SIXTEEN_BITS = {"rgb16": 6, "bgr16": 6, "rgba16": 8, "bgra16": 8, "mono16": 2}
for _pattern in ("rggb", "bggr", "gbrg", "grbg"):
    EIGHT_BITS[f"bayer_{_pattern}8"] = 1
    SIXTEEN_BITS[f"bayer_{_pattern}16"] = 2


def make(encoding: str, pixel_bytes: int, padding: int = 0, *, big: bool = False, rows: int = HEIGHT) -> Image:
    step = WIDTH * pixel_bytes + padding
    message = Image(width=WIDTH, height=HEIGHT, encoding=encoding, step=step, is_bigendian=int(big))
    message.data.frombytes(np.random.default_rng(1).integers(0, 256, rows * step, np.uint8).tobytes())
    return message


def bridge(message: Image) -> np.ndarray:
    try:
        return cv_bridge.CvBridge().imgmsg_to_cv2(message, "rgb8")
    except cv_bridge.CvBridgeError as error:
        pytest.skip(f"this cv_bridge does not convert {message.encoding}: {error}")


@pytest.mark.parametrize("padding", [0, 24])
@pytest.mark.parametrize("encoding", EIGHT_BITS)
def test_eight_bit_encodings_are_equal(encoding: str, padding: int) -> None:
    message = make(encoding, EIGHT_BITS[encoding], padding)
    np.testing.assert_array_equal(decode_image(message), bridge(message))


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("encoding", SIXTEEN_BITS)
def test_sixteen_bit_encodings_differ_by_rounding_only(encoding: str, big: bool) -> None:
    message = make(encoding, SIXTEEN_BITS[encoding], 24, big=big)
    difference = np.abs(decode_image(message).astype(int) - bridge(message).astype(int))
    assert difference.max() <= 1
