"""Answers about zoomed views: the root decodes first, every joint follows it, and its uncertainty is theirs, too."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from oracle import answer_tokens
from zoom_oracle import ZOOMING, OracleEstimator, ZoomOracle, stand

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.canonical_view import CanonicalView
from taihri_ros.camera.distortion import DistortionModel
from taihri_ros.commands.command import Command, joint_command
from taihri_ros.inference.engine import Generation, GenerationRequest, RawAnswer
from taihri_ros.inference.top_k import TopK
from taihri_ros.keypoints import DepthUse, Keypoint, Person, State
from taihri_ros.model.answer_format import AnswerFormat
from taihri_ros.model.quantization import ABSENT, ABSENT_TOKEN, InteractionSpace
from taihri_ros.model.spec import Belief, Calibration
from taihri_ros.model.zoom import ROOT
from taihri_ros.pipeline.decoder import XySource
from taihri_ros.pipeline.depth_fusion import fuse
from taihri_ros.pipeline.estimate import Estimate
from taihri_ros.pipeline.person_views import Located, PersonViews, look_along
from taihri_ros.pipeline.prompt_batch import Decoding
from taihri_ros.pipeline.uncertainty import zoomed_variances

CAMERA = Camera(
    640,
    480,
    np.array([[520.0, 0, 331.75], [0, 511.0, 228.1], [0, 0, 1]]),
    np.array([-0.28, 0.09, 0.001, -0.0015, -0.012]),
    DistortionModel.PLUMB_BOB,
)
IMAGE = np.zeros((480, 640, 3), np.uint8)
FAR = stand(0.6, 0.1, 5.0)
ALL, WRIST = joint_command(list(FAR)), joint_command(["left_wrist"])
STEP = InteractionSpace().step


def zoomed(person: dict[str, NDArray[np.float64]] = FAR, zoom: float = 2.5) -> CanonicalView:
    """Return a view toward a person with a given zoom."""
    rotation = look_along(person[ROOT])
    return CanonicalView(CAMERA, ZOOMING.focal_px * zoom, 192, 224, rotation)


def locate(engine: ZoomOracle, command: Command, view: CanonicalView, xy_source: XySource = "bins") -> Estimate:
    estimator = OracleEstimator(engine, xy_source=xy_source)
    return estimator.estimate(IMAGE, CAMERA, command, view=view)


@pytest.mark.parametrize("xy_source", ["bins", "pixel"])
@settings(max_examples=30)
@given(
    direction=st.tuples(st.floats(-0.2, 0.2), st.floats(-0.1, 0.1)),
    depth=st.floats(2.0, 8.0),
    more=st.floats(0.8, 1.6),
)
def test_joints_of_a_zoomed_view_are_exact_within_bins(
    xy_source: XySource, direction: tuple[float, float], depth: float, more: float
) -> None:
    zoom = more * depth / 2.0
    person = stand(direction[0] * depth, direction[1] * depth, depth)
    view = zoomed(person, zoom)
    found = locate(ZoomOracle(person, legible_m=4.0), ALL, view, xy_source).person
    assert len(found.located) >= 3
    for keypoint in found.located:
        error = view.points_to_view(keypoint.position - person[keypoint.name])[0]
        z = view.points_to_view(person[keypoint.name])[0, 2]
        bins_z = STEP[2] / 2 * (1.0 + abs(zoom - 1.0))
        sideways = STEP[0] / 2 if xy_source == "bins" else 224 / 999 / view.focal_px * z + bins_z
        assert abs(error[2]) <= bins_z + 1e-9
        assert (np.abs(error[:2]) <= sideways + 1e-9).all()
        projected = CAMERA.project(person[keypoint.name][None])[0]
        assert (np.abs(keypoint.pixel - projected) <= 0.75 * 224 / 999 * 520.0 / view.focal_px).all()


def test_a_zoomed_question_asks_for_the_pelvis_which_is_not_published() -> None:
    engine = ZoomOracle(FAR)
    found = locate(engine, WRIST, zoomed()).person
    (request,) = engine.requests
    assert [question.prompt.user.rpartition("person: ")[2] for question in request.questions] == [
        "left_wrist?",
        "pelvis?",
    ]
    assert [keypoint.name for keypoint in found.keypoints] == ["left_wrist"]
    assert found.root is not None
    np.testing.assert_allclose(found.root.position, FAR[ROOT], atol=0.03)
    asked = ZoomOracle(FAR)
    person = locate(asked, joint_command([ROOT, "left_wrist"]), zoomed()).person
    assert [keypoint.name for keypoint in person.keypoints] == [ROOT, "left_wrist"]
    assert (person.root, len(asked.requests[0].questions)) == (None, 2)
    for keypoint in (*found.located, *person.located):
        np.testing.assert_allclose(keypoint.position, FAR[keypoint.name], atol=0.03)


@pytest.mark.parametrize("decoding", ["jump_forward", "plain"])
def test_one_prompt_for_all_joints_names_the_pelvis(decoding: Decoding) -> None:
    engine = ZoomOracle(FAR)
    estimator = OracleEstimator(engine, decoding=decoding)
    person = estimator.estimate(IMAGE, CAMERA, joint_command(["head", "left_wrist"]), view=zoomed()).person
    (question,) = engine.requests[0].questions
    assert question.prompt.user.endswith("person: pelvis, head, left_wrist?")
    assert [keypoint.name for keypoint in person.located] == ["head", "left_wrist"]
    np.testing.assert_allclose(person.keypoints[0].position, FAR["head"], atol=0.03)


@pytest.mark.parametrize("words", ["look at the head", "is the pelvis below the head"])
def test_free_words_about_a_zoomed_view_have_a_second_question_for_the_pelvis(words: str) -> None:
    engine = ZoomOracle(FAR)
    person = locate(engine, Command(words), zoomed()).person
    first, second = engine.requests[0].questions
    assert first.prompt.user == words
    assert second.prompt.user.endswith("person: pelvis?")
    assert [keypoint.name for keypoint in person.located] == ([ROOT, "head"] if ROOT in words else ["head"])
    for keypoint in person.located:
        np.testing.assert_allclose(keypoint.position, FAR[keypoint.name], atol=0.03)


def test_a_model_without_zoom_is_not_asked_for_more() -> None:
    near = stand(0.2, 0.0, 1.8)
    plain = ZoomOracle(near, replace(ZOOMING, zoom=(1.0, 1.0)))
    view = PersonViews(CAMERA, plain.info.spec).full
    person = locate(plain, WRIST, view).person
    assert len(plain.requests[0].questions) == 1
    assert person.root is None
    zooming = ZoomOracle(near)
    same = locate(zooming, WRIST, view).person
    assert same.root is not None, "the next view needs it"
    for attribute in ("position", "covariance", "pixel"):
        old, new = (getattr(each.keypoints[0], attribute) for each in (person, same))
        assert old.tobytes() == new.tobytes()


class Scripted(ZoomOracle):
    """An oracle that answers some joints with fixed bins of u, v, x, y, z, or not at all where there are none."""

    def __init__(self, answers: dict[str, tuple[int, ...]], **more: object) -> None:
        super().__init__(FAR, **more)  # type: ignore[arg-type]
        self.answers = answers

    def generate(self, request: GenerationRequest) -> Generation:
        generation = super().generate(request)
        answers = list(generation.answers)
        for place, question in enumerate(request.questions):
            joint = question.prompt.user.rpartition("person: ")[2].rstrip("?")
            bins = self.answers.get(joint)
            if bins is not None:
                tokens = answer_tokens({joint: bins[:2]}, {joint: bins[2:]}) if bins else answer_tokens({}, {})
                answers[place] = RawAnswer(tokens=tokens, top_k=(None,) * len(tokens), finish_reason="stop")
        return replace(generation, answers=tuple(answers))


@pytest.mark.handles(
    "People and belief", "a zoomed view in which the pelvis is not found", "no joint of it is published"
)
@pytest.mark.parametrize(
    ("bins", "state", "reason"),
    [
        ((), State.NOT_ANSWERED, "not answered"),
        ((500, 500, 500, 500, 999), State.OUT_OF_RANGE, "it is at or beyond the edge of the range"),
        ((500, 500, 500, 500, 0), State.OUT_OF_RANGE, "it is at or beyond the edge of the range"),
        ((500, 500, 0, 500, 400), State.OUT_OF_RANGE, "it is at or beyond the edge of the range"),
        ((500, 500, 500, 500, 5000), State.OUT_OF_RANGE, "a coordinate is out of range"),
    ],
)
def test_without_the_pelvis_no_joint_of_a_zoomed_view_has_a_position(
    bins: tuple[int, ...], state: State, reason: str
) -> None:
    person = locate(Scripted({ROOT: bins}), joint_command(["head", "left_wrist"]), zoomed()).person
    assert [keypoint.state for keypoint in person.keypoints] == [state, state]
    assert {keypoint.reason for keypoint in person.keypoints} == {
        f"a zoomed view needs the depth of the pelvis: {reason}"
    }
    assert all(np.isnan(keypoint.position).all() for keypoint in person.keypoints)
    assert not person.located


def test_a_pelvis_that_is_absent_censors_the_view() -> None:
    class Absent(Scripted):
        def generate(self, request: GenerationRequest) -> Generation:
            generation = super().generate(request)
            tokens = ("<|kpt2d_start|>", "<|pelvis|>", *[ABSENT_TOKEN] * 2, "<|kpt2d_end|>")
            tokens += ("<|kpt3d_start|>", "<|pelvis|>", *[ABSENT_TOKEN] * 3, "<|kpt3d_end|>")
            top_k = tuple(TopK((ABSENT,), (-0.01,)) if token == ABSENT_TOKEN else None for token in tokens)
            absent = RawAnswer(tokens=tokens, top_k=top_k, finish_reason="stop")
            return replace(generation, answers=(*generation.answers[:-1], absent))

    scripted = Absent({}, spec=replace(ZOOMING, answer=AnswerFormat(absent=True)))
    (wrist,) = locate(scripted, WRIST, zoomed()).person.keypoints
    assert (wrist.state, wrist.has_position) == (State.NOT_ANSWERED, False)
    assert wrist.reason.endswith("the model answered that it is not there")


def test_a_pelvis_at_the_edge_of_the_view_still_has_a_depth() -> None:
    person = locate(Scripted({ROOT: (0, 999, 500, 500, 499)}), WRIST, zoomed()).person
    assert person.located
    assert person.root is not None
    assert person.root.state is State.OUT_OF_VIEW


def test_a_joint_that_comes_to_lie_behind_the_camera_is_out_of_range() -> None:
    scripted = Scripted({ROOT: (500, 500, 500, 500, 900), "left_wrist": (500, 500, 500, 500, 100)})
    (wrist,) = locate(scripted, WRIST, zoomed(FAR, 0.5)).person.keypoints
    assert (wrist.state, wrist.has_position) == (State.OUT_OF_RANGE, False)


@pytest.mark.parametrize("zoom", [0.6, 1.5, 3.0])
def test_the_variance_covers_root_and_pose_apart(zoom: float) -> None:
    """Simulate the error of where a person stands, and that of a joint around the pelvis."""
    rng = np.random.default_rng(3)
    root = 0.12 * rng.standard_normal(200_000)
    for own in (0.0, 0.05, 0.2):
        seen = root + own * rng.standard_normal(len(root))
        real = seen + (zoom - 1.0) * root
        (variance,) = zoomed_variances(np.array([0.12**2 + own**2]), 0.12**2, zoom)
        assert np.mean(np.abs(real) <= np.sqrt(variance)) == pytest.approx(0.6827, abs=0.005)
    (surer,) = zoomed_variances(np.array([0.05**2]), 0.12**2, zoom)
    rest = np.sqrt(0.12**2 - 0.05**2) * rng.standard_normal(len(root))
    seen = 0.05 * rng.standard_normal(len(root))
    assert np.var(seen + (zoom - 1.0) * (seen + rest)) == pytest.approx(surer, rel=0.02)


def test_the_variance_is_unchanged_without_zoom_and_unknown_without_that_of_the_root() -> None:
    variances = np.array([0.1, 3.0, np.nan])
    np.testing.assert_array_equal(zoomed_variances(variances, 0.7, 1.0), variances)
    assert np.isnan(zoomed_variances(variances, float("nan"), 2.0)).all()


@pytest.mark.parametrize("xy_source", ["bins", "pixel"])
def test_the_covariance_of_a_zoomed_view_matches_samples(xy_source: XySource) -> None:
    """Joints and root have the same spread, so that all of the error is common: the person stands elsewhere."""
    spec = replace(ZOOMING, calibration=Calibration((1.3, 1.1, 1.2), (1.2, 1.4, 0.9)))
    spread = (0.05, 0.1, 0.7, 0.1, 0.05)
    engine, view = ZoomOracle(FAR, spec, spread=spread), zoomed()
    (wrist,) = locate(engine, WRIST, view, xy_source).person.keypoints
    variance = 0.2 * 1 + 0.1 * 4 + 1 / 12
    factors = np.array(spec.calibration.pixel if xy_source == "pixel" else spec.calibration.bins)
    depth_sigma = 2.5 * np.sqrt(variance) * STEP[2] * factors[2]
    rng = np.random.default_rng(1)
    point = view.points_to_view(wrist.position)[0]
    depths = point[2] + depth_sigma * rng.standard_normal(300_000)
    if xy_source == "pixel":
        sizes = np.array([view.width, view.height]) / 999 / view.focal_px
        rays = point[:2] / point[2] + np.sqrt(variance) * sizes * factors[:2] * rng.standard_normal((len(depths), 2))
        sideways = rays * depths[:, None]
    else:
        sideways = point[:2] + np.sqrt(variance) * STEP[:2] * factors[:2] * rng.standard_normal((len(depths), 2))
    samples = view.points_to_camera(np.column_stack([sideways, depths]))
    scale = np.sqrt(np.outer(np.diag(wrist.covariance), np.diag(wrist.covariance)))
    np.testing.assert_allclose(wrist.covariance / scale, np.cov(samples.T) / scale, atol=0.015)


def test_an_uncertain_pelvis_makes_its_joints_unbelieved() -> None:
    spec = replace(ZOOMING, belief=Belief(0.2, 0.0))
    certain = locate(ZoomOracle(FAR, spec), WRIST, zoomed()).person
    assert [keypoint.state for keypoint in certain.keypoints] == [State.MEASURED]

    class Unsure(Scripted):
        """An oracle whose pelvis is spread over many bins, and whose other joints are not."""

        def generate(self, request: GenerationRequest) -> Generation:
            generation = super().generate(request)
            *others, pelvis = generation.answers
            top_k = [one and TopK((one.bins[1],), (float(np.log(0.002)),)) for one in pelvis.top_k]
            return replace(generation, answers=(*others, replace(pelvis, top_k=tuple(top_k))))

    engine = Unsure({}, spec=spec)
    (wrist,) = locate(engine, WRIST, zoomed()).person.keypoints
    assert (wrist.state, wrist.has_position) == (State.LOW_CONFIDENCE, False)
    depth = np.full((480, 640), np.nan, np.float32)
    u, v = CAMERA.project(FAR["left_wrist"][None])[0].round().astype(int)
    depth[v - 4 : v + 5, u - 4 : u + 5] = FAR["left_wrist"][2] - 0.025
    estimate = locate(engine, WRIST, zoomed())
    assert estimate.decoded is not None
    fused = fuse(replace(estimate, person=estimate.decoded), depth, CAMERA).person.keypoints[0]
    assert fused.depth is DepthUse.FUSED, "a depth image supports it again"
    assert fused.covariance[2, 2] < 0.05**2


def test_nobody_has_no_root_either() -> None:
    spec = replace(ZOOMING, belief=Belief(0.0, 0.9, (-50.0, 0.0, 0.0)))
    person = locate(ZoomOracle(FAR, spec), WRIST, zoomed()).person
    assert [keypoint.state for keypoint in person.keypoints] == [State.NOBODY]
    assert person.root is None
    assert Located.of(person) is None


def test_the_person_is_located_by_measured_joints_and_the_pelvis() -> None:
    wrist, head = (Keypoint(name, State.MEASURED, position=FAR[name]) for name in ("left_wrist", "head"))
    pelvis = Keypoint(ROOT, State.MEASURED, position=FAR[ROOT])
    found = Located.of(Person((head, wrist), None, root=pelvis))
    assert found is not None
    assert len(found.points) == 3
    np.testing.assert_array_equal(found.root, FAR[ROOT])
    without = Located.of(Person((head, replace(wrist, state=State.PREDICTED)), None))
    assert without is not None
    np.testing.assert_array_equal(without.points, [FAR["head"]])
    np.testing.assert_array_equal(without.root, FAR["head"])
    assert Located.of(Person((replace(head, state=State.PREDICTED),), None)) is None
