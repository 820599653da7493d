"""Image messages of every encoding are decoded to RGB; inconsistent ones are rejected."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from encoded_pictures import mosaic, smooth
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from taihri_ros.node.images import decode_image
from taihri_ros.pipeline.frames import ImageError

HEIGHT, WIDTH = 6, 8
BT601 = np.array([[1.164, 0.0, 1.596], [1.164, -0.391, -0.813], [1.164, 2.018, 0.0]])


@dataclass
class Image:
    """The fields of sensor_msgs/Image that are read."""

    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: object


def image(pixels: NDArray[np.generic], encoding: str, *, bigendian: bool = False) -> Image:
    """Return an image message without padding."""
    height, width = pixels.shape[:2]
    data = np.ascontiguousarray(pixels.astype(pixels.dtype.newbyteorder(">" if bigendian else "<")))
    return Image(
        height, width, encoding, int(bigendian), data.nbytes // height, np.frombuffer(data.tobytes(), np.uint8)
    )


def random_rgb(dtype: type[np.uint8] | type[np.uint16] = np.uint8) -> NDArray[np.generic]:
    """Return random RGB pixels."""
    return np.random.default_rng(7).integers(0, np.iinfo(dtype).max, (HEIGHT, WIDTH, 3), dtype, endpoint=True)


def yuv_to_rgb(yuv: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return RGB of (..., 3) YUV by the definition in ITU-R BT.601, 8 bits."""
    return np.clip((yuv - np.array([16.0, 128.0, 128.0])) @ BT601.T, 0, 255)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(
    ("name", "channels"),
    [("rgb", [0, 1, 2]), ("bgr", [2, 1, 0]), ("rgba", [0, 1, 2, 0]), ("bgra", [2, 1, 0, 0])],
)
@pytest.mark.parametrize("bigendian", [False, True])
def test_color_encodings_are_decoded_to_rgb(name: str, bits: int, channels: list[int], bigendian: bool) -> None:
    rgb = random_rgb(np.uint8 if bits == 8 else np.uint16)
    decoded = decode_image(image(rgb[..., channels], f"{name}{bits}", bigendian=bigendian))
    np.testing.assert_array_equal(decoded, rgb >> (bits - 8))
    assert decoded.dtype == np.uint8


@pytest.mark.parametrize("bits", [8, 16])
def test_grey_images_become_three_equal_channels(bits: int) -> None:
    grey = random_rgb(np.uint8 if bits == 8 else np.uint16)[..., 0]
    decoded = decode_image(image(grey, f"mono{bits}"))
    np.testing.assert_array_equal(decoded, np.repeat((grey >> (bits - 8))[..., None], 3, axis=2))


@pytest.mark.parametrize(
    ("generic", "named"),
    [
        ("8UC1", "mono8"),
        ("8UC3", "bgr8"),
        ("8UC4", "bgra8"),
        ("16UC3", "bgr16"),
        ("16UC4", "bgra16"),
    ],
)
def test_generic_encodings_have_the_channel_order_of_opencv(generic: str, named: str) -> None:
    dtype = np.uint16 if generic.startswith("16") else np.uint8
    pixels = random_rgb(dtype)[..., [0, 1, 2, 0][: int(generic[-1])]]
    np.testing.assert_array_equal(decode_image(image(pixels, generic)), decode_image(image(pixels, named)))


@pytest.mark.handles(
    "Pictures", "encodings in capitals, and under names of FFmpeg and V4L2 (YUYV, yuv420p)", "answered"
)
@pytest.mark.parametrize(
    ("other", "named"),
    [
        *(("RGB8", "rgb8"), ("Mono8", "mono8"), ("BAYER_RGGB8", "bayer_rggb8"), ("8uc3", "bgr8"), ("rgb8\0", "rgb8")),
        *(("YUYV", "yuyv"), ("YUY2", "yuyv"), ("yuyv422", "yuyv"), ("YUV422-YUY2", "yuyv"), ("UYVY", "uyvy")),
        *(("NV12", "nv12"), ("I420", "i420"), ("yuv420p", "i420")),
    ],
)
def test_other_names_mean_the_same_encoding(other: str, named: str) -> None:
    sizes = {"rgb8": 3, "bgr8": 3, "mono8": 1, "bayer_rggb8": 1, "yuyv": 2, "uyvy": 2, "nv12": 1.5, "i420": 1.5}
    data = np.random.default_rng(9).integers(0, 256, int(WIDTH * HEIGHT * sizes[named]), np.uint8)
    step = WIDTH * max(1, int(sizes[named])) if sizes[named] != 1.5 else WIDTH
    message = replace(image(random_rgb(), "rgb8"), data=data, step=step, encoding=named)
    np.testing.assert_array_equal(decode_image(replace(message, encoding=other)), decode_image(message))


