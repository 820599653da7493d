"""The clip of the simulated arm shows the arm in the camera's picture and from beside."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest
from reaching import person
from recorded import CAMERA
from required import require

from taihri_ros.demo.arm_watcher import ArmRecord, Sample
from taihri_ros.errors import TaihriError

SECOND = 1_000_000_000


@pytest.fixture(autouse=True)
def _installed() -> None:
    require(find_spec("mujoco") and find_spec("mink"), "mujoco or mink", "pip install '.[arm]'")


def record(*statuses: str) -> ArmRecord:
    """Return a record of an arm at home with one image a second."""
    from taihri_ros.demo.simulated_arm import SimulatedArm

    _, jpeg = cv2.imencode(".jpg", np.full((CAMERA.height, CAMERA.width, 3), 90, np.uint8))
    made = ArmRecord(camera=CAMERA, commands=[(0, "shake my hand")])
    for second, status in enumerate(statuses, start=1):
        made.samples.append(Sample(second * SECOND, SimulatedArm().angles, status))
        made.truths[second * SECOND] = person()
        made.pictures[second * SECOND] = jpeg.tobytes()
    return made


def test_the_clip_shows_every_moment_but_long_stops(tmp_path: Path) -> None:
    from taihri_ros.demo.arm_pictures import write_clip
    from taihri_ros.demo.arm_report import true_bodies

    made = record(*["stopped: nobody is in view"] * 8, "reaches: shake right_wrist", "reached: shake right_wrist")
    write_clip(made, true_bodies(made), tmp_path / "arm.webp")
    read, animation = cv2.imreadanimation(str(tmp_path / "arm.webp"))
    assert read
    assert len(animation.frames) == 4 + 2
    assert animation.frames[0].shape[:2] == (288, 640)


def test_hand_and_person_are_drawn() -> None:
    from taihri_ros.demo.arm_pictures import draw_moment
    from taihri_ros.demo.arm_report import true_bodies
    from taihri_ros.demo.simulated_arm import SimulatedArm

    made = record("reaches: shake right_wrist")
    (body,) = true_bodies(made).values()
    drawn = draw_moment(made, {SECOND: body}, SECOND, SimulatedArm()).astype(int)
    beside = drawn[:240, 320:]
    orange = (beside[..., 0] - beside[..., 2] > 100).sum()
    skin = ((beside[..., 0] - beside[..., 2] > 25) & (beside[..., 0] - beside[..., 2] < 80)).sum()
    assert 50 < orange < 2_000
    assert 1_000 < skin < 20_000


def test_without_pictures_there_is_no_clip(tmp_path: Path) -> None:
    from taihri_ros.demo.arm_pictures import write_clip

    with pytest.raises(TaihriError, match="no picture of the camera was received"):
        write_clip(ArmRecord(), {}, tmp_path / "arm.webp")
