"""Photometric augmentation, which leaves the labels unchanged."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def augment(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Change exposure, contrast, white balance, sharpness and noise at random, and sometimes cover a rectangle.

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
    return np.asarray(varied, np.uint8)
