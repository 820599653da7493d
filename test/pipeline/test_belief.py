"""Nothing is published in which the model does not believe, neither at first nor after depth fusion and filter."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest
from oracle import SPEC, Oracle, info

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.distortion import DistortionModel
from taihri_ros.commands.command import joint_command, parse_command
from taihri_ros.errors import TaihriError
from taihri_ros.keypoints import DepthUse, Keypoint, Person, State
from taihri_ros.model.spec import Belief, Calibration, ModelSpec
from taihri_ros.pipeline.belief import OFF, BeliefGate, Thresholds, refuse_unbelieved
from taihri_ros.pipeline.depth_fusion import SURFACE_OFFSETS
from taihri_ros.pipeline.estimate import Estimate
from taihri_ros.pipeline.estimator import Estimator
from taihri_ros.pipeline.frames import ImageError
from taihri_ros.pipeline.motion_filter import MotionFilter
from taihri_ros.pipeline.person_crop import PersonCrop
from taihri_ros.pipeline.tracker import Tracker
from taihri_ros.pipeline.uncertainty import probability_within, with_confidences

BELIEF = Belief(min_confidence=0.3, min_presence=0.6)
CAMERA = Camera(640, 480, [[500.0, 0, 319.5], [0, 500.0, 239.5], [0, 0, 1]], [], DistortionModel.NONE)  # type: ignore[arg-type]
IMAGE = np.zeros((480, 640, 3), np.uint8)
NOT_ANSWERED = Keypoint("neck", State.NOT_ANSWERED, "not answered")


def joint(confidence: float, name: str = "head", state: State = State.MEASURED) -> Keypoint:
    return Keypoint(
        name,
        state,
        "predicted" if state is State.PREDICTED else "",
        position=np.array([0.1, -0.2, 1.5]),
        covariance=np.eye(3) * 1e-3,
        confidence=confidence,
        pixel=np.array([320.0, 240.0]),
        depth=DepthUse.FUSED,
    )


def person(*keypoints: Keypoint, presence: float = 0.9) -> Person:
    return Person(keypoints, np.array([1.0, 2.0, 3.0, 4.0]), presence)


def check_missing(keypoint: Keypoint, state: State) -> None:
    assert (keypoint.state, keypoint.has_position) == (state, False)
    assert np.isnan([*keypoint.position, *keypoint.covariance.ravel(), *keypoint.pixel]).all()


def test_thresholds_are_those_of_the_checkpoint_unless_they_are_set() -> None:
    spec = replace(SPEC, belief=BELIEF)
    assert BeliefGate().thresholds(spec) == (0.3, 0.6)
    assert BeliefGate(0.1).thresholds(spec) == (0.1, 0.6)
    assert BeliefGate(min_presence=0.0).thresholds(spec) == (0.3, 0.0)
    assert BeliefGate(-0.5, -7.0).thresholds(spec) == (0.3, 0.6)
    assert BeliefGate(*OFF).thresholds(spec) == OFF
    gate = BeliefGate()
    gate.set(1.0, 0.25)
    assert gate.thresholds(spec) == (1.0, 0.25)


@pytest.mark.parametrize("value", [1.001, float("nan"), float("inf")])
def test_a_threshold_that_no_probability_reaches_is_refused(value: float) -> None:
    for values in ((value, 0.5), (0.5, value)):
        with pytest.raises(TaihriError, match="must be from 0 to 1, or negative for the checkpoint's"):
            BeliefGate(*values)


@pytest.mark.handles(
    "People and belief",
    "a checkpoint whose confidence was never calibrated",
    "cautious thresholds, and one warning that names taihri calibrate",
)
def test_a_checkpoint_without_thresholds_gets_cautious_ones_and_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    gate, spec = BeliefGate(), ModelSpec(name="uncalibrated")
    for _ in range(3):
        assert gate.thresholds(spec) == (Belief().min_confidence, Belief().min_presence)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "uncalibrated has no `belief` in its taihri.json" in record.getMessage()
    assert "run `taihri calibrate`" in record.getMessage()
    assert min(Belief().min_confidence, Belief().min_presence) > 0.0


def test_a_checkpoint_without_thresholds_is_not_reported_if_both_are_set(caplog: pytest.LogCaptureFixture) -> None:
    assert BeliefGate(0.0, 0.4).thresholds(ModelSpec()) == (0.0, 0.4)
    assert not caplog.records


@pytest.mark.parametrize("state", [State.MEASURED, State.PREDICTED, State.OUT_OF_VIEW])
@pytest.mark.handles("People and belief", "a confidence below min_confidence", "LOW_CONFIDENCE: no position")
def test_a_joint_below_the_threshold_is_missing_and_shows_its_confidence(state: State) -> None:
    below, at = joint(0.2, state=state), joint(0.25, state=state)
    refused, passed = refuse_unbelieved(person(below, at), Thresholds(0.25, 0.0)).keypoints
    check_missing(refused, State.LOW_CONFIDENCE)
    assert (refused.confidence, refused.depth) == (0.2, DepthUse.FUSED)
    assert refused.reason == "confidence 0.2 is below min_confidence 0.25"
    assert passed is at


@pytest.mark.handles(
    "People and belief",
    "an engine without log-probabilities, so that the confidence is unknown",
    "LOW_CONFIDENCE or NOBODY, unless the thresholds are 0",
)
def test_an_unknown_confidence_is_below_every_threshold_but_zero() -> None:
    unknown = person(joint(float("nan")), presence=float("nan"))
    (refused,) = refuse_unbelieved(unknown, Thresholds(0.01, 0.0)).keypoints
    check_missing(refused, State.LOW_CONFIDENCE)
    assert "the engine returned no top-k log-probabilities" in refused.reason
    (refused,) = refuse_unbelieved(unknown, Thresholds(0.0, 0.01)).keypoints
    check_missing(refused, State.NOBODY)
    assert "the engine returned no top-k log-probabilities" in refused.reason
    assert refuse_unbelieved(unknown, OFF).located == unknown.keypoints


@pytest.mark.handles("People and belief", "a presence below min_presence", "NOBODY: no joint has a position")
def test_below_the_least_presence_all_joints_are_missing() -> None:
    nobody = person(joint(0.2), joint(0.99, "left_wrist"), NOT_ANSWERED, presence=0.1)
    found = refuse_unbelieved(nobody, Thresholds(0.5, 0.3))
    assert (found.presence, found.box, found.located) == (0.1, None, ())
    for keypoint, confidence in zip(found.keypoints, (0.2, 0.99, float("nan")), strict=True):
        check_missing(keypoint, State.NOBODY)
        np.testing.assert_equal(keypoint.confidence, confidence)
        assert keypoint.reason.startswith("nobody: presence 0.1 is below min_presence 0.3")
    assert found.keypoints[2].reason.endswith("; the joint itself: not answered")
    again = refuse_unbelieved(found, Thresholds(0.5, 0.3))
    assert again.keypoints == found.keypoints
    somebody = refuse_unbelieved(nobody, Thresholds(0.0, 0.1))
    assert somebody.keypoints == nobody.keypoints
    assert somebody.box is nobody.box


def test_joints_that_are_missing_keep_their_reason_where_the_presence_is_unknown() -> None:
    far = person(Keypoint("head", State.OUT_OF_RANGE, "z at or beyond the edge of the range"), presence=float("nan"))
    assert refuse_unbelieved(far, Thresholds(0.5, 0.5)).keypoints == far.keypoints


# The estimator and the tracker, with an oracle whose confidence is known.

WRIST = np.array([0.05, 0.04, 1.2])
WIDE = (0.02,) * 41
"""Probabilities of the bins around the true one: the confidence is between 0.2 and 0.8."""


NEVER = (-700.0, 0.0, 0.0)
"""Offset and weights with which the presence is 0 for every answer."""


def oracle(belief: Belief | None = None, spread: tuple[float, ...] | None = WIDE, **changes: object) -> Oracle:
    engine = Oracle({"left_wrist": WRIST}, spread=spread)
    engine.info = info(replace(SPEC, belief=belief, **changes))  # type: ignore[arg-type]
    return engine


def ask(estimator: Estimator | Tracker, stamp_ns: int = 1) -> Estimate:
    command = joint_command(["left_wrist"])
    if isinstance(estimator, Tracker):
        return estimator.estimate(IMAGE, CAMERA, command, stamp_ns)
    return estimator.estimate(IMAGE, CAMERA, command)


def raw_confidence() -> float:
    (keypoint,) = ask(Estimator(oracle(), gate=BeliefGate(*OFF))).person.keypoints
    assert 0.2 < keypoint.confidence < 0.8
    return keypoint.confidence


def test_an_estimator_refuses_by_default_and_keeps_what_was_decoded() -> None:
    confidence = raw_confidence()
    believed = ask(Estimator(oracle(Belief(confidence - 0.01, 0.0))))
    assert [keypoint.state for keypoint in believed.person.keypoints] == [State.MEASURED]
    for belief, state in (
        (Belief(confidence + 0.01, 0.0), State.LOW_CONFIDENCE),
        (Belief(0.0, 0.1, NEVER), State.NOBODY),
    ):
        estimate = ask(Estimator(oracle(belief)))
        (keypoint,) = estimate.person.keypoints
        check_missing(keypoint, state)
        assert keypoint.confidence == pytest.approx(confidence)
        assert estimate.thresholds == (belief.min_confidence, belief.min_presence)
        assert estimate.decoded is not None
        (decoded,) = estimate.decoded.keypoints
        np.testing.assert_allclose(decoded.position, WRIST, atol=0.01)
        assert estimate.decoded.presence == estimate.person.presence


def test_a_threshold_that_is_changed_holds_for_the_next_frame() -> None:
    estimator = Estimator(oracle(Belief(0.0, 0.0)))
    assert ask(estimator).person.located
    estimator.gate.set(1.0, -1.0)
    assert not ask(estimator).person.located
    estimator.gate.set(-1.0, -1.0)
    assert ask(estimator).person.located


def test_a_command_without_joints_shows_the_thresholds_too() -> None:
    tracker = Tracker(Estimator(oracle(BELIEF)))
    negated = parse_command("do not touch my left wrist")
    assert negated is not None
    estimate = tracker.estimate(IMAGE, CAMERA, negated, 1)
    assert (estimate.person.keypoints, estimate.thresholds) == ((), (0.3, 0.6))
    assert np.isnan(estimate.person.presence)


def depth_image(z: float) -> np.ndarray:
    return np.full((480, 640), z, np.float32)


@pytest.mark.parametrize("xy_source", ["bins", "pixel"])
def test_the_confidence_is_computed_again_after_depth_fusion(xy_source: str) -> None:
    engine = oracle(Belief(0.0, 0.0), calibration=Calibration(confidence=(0.5, 0.25)))
    tracker = Tracker(Estimator(engine, xy_source=xy_source))  # type: ignore[arg-type]
    estimate = ask(tracker)
    depth = depth_image(WRIST[2] - SURFACE_OFFSETS["left_wrist"].mean)
    (before,), (after,) = (
        estimate.person.keypoints,
        tracker.refine(estimate, 1, camera=CAMERA, depth=depth).person.keypoints,
    )
    assert after.depth is DepthUse.FUSED
    factor = {"bins": 0.5, "pixel": 0.25}[xy_source]
    assert before.confidence == pytest.approx(probability_within(factor**2 * before.covariance)[0], abs=1e-9)
    assert after.confidence == pytest.approx(probability_within(factor**2 * after.covariance)[0], abs=1e-9)
    assert after.confidence > before.confidence


def test_a_depth_image_that_agrees_lifts_a_joint_above_the_threshold() -> None:
    confidence = raw_confidence()
    tracker = Tracker(Estimator(oracle(Belief(confidence + 0.001, 0.0))))
    estimate = ask(tracker)
    assert not estimate.person.located
    agreeing = depth_image(WRIST[2] - SURFACE_OFFSETS["left_wrist"].mean)
    (keypoint,) = tracker.refine(estimate, 1, camera=CAMERA, depth=agreeing).person.keypoints
    assert (keypoint.state, keypoint.depth) == (State.MEASURED, DepthUse.FUSED)
    (keypoint,) = tracker.refine(estimate, 1, camera=CAMERA, depth=depth_image(0.4)).person.keypoints
    check_missing(keypoint, State.LOW_CONFIDENCE)
    assert keypoint.depth is DepthUse.DISAGREES, "a joint that is refused shows that depth was used"
    assert keypoint.confidence == pytest.approx(confidence)


def test_a_depth_image_of_another_size_is_an_error() -> None:
    tracker = Tracker(Estimator(oracle(Belief(0.0, 0.0))))
    with pytest.raises(ImageError, match="is 32x24, but the colour image is 640x480"):
        tracker.refine(ask(tracker), 1, camera=CAMERA, depth=np.ones((24, 32), np.float32))


STEP_NS = 100_000_000


def filtered_tracker(engine: Oracle, **settings: float) -> Tracker:
    return Tracker(Estimator(engine), motion_filter=MotionFilter(**settings))


def step(tracker: Tracker, number: int) -> Keypoint:
    estimate = ask(tracker, number * STEP_NS)
    (keypoint,) = tracker.refine(estimate, number * STEP_NS).person.keypoints
    return keypoint


def test_the_confidence_is_computed_again_after_the_filter() -> None:
    engine = oracle(Belief(0.0, 0.0), calibration=Calibration(confidence=(0.8, 1.0)))
    tracker = filtered_tracker(engine)
    found = [step(tracker, number) for number in range(1, 6)]
    for keypoint in found:
        assert keypoint.confidence == pytest.approx(probability_within(0.8**2 * keypoint.covariance)[0], abs=1e-9)
    assert found[-1].confidence > found[0].confidence


def test_a_joint_that_is_refused_never_updates_the_filter() -> None:
    engine = oracle(Belief(0.0, 0.0), spread=(0.2,) * 5, calibration=Calibration(confidence=(5.0, 5.0)))
    tracker = filtered_tracker(engine)
    step(tracker, 1)
    step(tracker, 2)
    engine.joints = {"left_wrist": WRIST + np.array([0.0, 0.0, 0.05])}
    tracker.gate.set(1.0, 0.0)
    for number in (3, 4, 5):
        check_missing(step(tracker, number), State.LOW_CONFIDENCE)
    tracker.gate.set(0.0, 0.0)
    engine.joints = {"left_wrist": WRIST}
    assert step(tracker, 6).position[2] == pytest.approx(WRIST[2], abs=0.01)


@pytest.mark.handles(
    "People and belief",
    "a predicted joint that becomes uncertain with time",
    "LOW_CONFIDENCE as soon as its confidence is below min_confidence",
)
def test_a_prediction_below_the_threshold_is_missing() -> None:
    engine = oracle(Belief(0.9, 0.0), spread=(0.2,) * 5)
    tracker = filtered_tracker(engine, predict_s=0.5)
    assert [step(tracker, number).state for number in range(1, 7)] == [State.MEASURED] * 6
    engine.joints = {}
    states = []
    for number in range(7, 12):
        keypoint = step(tracker, number)
        states.append(keypoint.state)
        if keypoint.state is State.PREDICTED:
            assert keypoint.confidence >= 0.9
        else:
            check_missing(keypoint, State.LOW_CONFIDENCE)
            assert keypoint.confidence < 0.9
    assert states[0] is State.PREDICTED
    assert states[-1] is State.LOW_CONFIDENCE
    assert states == sorted(states), "once too uncertain, a prediction stays so"


def test_where_nobody_is_nothing_is_predicted() -> None:
    engine = oracle(Belief(0.0, 0.5), spread=(0.2,) * 5)
    tracker = filtered_tracker(engine, predict_s=0.5)
    assert step(tracker, 1).state is State.MEASURED
    assert step(tracker, 2).state is State.MEASURED
    engine.joints = {}
    check_missing(step(tracker, 3), State.NOBODY)


def test_a_joint_without_its_pixel_is_filtered_like_a_measured_one() -> None:
    motion = MotionFilter()
    out_of_view = replace(joint(0.9, state=State.OUT_OF_VIEW), pixel=np.full(2, np.nan), depth=DepthUse.NONE)
    estimates = [Estimate(joint_command(["head"]), person(out_of_view), "", {}, "m") for _ in range(2)]
    first, second = (
        motion.update(estimate, (1 + number) * STEP_NS).person.keypoints[0] for number, estimate in enumerate(estimates)
    )
    assert (first.state, second.state) == (State.OUT_OF_VIEW, State.OUT_OF_VIEW)
    assert np.trace(second.covariance) < np.trace(first.covariance)


def test_an_outlier_of_the_filter_keeps_confidence_and_depth() -> None:
    motion = MotionFilter()
    far = replace(joint(0.9), position=np.array([1.0, 1.0, 3.0]))
    for number, keypoint in enumerate((joint(0.9), far)):
        estimate = Estimate(joint_command(["head"]), person(keypoint), "", {}, "m")
        (found,) = motion.update(estimate, (1 + number) * STEP_NS).person.keypoints
    check_missing(found, State.OUTLIER)
    assert (found.confidence, found.depth) == (0.9, DepthUse.FUSED)


def test_confidences_are_computed_again_only_where_the_covariance_is_known() -> None:
    unknown = replace(joint(0.5, "neck"), covariance=np.full((3, 3), np.nan))
    found = with_confidences(person(joint(0.5), unknown, NOT_ANSWERED), 2.0)
    assert found.keypoints[0].confidence == pytest.approx(probability_within(4.0 * np.eye(3) * 1e-3)[0])
    assert found.keypoints[1:] == (unknown, NOT_ANSWERED)


def test_the_person_crop_does_not_follow_a_person_in_whom_the_model_does_not_believe() -> None:
    for belief, crops in ((Belief(0.0, 0.0), True), (Belief(1.0, 0.0), False), (Belief(0.0, 0.1, NEVER), False)):
        engine = oracle(belief)
        engine.joints = {"left_wrist": np.array([0.0, 0.0, 3.0])}
        tracker = Tracker(Estimator(engine), person_crop=PersonCrop("always", refresh_s=10.0))
        for number in range(3):
            ask(tracker, 1 + number)
        sizes = {request.image.shape for request in engine.requests}
        assert (len(sizes) > 1) is crops
