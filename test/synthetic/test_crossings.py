"""Scenes of several people: truth, boxes and visibility agree with the pictures."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from taihri_ros.skeleton import INDEX
from taihri_ros.synthetic.crossing_simulation import CrossingSimulation
from taihri_ros.synthetic.crossings import CrossingFrame, CrossingScene, crossing_scene
from taihri_ros.synthetic.labels import OCCLUDED, VISIBLE
from taihri_ros.synthetic.simulated_camera import simulated_camera

CAMERA = simulated_camera(160, 120)
SEED = 4


@pytest.fixture(scope="module")
def frames() -> list[CrossingFrame]:
    return list(crossing_scene(SEED, 3, 8.0, 5.0, camera=CAMERA))


def test_everybody_is_in_every_frame_and_moves_without_a_jump(frames: list[CrossingFrame]) -> None:
    assert [frame.seconds for frame in frames] == [number / 5 for number in range(40)]
    roots = np.array([[person.joints[0] for person in frame.people] for frame in frames])
    assert roots.shape == (40, 3, 3)
    assert np.linalg.norm(np.diff(roots, axis=0), axis=2).max() < 0.4
    assert roots[..., 2].min() > 0.8
    assert (np.linalg.norm(roots[:, 0] - roots[:, 1], axis=1) > 0.4).all()


def test_people_hide_each_other_and_the_hidden_one_is_further_away(frames: list[CrossingFrame]) -> None:
    hidden = 0
    for frame in frames:
        for person in frame.people:
            assert 0.0 <= person.shown <= 1.0
            assert (person.box is None) == (person.shown == 0.0)
            if person.box is not None and person.shown < 0.5:
                hidden += 1
                nearer = [other for other in frame.people if other.joints[0, 2] < person.joints[0, 2]]
                assert nearer
                assert (person.visibility == OCCLUDED).any()
    assert hidden > 0


def test_pixels_boxes_and_visibility_agree(frames: list[CrossingFrame]) -> None:
    for frame in frames[::4]:
        for person in frame.people:
            visible = person.visibility == VISIBLE
            assert CAMERA.project(person.joints)[visible] == pytest.approx(person.pixels[visible], abs=0.01)
            if person.box is not None and visible.any():
                low, high = person.pixels[visible].min(axis=0), person.pixels[visible].max(axis=0)
                assert (low > person.box[:2] - 4).all()
                assert (high < person.box[2:] + 4).all()


def test_a_seed_repeats_a_scene_also_with_pictures() -> None:
    plain = list(crossing_scene(SEED, 2, 6.0, 0.5, camera=CAMERA))
    shown = list(crossing_scene(SEED, 2, 6.0, 0.5, camera=CAMERA, render=True))
    for first, second in zip(plain, shown, strict=True):
        assert first.image is None
        assert second.image is not None
        assert second.image.shape == (120, 160, 3)
        for one, other in zip(first.people, second.people, strict=True):
            assert (one.joints == other.joints).all()
    other = next(crossing_scene(SEED + 1, 2, 6.0, 0.5, camera=CAMERA))
    assert (other.people[0].joints != plain[0].people[0].joints).any()


def test_the_picture_shows_people_where_their_boxes_are() -> None:
    scene = CrossingScene(CAMERA, SEED, people=4)
    pictures = [scene.frame(seconds, render=True) for seconds in np.arange(0.0, 8.0, 0.5)]
    images = np.array([frame.image for frame in pictures])
    empty = np.median(images, axis=0)
    for frame in pictures:
        assert frame.image is not None
        changed = np.abs(frame.image - empty).max(axis=2) > 25
        boxes = np.zeros_like(changed)
        for person in frame.people:
            if person.box is not None:
                x0, y0, x1, y1 = person.box.astype(int)
                boxes[y0 : y1 + 1, x0 : x1 + 1] = True
        assert changed[~boxes].mean() < 0.12, "only shadows change outside the boxes"
    assert np.ptp(images, axis=0).max() > 60


def test_people_walk_back_at_the_end() -> None:
    scene = CrossingScene(CAMERA, SEED, people=2, seconds=6.0)
    there = [person.joints[0] for person in scene.frame(4.0).people]
    back = [person.joints[0] for person in scene.frame(8.0).people]
    assert np.linalg.norm(np.subtract(there, back), axis=1).max() < 0.15


def test_the_simulated_camera_shows_the_nearest_person_and_everybody() -> None:
    simulation = CrossingSimulation(people=3, seed=SEED, size=(320, 240), render_width=160)
    simulation.set_command(None)
    shown = simulation.expose(4.0)
    assert (shown.image.shape, simulation.people, len(shown.people)) == ((240, 320, 3), 3, 3)
    assert any((shown.joints == joints).all() for joints in shown.people)
    depth = simulation.depth()
    assert depth.shape == (240, 320)
    column, row = np.rint(simulation.camera.project(shown.joints)[INDEX["spine3"]]).astype(int)
    assert depth[row, column] == pytest.approx(shown.joints[INDEX["spine3"], 2], abs=0.3)
    assert cv2.blur(depth, (3, 3)).min() > 0.5
