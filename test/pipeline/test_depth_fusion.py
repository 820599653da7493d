"""Depth images refine keypoints that they agree with and leave all others unchanged."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.distortion import DistortionModel
from taihri_ros.commands.command import Command
from taihri_ros.keypoints import DepthUse, Keypoint, Person, State
from taihri_ros.pipeline.depth_fusion import AGREEMENT_SIGMAS, SURFACE_OFFSETS, fuse, surface_depth
from taihri_ros.pipeline.estimate import Estimate
from taihri_ros.pipeline.frames import ImageError
from taihri_ros.skeleton import JOINTS

WIDTH, HEIGHT = 640, 480
CAMERA = Camera(
    WIDTH, HEIGHT, np.array([[600.0, 0, 319.5], [0, 600.0, 239.5], [0, 0, 1]]), np.empty(0), DistortionModel.NONE
)
WRIST = SURFACE_OFFSETS["left_wrist"]
ALONG_THE_RAY = np.array([[5.0, 2.0, 6.0], [2.0, 4.0, 3.0], [6.0, 3.0, 16.0]]) * 1e-4


def wrist(z: float = 1.5, covariance: NDArray[np.float64] = ALONG_THE_RAY, **changes: object) -> Keypoint:
    keypoint = Keypoint(
        "left_wrist",
        State.MEASURED,
        position=np.array([0.5, 0.25, z]),
        covariance=covariance,
        confidence=0.75,
        pixel=np.array([520.3, 339.6]),
    )
    return replace(keypoint, **changes)  # type: ignore[arg-type]


def flat(metres: float) -> NDArray[np.float32]:
    return np.full((HEIGHT, WIDTH), metres, np.float32)


def fused(keypoint: Keypoint, depth: NDArray[np.float32]) -> Keypoint:
    estimate = Estimate(Command("x"), Person((keypoint,), np.arange(4.0)), "answer", {"view": 1.0}, "model")
    result = fuse(estimate, depth, CAMERA)
    assert result.person.box is estimate.person.box
    for field in ("command", "answer", "stages_ms", "model"):
        assert getattr(result, field) is getattr(estimate, field)
    (refined,) = result.person.keypoints
    return refined


def same(one: Keypoint, other: Keypoint) -> bool:
    return all(
        np.asarray(getattr(one, name)).tobytes() == np.asarray(getattr(other, name)).tobytes()
        for name in ("name", "state", "reason", "position", "covariance", "confidence", "pixel")
    )


def noise(surface: float, sigma: float = WRIST.sigma) -> float:
    return (0.002 * surface**2 + 0.002) ** 2 + sigma**2


def test_position_and_covariance_match_a_manual_calculation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SURFACE_OFFSETS, "left_wrist", type(WRIST)(0.02, 0.024))
    # Surface at 2 m: sensor noise 0.002 * 4 + 0.002 = 0.01; R = 1e-4 + 5.76e-4 = 6.76e-4. P_zz = 9.24e-4: S = 16e-4.
    covariance = np.array([[4.0, 0.0, 4.0], [0.0, 4.0, -2.0], [4.0, -2.0, 9.24]]) * 1e-4
    # Innovation 2 + 0.02 - 1.98 = 0.04; gain (0.25, -0.125, 0.5775).
    result = fused(wrist(1.98, covariance), flat(2.0))
    np.testing.assert_allclose(result.position, [0.51, 0.245, 2.0031], rtol=0, atol=1e-9)
    expected = np.array([[3.0, 0.5, 1.69], [0.5, 3.75, -0.845], [1.69, -0.845, 3.9039]]) * 1e-4
    np.testing.assert_allclose(result.covariance, expected, rtol=0, atol=1e-12)
    assert (result.depth, result.state) == (DepthUse.FUSED, State.MEASURED)


def test_only_coordinates_correlated_with_depth_move() -> None:
    surface = 1.5 + 0.05 - WRIST.mean
    mixed = fused(wrist(), flat(surface))
    assert mixed.position[2] > 1.5
    np.testing.assert_allclose((mixed.position - wrist().position)[:2] / (mixed.position[2] - 1.5), [6 / 16, 3 / 16])
    diagonal = fused(wrist(covariance=np.diag(np.diag(ALONG_THE_RAY))), flat(surface))
    np.testing.assert_array_equal(diagonal.position[:2], wrist().position[:2])
    np.testing.assert_allclose(diagonal.position[2], mixed.position[2])


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_the_gate_is_at_three_sigmas(sign: float) -> None:
    covariance = np.eye(3) * 4e-4
    limits = {}
    for sigmas in (AGREEMENT_SIGMAS - 0.01, AGREEMENT_SIGMAS + 0.01):
        z = 1.5 + WRIST.mean - sign * sigmas * np.sqrt(4e-4 + noise(1.5))
        limits[sigmas] = fused(wrist(z, covariance), flat(1.5)).depth
    assert list(limits.values()) == [DepthUse.FUSED, DepthUse.DISAGREES]


def test_a_keypoint_that_disagrees_is_unchanged_and_marked() -> None:
    keypoint = wrist()
    result = fused(keypoint, flat(0.9))
    assert same(result, keypoint)
    assert (result.depth, result.state) == (DepthUse.DISAGREES, State.MEASURED)


def edge(near: float, far: float, column: float) -> NDArray[np.float32]:
    """Return a depth image whose surface is near to the left of a column, and far from there on."""
    return np.where(np.arange(WIDTH) < column, np.float32(near), np.float32(far)) * np.ones((HEIGHT, 1), np.float32)


def test_a_depth_is_as_uncertain_as_the_pixel_at_which_it_is_read() -> None:
    surface = 1.5 - WRIST.mean
    depth = edge(surface, surface + 0.3, 527.0)  # 7 px beside the joint's pixel
    ray = wrist().position / 1.5
    sure = fused(wrist(covariance=0.04 * np.outer(ray, ray) + 1e-6 * np.eye(3)), depth)
    assert abs(sure.position[2] - 1.5) < 0.01
    assert np.sqrt(sure.covariance[2, 2]) < 0.04
    unsure = fused(wrist(covariance=0.04 * np.outer(ray, ray) + 0.01 * np.eye(3)), depth)
    assert 1.55 < unsure.position[2] < 1.75
    assert np.sqrt(unsure.covariance[2, 2]) > 0.08


@pytest.mark.parametrize(("column", "use"), [(515.0, DepthUse.FUSED), (525.0, DepthUse.DISAGREES)])
def test_something_in_front_disagrees_where_it_hides_most_of_the_joint(column: float, use: DepthUse) -> None:
    surface = 1.5 - WRIST.mean
    result = fused(wrist(covariance=np.diag([1e-3, 1e-3, 4e-3])), edge(surface - 0.6, surface, column))
    assert result.depth is use
    assert abs(result.position[2] - 1.5) < 0.002, "what is in front has no part in the depth"


def test_fused_joints_beside_edges_are_where_their_covariance_says() -> None:
    """A forearm of 6 cm in front of a trunk, with the model's pixel and position off as its covariance says."""
    rng = np.random.default_rng(0)
    depth = flat(1.75)
    depth[:, 500:524] = 1.5 - WRIST.mean
    truth, covariance = np.array([0.4808, 0.25, 1.5]), np.diag([0.04, 0.04, 0.15]) ** 2
    squared = []
    for _ in range(400):
        position = truth + rng.standard_normal(3) * (0.04, 0.04, 0.15)
        shift = 0.5 * 0.04 * rng.standard_normal(2) * 600 / 1.5
        pixel = CAMERA.project(truth)[0] + shift
        result = fused(wrist(position=position, covariance=covariance, pixel=pixel), depth)
        error = (result.position - truth)[2]
        squared.append(error**2 / result.covariance[2, 2])
    assert np.mean(np.array(squared) > 3.84) < 0.08, "5 percent outside of the interval of 95"


