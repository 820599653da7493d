"""cv_bridge and the package's own decoder return the same picture."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from sensor_msgs.msg import Image

from taihri_ros.node.images import decode_image
from taihri_ros.node.ros_host.cv_bridge_images import ImageDecoder
from taihri_ros.pipeline.frames import ImageError

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
    np.testing.assert_array_equal(ImageDecoder()(message), bridge(message))


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("encoding", SIXTEEN_BITS)
def test_sixteen_bit_encodings_differ_by_rounding_only(encoding: str, big: bool) -> None:
    message = make(encoding, SIXTEEN_BITS[encoding], 24, big=big)
    difference = np.abs(decode_image(message).astype(int) - bridge(message).astype(int))
    assert difference.max() <= 1


@pytest.mark.parametrize(
    ("encoding", "pixel_bytes", "rows"),
    [
        ("uyvy", 2, HEIGHT),
        ("yuyv", 2, HEIGHT),
        ("8UC3", 3, HEIGHT),
        ("nv12", 1, HEIGHT * 3 // 2),
        ("nv21", 1, HEIGHT * 3 // 2),
        ("nv24", 1, HEIGHT * 3),
        ("i420", 1, HEIGHT * 3 // 2),
    ],
)
def test_encodings_that_cv_bridge_may_refuse_are_decoded(encoding: str, pixel_bytes: int, rows: int) -> None:
    message = make(encoding, pixel_bytes, rows=rows)
    np.testing.assert_array_equal(ImageDecoder()(message), decode_image(message))


def test_rows_padded_by_a_fraction_of_a_pixel_are_not_sheared() -> None:
    message = make("rgb8", 3, padding=1)
    rows = np.frombuffer(message.data, np.uint8).reshape(HEIGHT, message.step)
    np.testing.assert_array_equal(ImageDecoder()(message), rows[:, : WIDTH * 3].reshape(HEIGHT, WIDTH, 3))


@pytest.mark.parametrize(
    "message",
    [
        make("rgb8", 2),
        make("rgb8", 3, rows=HEIGHT - 1),
        Image(width=0, height=0, encoding="rgb8"),
        make("nothing", 3),
        make("32FC1", 4),
        make("16UC1", 2),
    ],
    ids=["step", "size", "0x0", "unknown", "depth", "depth in millimetres"],
)
def test_both_decoders_refuse_bad_images_with_the_same_message(message: Image) -> None:
    with pytest.raises(ImageError) as ours:
        decode_image(message)
    with pytest.raises(ImageError) as through_bridge:
        ImageDecoder()(message)
    assert str(through_bridge.value) == str(ours.value)


def test_without_cv_bridge_the_own_decoder_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv_bridge.boost", None)
    message = make("bgr8", 3)
    np.testing.assert_array_equal(ImageDecoder()(message), decode_image(message))
