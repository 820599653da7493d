"""Photographs: tone curve, saturation, exposure and reproducible noise."""

from __future__ import annotations

import numpy as np
import pytest

from taihri_ros.synthetic.rendering.photograph import brightness, develop, photograph


def scene(level: float) -> np.ndarray:
    shapes = np.random.default_rng(0).uniform(0.2, 1.0, (6, 8, 3)).repeat(16, axis=0).repeat(16, axis=1)
    return (level * shapes).astype(np.float32)


def test_develop_applies_the_tone_curve() -> None:
    picture = develop(np.random.default_rng(0), np.full((8, 8, 3), 0.5, np.float32), grain=0.0, gamma=2.0)
    assert picture.dtype == np.uint8
    assert np.abs(picture.astype(int) - round(255 * 0.5**0.5)).max() <= 1


def test_zero_saturation_gives_a_grey_picture() -> None:
    picture = develop(np.random.default_rng(0), scene(1.0), color=0.0)
    assert np.ptp(picture.astype(int), axis=2).max() <= 1


@pytest.mark.parametrize("level", [0.01, 1.0, 30.0])
def test_the_exposure_follows_the_light(level: float) -> None:
    means = [photograph(np.random.default_rng(seed), scene(level)).mean() for seed in range(20)]
    assert 50 < np.median(means) < 200


def test_a_photograph_depends_only_on_its_seed() -> None:
    first, second = (photograph(np.random.default_rng(4), scene(1.0)) for _ in range(2))
    assert (first == second).all()
    assert (photograph(np.random.default_rng(5), scene(1.0)) != first).any()


def test_brightness_scales_with_the_light() -> None:
    assert brightness(scene(2.0)) == pytest.approx(2.0 * brightness(scene(1.0)), rel=1e-3)
