"""Artificial pictures without people: noise, flat colours, gradients and checkerboards."""

from __future__ import annotations

import colorsys
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from taihri_ros.training.data.patterns import Image, Rng, Size


def _white_noise(rng: Rng, size: Size) -> Image:
    """Return independent normal noise in grey or colour around a random level."""
    field = rng.standard_normal((size[1], size[0], _channels(rng)))
    return _image(rng.uniform(40.0, 215.0) + rng.uniform(5.0, 90.0) * field)


def _colored_noise(rng: Rng, size: Size) -> Image:
    """Return smooth noise, whose spectral density falls with a random power of the frequency, in grey or colour."""
    width, height = size
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    frequency[0, 0] = 1.0
    amplitude = frequency ** -rng.uniform(0.5, 2.0)
    amplitude[0, 0] = 0.0
    fields = []
    for _ in range(_channels(rng)):
        spectrum = np.fft.rfft2(rng.standard_normal((height, width)))
        field = np.fft.irfft2(spectrum * amplitude, s=(height, width))
        fields.append(field / field.std())
    return _image(rng.uniform(60.0, 195.0) + rng.uniform(20.0, 70.0) * np.stack(fields, axis=-1))


def _salt_and_pepper(rng: Rng, size: Size) -> Image:
    """Return a gradient of which some pixels are black or white."""
    image, values = _gradient(rng, size), rng.random((size[1], size[0]))
    share = np.exp(rng.uniform(np.log(0.005), np.log(0.5)))
    image[values < share / 2] = 0
    image[values > 1.0 - share / 2] = 255
    return image


def _flat(rng: Rng, size: Size) -> Image:
    """Return one colour: black, white, a grey or any colour."""
    kind = int(rng.integers(4))
    color = (np.zeros(3), np.full(3, 255.0), np.full(3, rng.uniform(10.0, 245.0)), _color(rng))[kind]
    return _image(np.broadcast_to(color, (size[1], size[0], 3)))


def _gradient(rng: Rng, size: Size) -> Image:
    """Return a smooth transition between colours in the four corners."""
    corners = np.stack([_color(rng) for _ in range(4)]).reshape(2, 2, 3).astype(np.float32)
    return _image(cv2.resize(corners, size, interpolation=cv2.INTER_LINEAR))


def _checkerboard(rng: Rng, size: Size) -> Image:
    """Return a turned or foreshortened checkerboard of two colours, often saturated ones."""
    x, y = np.meshgrid(np.arange(size[0]) - size[0] / 2, np.arange(size[1]) - size[1] / 2)
    angle = rng.uniform(0.0, np.pi) if rng.random() < 0.5 else 0.0
    tilt = rng.uniform(-0.7, 0.7) / size[1] if rng.random() < 0.5 else 0.0
    u, v = (np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x)
    period = np.exp(rng.uniform(np.log(8.0), np.log(160.0))) * (1.0 + tilt * y)
    dark = (np.floor(u / period) + np.floor(v / period)) % 2 > 0
    return _image(np.where(dark[..., None], _color(rng), _color(rng)))


def _channels(rng: Rng) -> int:
    return 3 if rng.random() < 0.5 else 1


def _color(rng: Rng) -> NDArray[np.float64]:
    """Return RGB from 0 to 255, saturated in half of the cases."""
    saturation = rng.uniform(0.7, 1.0) if rng.random() < 0.5 else rng.uniform(0.0, 0.4)
    return 255.0 * np.array(colorsys.hsv_to_rgb(rng.random(), saturation, rng.uniform(0.1, 1.0)))


def _image(values: NDArray[np.floating]) -> Image:
    """Return values from 0 to 255 as an RGB picture; one channel becomes grey."""
    levels = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return np.repeat(levels, 3 // levels.shape[2], axis=2)


ARTIFICIAL: dict[str, Callable[[Rng, Size], Image]] = {
    "checkerboard": _checkerboard,
    "white noise": _white_noise,
    "coloured noise": _colored_noise,
    "salt and pepper": _salt_and_pepper,
    "flat colour": _flat,
    "gradient": _gradient,
}
"""Kinds of pictures; each samples (height, width, 3) uint8 RGB from a random generator, and width and height in px."""
