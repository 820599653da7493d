"""The overlay draws what was located, where it was located, and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from taihri_ros.command import Command
from taihri_ros.keypoints import Estimate, Keypoint, Person, State
from taihri_ros.overlay import draw


def estimate(*keypoints: Keypoint, box: tuple[float, ...] | None = None, text: str = "x") -> Estimate:
    person = Person(keypoints, None if box is None else np.array(box))
    return Estimate(Command(text), person, "", {}, "model")


def joint(name: str, pixel: tuple[float, float], state: State = State.MEASURED) -> Keypoint:
    return Keypoint(name, state, position=np.array([0.0, 0.0, 1.25]), pixel=np.array(pixel))


def picture(height: int = 480, width: int = 640) -> NDArray[np.uint8]:
    return np.full((height, width, 3), 90, np.uint8)


def changed(*keypoints: Keypoint, **more: Any) -> NDArray[np.bool_]:
    """Tell which pixels differ from those of an estimate without a person."""
    return np.asarray((draw(picture(), estimate(*keypoints, **more)) != draw(picture(), estimate())).any(axis=2))


def test_a_joint_is_drawn_at_its_pixel_and_nowhere_else() -> None:
    image = picture()
    drawn = draw(image, estimate(joint("head", (300.4, 200.3))))
    assert (image == 90).all(), "the source must not be drawn into"
    assert drawn[200, 300].tolist() == [255, 115, 25]
    differs = changed(joint("head", (300.4, 200.3)))
    rows, columns = np.nonzero(differs)
    assert rows.min() >= 180
    assert rows.max() <= 210
    assert columns.min() >= 294
    assert columns.max() <= 300 + 130


def test_what_is_not_located_is_not_drawn() -> None:
    lost = joint("head", (300, 200), State.OUT_OF_RANGE)
    unseen = Keypoint("neck", State.MEASURED, position=np.array([0.0, 0.0, 1.0]))
    differs = changed(lost, unseen)
    assert not differs[50:].any()
    assert differs[:50].any(), "it is named as missing"
    assert not changed(unseen).any()


def test_a_bone_is_drawn_between_two_located_joints_only() -> None:
    elbow, wrist = joint("left_elbow", (100, 100)), joint("left_wrist", (100, 400))
    assert changed(elbow, wrist)[250, 100]
    assert not changed(elbow, joint("left_wrist", (100, 400), State.DUPLICATE))[250, 100]
    assert not changed(elbow, joint("right_wrist", (100, 400)))[250, 100]


def test_the_box_is_an_outline() -> None:
    differs = changed(box=(100.2, 150.0, 300.0, 400.0))
    assert differs[150, 200]
    assert differs[300, 100]
    assert differs[300, 300]
    assert differs[400, 200]
    assert not differs[300, 200]
    assert not differs[:140].any()


def test_the_note_stands_at_the_bottom() -> None:
    plain, noted = draw(picture(), estimate()), draw(picture(), estimate(), "untrained")
    rows = np.nonzero((plain != noted).any(axis=(1, 2)))[0]
    assert rows.min() > 440


@pytest.mark.parametrize("size", [(16, 16), (48, 64), (720, 1280), (3000, 200)])
def test_pictures_of_every_size_and_joints_beyond_the_edge(size: tuple[int, int]) -> None:
    keypoints = [joint("left_elbow", (-4000.0, 9000.0)), joint("left_wrist", (5.0, 5.0)), joint("head", (1e6, -1e6))]
    drawn = draw(
        picture(*size), estimate(*keypoints, box=(-100.0, -1e5, 1e5, 5.0), text="h\u00e9\u4f60 \U0001f600"), "n"
    )
    assert drawn.shape == (*size, 3)
    assert drawn.dtype == np.uint8


def test_a_picture_that_may_not_be_written_to() -> None:
    image = picture()
    image.setflags(write=False)
    assert (draw(image, estimate(joint("head", (300, 200)))) != image).any()
