"""The motion filter reduces jitter with little lag, and predicts only where allowed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from taihri_ros.commands.command import Command
from taihri_ros.keypoints import Keypoint, Person, State
from taihri_ros.pipeline.estimate import Estimate
from taihri_ros.pipeline.motion_filter import FilterError, MotionFilter
from taihri_ros.skeleton import JOINTS

Array = NDArray[np.float64]

HERE = np.array([0.2, 0.1, 1.5])
COVARIANCE = np.diag([4e-4, 4e-4, 25e-4])
MISSING = (State.NOT_ANSWERED, State.OUT_OF_RANGE, State.DUPLICATE, State.NO_3D, State.NO_2D)


def beside(x: float = 0.0, z: float = 0.0) -> Array:
    return HERE + np.array([x, 0.0, z])


def joint(position: Array = HERE, covariance: Array = COVARIANCE, name: str = "left_wrist", **more: Any) -> Keypoint:
    return Keypoint(name, State.MEASURED, position=position, covariance=covariance, **more)


def estimate(*keypoints: Keypoint) -> Estimate:
    return Estimate(Command("x"), Person(keypoints, np.array([1.0, 2.0, 3.0, 4.0])), "answer", {"view": 1.0}, "model")


def nanoseconds(seconds: float) -> int:
    return 1_700_000_000_000_000_000 + round(seconds * 1e9)


def step(motion: MotionFilter, seconds: float, *keypoints: Keypoint) -> Keypoint:
    """Filter an estimate and return its first keypoint."""
    return motion.update(estimate(*keypoints), nanoseconds(seconds)).person.keypoints[0]


def settled(until: float = 1.0, **settings: float) -> MotionFilter:
    """Return a filter that has received a joint at rest at HERE, at 10 Hz for one second, until a time in seconds."""
    motion = MotionFilter(**settings)
    for seconds in np.arange(until - 1.0, until + 0.05, 0.1):
        step(motion, seconds, joint())
    return motion


def ray_covariance(position: Array, sideways: float, depth: float) -> Array:
    """Return the covariance of a point with different standard deviations (m) across and along its ray."""
    ray = position / np.linalg.norm(position)
    return np.asarray(sideways**2 * np.eye(3) + (depth**2 - sideways**2) * np.outer(ray, ray))


def simulate(
    times: Array, path: Callable[[Array], Array], covariance: Array, *, runs: int = 3
) -> tuple[Array, Array, float]:
    """Filter noisy measurements of (T, 3) positions at T times.

    Every joint follows the path, with independent noise of a covariance (3, 3) m².

    Returns:
        The measured positions and the filtered positions, (T, N, 3), NaN where there is none; and the fraction of
        filtered positions that are missing.
    """
    random = np.random.default_rng(7)
    shape = (runs, len(times), len(JOINTS), 3)
    measured = path(times)[:, None] + random.multivariate_normal(np.zeros(3), covariance, shape[:-1])
    filtered = np.empty(shape)
    for run in range(runs):
        motion = MotionFilter()
        for row, seconds in enumerate(times.tolist()):
            keypoints = [joint(measured[run, row, each], covariance, name) for each, name in enumerate(JOINTS)]
            answer = motion.update(estimate(*keypoints), nanoseconds(seconds))
            filtered[run, row] = [keypoint.position for keypoint in answer.person.keypoints]
    lost = float(np.isnan(filtered).any(axis=-1).mean())
    return np.concatenate([*measured], axis=1), np.concatenate([*filtered], axis=1), lost


def irregular(rate: float, end: float) -> Array:
    """Return image times at a rate (Hz), each shifted by up to 30 % of a period."""
    regular = np.arange(0.0, end, 1.0 / rate)
    return np.asarray(regular + np.random.default_rng(3).uniform(-0.3, 0.3, len(regular)) / rate)


def minimum_jerk(time: Array) -> Array:
    """Return the completed fraction of a minimum-jerk reach after a fraction of its time (Flash and Hogan 1985)."""
    time = np.clip(time, 0.0, 1.0)
    return np.asarray(10 * time**3 - 15 * time**4 + 6 * time**5)


def handshake(times: Array) -> Array:
    """Return positions (T, 3) of a hand that reaches 0.5 m within 0.7 s, holds for 0.5 s and returns, metres."""
    forward = np.array([-0.2, -0.5, -0.84])
    done = minimum_jerk((times - 1.0) / 0.7) - minimum_jerk((times - 2.2) / 0.7)
    return HERE + 0.5 * done[:, None] * forward / np.linalg.norm(forward)


@pytest.mark.parametrize(
    ("rate", "sideways", "depth", "most"), [(30, 0.02, 0.04, 0.4), (30, 0.04, 0.1, 0.3), (10, 0.04, 0.1, 0.5)]
)
def test_jitter_of_a_resting_joint_is_at_most_half(rate: float, sideways: float, depth: float, most: float) -> None:
    def still(times: Array) -> Array:
        return np.tile(HERE, (len(times), 1))

    measured, filtered, lost = simulate(np.arange(0.0, 5.0, 1.0 / rate), still, ray_covariance(HERE, sideways, depth))
    before, after = (np.sqrt(np.nanmean(np.diff(each[rate:], axis=0) ** 2)) for each in (measured, filtered))
    assert after <= most * before
    assert lost < 0.002, "the gate rejects one measurement in a thousand"
    bias = np.nanmean(filtered[rate:], axis=(0, 1)) - HERE
    assert np.abs(bias).max() < 0.2 * sideways


@pytest.mark.parametrize("rate", [10, 30])
@pytest.mark.parametrize("direction", [(1.0, 0.0, 0.0), (0.0, 0.0, -1.0)])
@pytest.mark.parametrize("sideways", [0.02, 0.04])
def test_a_walking_person_is_tracked_with_little_lag(
    rate: float, direction: tuple[float, ...], sideways: float
) -> None:
    def walk(times: Array) -> Array:
        return np.array([0.0, 0.0, 3.0]) + times[:, None] * np.array(direction)  # 1 m/s

    times = irregular(rate, 1.5)
    _, filtered, _ = simulate(times, walk, ray_covariance(HERE, sideways, 2.5 * sideways))
    late = np.nanmean((walk(times)[:, None] - filtered) @ np.array(direction), axis=1)
    assert np.abs(late).max() < 1.5 / rate, "the speed is not yet estimated at first"
    assert np.abs(late[times > 0.5]).max() < 0.7 / rate
    assert abs(late[times > 0.5].mean()) < 0.15 / rate


@pytest.mark.parametrize(
    ("rate", "sideways", "depth"),
    [(10, 0.02, 0.04), (10, 0.02, 0.06), (10, 0.04, 0.12), (30, 0.02, 0.04), (30, 0.02, 0.06), (30, 0.04, 0.08)],
)
def test_a_reaching_hand_lags_by_at_most_one_image(rate: float, sideways: float, depth: float) -> None:
    times = irregular(rate, 3.6)
    measured, filtered, lost = simulate(times, handshake, ray_covariance(HERE, sideways, depth))
    shifts = np.arange(-0.05, 0.25, 0.002)
    errors = [np.nanmean((filtered - handshake(times - shift)[:, None]) ** 2) for shift in shifts.tolist()]
    assert shifts[np.argmin(errors)] <= 1.0 / rate
    truth = handshake(times)[:, None]
    assert np.nanmean((filtered - truth) ** 2) < 0.8 * np.mean((measured - truth) ** 2), "the error must fall"
    assert lost < 0.005, "the motion is not rejected as outliers"


def test_all_other_fields_are_kept() -> None:
    motion = settled()
    measured = joint(HERE + 0.01, confidence=0.75, pixel=np.array([12.0, 34.0]))
    unfiltered = estimate(joint(name="head"), measured, Keypoint("right_wrist", State.NOT_ASKED, "x"))
    answer = motion.update(unfiltered, nanoseconds(1.1))
    assert [(each.name, each.state) for each in answer.person.keypoints] == [
        ("head", State.MEASURED),
        ("left_wrist", State.MEASURED),
        ("right_wrist", State.NOT_ASKED),
    ]
    filtered = answer.person.keypoints[1]
    assert (filtered.confidence, filtered.pixel.tolist(), filtered.reason) == (0.75, [12.0, 34.0], "")
    assert (filtered.position > HERE).all()
    assert (filtered.position < measured.position).all()
    assert (measured.position == HERE + 0.01).all(), "the input is not modified"
    assert (answer.command, answer.answer, answer.model, answer.stages_ms) == (
        unfiltered.command,
        "answer",
        "model",
        {"view": 1.0},
    )
    assert answer.person.box is unfiltered.person.box


def test_filtering_reduces_the_covariance() -> None:
    random = np.random.default_rng(5)
    turned, _ = np.linalg.qr(random.normal(size=(3, 3)))
    for scale in (1e-6, 1.0, 1e3):
        covariance = scale * turned @ np.diag([1e-4, 4e-4, 1e-2]) @ turned.T
        motion = MotionFilter()
        for each in range(60):
            noisy = HERE + random.multivariate_normal(np.zeros(3), covariance)
            keypoint = step(motion, each / 30, joint(noisy, covariance))
            if each == 0:
                np.testing.assert_allclose(keypoint.covariance, covariance, rtol=1e-9)
            elif keypoint.state is State.MEASURED:
                assert (keypoint.covariance == keypoint.covariance.T).all()
                assert np.linalg.eigvalsh(keypoint.covariance)[0] > 0
                assert np.linalg.eigvalsh(covariance - keypoint.covariance)[0] > 0


def test_prediction_depends_on_time_and_not_on_the_number_of_images() -> None:
    once, often = (MotionFilter(predict_s=0.5) for _ in range(2))
    for motion in (once, often):
        for seconds in (0.0, 0.1, 0.2):
            step(motion, seconds, joint(beside(x=seconds)))
    for seconds in (0.21, 0.25, 0.4):
        step(often, seconds, Keypoint("left_wrist", State.NOT_ANSWERED))
    ends = [step(motion, 0.5, joint(beside(x=0.5))) for motion in (once, often)]
    np.testing.assert_allclose(ends[0].position, ends[1].position, atol=1e-12)
    np.testing.assert_allclose(ends[0].covariance, ends[1].covariance, atol=1e-12)


def test_a_more_certain_measurement_has_more_weight() -> None:
    moved = HERE + 0.02
    pulls = [step(settled(), 1.1, joint(moved, factor * COVARIANCE)).position - HERE for factor in (0.1, 1.0, 10.0)]
    assert (pulls[0] > pulls[1]).all()
    assert (pulls[1] > pulls[2]).all()
    assert (pulls[1][0] > pulls[1][2]).all(), "the correction is larger across the ray than along it"


def test_an_outlier_has_no_position_and_does_not_change_the_track() -> None:
    motion, undisturbed = settled(), settled()
    outlier = step(motion, 1.1, joint(beside(z=0.6), confidence=0.5, pixel=np.array([1.0, 2.0])))
    assert outlier.state is State.OUTLIER
    assert not outlier.has_position
    assert np.isnan([*outlier.position, *outlier.covariance.ravel(), *outlier.pixel]).all()
    assert outlier.confidence == 0.5
    assert "standard deviations" in outlier.reason
    after, expected = (step(each, 1.2, joint(HERE + 0.01)) for each in (motion, undisturbed))
    assert after.state is State.MEASURED
    np.testing.assert_allclose(after.position, expected.position, atol=1e-12)
    np.testing.assert_allclose(after.covariance, expected.covariance, atol=1e-12)


def test_the_gate_uses_the_innovation_covariance() -> None:
    step_s, speed, density = 0.1, 1.0, 3.0**2 * 0.1
    predicted = COVARIANCE + (step_s**2 * speed**2 + density * step_s**3 / 3) * np.eye(3)
    for direction in np.eye(3):
        deviation = np.sqrt(direction @ (predicted + COVARIANCE) @ direction)
        for factor, state in ((0.999, State.MEASURED), (1.001, State.OUTLIER)):
            motion = MotionFilter(acceleration=3.0)
            step(motion, 0.0, joint())
            away = HERE + factor * np.sqrt(16.27) * deviation * direction
            assert step(motion, step_s, joint(away)).state is state


def test_three_outliers_in_a_row_restart_the_track() -> None:
    motion, there = settled(), beside(z=0.6)
    states = [step(motion, 1.0 + 0.05 * each, joint(there)).state for each in (1, 2)]
    assert states == [State.OUTLIER, State.OUTLIER]
    third = step(motion, 1.15, joint(there + 0.01))
    assert third.state is State.MEASURED
    np.testing.assert_array_equal(third.position, there + 0.01)
    np.testing.assert_array_equal(third.covariance, COVARIANCE)
    assert step(motion, 1.2, joint(there)).state is State.MEASURED
    assert step(motion, 1.25, joint()).state is State.OUTLIER, "the former position is now an outlier"


def test_an_accepted_measurement_resets_the_outlier_count() -> None:
    motion, there = settled(), beside(z=0.9)
    seen = [joint(there), joint(there), joint(), joint(there), joint(there)]
    states = [step(motion, 1.05 + 0.05 * row, keypoint).state for row, keypoint in enumerate(seen)]
    assert states == [State.OUTLIER, State.OUTLIER, State.MEASURED, State.OUTLIER, State.OUTLIER]


@pytest.mark.parametrize("state", MISSING)
def test_a_missing_joint_stays_missing_without_prediction(state: State) -> None:
    motion = settled()
    missing = Keypoint("left_wrist", state, "why", confidence=0.25)
    assert step(motion, 1.01, missing) is missing
    assert motion.update(estimate(), nanoseconds(1.02)).person.keypoints == (), "no keypoint is added"


@pytest.mark.parametrize("state", MISSING)
def test_a_missing_joint_is_predicted_for_predict_s(state: State) -> None:
    motion = MotionFilter(predict_s=0.25)
    for seconds in np.arange(0.0, 1.01, 0.1).tolist():
        last = step(motion, seconds, joint(beside(x=seconds)))
    missing = Keypoint("left_wrist", state, "why", confidence=0.25, pixel=np.array([1.0, 2.0]))
    sizes = [np.linalg.det(last.covariance)]
    for age in (0.1, 0.2):
        predicted = step(motion, 1.0 + age, missing)
        assert predicted.state is State.PREDICTED
        np.testing.assert_allclose(predicted.position, beside(x=1.0 + age), atol=0.02)
        assert np.isnan([*predicted.pixel, predicted.confidence]).all()
        assert f"{age:.2f} s" in predicted.reason
        assert "why" in predicted.reason
        sizes.append(np.linalg.det(predicted.covariance))
    assert sizes == sorted(sizes), "the uncertainty grows"
    assert step(motion, 1.3, missing) is missing
    assert motion.update(estimate(), nanoseconds(1.31)).person.keypoints == ()


def test_joints_that_were_not_requested_are_not_predicted() -> None:
    motion = settled(predict_s=0.5)
    for keypoint in (Keypoint("left_wrist", State.NOT_ASKED), Keypoint("head", State.NOT_ANSWERED)):
        assert step(motion, 1.1, keypoint) is keypoint
        motion = settled(predict_s=0.5)


def test_an_outlier_is_replaced_by_a_prediction_for_predict_s() -> None:
    motion = settled(predict_s=0.15)
    there = joint(beside(z=0.6), pixel=np.array([1.0, 2.0]))
    predicted = step(motion, 1.1, there)
    assert predicted.state is State.PREDICTED
    np.testing.assert_allclose(predicted.position, HERE, atol=1e-6)
    assert np.isnan(predicted.pixel).all()
    assert "standard deviations" in predicted.reason
    assert step(motion, 1.2, there).state is State.OUTLIER, "the last measurement is too old"
    assert step(motion, 1.3, there).state is State.MEASURED


@pytest.mark.parametrize(("pause", "restarted"), [(0.4, False), (0.6, True)])
def test_a_joint_restarts_after_reset_s(pause: float, restarted: bool) -> None:
    motion = settled()
    for seconds in np.arange(1.1, 1.0 + pause - 0.01, 0.1).tolist():
        step(motion, seconds, joint(name="head"), Keypoint("left_wrist", State.NOT_ANSWERED))
    back = joint(HERE + 0.05)
    keypoint = step(motion, 1.0 + pause, back)
    assert (keypoint is back) == restarted
    assert keypoint.state is State.MEASURED


def test_outliers_do_not_extend_a_track() -> None:
    motion = settled(reset_s=0.25)
    assert step(motion, 1.2, joint(beside(z=0.9))).state is State.OUTLIER
    back = joint(beside(z=-0.9))
    assert step(motion, 1.3, back) is back


@pytest.mark.parametrize("seconds", [0.999999999, 1.0, 0.0, -1e6, 1.6, 1e6])
def test_a_stamp_that_repeats_or_jumps_resets_the_filter(seconds: float) -> None:
    motion, there = settled(), joint(HERE + 1.0)
    assert step(motion, seconds, there) is there
    assert step(motion, seconds + 0.1, joint(HERE + 1.0)).state is State.MEASURED


def test_measurements_without_stamps_are_unfiltered() -> None:
    motion = MotionFilter(predict_s=0.5)
    for each in range(5):
        keypoint = joint(HERE + 0.01 * each)
        assert motion.update(estimate(keypoint), 0).person.keypoints[0] is keypoint
    missing = Keypoint("left_wrist", State.NOT_ANSWERED)
    assert motion.update(estimate(missing), 0).person.keypoints[0] is missing


def test_reset_discards_all_tracks() -> None:
    motion, there = settled(predict_s=0.5), joint(HERE + 1.0)
    motion.reset()
    missing = Keypoint("left_wrist", State.NOT_ANSWERED)
    assert step(motion, 1.05, missing) is missing
    assert step(motion, 1.1, there) is there


@pytest.mark.parametrize(
    "covariance",
    [np.full((3, 3), np.nan), np.diag([1e-4, np.nan, 1e-4]), np.zeros((3, 3)), np.diag([1e-4, 1e-4, -1e-4])],
)
def test_a_measurement_without_a_covariance_is_unfiltered(covariance: Array) -> None:
    motion, undisturbed = settled(), settled()
    keypoint = joint(HERE + 0.3, covariance)
    assert step(motion, 1.1, keypoint) is keypoint
    after, expected = (step(each, 1.2, joint(HERE + 0.01)) for each in (motion, undisturbed))
    np.testing.assert_allclose(after.position, expected.position, atol=1e-12)
    assert step(MotionFilter(), 0.0, keypoint) is keypoint


def test_joints_are_filtered_independently() -> None:
    motion, single = settled(), settled()
    answer = motion.update(estimate(joint(HERE + 0.02), joint(-HERE, name="head")), nanoseconds(1.1))
    np.testing.assert_array_equal(answer.person.keypoints[0].position, step(single, 1.1, joint(HERE + 0.02)).position)
    np.testing.assert_array_equal(answer.person.keypoints[1].position, -HERE)


@pytest.mark.parametrize(
    "settings",
    [
        {"acceleration": 0.0},
        {"acceleration": float("nan")},
        {"acceleration": float("inf")},
        {"reset_s": 0.0},
        {"reset_s": float("inf")},
        {"predict_s": -0.1},
        {"predict_s": float("nan")},
        {"predict_s": 0.6},
    ],
)
def test_settings_out_of_range_are_rejected(settings: dict[str, float]) -> None:
    with pytest.raises(FilterError, match=next(iter(settings))):
        MotionFilter(**settings)