def test_fusion_never_moves_a_point_behind_the_camera() -> None:
    keypoint = wrist(-0.001, np.eye(3) * 1e-6)
    assert WRIST.mean + 0.002 < AGREEMENT_SIGMAS * WRIST.sigma, "they agree"
    result = fused(keypoint, flat(0.001))
    assert same(result, keypoint)
    assert result.depth is DepthUse.DISAGREES
    assert fused(wrist(-0.001, np.eye(3) * 1e-2), flat(0.001)).depth is DepthUse.FUSED


@pytest.mark.parametrize("invalid", [0.0, np.nan, np.inf, -np.inf, -1.5])
def test_invalid_depth_is_not_a_measurement(invalid: float) -> None:
    keypoint = wrist()
    result = fused(keypoint, flat(invalid))
    assert same(result, keypoint)
    assert result.depth is DepthUse.NONE
    holes = flat(1.49)
    holes[::2] = invalid
    assert surface_depth(holes, keypoint.pixel) == np.float32(1.49)


@pytest.mark.parametrize(
    "changes",
    [
        {"state": State.PREDICTED},
        {"state": State.OUT_OF_RANGE},
        {"covariance": np.full((3, 3), np.nan)},
        {"covariance": np.diag([1.0, 1.0, np.inf])},
        {"pixel": np.full(2, np.nan)},
        {"pixel": np.array([-0.6, 100.0])},
        {"pixel": np.array([WIDTH - 0.5, 100.0])},
        {"pixel": np.array([100.0, -0.6])},
        {"pixel": np.array([100.0, HEIGHT - 0.5])},
        {"pixel": np.array([np.inf, 1e300])},
    ],
)
def test_a_keypoint_that_cannot_be_fused_is_unchanged(changes: dict[str, object]) -> None:
    keypoint = wrist(**changes)  # type: ignore[arg-type]
    result = fused(keypoint, flat(1.49))
    assert same(result, keypoint)
    assert result.depth is DepthUse.NONE


