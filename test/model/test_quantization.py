"""Conversion between bins and metres or pixels, and estimates from top-k log-probabilities."""

from __future__ import annotations

import math
from statistics import NormalDist
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taihri_ros.errors import TaihriError
from taihri_ros.model.quantization import (
    BINS,
    InteractionSpace,
    coordinate_token,
    decode_pixels,
    encode_pixels,
    estimate_bins,
)

SPACE = InteractionSpace()
inside = st.tuples(st.floats(-2.5, 2.5), st.floats(-2.5, 2.5), st.floats(0.0, 4.0))


def test_the_official_bins_are_5_and_4_mm_wide() -> None:
    np.testing.assert_allclose(SPACE.step * 1e3, [5.005, 5.005, 4.004], atol=5e-4)
    assert (coordinate_token(0), coordinate_token(999)) == ("<0>", "<999>")


def test_the_ends_of_the_range_are_bins_0_and_999() -> None:
    np.testing.assert_array_equal(SPACE.encode([(-2.5, -2.5, 0.0), (2.5, 2.5, 4.0)]), [[0] * 3, [999] * 3])
    np.testing.assert_allclose(SPACE.decode([[0] * 3, [999] * 3]), [(-2.5, -2.5, 0.0), (2.5, 2.5, 4.0)], atol=1e-12)


@given(inside)
def test_decode_inverts_encode_within_half_a_bin(point: tuple[float, float, float]) -> None:
    bins = SPACE.encode(point)
    assert bins.dtype == np.int64
    assert ((bins >= 0) & (bins < BINS)).all()
    assert (np.abs(SPACE.decode(bins) - point) <= SPACE.step / 2 + 1e-12).all()


@given(st.tuples(*[st.integers(0, 999)] * 3), st.floats(-10, 0), st.floats(0.01, 20))
def test_encode_inverts_decode_in_any_space(bins: tuple[int, int, int], low: float, width: float) -> None:
    space = InteractionSpace((low, low + width), (low, low + 2 * width), (low, low + 3 * width))
    np.testing.assert_array_equal(space.encode(space.decode(bins)), bins)


def test_fractions_of_bins_are_decoded() -> None:
    np.testing.assert_allclose(SPACE.decode([499.5, 499.5, 499.5]), [0.0, 0.0, 2.0], atol=1e-12)


@pytest.mark.parametrize(
    "point", [(2.51, 0, 1), (-2.51, 0, 1), (0, 2.51, 1), (0, 0, 4.01), (0, 0, -0.01), (0, math.nan, 1)]
)
def test_a_point_outside_the_interaction_space_is_refused(point: tuple[float, float, float]) -> None:
    assert not SPACE.contains(point)
    with pytest.raises(TaihriError, match="outside the interaction space"):
        SPACE.encode([(0, 0, 1), point])


def test_every_contained_point_at_the_edge_can_be_encoded() -> None:
    edges = SPACE.low + SPACE.step * np.array([[-0.5], [999.5]])
    for edge in edges.tolist():
        for point in (edge, np.nextafter(edge, 0.0).tolist(), np.nextafter(edge, 9.0).tolist()):
            if SPACE.contains(point):
                bins = SPACE.encode(point)
                assert ((bins >= 0) & (bins < BINS)).all()


@pytest.mark.parametrize("bins", [(5000, 0, 0), (0, 1000, 0), (0, 0, -1), (0, 0, math.nan)])
def test_a_bin_out_of_range_is_refused(bins: tuple[float, float, float]) -> None:
    with pytest.raises(TaihriError, match="outside 0 to 999"):
        SPACE.decode(bins)
    with pytest.raises(TaihriError, match="outside 0 to 999"):
        decode_pixels(bins[:2] if bins[2] == 0 else bins[1:], (640, 480))


