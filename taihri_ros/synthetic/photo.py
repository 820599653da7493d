"""From light to a picture: defocus, motion, exposure, white balance, tone, noise."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Rng = np.random.Generator


def photograph(rng: Rng, light: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Take a picture as a robot's camera would.

    Args:
        rng: Source of chance.
        light: float32 (H, W, 3) linear RGB.

    Returns:
        uint8 (H, W, 3) RGB.
    """
    height, width = light.shape[:2]
    scale = max(height, width) / 224.0
    if rng.random() < 0.35:
        sigma = float(rng.exponential(0.55)) * scale
        if sigma > 0.15:
            light = cv2.GaussianBlur(light, (0, 0), min(sigma, 2.2 * scale))
    if rng.random() < 0.2:
        light = _move(rng, light, scale)
    level = float(np.exp(np.mean(np.log(light.mean(axis=2) + 1e-4))))
    target = float(np.clip(rng.normal(0.2, 0.07), 0.05, 0.45))
    strength = rng.uniform(0.5, 1.0)  # how far the automatic exposure goes
    balance = np.exp(rng.normal(0.0, 0.07, 3))
    exposed = light * (balance * (target / level) ** strength * 0.2 ** (1.0 - strength) / 0.3 ** (1.0 - strength)).astype(
        np.float32
    )
    if rng.random() < 0.4:
        exposed *= _vignette(rng, height, width)
    grain = float(rng.exponential(0.005))
    noise = rng.standard_normal(exposed.shape, dtype=np.float32)
    exposed = exposed + noise * np.sqrt(grain**2 * 0.1 + grain * 0.08 * np.clip(exposed, 0.0, 1.0)).astype(np.float32)
    tone = np.clip(exposed, 0.0, None) ** np.float32(1.0 / rng.uniform(1.9, 2.5))
    contrast = rng.uniform(0.8, 1.25)
    tone = np.float32(0.5) + (tone - np.float32(0.5)) * np.float32(contrast)
    color = np.float32(rng.uniform(0.6, 1.3) if rng.random() < 0.95 else 0.0)
    grey = tone.mean(axis=2, keepdims=True)
    tone = grey + (tone - grey) * color
    return np.clip(np.rint(tone * 255.0), 0, 255).astype(np.uint8)


def _move(rng: Rng, light: NDArray[np.float32], scale: float) -> NDArray[np.float32]:
    length, angle = float(rng.uniform(1.0, 7.0)) * scale, float(rng.uniform(0.0, np.pi))
    size = 2 * int(np.ceil(length / 2)) + 3
    kernel = np.zeros((size, size), dtype=np.float32)
    middle = size // 2
    for share in np.linspace(-0.5, 0.5, 4 * size):
        x, y = middle + share * length * np.cos(angle), middle + share * length * np.sin(angle)
        kernel[int(np.rint(y)), int(np.rint(x))] += 1.0
    return np.asarray(cv2.filter2D(light, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE))


def _vignette(rng: Rng, height: int, width: int) -> NDArray[np.float32]:
    x, y = np.linspace(-1.0, 1.0, width), np.linspace(-1.0, 1.0, height)
    return (1.0 - rng.uniform(0.0, 0.4) * (x[None, :] ** 2 + y[:, None] ** 2) / 2.0)[..., None].astype(np.float32)