def test_each_keypoint_uses_its_own_pixel_and_surface_offset() -> None:
    depth = flat(np.nan)
    depth[335:345, 515:525] = 1.45
    depth[95:105, 195:205] = 2.0
    hip = wrist(2.0 + SURFACE_OFFSETS["right_hip"].mean, name="right_hip", pixel=np.array([200.0, 100.0]))
    neck = wrist(name="neck", pixel=np.array([10.0, 10.0]))
    lost = Keypoint("head", State.NOT_ANSWERED, "not answered")
    person = Person((lost, hip, neck, wrist()), None)
    result = fuse(Estimate(Command("x"), person, "", {}, "model"), depth, CAMERA)
    uses = [keypoint.depth for keypoint in result.person.keypoints]
    assert uses == [DepthUse.NONE, DepthUse.FUSED, DepthUse.NONE, DepthUse.FUSED]
    np.testing.assert_allclose(result.person.keypoints[1].position, hip.position, atol=1e-6)


def test_the_median_is_a_measured_value() -> None:
    depth = flat(4.0)
    depth[:, :321] = 1.5
    assert surface_depth(depth, (320.0, 240.0)) == 1.5
    assert surface_depth(depth, (321.0, 240.0)) == 4.0
    depth[:, 320] = np.nan
    assert surface_depth(depth, (320.0, 240.0)) == 1.5, "nothing was measured at the mean of 2.75"


@pytest.mark.parametrize(("valid", "enough"), [(8, False), (9, True)])
def test_a_third_of_the_window_must_be_valid(valid: int, enough: bool) -> None:
    depth = flat(np.nan)
    window = depth[238:243, 318:323]
    window[np.unravel_index(np.arange(valid), (5, 5))] = 1.5
    assert np.isfinite(surface_depth(depth, (320.0, 240.0))) == enough