@pytest.mark.parametrize("limits", [(1.0, 1.0), (2.0, 1.0), (math.nan, 1.0), (0.0, math.inf)])
@pytest.mark.parametrize("axis", ["x", "y", "z"])
def test_a_range_that_does_not_increase_is_refused(axis: str, limits: tuple[float, float]) -> None:
    with pytest.raises(TaihriError, match=f"the {axis} range"):
        InteractionSpace(**{axis: limits})


def test_pixel_bins_are_fractions_of_width_and_height() -> None:
    np.testing.assert_array_equal(encode_pixels([(0, 0), (640, 480), (320, 120)], (640, 480))[:2], [[0, 0], [999, 999]])
    np.testing.assert_allclose(decode_pixels([(0, 999), (499.5, 249.75)], (640, 480)), [(0, 480), (320, 120)])


@given(st.floats(0, 1), st.floats(0, 1), st.integers(32, 1408), st.integers(32, 1408))
def test_decode_pixels_inverts_encode_pixels_within_half_a_bin(u: float, v: float, width: int, height: int) -> None:
    pixel = np.array([u * width, v * height])
    back = decode_pixels(encode_pixels(pixel, (width, height)), (width, height))
    assert (np.abs(back - pixel) <= np.array([width, height]) / 999 / 2 + 1e-9).all()


@pytest.mark.parametrize("pixel", [(-1, 5), (5, -1), (641, 5), (5, 481), (math.nan, 5)])
def test_a_pixel_outside_the_image_is_refused(pixel: tuple[float, float]) -> None:
    with pytest.raises(TaihriError, match="outside the 640x480 image"):
        encode_pixels([pixel], (640, 480))


def estimate_bin(index: int, bins: list[int], logprobs: list[float]) -> SimpleNamespace:
    """Return the estimate of one coordinate as numbers."""
    estimates = estimate_bins([index], [bins], [logprobs])
    return SimpleNamespace(**{name: values.item() for name, values in vars(estimates).items()})


def logs(*probabilities: float) -> list[float]:
    return [math.log(probability) for probability in probabilities]


def test_a_bin_with_probability_1_has_the_variance_of_the_quantization() -> None:
    estimate = estimate_bin(261, [261], [0.0])
    assert (estimate.index, estimate.mean, estimate.probability) == (261, 261.0, 1.0)
    assert estimate.variance == pytest.approx(1 / 12)


def test_two_neighbouring_bins_have_a_mean_between_them() -> None:
    estimate = estimate_bin(100, [100, 101], logs(0.6, 0.4))
    assert estimate.mean == pytest.approx(100.4)
    assert estimate.probability == pytest.approx(0.6)
    width = 0.5 / NormalDist().inv_cdf(0.8)
    assert estimate.variance == pytest.approx(width**2 + 1 / 12), (
        "a normal distribution with 0.6 in its central bin has a larger variance than 0.24"
    )


def discretised(sigma: float, phase: float = 0.0, *, listed: int = 20) -> tuple[int, list[int], list[float]]:
    """Return the most probable bins of a normal distribution around bin 500 + phase, in descending order."""
    normal = NormalDist(500 + phase, sigma)
    probabilities = {index: normal.cdf(index + 0.5) - normal.cdf(index - 0.5) for index in range(BINS)}
    likeliest = sorted(((value, index) for index, value in probabilities.items() if value > 0.0), reverse=True)[:listed]
    return likeliest[0][1], [index for _, index in likeliest], logs(*(value for value, _ in likeliest))


@pytest.mark.parametrize("sigma", [0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 40.0, 60.0])
@pytest.mark.parametrize("listed", [BINS, 20, 5])
def test_the_width_of_a_normal_distribution_is_estimated_from_few_bins(sigma: float, listed: int) -> None:
    """The estimate is at least the true width, and at most that width plus the quantization's."""
    deviation = math.sqrt(estimate_bin(*discretised(sigma, listed=listed)).variance - 1 / 12)
    assert 0.999 * sigma <= deviation <= 1.001 * math.sqrt(sigma**2 + 1 / 12)


