"""The person crop of a model that zooms: how it finds, follows and loses somebody, and the second view of a frame."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scheduler_bench import INFO, eventually
from zoom_oracle import ZOOMING, OracleEstimator, ZoomOracle, stand

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.canonical_view import CanonicalView
from taihri_ros.camera.distortion import DistortionModel
from taihri_ros.commands.command import Command, joint_command
from taihri_ros.commands.joint_selection import JointSelection
from taihri_ros.inference.engine import Generation, GenerationAbortedError, GenerationRequest
from taihri_ros.keypoints import State
from taihri_ros.model.spec import Belief, ModelSpec
from taihri_ros.model.zoom import ROOT
from taihri_ros.pipeline.belief import OFF
from taihri_ros.pipeline.estimate import Estimate
from taihri_ros.pipeline.find_person import find_person
from taihri_ros.pipeline.frames import Frame, Result
from taihri_ros.pipeline.person_crop import PersonCrop, PersonCropMode
from taihri_ros.pipeline.person_views import RESCALES, ZOOM_STEP
from taihri_ros.pipeline.scheduler import Scheduler
from taihri_ros.pipeline.tracker import Tracker

CAMERA = Camera(640, 480, np.array([[500.0, 0, 325.0], [0, 500, 239.5], [0, 0, 1]]), np.empty(0), DistortionModel.NONE)
IMAGE = np.zeros((480, 640, 3), np.uint8)
WRISTS, HEAD = joint_command(["left_wrist", "right_wrist"]), joint_command(["head"])
FAR, NEAR, NOBODY = stand(-2.5, 0.0, 4.5), stand(0.1, 0.0, 1.5), dict[str, NDArray[np.float64]]()
"""The person far away stands in the second view of the grid, and the full view does not show them legibly."""


class Scene:
    """A tracker with a person crop, and the views in which its engine looked at each frame."""

    def __init__(
        self,
        person: dict[str, NDArray[np.float64]] | ZoomOracle,
        spec: ModelSpec = ZOOMING,
        mode: PersonCropMode = "auto",
    ) -> None:
        self.engine = person if isinstance(person, ZoomOracle) else ZoomOracle(person, spec)
        self.crop = PersonCrop(mode, refresh_s=0.5)
        self.tracker = Tracker(OracleEstimator(self.engine), person_crop=self.crop)
        self.views: list[CanonicalView] = []

    def look(self, stamp_s: float, command: Command = WRISTS) -> Estimate:
        self.engine.views.clear()
        estimate = self.tracker.estimate(IMAGE, CAMERA, command, round(stamp_s * 1e9))
        self.views = list(self.engine.views)
        return estimate

    def zooms(self) -> list[float]:
        """Return the zooms of the views of the last frame."""
        return [round(view.focal_px / self.engine.info.spec.focal_px, 2) for view in self.views]


def assert_located(estimate: Estimate, person: dict[str, NDArray[np.float64]], tolerance: float = 0.03) -> None:
    assert estimate.person.located
    for keypoint in estimate.person.located:
        np.testing.assert_allclose(keypoint.position, person[keypoint.name], atol=tolerance)


def test_somebody_whom_the_full_view_does_not_show_is_found_in_the_grid() -> None:
    scene = Scene(FAR)
    assert not scene.look(0.0).person.located
    assert scene.zooms() == [1.0, 2.0]
    for number in range(1, 10):
        assert not scene.look(number / 10).person.located
        assert scene.zooms() == [1.0], "one further view a second"
    assert_located(scene.look(1.0), FAR)
    assert scene.zooms() == [1.0, 2.0]
    assert_located(scene.look(1.1), FAR)
    assert scene.zooms() == [pytest.approx(3.2, abs=0.15)]


def test_the_crop_stays_on_the_person_when_the_full_view_is_refreshed() -> None:
    scene = Scene(FAR)
    for stamp in (0.0, 1.0):
        scene.look(stamp)
    crops, refreshed = set(), []
    for number in range(1, 60):
        assert_located(scene.look(1.0 + number / 10), FAR)
        crops.add(scene.views[-1])
        refreshed += [number] if len(scene.views) == 2 else []
    assert refreshed == [10, 20, 30, 40, 50], "at most one further view a second, whatever refresh_s is"
    assert len(crops) == 1


def test_somebody_found_in_the_full_view_is_zoomed_in_the_same_frame() -> None:
    person = stand(0.2, 0.0, 2.4)
    scene = Scene(person)
    estimate = scene.look(0.0)
    assert scene.zooms() == [1.0, pytest.approx(1.5, abs=0.1)]
    assert estimate.view_size == (scene.views[1].width, scene.views[1].height)
    assert_located(estimate, person)
    zoomed = scene.views[1]
    scene.look(0.1)
    assert scene.views == [zoomed]


def test_somebody_near_is_not_zoomed() -> None:
    scene = Scene(NEAR)
    for number in range(30):
        assert_located(scene.look(number / 10), NEAR)
        assert scene.zooms() == [1.0]


@pytest.mark.parametrize(
    ("spec", "mode"), [(replace(ZOOMING, zoom=(1.0, 1.0)), "auto"), (ZOOMING, "never"), (ZOOMING, "auto")]
)
def test_only_a_model_that_zooms_gets_a_second_view(spec: ModelSpec, mode: PersonCropMode) -> None:
    scene = Scene(FAR, spec, mode)
    looks = 0
    for number in range(15):
        scene.look(number / 10)
        looks += len(scene.views)
    assert looks == (17 if spec.zooms and mode == "auto" else 15)


def test_an_empty_scene_costs_one_further_view_a_second() -> None:
    scene, grid = Scene(NOBODY), []
    for number in range(100):
        estimate = scene.look(number / 10)
        assert not estimate.person.located
        grid += scene.views[1:]
    assert len(grid) == 10
    assert len(set(grid)) == 2, "the views of the grid, in rotation"
    assert grid[:2] * 5 == grid


def test_the_last_crop_is_looked_at_before_the_grid_when_somebody_is_lost() -> None:
    scene = Scene(FAR)
    for stamp in (0.0, 1.0, 1.1):
        scene.look(stamp)
    (crop,) = scene.views
    scene.engine.person = NOBODY
    seen = []
    for number in range(12, 60):
        assert not scene.look(number / 10).person.located
        seen += scene.views[1:]
    assert seen[0] is crop
    assert crop not in seen[1:]
    assert len(set(seen[1:])) == 2
    scene.engine.person = FAR
    found = [bool(scene.look(number / 10).person.located) for number in range(60, 90)]
    assert any(found[:21])
    assert all(found[found.index(True) :])


def test_a_passing_occlusion_does_not_start_the_search_anew() -> None:
    scene = Scene(FAR)
    for number in range(13):
        scene.look(number / 10)
    (crop,) = scene.views
    scene.engine.person = NOBODY
    scene.look(1.3)
    scene.engine.person = FAR
    found = [scene.look(number / 10).person.located for number in range(14, 25)]
    assert scene.views[-1] is crop
    assert all(found[7:]), "the next further view, at 2.0 s, is the last crop"


def test_another_command_starts_the_search_anew_but_not_more_often() -> None:
    scene = Scene(FAR)
    scene.look(0.0)
    first = scene.views[1]
    scene.look(0.5, HEAD)
    assert scene.zooms() == [1.0]
    scene.look(1.0, HEAD)
    assert scene.views[1] is first


def test_what_the_model_does_not_believe_is_neither_published_nor_followed() -> None:
    scene = Scene(FAR, replace(ZOOMING, belief=Belief(0.0, 0.9, (-50.0, 0.0, 0.0))))
    for number in range(40):
        estimate = scene.look(number / 10)
        assert {keypoint.state for keypoint in estimate.person.keypoints} <= {State.NOBODY, State.NOT_ANSWERED}
        assert scene.zooms()[0] == 1.0


def test_a_person_who_walks_away_is_followed_by_few_zooms() -> None:
    scene = Scene(stand(0.0, 0.0, 2.0))
    zooms, views = [], set()
    for number, depth in enumerate(np.linspace(2.0, 6.4, 66)):
        scene.engine.person = stand(0.0, 0.0, float(depth))
        assert_located(scene.look(number / 10), scene.engine.person, 0.05)  # type: ignore[arg-type]
        zooms.append(scene.zooms()[-1])
        views.add(scene.views[-1])
        assert depth / 1.6 / zooms[-1] < ZOOM_STEP * 1.02
    assert zooms[-1] > 3.0
    assert 4 <= len(views) <= 9


def test_a_noisy_depth_keeps_one_zoom() -> None:
    rng, scene, views = np.random.default_rng(2), Scene(stand(0.0, 0.0, 3.6)), set()
    for number in range(60):
        scene.engine.person = stand(0.0, 0.0, float(3.6 + 0.2 * np.clip(rng.standard_normal(), -1.5, 1.5)))
        scene.look(number / 10)
        views.add(scene.views[-1])
    assert len(views) <= 3


class Misjudging(ZoomOracle):
    """An oracle that sees somebody in views without zoom at the wrong depth, and in zoomed views only if it may."""

    factor, zooms = 1.0, True

    def _seen(self, view: CanonicalView) -> dict[str, NDArray[np.float64]]:
        seen = super()._seen(view)
        if view.focal_px > self.info.spec.focal_px:
            return seen if self.zooms else {}
        return {name: point * self.factor for name, point in seen.items()}


def test_a_wrong_depth_in_the_full_view_does_not_move_the_crop() -> None:
    person = stand(0.3, 0.0, 2.45)
    engine = Misjudging(person)
    scene = Scene(engine)
    scene.look(0.0)
    crop = scene.views[1]
    engine.factor = 0.6
    for number in range(1, 40):
        assert_located(scene.look(number / 10), person)
        assert scene.views[-1] is crop


def test_a_second_view_without_a_joint_does_not_replace_the_first() -> None:
    person = stand(0.3, 0.0, 2.45)
    engine = Misjudging(person)
    engine.zooms = False
    scene = Scene(engine)
    assert_located(scene.look(0.0), person)
    assert len(scene.views) == 2


def test_the_full_view_moves_the_crop_to_somebody_elsewhere() -> None:
    left, right = stand(-0.7, 0.0, 2.4), stand(0.7, 0.0, 2.4)
    scene = Scene(left)
    for number in range(8):
        scene.look(number / 10)
    scene.engine.person = right
    stamps = [number / 10 for number in range(8, 25)]
    found = [scene.look(stamp).person.located for stamp in stamps]
    assert all(found[-5:])
    assert_located(scene.look(2.5), right)


def test_the_times_of_both_views_are_added() -> None:
    scene = Scene(stand(0.2, 0.0, 2.4))
    both = scene.look(0.0)
    assert both.stages_ms["engine.total"] == 2.0
    assert both.stages_ms.keys() == {"view", "engine", "parse", "engine.total"}
    assert scene.look(0.1).stages_ms["engine.total"] == 1.0


def test_a_second_view_is_not_asked_for_when_the_result_is_not_wanted() -> None:
    def withdraw() -> None:
        raise GenerationAbortedError("the result is no longer wanted")

    engine = ZoomOracle(FAR)
    tracker = Tracker(OracleEstimator(engine), person_crop=PersonCrop("auto"))
    for one_shot in (False, True):
        with pytest.raises(GenerationAbortedError):
            tracker.estimate(IMAGE, CAMERA, WRISTS, 0, one_shot=one_shot, check_wanted=withdraw)
    assert len(engine.views) == 2


def find(engine: ZoomOracle, command: Command = WRISTS) -> Estimate:
    estimator = OracleEstimator(engine)
    return find_person(estimator, IMAGE, CAMERA, command).estimate("bins", OFF)


def test_one_picture_is_searched_in_the_whole_grid_and_then_zoomed() -> None:
    engine = ZoomOracle(FAR)
    estimate = find(engine)
    zooms = [1.0, 2.0, 2.0, pytest.approx(3.2, abs=0.15), pytest.approx(2.4, abs=0.1)]
    assert [round(view.focal_px / 112.0, 1) for view in engine.views] == zooms, "4/3 of 3.2 has not been learned"
    assert_located(estimate, FAR)
    assert estimate.stages_ms["engine.total"] == 5.0


SURE, UNSURE = (0.25, 0.5, 0.25), (1 / 81,) * 81
"""Those of `UNSURE` are spread over 0.4 m in x and y and 0.3 m in z: some 15 % of such joints are within 0.1 m."""


class Inventing(ZoomOracle):
    """An oracle that sees somebody near in views without zoom, but is less sure of them than of who is far away."""

    def generate(self, request: GenerationRequest) -> Generation:
        invents = self.view is not None and self.view.focal_px == self.info.spec.focal_px
        self.person = NEAR if invents else FAR
        self.spread = UNSURE if invents else SURE
        return super().generate(request)


def test_somebody_invented_in_the_full_view_does_not_hide_who_is_far_away() -> None:
    engine = Inventing(FAR)
    estimate = find(engine)
    assert len(engine.views) == 5
    assert_located(estimate, FAR)


class Wavering(ZoomOracle):
    """An oracle that places everybody 0.1 m too near in the second of two views of a person, and is as sure of it."""

    def generate(self, request: GenerationRequest) -> Generation:
        zoom = 1.0 if self.view is None else self.view.focal_px / self.info.spec.focal_px
        error = 0.1 if zoom == pytest.approx(RESCALES[0]) else 0.0
        self.person = {name: point - [0.0, 0.0, error / zoom] for name, point in NEAR.items()}
        self.spread = (1 / 41,) * 41
        return super().generate(request)


def test_the_answers_about_two_views_of_a_person_are_fused() -> None:
    engine = Wavering(NEAR)
    estimate = find(engine)
    assert engine.views[-1].focal_px == pytest.approx(112.0 * RESCALES[0])
    assert len(estimate.person.located) == 2
    alone = OracleEstimator(ZoomOracle(NEAR, spread=(1 / 41,) * 41)).estimate(IMAGE, CAMERA, WRISTS).person
    for fused, first in zip(estimate.person.located, alone.located, strict=True):
        assert first.position[2] - fused.position[2] == pytest.approx(0.05, abs=0.02), "the mean of both"
        assert np.linalg.eigvalsh(fused.covariance - first.covariance).min() > -1e-6, "one model errs in both"
        assert fused.confidence < first.confidence


class Mistaking(ZoomOracle):
    """An oracle that takes somebody near for somebody far away in zoomed views, with a little more presence."""

    def generate(self, request: GenerationRequest) -> Generation:
        zooms = self.view is not None and self.view.focal_px > self.info.spec.focal_px
        self.person = FAR if zooms else NEAR
        bins = 71 if zooms else 81
        self.spread = (1 / bins,) * bins
        return super().generate(request)


def test_somebody_near_is_not_answered_as_far_away_where_more_joints_should_be_right() -> None:
    engine = Mistaking(NEAR)
    estimate = find(engine)
    assert len(engine.views) == 5, "the zoomed views show somebody, too"
    assert_located(estimate, NEAR)


@pytest.mark.parametrize(
    ("person", "spec", "spread", "looks"),
    [
        (stand(0.2, 0.0, 2.4), ZOOMING, SURE, [1.0, 2.0, 2.0, 1.5, 2.0, 1.1]),
        (NEAR, ZOOMING, SURE, [1.0, 4 / 3]),
        (NEAR, ZOOMING, UNSURE, [1.0, 2.0, 2.0, 4 / 3]),
        (NOBODY, ZOOMING, SURE, [1.0, 2.0, 2.0]),
        (FAR, replace(ZOOMING, zoom=(1.0, 1.0)), SURE, [1.0]),
    ],
    ids=["far", "near", "near and unsure", "nobody", "no zoom"],
)
def test_one_picture_is_looked_at_no_more_often_than_needed(
    person: dict[str, NDArray[np.float64]], spec: ModelSpec, spread: tuple[float, ...], looks: list[float]
) -> None:
    engine = ZoomOracle(person, spec, spread=spread)
    estimate = find(engine)
    assert [view.focal_px / 112.0 for view in engine.views] == pytest.approx(looks, abs=0.05)
    assert [keypoint.name for keypoint in estimate.person.keypoints] == ["left_wrist", "right_wrist"]
    assert bool(estimate.person.located) == (bool(person) and spec.zooms)


def test_the_joints_that_the_model_chooses_for_free_words_are_named_in_the_further_views() -> None:
    engine = ZoomOracle(stand(0.2, 0.0, 2.4))
    tracker = Tracker(OracleEstimator(engine), joint_selection=JointSelection(), person_crop=PersonCrop("auto"))
    estimate = tracker.estimate(IMAGE, CAMERA, Command("where is the head"), 0, one_shot=True)
    prompts = [[question.prompt.user for question in request.questions] for request in engine.requests]
    assert prompts[0] == ["where is the head"]
    assert [prompt.rpartition("person: ")[2] for prompt in prompts[1]] == ["head?", "pelvis?"]
    assert [keypoint.name for keypoint in estimate.person.located] == ["head"]
    assert ROOT not in {keypoint.name for keypoint in estimate.person.keypoints}


class Pausing(ZoomOracle):
    """An oracle that waits before its first answer until it is released."""

    def __init__(self) -> None:
        super().__init__(FAR)
        self.asked, self.release = threading.Event(), threading.Event()

    def generate(self, request: GenerationRequest) -> Generation:
        self.asked.set()
        assert self.release.wait(5.0)
        return super().generate(request)


def scheduler(engine: ZoomOracle, results: list[Result]) -> Scheduler:
    def prepare(result: Result) -> Callable[[], object]:
        return lambda: results.append(result)

    made = Scheduler(Tracker(OracleEstimator(engine), person_crop=PersonCrop("auto")), prepare)
    size = {"width": CAMERA.width, "height": CAMERA.height, "k": CAMERA.K.ravel().tolist(), "p": [0.0] * 12}
    made.calibrations.add(replace(INFO, **size))
    made.set_command(WRISTS)
    made.start()
    return made


def test_a_frame_with_a_second_view_is_one_frame() -> None:
    engine, results = ZoomOracle(FAR), list[Result]()
    running = scheduler(engine, results)
    for number in range(4):
        running.submit(Frame((1 + number) * 700_000_000, "camera", lambda _: IMAGE))
        eventually(lambda count=number + 1: running.counters.snapshot().published == count)  # type: ignore[misc]
    running.stop()
    snapshot = running.counters.snapshot()
    assert (snapshot.frames_in, snapshot.published, snapshot.dropped, snapshot.pending) == (4, 4, {}, 0)
    assert len(results) == 4
    assert len(engine.views) == 6, "the grid at 0.7 s and at 2.1 s"
    assert_located(results[-1].estimate, FAR)


def test_a_command_that_changes_during_the_first_view_ends_the_frame() -> None:
    engine, results = Pausing(), list[Result]()
    running = scheduler(engine, results)
    running.submit(Frame(1_000_000_000, "camera", lambda _: IMAGE))
    assert engine.asked.wait(5.0)
    running.set_command(HEAD)
    engine.release.set()
    eventually(lambda: running.counters.snapshot().pending == 0)
    running.stop()
    snapshot = running.counters.snapshot()
    assert (snapshot.frames_in, snapshot.published, snapshot.dropped) == (1, 0, {"command_changed": 1})
    assert len(engine.views) == 1
