"""Motion: gestures blend without jumps, and a scene renders the moving person where its labels are."""

from __future__ import annotations

import numpy as np
import pytest

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.distortion import DistortionModel
from taihri_ros.skeleton import INDEX
from taihri_ros.synthetic.people.body import Place
from taihri_ros.synthetic.people.motion import TRANSITION_S, Actor
from taihri_ros.synthetic.scene import Scene

CAMERA = Camera(
    160,
    120,
    np.array([[110.0, 0, 80], [0, 110, 60], [0, 0, 1]]),
    np.array([-0.1, 0.01, 0, 0, 0]),
    DistortionModel.PLUMB_BOB,
)


@pytest.fixture(scope="module")
def scene() -> Scene:
    return Scene(CAMERA, 1, distance=2.0)


def steps(actor: Actor, start: float, end: float) -> list[float]:
    """Return the largest joint motion between images at 20 Hz, metres."""
    places = np.array([actor.at(float(t)).joints for t in np.arange(start, end, 0.05)])
    return np.linalg.norm(np.diff(places, axis=0), axis=2).max(axis=1).tolist()


@pytest.mark.parametrize("gesture", ["hug", "sit", "walk"])
def test_motion_is_continuous(gesture: str) -> None:
    actor = Actor(2)
    before = steps(actor, 0.0, 1.0)
    actor.start_gesture(gesture, 1.0)
    changing = steps(actor, 1.0, 1.0 + TRANSITION_S + 0.5)
    assert 0.0 < max(before) < 0.03  # the person breathes
    assert max(changing) < 0.2


def test_a_gesture_may_change_during_its_transition() -> None:
    actor = Actor(2)
    actor.start_gesture("hug", 1.0)
    early = actor.at(1.4).joints
    actor.start_gesture("high_five", 1.4)
    assert actor.at(1.4).joints == pytest.approx(early, abs=0.02)


def test_an_actor_depends_on_its_seed() -> None:
    first, second, other = Actor(2), Actor(2), Actor(3)
    assert (first.at(0.5).vertices == second.at(0.5).vertices).all()
    assert first.shape != other.shape


def test_steps_alternate_while_walking() -> None:
    actor = Actor(2, "walk")
    apart = [
        actor.at(float(t)).joints[INDEX["left_ankle"], 1] - actor.at(float(t)).joints[INDEX["right_ankle"], 1]
        for t in np.arange(2.0, 3.2, 0.1)
    ]
    assert min(apart) < -0.1
    assert max(apart) > 0.1


def test_a_scene_shows_the_person_where_its_labels_are(scene: Scene) -> None:
    actor = Actor(4)
    empty = scene.render(actor.at(0.0, Place(x=100.0)), actor.outfit).image.astype(int)
    for x in (-0.3, 0.3):
        view = scene.render(actor.at(0.0, Place(x=x)), actor.outfit)
        assert view.image.shape == (120, 160, 3)
        assert CAMERA.project(view.joints) == pytest.approx(view.pixels, abs=0.01)
        changed = np.abs(view.image - empty).max(axis=2) > 12
        columns = np.flatnonzero(changed.sum(axis=0) > 15)
        pelvis = view.pixels[INDEX["pelvis"]]
        assert columns.min() < pelvis[0] < columns.max()
        assert (pelvis[0] > 80) == (x > 0)
    assert view.joints[0] == pytest.approx(scene.viewpoint.to_camera(actor.at(0.0, Place(x=0.3)).joints)[0], abs=1e-5)


def test_pixels_away_from_person_and_shadow_are_reused(scene: Scene) -> None:
    actor = Actor(4)
    body = actor.at(0.0)
    affected = scene._affected_pixels(body)
    assert 0.05 < affected.mean() < 0.9
    scene._renderer.set_people([(body.vertices, actor.outfit)])
    whole, _ = scene._renderer.render(CAMERA, scene._rays, scene.viewpoint, scene._room)
    part, _ = scene._renderer.render(CAMERA, scene._rays, scene.viewpoint, scene._room, reuse=(scene._empty, affected))
    assert np.percentile(np.abs(whole - part).max(axis=2), 99.5) < 1e-3


def test_hands_are_occluded_if_the_person_faces_away(scene: Scene) -> None:
    actor = Actor(4, "hand_over_both")
    wrists = [INDEX["left_wrist"], INDEX["right_wrist"]]
    back = scene.render(actor.at(5.0, Place(yaw=np.pi)), actor.outfit)
    assert (back.visibility[wrists] != 0).all()
