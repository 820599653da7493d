"""The estimator recovers the joints of an oracle engine in the camera's frame, within half a bin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from oracle import SPEC, Oracle, answer_tokens, info

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.camera_info import CameraError
from taihri_ros.camera.canonical_view import CanonicalView
from taihri_ros.camera.distortion import DistortionModel
from taihri_ros.commands.command import Command, joint_command
from taihri_ros.inference.engine import (
    EngineUnavailableError,
    Generation,
    GenerationAbortedError,
    GenerationFailedError,
    GenerationRequest,
    RawAnswer,
    TopK,
)
from taihri_ros.keypoints import Keypoint, State
from taihri_ros.model.answer_format import AnswerFormat
from taihri_ros.model.grammar import free_grammar, named_grammar
from taihri_ros.model.parser import MalformedAnswerError
from taihri_ros.model.quantization import InteractionSpace
from taihri_ros.pipeline.estimate import Estimate
from taihri_ros.pipeline.estimator import Estimator
from taihri_ros.pipeline.prompt_batch import Decoding
from taihri_ros.skeleton import JOINTS

LENSES: dict[str, tuple[DistortionModel, list[float]]] = {
    "pinhole": (DistortionModel.NONE, []),
    "plumb_bob": (DistortionModel.PLUMB_BOB, [-0.28, 0.09, 0.001, -0.0015, -0.012]),
    "rational": (DistortionModel.RATIONAL_POLYNOMIAL, [0.42, 0.11, 0.0005, -0.0004, 0.01, 0.71, 0.2, 0.02]),
    "fisheye": (DistortionModel.EQUIDISTANT, [-0.02, 0.011, -0.006, 0.001]),
}
STEP = InteractionSpace().step
XySource = Literal["bins", "pixel"]


def camera(lens: str = "pinhole") -> Camera:
    """Return a camera with fx != fy and an off-centre principal point."""
    model, coefficients = LENSES[lens]
    K = np.array([[520.0, 0, 331.75], [0, 511.0, 228.1], [0, 0, 1]])
    return Camera(640, 480, K, np.array(coefficients), model)


IMAGE = np.zeros((480, 640, 3), np.uint8)
places = st.tuples(st.floats(-0.4, 0.4), st.floats(-0.3, 0.3), st.floats(0.3, 3.9)).map(
    lambda p: np.array([p[0] * p[2], p[1] * p[2], p[2]])
)
people = st.dictionaries(st.sampled_from(["head", "left_wrist", "right_wrist", "pelvis"]), places, min_size=1)


def locate(estimator: Estimator, lens: str, *joints: str) -> Estimate:
    return estimator.estimate(IMAGE, camera(lens), joint_command(joints))


def view_size(engine: Oracle) -> NDArray[Any]:
    return np.array(engine.requests[-1].image.shape[1::-1])


@pytest.mark.parametrize("decoding", ["per_joint", "jump_forward"])
@pytest.mark.parametrize("xy_source", ["bins", "pixel"])
@pytest.mark.parametrize("lens", LENSES)
@settings(max_examples=25, deadline=None)
@given(people)
def test_a_known_person_is_located_within_half_a_bin(
    lens: str, xy_source: XySource, decoding: Decoding, person: dict[str, NDArray[Any]]
) -> None:
    engine = Oracle(person)
    created = Estimator(engine, xy_source=xy_source, decoding=decoding)
    estimator = _estimators.setdefault((lens, xy_source, decoding), created)
    estimator.engine = engine
    estimate = locate(estimator, lens, *person)
    assert {k.name for k in estimate.person.located} == set(person)
    bin_px = view_size(engine) / 999
    for keypoint in estimate.person.keypoints:
        truth = person[keypoint.name]
        error = np.abs(keypoint.position - truth)
        allowed = STEP / 2
        if xy_source == "pixel":
            depth = truth[2] + STEP[2] / 2
            allowed[:2] = bin_px / 2 / SPEC.focal_px * depth + np.abs(truth[:2] / truth[2]) * STEP[2] / 2
        assert (error <= allowed + 1e-9).all()
        assert 0.0 <= keypoint.confidence <= 1.0
        assert np.linalg.eigvalsh(keypoint.covariance).min() > 0.0
        projected = camera(lens).project(truth[None])[0]
        # the source's focal length is half of the view's, so a bin of the view is smaller in the source
        assert (np.abs(keypoint.pixel - projected) <= bin_px).all()


_estimators: dict[tuple[str, str, str], Estimator] = {}
"""Estimators that all examples of a test share, because their full views are cached."""


@pytest.mark.parametrize("lens", LENSES)
def test_the_pixel_is_the_projection_of_the_position(lens: str) -> None:
    engine = Oracle({"head": np.array([0.21, -0.14, 0.9])})
    (keypoint,) = locate(Estimator(engine, xy_source="pixel"), lens, "head").person.keypoints
    np.testing.assert_allclose(keypoint.pixel, camera(lens).project(keypoint.position[None])[0], atol=1e-6)


def longest_text(joints: Sequence[str]) -> str:
    """Return an answer whose coordinates are one character each; the tokenizer may cut the rest into as many tokens."""
    points = [f"<|{joint}|>" + "0" * count for count in (2, 3) for joint in joints]
    return f"<|box_start|>0000<|box_end|><|kpt2d_start|><|kpt2d_end|><|kpt3d_start|><|kpt3d_end|>{''.join(points)}$"


def test_requests_have_the_prompts_grammars_and_limits_of_the_command() -> None:
    engine = Oracle({"head": np.array([0.0, 0, 1])})
    estimator = Estimator(engine)
    estimator.estimate(IMAGE, camera(), joint_command(["left_wrist", "head"]))
    estimator.estimate(IMAGE, camera(), Command("hug me"))
    named, free = engine.requests
    for joint, question in zip(("head", "left_wrist"), named.questions, strict=True):
        assert question.grammar == named_grammar([joint], AnswerFormat())
        assert question.prompt.user.endswith(f"of the person: {joint}?")
    (free_question,) = free.questions
    assert free_question.grammar == free_grammar(AnswerFormat())
    assert free_question.prompt.user == "hug me"
    assert named.repetition_penalty == 1.05
    assert named.jump_forward
    assert named.top_k == 20
    assert len(longest_text(["left_wrist"])) <= named.max_tokens < free.max_tokens
    assert len(longest_text(JOINTS)) <= free.max_tokens <= 2048, "room for it is part of every engine's context"


@pytest.mark.parametrize("decoding", ["jump_forward", "plain"])
def test_unbatched_decoding_has_one_prompt_for_all_joints(decoding: Decoding) -> None:
    engine = Oracle({"head": np.array([0.0, 0, 1])})
    Estimator(engine, decoding=decoding).estimate(IMAGE, camera(), joint_command(["left_wrist", "head"]))
    (request,) = engine.requests
    (question,) = request.questions
    assert question.grammar == named_grammar(["head", "left_wrist"], AnswerFormat())
    assert question.prompt.user.endswith("of the person: head, left_wrist?")
    assert request.max_tokens >= len(longest_text(["head", "left_wrist"]))
    assert request.jump_forward == (decoding == "jump_forward")


def test_the_full_view_is_cached_per_camera_and_checkpoint() -> None:
    engine = Oracle({"head": np.array([0.1, 0.05, 1.5])})
    estimator = Estimator(engine)
    locate(estimator, "pinhole", "head")
    first = estimator.full_view(camera("pinhole"))
    assert estimator.full_view(camera("pinhole")) is first, "it is cached"
    assert engine.requests[-1].image.shape[:2] == (first.height, first.width)
    locate(estimator, "plumb_bob", "head")
    second = estimator.full_view(camera("plumb_bob"))
    assert second is not first
    engine.info = info(replace(SPEC, focal_px=700.0))
    (keypoint,) = locate(estimator, "plumb_bob", "head").person.keypoints
    assert estimator.full_view(camera("plumb_bob")) is not second
    assert (np.abs(keypoint.position - engine.joints["head"]) <= STEP / 2 + 1e-9).all()


def test_an_estimate_has_stage_times_and_the_raw_answer() -> None:
    estimate = locate(Estimator(Oracle({"head": np.array([0.0, 0, 1])})), "pinhole", "head", "neck")
    assert set(estimate.stages_ms) == {"view", "engine", "parse", "engine.total"}
    assert min(estimate.stages_ms.values()) >= 0.0
    answers = estimate.answer.splitlines()
    assert len(answers) == 2, "one per joint"
    assert all(answer.startswith("<|box_start|><100>") for answer in answers)
    assert ["<|head|>" in answer for answer in answers] == [False, True]
    assert (estimate.model, estimate.command) == ("oracle", joint_command(["head", "neck"]))


def test_a_joint_that_is_not_answered_has_no_values() -> None:
    estimate = locate(Estimator(Oracle({"head": np.array([0.0, 0, 1])})), "pinhole", "head", "neck")
    neck, head = estimate.person.keypoints
    assert (head.name, head.state, head.reason) == ("head", State.MEASURED, "")
    assert (neck.name, neck.state, neck.reason) == ("neck", State.NOT_ANSWERED, "not answered")
    assert np.isnan([*neck.position, *neck.covariance.ravel(), *neck.pixel, neck.confidence]).all()
    assert estimate.person.located == (head,)


class Scripted(Oracle):
    """An oracle that answers every prompt with fixed tokens."""

    def __init__(self, tokens: tuple[str, ...], top_k: tuple[TopK | None, ...] | None = None) -> None:
        super().__init__({})
        self.tokens = tokens
        self.top_k = top_k

    def generate(self, request: GenerationRequest) -> Generation:
        generation = super().generate(request)
        top_k = self.top_k or tuple(map(self._top_k, self.tokens))
        answer = RawAnswer(tokens=self.tokens, top_k=top_k, finish_reason=self.finish_reason)
        return replace(generation, answers=(answer,) * len(request.questions))


@pytest.mark.parametrize(
    ("pixels", "points", "state"),
    [
        ((5, 6), None, State.NO_3D),
        (None, (5, 6, 7), State.NO_2D),
        ((1000, 6), (5, 6, 7), State.OUT_OF_RANGE),
        ((5, 6), (5, 6, 5000), State.OUT_OF_RANGE),
    ],
)
def test_every_outcome_maps_to_a_state(
    pixels: tuple[int, ...] | None, points: tuple[int, ...] | None, state: State
) -> None:
    tokens = answer_tokens({"head": pixels} if pixels else {}, {"head": points} if points else {})
    (keypoint,) = locate(Estimator(Scripted(tokens)), "pinhole", "head").person.keypoints
    assert (keypoint.state, keypoint.has_position) == (state, False)
    assert keypoint.reason
    assert np.isnan(keypoint.position).all()


def test_duplicate_and_unrequested_joints_are_marked() -> None:
    once = {"head": (1, 2), "neck": (3, 4)}, {"head": (1, 2, 3), "neck": (3, 4, 5)}
    tokens = answer_tokens(*once)
    doubled = (*tokens[:4], *tokens[1:4], *tokens[4:])
    keypoints = locate(Estimator(Scripted(doubled)), "pinhole", "head").person.keypoints
    assert [(k.name, k.state) for k in keypoints] == [("neck", State.NOT_ASKED), ("head", State.DUPLICATE)]
    free = Estimator(Scripted(tokens)).estimate(IMAGE, camera(), Command("wave"))
    assert [(k.name, k.state) for k in free.person.keypoints] == [("neck", State.MEASURED), ("head", State.MEASURED)]


@pytest.mark.parametrize("lens", LENSES)
def test_the_box_bounds_its_distorted_outline_in_the_source_image(lens: str) -> None:
    engine = Oracle({})
    box = locate(Estimator(engine), lens, "head").person.box
    assert box is not None
    size = view_size(engine)
    near, far = 100 / 999 * size, 899 / 999 * size
    centre = (size - 1) / 2
    t = np.linspace(0, 1, 2001)[:, None]
    corners = np.array([near, (far[0], near[1]), far, (near[0], far[1])])
    outline = np.concatenate([a + (b - a) * t for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True)])
    projected = camera(lens).project(np.column_stack([(outline - centre) / SPEC.focal_px, np.ones(len(outline))]))
    np.testing.assert_allclose(box, [*np.nanmin(projected, axis=0), *np.nanmax(projected, axis=0)], atol=2.0)


@pytest.mark.parametrize("box", [(500, 10, 500, 20), (500, 10, 400, 20), (10, 20, 20, 20), (10, 20, 20, 5)])
def test_an_empty_or_inverted_box_is_dropped(box: tuple[int, ...]) -> None:
    tokens = answer_tokens({}, {}, box)
    assert locate(Estimator(Scripted(tokens)), "pinhole", "head").person.box is None


def test_a_box_outside_the_valid_range_of_the_lens_model_is_dropped() -> None:
    narrow = Camera(
        64, 48, np.array([[400.0, 0, 31.5], [0, 400, 23.5], [0, 0, 1]]), [-20.0, 0, 0, 0], DistortionModel.PLUMB_BOB
    )  # type: ignore[arg-type]
    tokens = answer_tokens({"head": (0, 0)}, {"head": (1, 1, 1)}, (0, 0, 30, 30))
    estimator = Estimator(Scripted(tokens))
    estimate = estimator.estimate(np.zeros((48, 64, 3), np.uint8), narrow, joint_command(["head"]))
    assert estimate.person.box is None
    assert np.isnan(estimate.person.keypoints[0].pixel).all()


def test_a_cut_off_answer_is_malformed_even_if_it_looks_complete() -> None:
    engine = Oracle({"head": np.array([0.0, 0, 1])})
    engine.finish_reason = "length"
    with pytest.raises(MalformedAnswerError, match="cut off before its end") as error:
        locate(Estimator(engine), "pinhole", "head")
    assert "<|head|>" in error.value.raw


def test_an_answer_outside_the_format_is_malformed() -> None:
    with pytest.raises(MalformedAnswerError):
        locate(Estimator(Scripted(("I", " see"))), "pinhole", "head")


@pytest.mark.parametrize(
    "error", [EngineUnavailableError("gone"), GenerationAbortedError("ended"), GenerationFailedError("failed")]
)
def test_engine_errors_are_passed_on(error: Exception) -> None:
    engine = Oracle({})
    engine.failure = error
    with pytest.raises(type(error)) as raised:
        locate(Estimator(engine), "pinhole", "head")
    assert raised.value is error


@pytest.mark.parametrize("shape", [(480, 641, 3), (640, 480, 3), (240, 320, 3), (0, 0, 3), (480, 640)])
def test_an_image_of_another_size_is_rejected(shape: tuple[int, ...]) -> None:
    engine = Oracle({})
    with pytest.raises(CameraError):
        Estimator(engine).estimate(np.zeros(shape, np.uint8), camera(), joint_command(["head"]))
    assert not engine.requests


def located_head(xy_source: XySource, spread: tuple[float, ...] | None, point: NDArray[Any]) -> Keypoint:
    engine = Oracle({"head": point}, spread=spread)
    (keypoint,) = locate(Estimator(engine, xy_source=xy_source), "pinhole", "head").person.keypoints
    return keypoint


def test_the_covariance_is_the_variance_of_the_bins_in_metres() -> None:
    certain = located_head("bins", (1.0,), np.array([0.2, -0.1, 1.0]))
    np.testing.assert_allclose(certain.covariance, np.diag(STEP**2 / 12), atol=1e-15)
    assert certain.confidence == pytest.approx(1.0)
    uncertain = located_head("bins", (0.2, 0.1, 0.4, 0.1, 0.2), np.array([0.2, -0.1, 1.0]))
    np.testing.assert_allclose(uncertain.covariance, np.diag(STEP**2 * (1.8 + 1 / 12)), atol=1e-12)
    assert uncertain.confidence == pytest.approx(1.0), "a spread of a few bins is within 0.1 m"


def test_the_covariance_of_a_low_peak_accounts_for_the_bins_outside_the_top_k() -> None:
    uncertain = located_head("bins", (0.01,), np.array([0.2, -0.1, 1.0]))
    width = 0.5 / NormalDist().inv_cdf(0.505)
    np.testing.assert_allclose(uncertain.covariance, np.diag(STEP**2 * (width**2 + 1 / 12)), rtol=1e-6)
    assert uncertain.confidence < 0.5


def test_the_covariance_from_pixel_and_depth_matches_samples() -> None:
    point = np.array([0.3, -0.2, 1.0])
    keypoint = located_head("pixel", (0.05, 0.1, 0.7, 0.1, 0.05), point)
    engine = Oracle({"head": point})
    locate(Estimator(engine), "pinhole", "head")
    view_px = view_size(engine) / 999
    random = np.random.default_rng(0)
    offsets = random.choice([-2, -1, 0, 1, 2], p=[0.05, 0.1, 0.7, 0.1, 0.05], size=(400_000, 3))
    offsets = offsets + random.uniform(-0.5, 0.5, offsets.shape)
    depth = point[2] + offsets[:, 2] * STEP[2]
    rays = point[:2] / point[2] + offsets[:, :2] * view_px / SPEC.focal_px
    samples = np.column_stack([rays * depth[:, None], depth])
    scale = np.sqrt(np.outer(np.diag(keypoint.covariance), np.diag(keypoint.covariance)))
    np.testing.assert_allclose(keypoint.covariance / scale, np.cov(samples.T) / scale, atol=0.01)


def test_the_covariance_is_positive_definite_at_the_smallest_depth() -> None:
    tokens = answer_tokens({"head": (700, 100)}, {"head": (500, 500, 1)})
    (keypoint,) = locate(Estimator(Scripted(tokens), xy_source="pixel"), "pinhole", "head").person.keypoints
    assert np.linalg.eigvalsh(keypoint.covariance).min() > 0.0


@pytest.mark.parametrize("xy_source", ["bins", "pixel"])
def test_position_and_covariance_rotate_with_the_view(xy_source: XySource) -> None:
    tokens = answer_tokens({"head": (600, 300)}, {"head": (520, 470, 250)})
    engine = Scripted(tokens)
    unrotated, rotated = Estimator(engine, xy_source=xy_source), Estimator(engine, xy_source=xy_source)
    (expected,) = locate(unrotated, "pinhole", "head").person.keypoints
    view = unrotated.full_view(camera())
    c, s = np.cos(0.3), np.sin(0.3)
    rotation = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    other = CanonicalView(view.source, view.focal_px, view.width, view.height, rotation)
    (keypoint,) = rotated.estimate(IMAGE, camera(), joint_command(["head"]), view=other).person.keypoints
    np.testing.assert_allclose(keypoint.position, rotation.T @ expected.position, atol=1e-12)
    np.testing.assert_allclose(keypoint.covariance, rotation.T @ expected.covariance @ rotation, atol=1e-15)


def test_every_joint_has_the_uncertainty_of_its_own_answer() -> None:
    class EverySecondTopK(Oracle):
        """An oracle that returns top-k log-probabilities for every second prompt only."""

        def generate(self, request: GenerationRequest) -> Generation:
            generation = super().generate(request)
            without_top_k = tuple(replace(one, top_k=(None,) * len(one.tokens)) for one in generation.answers)
            pairs = enumerate(zip(generation.answers, without_top_k, strict=True))
            return replace(generation, answers=tuple(pair[number % 2] for number, pair in pairs))

    names = ("pelvis", "neck", "head", "left_wrist")
    engine = EverySecondTopK({name: np.array([0.1, -0.1, 1.0 + 0.1 * place]) for place, name in enumerate(names)})
    keypoints = locate(Estimator(engine), "pinhole", *names).person.keypoints
    assert [keypoint.name for keypoint in keypoints] == list(names)
    assert [bool(np.isnan(keypoint.covariance).all()) for keypoint in keypoints] == [False, True, False, True]
    for keypoint in keypoints:
        assert (np.abs(keypoint.position - engine.joints[keypoint.name]) <= STEP / 2 + 1e-9).all()


@pytest.mark.parametrize("xy_source", ["bins", "pixel"])
def test_without_top_k_there_is_a_position_but_no_covariance(xy_source: XySource) -> None:
    for spread in (None, ()):
        keypoint = located_head(xy_source, spread, np.array([0.2, -0.1, 1.0]))
        assert np.isfinite(keypoint.position).all()
        assert np.isfinite(keypoint.pixel).all()
        assert np.isnan(keypoint.covariance).all()
        assert np.isnan(keypoint.confidence)
