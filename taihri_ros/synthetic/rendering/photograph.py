"""Model of a camera: defocus, motion blur, exposure, white balance, tone curve and noise."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Rng = np.random.Generator


def photograph(rng: Rng, light: NDArray[np.float32], faults: float = 1.0) -> NDArray[np.uint8]:
    """Return the picture that a robot's camera takes, with random imperfections.

    Args:
        rng: Random number generator.
        light: float32 (H, W, 3) linear RGB.
        faults: Strength of blur, noise and colour casts; below 1 for pictures that are augmented again later.

    Returns:
        uint8 (H, W, 3) RGB.
    """
    height, width = light.shape[:2]
    scale = max(height, width) / 224.0
    if rng.random() < 0.35:
        sigma = float(rng.exponential(0.55)) * scale * faults
        if sigma > 0.15:
            light = cv2.GaussianBlur(light, (0, 0), min(sigma, 2.2 * scale))
    if rng.random() < 0.2 * faults:
        light = _motion_blur(rng, light, scale)
    target = float(np.clip(rng.normal(0.2, 0.07), 0.05, 0.45))
    strength = rng.uniform(0.5, 1.0)  # of the automatic exposure
    gain = (target / brightness(light)) ** strength * (2.0 / 3.0) ** (1.0 - strength)
    gain = min(
        gain, rng.uniform(0.7, 1.8) / float(np.percentile(light[::4, ::4], 92.0))
    )  # limits clipping of highlights
    balance = np.exp(faults * rng.normal(0.0, 0.07, 3))
    light = light * (balance * gain).astype(np.float32)
    if rng.random() < 0.4:
        light *= _vignette(rng, height, width)
    return develop(
        rng,
        light,
        grain=faults * float(rng.exponential(0.005)),
        gamma=float(rng.uniform(1.9, 2.5)),
        contrast=float(rng.uniform(0.8, 1.25)),
        color=float(rng.uniform(0.6, 1.3) if rng.random() < 0.95 or faults < 1.0 else 0.0),
    )


def brightness(light: NDArray[np.float32]) -> float:
    """Return the brightness of a picture, float32 (H, W, 3) linear RGB: the geometric mean of its pixels."""
    return float(np.exp(np.mean(np.log(light[::4, ::4].mean(axis=2) + 1e-4))))


def develop(
    rng: Rng,
    light: NDArray[np.float32],
    *,
    grain: float = 0.001,
    gamma: float = 2.2,
    contrast: float = 1.0,
    color: float = 1.0,
) -> NDArray[np.uint8]:
    """Convert exposed light to a picture.

    Args:
        rng: Random number generator of the noise.
        light: float32 (H, W, 3) linear RGB, 1 for white.
        grain: Strength of the noise.
        gamma: Exponent of the tone curve.
        contrast: Contrast about middle grey.
        color: Saturation; 0 is grey.

    Returns:
        uint8 (H, W, 3) RGB.
    """
    noise = rng.standard_normal(light.shape, dtype=np.float32)
    noise *= cv2.sqrt(np.float32(0.1 * grain**2) + np.float32(0.08 * grain) * np.clip(light, 0.0, 1.0))
    tone = cv2.pow(np.maximum(light + noise, np.float32(0.0)), 1.0 / gamma)
    mix = np.full((3, 3), (1.0 - color) / 3.0) + color * np.eye(3)
    tone = cv2.transform(tone, np.column_stack([contrast * mix, np.full(3, 0.5 - 0.5 * contrast)]).astype(np.float32))
    return np.asarray(cv2.convertScaleAbs(np.maximum(tone, np.float32(0.0)), alpha=255.0))


def _motion_blur(rng: Rng, light: NDArray[np.float32], scale: float) -> NDArray[np.float32]:
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