@pytest.mark.parametrize(("width", "reach"), [(64, 1), (320, 1), (640, 2), (1280, 4)])
def test_the_window_scales_with_the_image(width: int, reach: int) -> None:
    depth = np.full((100, width), 9.0, np.float32)
    depth[50 - reach : 51 + reach, 30 - reach : 31 + reach] = np.nan
    assert np.isnan(surface_depth(depth, (30.0, 50.0)))
    depth[50 - reach, 30 - reach : 31 + reach] = depth[50 + reach, 30 - reach : 31 + reach] = 1.0
    depth[50 - reach : 51 + reach, 30 - reach] = depth[50 - reach : 51 + reach, 30 + reach] = 1.0
    assert surface_depth(depth, (30.0, 50.0)) == 1.0, "the rim is part of the window"


@pytest.mark.parametrize(("u", "v"), [(-0.5, -0.5), (639.4, 479.4), (0.0, 479.0), (639.0, 0.2)])
def test_a_window_is_clipped_at_the_edge(u: float, v: float) -> None:
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    far = np.hypot(rows - round(max(v, 0)), columns - round(max(u, 0))) > 3
    depth = np.where(far, np.float32(9.0), np.float32(1.25))
    assert surface_depth(depth, (u, v)) == 1.25


def test_a_pixel_is_rounded_to_the_nearest() -> None:
    depth = np.tile(np.arange(1.0, WIDTH + 1.0, dtype=np.float32), (HEIGHT, 1))
    assert [surface_depth(depth, (u, 100.0)) for u in (99.5, 100.0, 100.4, 100.5)] == [101.0, 101.0, 101.0, 102.0]


def test_a_depth_image_of_another_size_is_rejected() -> None:
    estimate = Estimate(Command("x"), Person((wrist(),), None), "", {}, "model")
    with pytest.raises(ImageError, match=r"is 848x480, but the colour image is 640x480: use .* registered \(aligned\)"):
        fuse(estimate, np.ones((480, 848), np.float32), CAMERA)
    with pytest.raises(ImageError, match="is 480x640"):
        fuse(estimate, flat(1.0).T, CAMERA)


numbers = st.floats(-1.0, 1.0)


@given(
    factor=st.lists(numbers, min_size=9, max_size=9),
    z=st.floats(0.1, 4.0),
    surface=st.floats(0.05, 6.0),
    joint=st.sampled_from(JOINTS),
)
def test_fusion_reduces_the_covariance_and_stays_between_model_and_measurement(
    factor: list[float], z: float, surface: float, joint: str
) -> None:
    root = np.reshape(factor, (3, 3)) * 0.3
    keypoint = wrist(z, root @ root.T, name=joint)
    result = fused(keypoint, flat(surface))
    if result.depth is DepthUse.DISAGREES:
        assert same(result, keypoint)
        return
    assert result.depth is DepthUse.FUSED
    measured = float(np.float32(surface)) + SURFACE_OFFSETS[joint].mean
    assert min(z, measured) - 1e-9 <= result.position[2] <= max(z, measured) + 1e-9
    np.testing.assert_allclose(result.covariance, result.covariance.T, atol=1e-15)
    assert np.linalg.eigvalsh(result.covariance).min() > -1e-12
    assert np.linalg.eigvalsh(keypoint.covariance - result.covariance).min() > -1e-12


def test_every_surface_offset_is_positive_and_symmetric() -> None:
    assert tuple(SURFACE_OFFSETS) == JOINTS
    for name, surface_offset in SURFACE_OFFSETS.items():
        assert 0.0 < surface_offset.mean < 0.25, name
        assert 0.0 < surface_offset.sigma < 0.1, name
        assert surface_offset == SURFACE_OFFSETS[name.replace("left_", "right_")]
