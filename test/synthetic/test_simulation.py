"""The simulated person performs gestures, and the true joints agree with the image."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from taihri_ros.commands.command import parse_command
from taihri_ros.errors import TaihriError
from taihri_ros.skeleton import INDEX, JOINTS
from taihri_ros.synthetic.people.body import Place
from taihri_ros.synthetic.simulation import Simulation

SIZE = (160, 120)


@pytest.fixture(scope="module")
def simulation() -> Iterator[Simulation]:
    return Simulation(seed=1, size=SIZE, gesture="stand")


def reach(joints: np.ndarray, wrist: str) -> float:
    """Return how much nearer to the camera a wrist is than the pelvis, metres."""
    return float(joints[INDEX["pelvis"], 2] - joints[INDEX[wrist], 2])


@pytest.mark.parametrize("size", [SIZE, (400, 300)], ids=["rendered in full size", "scaled up"])
def test_the_ground_truth_is_where_the_person_is_visible(size: tuple[int, int]) -> None:
    simulation = Simulation(seed=1, size=size, gesture="stand")
    shown = simulation.expose(0.0)
    assert (shown.image.shape, shown.image.dtype) == ((size[1], size[0], 3), np.uint8)
    assert shown.joints.shape == (len(JOINTS), 3)
    out_of_view = Place(x=100.0)
    empty = simulation._scene.render(simulation._actor.at(0.0, out_of_view), simulation._actor.outfit).image
    change = np.abs(cv2.resize(empty, size).astype(int) - shown.image).max(axis=2) > 10
    pixels = np.rint(simulation.camera.project(shown.joints)).astype(int)
    for name in ("spine2", "spine3", "neck", "left_shoulder", "right_shoulder"):
        column, row = pixels[INDEX[name]]
        assert change[row - 1 : row + 2, column - 1 : column + 2].mean() > 0.5, name
    columns = np.flatnonzero(change[pixels[INDEX["spine3"], 1]])
    middle = (columns[0] + columns[-1]) / 2
    assert middle == pytest.approx(pixels[INDEX["spine3"], 0], abs=0.06 * size[0])


def test_the_person_performs_the_gesture_of_a_command(simulation: Simulation) -> None:
    before = reach(simulation.expose(1.0).joints, "right_wrist")
    simulation.set_command(parse_command("shake my hand"))
    simulation.expose(1.1)
    after = reach(simulation.expose(3.0).joints, "right_wrist")
    assert after > before + 0.15
    simulation.set_command(parse_command("stop"))
    simulation.expose(3.1)
    assert reach(simulation.expose(5.0).joints, "right_wrist") == pytest.approx(before, abs=0.12)


@pytest.mark.parametrize("text", ["left_wrist, right_wrist", "where is my left wrist", "sing a song"])
def test_other_commands_have_no_gesture(simulation: Simulation, text: str) -> None:
    simulation.set_command(parse_command("give me a hug"))
    simulation.set_command(parse_command(text))
    assert simulation._commanded is None


def test_every_task_has_a_gesture(simulation: Simulation) -> None:
    for task in simulation._tasks.tasks:
        simulation.set_command(parse_command(task.phrasings[0]))
        assert simulation._commanded is not None, task.name


def test_the_joints_move_without_a_jump(simulation: Simulation) -> None:
    simulation.set_command(parse_command("give me a hug"))
    path = np.array([simulation._actor.at(10.0 + step / 20).joints for step in range(30)])
    assert np.abs(np.diff(path, axis=0)).max() < 0.25


def test_an_unknown_gesture_is_named_in_the_error() -> None:
    with pytest.raises(TaihriError, match="unknown gesture 'fly'; choose one of stand, walk"):
        Simulation(gesture="fly")
