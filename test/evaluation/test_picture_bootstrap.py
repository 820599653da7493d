from __future__ import annotations

import numpy as np
import pytest

from taihri_ros.evaluation.picture_bootstrap import PictureBootstrap


def width(found: dict[str, list[float]]) -> float:
    low, high = found["interval"]
    return high - low


def test_the_interval_is_that_of_the_normal_approximation_for_many_pictures() -> None:
    values = np.random.default_rng(1).gamma(2.0, 100.0, 500)
    found = PictureBootstrap(np.arange(500)).mean(values)
    assert found["value"] == pytest.approx(values.mean(), abs=0.01)
    assert width(found) == pytest.approx(2 * 1.96 * values.std() / np.sqrt(500), rel=0.1)


def test_more_joints_with_the_same_error_in_each_picture_do_not_narrow_the_interval() -> None:
    values = np.random.default_rng(2).gamma(2.0, 100.0, 50)
    one = PictureBootstrap(np.arange(50)).mean(values)
    many = PictureBootstrap(np.repeat(np.arange(50), 20)).mean(np.repeat(values, 20))
    assert many == one
    as_if_independent = PictureBootstrap(np.arange(1000)).mean(np.repeat(values, 20))
    assert width(many) > 3 * width(as_if_independent)


def test_pictures_count_by_their_joints() -> None:
    bootstrap = PictureBootstrap(np.array([7, 7, 7, 9]))
    assert bootstrap.mean(np.array([1.0, 2.0, 3.0, 10.0]))["value"] == 4.0
    assert bootstrap.mean(np.array([1.0, 2.0, np.nan, 9.0]))["value"] == 4.0


def test_the_difference_is_paired_by_picture() -> None:
    """Pictures differ far more than the two models do."""
    errors = np.random.default_rng(3).gamma(2.0, 500.0, 40)
    bootstrap = PictureBootstrap(np.arange(40))
    assert bootstrap.difference(errors + 10.0, errors) == {"value": 10.0, "interval": [10.0, 10.0]}
    assert bootstrap.difference(errors, errors + 10.0)["value"] == -10.0
    assert width(bootstrap.mean(errors)) > 100.0


def test_the_interval_is_the_same_in_every_run() -> None:
    values = np.random.default_rng(4).random(30)
    assert PictureBootstrap(np.arange(30)).mean(values) == PictureBootstrap(np.arange(30)).mean(values)


def test_too_few_pictures_have_no_interval() -> None:
    assert PictureBootstrap(np.zeros(5, np.int64)).mean(np.ones(5)) == {"value": 1.0, "interval": None}
    one_picture = np.array([3.0, np.nan, np.nan])
    assert PictureBootstrap(np.arange(3)).mean(one_picture) == {"value": 3.0, "interval": None}
    nothing = {"value": None, "interval": None}
    assert PictureBootstrap(np.zeros(0, np.int64)).mean(np.zeros(0)) == nothing
    assert PictureBootstrap(np.arange(3)).mean(np.full(3, np.nan)) == nothing
    assert PictureBootstrap(np.arange(3)).difference(np.ones(3), np.full(3, np.nan)) == nothing