@pytest.mark.handles("Pictures", "mono16 or Bayer of 10 or 12 bits that were not scaled to 16", "refused: nearly black")
@pytest.mark.parametrize("encoding", ["mono16", "bayer_rggb16"])
@pytest.mark.parametrize("brightest", [1, 1023, 4095])
def test_unscaled_values_of_10_and_12_bits_are_refused(encoding: str, brightest: int) -> None:
    dark = np.minimum(random_rgb(np.uint16)[..., 0], brightest).astype(np.uint16)
    with pytest.raises(ImageError, match=rf"the brightest of its values is {brightest} of 65535, .* scale them to 16"):
        decode_image(image(dark, encoding))
    assert decode_image(image(dark * 0, encoding)).max() == 0


@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
@pytest.mark.parametrize("bits", [8, 16])
def test_bayer_mosaics_are_demosaiced(pattern: str, bits: int) -> None:
    rgb = smooth()
    stored = mosaic(pattern, rgb)
    if bits == 16:
        stored = stored.astype(np.uint16) << 8 | 0x5A
    decoded = decode_image(image(stored, f"bayer_{pattern}{bits}"))
    np.testing.assert_allclose(decoded[2:-2, 2:-2].astype(int), rgb[2:-2, 2:-2], atol=3)


def random_yuv() -> NDArray[np.uint8]:
    yuv = np.random.default_rng(3).integers(16, 236, (HEIGHT, WIDTH, 3), np.uint8)
    yuv[:, 1::2, 1:] = yuv[:, ::2, 1:]  # chroma is shared by pairs of columns
    return yuv


@pytest.mark.parametrize(
    ("encoding", "order"),
    [
        ("uyvy", ("u", "y0", "v", "y1")),
        ("yuv422", ("u", "y0", "v", "y1")),
        ("yuyv", ("y0", "u", "y1", "v")),
        ("yuv422_yuy2", ("y0", "u", "y1", "v")),
    ],
)
def test_packed_yuv_is_decoded_to_rgb(encoding: str, order: tuple[str, ...]) -> None:
    yuv = random_yuv()
    planes = {"y0": yuv[:, ::2, 0], "y1": yuv[:, 1::2, 0], "u": yuv[:, ::2, 1], "v": yuv[:, ::2, 2]}
    packed = np.stack([planes[name] for name in order], axis=2).reshape(HEIGHT, WIDTH, 2)
    np.testing.assert_allclose(decode_image(image(packed, encoding)), yuv_to_rgb(yuv), atol=2)


LAYOUTS = {
    "nv12": (2, 2, "uv"),
    "nv21": (2, 2, "vu"),
    "nv16": (2, 1, "uv"),
    "nv61": (2, 1, "vu"),
    "nv24": (1, 1, "uv"),
    "nv42": (1, 1, "vu"),
    "i420": (2, 2, "u,v"),
    "yv12": (2, 2, "v,u"),
}
"""Columns and rows that share a chroma value, and the order of U and V, interleaved or in planes."""


