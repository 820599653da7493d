"""Photometric augmentation, which leaves the labels unchanged."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def augment(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Randomly change exposure, contrast, white balance, sharpness, noise and JPEG quality, and hide a rectangle.

    Args:
        image: (height, width, 3) uint8 RGB.
        rng: Random generator.

    Returns:
        (height, width, 3) uint8 RGB.
    """
    levels = np.arange(256, dtype=np.float32) / 255.0
    gamma, gain, offset = np.exp(rng.normal(0.0, 0.25)), np.exp(rng.normal(0.0, 0.15)), rng.normal(0.0, 0.04)
    balance = np.exp(rng.normal(0.0, 0.06, 3))
    curve = (levels[:, None] ** gamma * gain * balance + offset) * 255.0
    varied = cv2.LUT(image, np.clip(curve, 0, 255).astype(np.uint8)[:, None, :])
    if rng.random() < 0.15:
        varied = cv2.GaussianBlur(varied, (0, 0), float(rng.uniform(0.4, 1.3)))
    if rng.random() < 0.1:
        varied = _motion_blur(varied, rng)
    if rng.random() < 0.1:
        varied = _low_resolution(varied, rng)
    if rng.random() < 0.25:
        varied = _vary_saturation(varied, rng)
    if rng.random() < 0.2:
        noise = rng.standard_normal(varied.shape, np.float32) * np.float32(rng.uniform(2.0, 10.0))
        varied = np.clip(varied + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.07:
        varied = np.repeat(varied.mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8)
    if rng.random() < 0.12:
        height, width = varied.shape[:2]
        side = rng.uniform(0.08, 0.3, 2) * (height, width)
        top, left = rng.uniform(0, 1, 2) * ((height, width) - side)
        varied = varied.copy()
        varied[int(top) : int(top + side[0]), int(left) : int(left + side[1])] = rng.integers(0, 256, 3)
    if rng.random() < 0.3:
        quality = int(rng.integers(25, 90))
        encoded = cv2.imencode(".jpg", np.ascontiguousarray(varied), [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        varied = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)
    return np.asarray(varied, np.uint8)


def _motion_blur(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Blur along a straight line of 2 to 7 px."""
    length, angle = rng.uniform(2.0, 7.0), rng.uniform(0.0, np.pi)
    offsets = np.linspace(-0.5, 0.5, 33)[:, None] * length * [np.cos(angle), np.sin(angle)]
    kernel = np.zeros((9, 9), np.float32)
    np.add.at(kernel, tuple((4 + np.rint(offsets).astype(int)).T), 1.0)
    return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE), np.uint8)


def _low_resolution(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Shrink by a factor of 1.3 to 2.5 and enlarge again, as a distant person in a zoomed view."""
    height, width = image.shape[:2]
    factor = rng.uniform(1.3, 2.5)
    small = cv2.resize(image, (max(8, int(width / factor)), max(8, int(height / factor))), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def _vary_saturation(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Scale the distance of the colours from grey by 0.3 to 1.5."""
    scale = rng.uniform(0.3, 1.5)
    mix = np.full((3, 3), (1.0 - scale) / 3.0) + scale * np.eye(3)
    return np.asarray(cv2.transform(image, mix.astype(np.float32)), np.uint8)