@pytest.mark.parametrize("sigma", [1.0, 2.0, 5.0, 20.0, 60.0])
@pytest.mark.parametrize("phase", [-0.5, -0.25, 0.25, 0.5])
def test_a_normal_distribution_between_two_bins_is_estimated(sigma: float, phase: float) -> None:
    whole = estimate_bin(*discretised(sigma, phase, listed=BINS))
    assert whole.mean == pytest.approx(500 + phase, abs=0.12)
    listed = estimate_bin(*discretised(sigma, phase))
    assert abs(listed.mean - 500 - phase) <= 1.0, "the mean of a wide distribution depends on the listed bins"
    for estimate in (whole, listed):
        assert math.sqrt(estimate.variance - 1 / 12) == pytest.approx(sigma, rel=0.15)


def test_bins_on_one_side_shift_the_mean_to_that_side() -> None:
    assert estimate_bin(999, [997, 998, 999], logs(0.2, 0.3, 0.5)).mean == pytest.approx(998.3)
    assert estimate_bin(0, [0, 1, 2], logs(0.5, 0.3, 0.2)).mean == pytest.approx(0.7)


def test_a_second_mode_raises_the_variance_but_does_not_shift_the_mean() -> None:
    single = estimate_bin(100, [99, 100, 101], logs(0.1, 0.4, 0.1))
    bimodal = estimate_bin(100, [99, 100, 101, 800], logs(0.1, 0.4, 0.1, 0.4))
    assert bimodal.mean == single.mean == pytest.approx(100.0)
    assert bimodal.variance == pytest.approx(0.4 * 700**2 + 0.2 + 1 / 12)
    assert bimodal.probability == pytest.approx(0.4)


def test_without_top_k_the_variance_is_unknown() -> None:
    estimate = estimate_bin(7, [], [])
    assert (estimate.index, estimate.mean) == (7, 7.0)
    assert math.isnan(estimate.variance)
    assert math.isnan(estimate.probability)


def test_rows_are_estimated_independently_of_the_padding() -> None:
    together = estimate_bins([100, 7], [[100, 101], [7, 0]], [logs(0.6, 0.4), [math.log(0.5), -math.inf]])
    for row, single in enumerate([estimate_bin(100, [100, 101], logs(0.6, 0.4)), estimate_bin(7, [7], logs(0.5))]):
        assert together.mean[row] == pytest.approx(single.mean)
        assert together.variance[row] == pytest.approx(single.variance)
        assert together.probability[row] == pytest.approx(single.probability)


@given(
    st.dictionaries(st.integers(0, 999), st.floats(-20, 0), min_size=1, max_size=20),
    st.data(),
)
def test_an_estimate_stays_near_its_bin(top_k: dict[int, float], data: st.DataObject) -> None:
    index = data.draw(st.sampled_from(sorted(top_k)))
    estimate = estimate_bin(index, list(top_k), list(top_k.values()))
    near = [value for value in top_k if abs(value - index) <= max(3.0, 2.0 * math.sqrt(estimate.variance))]
    assert min(near) - 1e-6 <= estimate.mean <= max(near) + 1e-6
    assert estimate.variance >= 1 / 12
    assert 0.0 < estimate.probability <= 1.0


@pytest.mark.parametrize(("index", "inside"), [(0, 1), (999, 998)])
def test_the_edge_bins_are_censored(index: int, inside: int) -> None:
    estimates = estimate_bins(
        [index, inside, inside, inside, 500],
        [[index, 500], [inside, index], [inside, index], [inside, 500], [500, index]],
        np.log([[0.9, 0.1], [0.6, 0.4], [0.4, 0.6], [0.6, 0.4], [0.3, 0.4]]),
    )
    assert estimates.censored.tolist() == [True, False, True, False, True]
    without_top_k = estimate_bins([index, inside], np.empty((2, 0)), np.empty((2, 0)))
    assert without_top_k.censored.tolist() == [True, False]