def planes(encoding: str) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Return luma and chroma of a random image as an encoding stores them, and its RGB pixels."""
    across, down, order = LAYOUTS[encoding]
    yuv = np.random.default_rng(5).integers(16, 236, (HEIGHT, WIDTH, 3), np.uint8)
    yuv[..., 1:] = yuv[::down, ::across, 1:].repeat(down, axis=0).repeat(across, axis=1)
    chroma = {"u": yuv[::down, ::across, 1], "v": yuv[::down, ::across, 2]}
    parts = [chroma[name] for name in order.split(",") if len(order) == 3]
    stored = [part.ravel() for part in parts] or [np.dstack([chroma[name] for name in order]).ravel()]
    return np.concatenate([yuv[..., 0].ravel(), *stored]).reshape(-1, WIDTH), yuv_to_rgb(yuv)


@pytest.mark.handles("Pictures", "raw images in nv12, nv21, nv24, nv16, nv61, nv42, i420 or yv12", "answered")
@pytest.mark.parametrize("encoding", LAYOUTS)
def test_planes_of_luma_and_chroma_are_decoded_to_rgb(encoding: str) -> None:
    rows, rgb = planes(encoding)
    message = replace(image(rows, encoding), height=HEIGHT)
    np.testing.assert_allclose(decode_image(message), rgb, atol=2)


@pytest.mark.handles("Pictures", "nv12 whose step is the size of the data divided by the height", "answered")
@pytest.mark.parametrize("encoding", LAYOUTS)
def test_the_step_of_planes_may_hold_the_chroma_too(encoding: str) -> None:
    rows, rgb = planes(encoding)
    message = replace(image(rows, encoding), height=HEIGHT, step=rows.size // HEIGHT)
    np.testing.assert_allclose(decode_image(message), rgb, atol=2)


@pytest.mark.parametrize("encoding", LAYOUTS)
def test_rows_of_planes_may_be_padded(encoding: str) -> None:
    rows, rgb = planes(encoding)
    separate = encoding in ("i420", "yv12")
    padded = np.pad(rows[:HEIGHT] if separate else rows, ((0, 0), (0, 4)), constant_values=0xEE).ravel()
    if separate:  # each row of chroma has half the step
        chroma = np.pad(rows[HEIGHT:].reshape(HEIGHT, WIDTH // 2), ((0, 0), (0, 2)), constant_values=0xEE)
        padded = np.concatenate([padded, chroma.ravel()])
    message = replace(image(rows, encoding), height=HEIGHT, step=WIDTH + 4, data=padded)
    np.testing.assert_allclose(decode_image(message), rgb, atol=2)


@pytest.mark.parametrize("encoding", LAYOUTS)
@pytest.mark.parametrize("change", [-1, 1, WIDTH])
def test_planes_of_another_size_are_refused(encoding: str, change: int) -> None:
    rows, _ = planes(encoding)
    data = np.resize(rows.ravel(), rows.size + change)
    with pytest.raises(ImageError, match=rf"has {data.size} bytes, but \d+ rows of step 8 need {rows.size}"):
        decode_image(replace(image(rows, encoding), height=HEIGHT, data=data))


@pytest.mark.parametrize("encoding", ["rgb8", "bgr16", "mono8", "mono16", "bayer_rggb8", "uyvy"])
def test_rows_may_be_padded(encoding: str) -> None:
    pixels = {
        "rgb8": random_rgb(),
        "bgr16": random_rgb(np.uint16),
        "mono16": random_rgb(np.uint16)[..., 0],
        "uyvy": random_rgb()[..., :2],
    }.get(encoding, random_rgb()[..., 0])
    plain = image(pixels, encoding)
    rows = np.frombuffer(plain.data, np.uint8).reshape(HEIGHT, -1)  # type: ignore[call-overload]
    padded = np.pad(rows, ((0, 0), (0, 5)), constant_values=0xEE)
    message = replace(plain, step=plain.step + 5, data=padded.ravel())
    np.testing.assert_array_equal(decode_image(message), decode_image(plain))


def test_data_may_be_bytes() -> None:
    message = image(random_rgb(), "rgb8")
    as_bytes = replace(message, data=np.asarray(message.data).tobytes())
    np.testing.assert_array_equal(decode_image(as_bytes), random_rgb())


@pytest.mark.handles(
    "Pictures", "raw image in 16UC1, 32FC1 or another encoding of depth or numbers", "refused: not a picture"
)
@pytest.mark.handles("Pictures", "raw image whose size, step and data do not agree", "refused with the numbers")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"step": WIDTH * 3 - 1}, r"step is 23 bytes, but 8 pixels of rgb8 need 24"),
        ({"step": 0}, "step is 0 bytes"),
        ({"step": WIDTH * 3 + 1}, r"has 144 bytes, but 6 rows of step 25 need 150"),
        ({"data": np.zeros(143, np.uint8)}, "has 143 bytes, but 6 rows of step 24 need 144"),
        ({"data": np.zeros(0, np.uint8)}, "has 0 bytes"),
        ({"height": HEIGHT + 1}, "7 rows of step 24 need 168"),
        ({"height": 0}, r"no pixels \(8x0\)"),
        ({"width": 0}, r"no pixels \(0x6\)"),
        ({"width": 0, "height": 0, "step": 0, "data": np.zeros(0, np.uint8)}, r"no pixels \(0x0\)"),
        ({"width": 2**32 - 1}, "4294967295 pixels of rgb8 need 12884901885"),
        ({"encoding": "rgb"}, "'rgb' cannot be used: it is unknown; publish rgb8 or bgr8"),
        ({"encoding": ""}, "'' cannot be used: it is unknown"),
        ({"encoding": "rgb32"}, "'rgb32' cannot be used: it is unknown"),
        ({"encoding": "8UC2"}, "'8UC2' cannot be used: it holds depth or raw numbers"),
        ({"encoding": "16UC1"}, "'16UC1' cannot be used: it holds depth or raw numbers, not a picture"),
        ({"encoding": "16UC2"}, "'16UC2' cannot be used: it holds depth or raw numbers"),
        ({"encoding": "32FC1"}, "'32FC1' cannot be used: it holds depth or raw numbers"),
        ({"encoding": "bayer_rggb12"}, "'bayer_rggb12' cannot be used: it is unknown"),
        ({"encoding": "bayer_rgbg8"}, "'bayer_rgbg8' cannot be used: it is unknown"),
        ({"encoding": "NV13"}, "'NV13' cannot be used: it is unknown"),
        ({"encoding": "64FC3"}, "'64FC3' cannot be used: it holds depth or raw numbers"),
        ({"encoding": "16SC1"}, "'16SC1' cannot be used: it holds depth or raw numbers"),
        ({"encoding": "uyvy", "width": 7}, "an image of uyvy must have an even width, not 7x6"),
        ({"encoding": "yuyv", "width": 1}, "an image of yuyv must have an even width, not 1x6"),
        ({"encoding": "nv16", "width": 7}, "an image of nv16 must have an even width, not 7x6"),
        ({"encoding": "nv12", "height": 5}, "an image of nv12 must have an even width and height, not 8x5"),
        ({"encoding": "i420", "width": 7}, "an image of i420 must have an even width and height, not 7x6"),
        ({"encoding": "nv12", "height": 0, "step": 0, "data": np.zeros(0, np.uint8)}, r"no pixels \(8x0\)"),
        ({"encoding": "nv21"}, r"has 144 bytes, but 9 rows of step 24 need 216"),
        (
            {"encoding": "yv12", "step": 9, "data": np.zeros(81, np.uint8)},
            "the step of an yv12 image must be even, not 9",
        ),
    ],
)
def test_an_inconsistent_image_is_rejected(change: dict[str, object], message: str) -> None:
    with pytest.raises(ImageError, match=message):
        decode_image(replace(image(random_rgb(), "rgb8"), **change))  # type: ignore[arg-type]


ENCODINGS = ("rgb8", "bgr8", "rgba16", "mono8", "mono16", "bayer_grbg8", "uyvy", "yuyv", *LAYOUTS, "8UC3", "junk")


@given(
    encoding=st.sampled_from(ENCODINGS),
    width=st.integers(0, 9),
    height=st.integers(0, 9),
    step=st.integers(0, 80),
    size=st.none() | st.integers(0, 900),
    bigendian=st.integers(0, 255),
)
def test_any_fields_lead_to_an_image_of_that_size_or_an_image_error(
    encoding: str, width: int, height: int, step: int, size: int | None, bigendian: int
) -> None:
    across, down, _ = LAYOUTS.get(encoding, (0, 0, ""))
    rows = height + (2 * height // (across * down) if across else 0)
    data = np.zeros(rows * step if size is None else size, np.uint8)
    try:
        decoded = decode_image(Image(height, width, encoding, bigendian, step, data))
    except ImageError:
        return
    assert decoded.shape == (height, width, 3)
    assert decoded.dtype == np.uint8
