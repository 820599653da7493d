from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from recorded import CAMERA, TRUTH, answer, keypoint, record

from taihri_ros.demo.pictures import draw, write_pictures
from taihri_ros.errors import TaihriError
from taihri_ros.skeleton import INDEX


def test_truth_and_answer_are_drawn_at_their_pixels() -> None:
    shown = answer(0, "head", keypoint("head", 1.0))
    drawn = draw(shown, TRUTH, CAMERA)
    true, found = (np.rint(CAMERA.project(point)[0]).astype(int) for point in (TRUTH[INDEX["pelvis"]], TRUTH[15]))
    assert shown.picture is not None
    assert (shown.picture == 90).all()
    assert drawn.shape == shown.picture.shape
    assert not np.array_equal(drawn[true[1], true[0]], [90, 90, 90])
    assert not np.array_equal(drawn[found[1], found[0]], [90, 90, 90])


def test_the_strip_has_one_picture_for_each_command(tmp_path: Path) -> None:
    answers = [answer(0, text, keypoint("head", 0.1)) for text in ("head", "head", "head, neck")]
    write_pictures(record(*answers), tmp_path / "strip.png", tmp_path / "moving.gif", {})
    strip = cv2.imread(str(tmp_path / "strip.png"))
    assert strip.shape == (420, 2 * 560, 3)


def test_the_strip_has_the_last_answer_with_a_joint_in_the_order_of_the_commands(tmp_path: Path) -> None:
    answers = [
        answer(0, "head", keypoint("head", 0.1)),
        answer(100_000_000, "head"),
        answer(200_000_000, "neck"),
        answer(300_000_000, "pelvis", keypoint("pelvis", 0.1)),
    ]
    write_pictures(record(*answers), tmp_path / "strip.png", tmp_path / "moving.gif", {})
    strip = cv2.imread(str(tmp_path / "strip.png"), cv2.IMREAD_COLOR_RGB)
    assert strip.shape == (420, 3 * 560, 3)
    for place, shown in enumerate((answers[0], answers[2], answers[3])):
        alone = cv2.resize(draw(shown, TRUTH, CAMERA), (560, 420), interpolation=cv2.INTER_AREA)
        np.testing.assert_array_equal(strip[:, 560 * place : 560 * (place + 1)], alone)


def test_the_animation_runs_in_real_time(tmp_path: Path) -> None:
    answers = [answer(100_000_000 * number, "head", keypoint("head", 0.1)) for number in range(90)]
    write_pictures(record(*answers), tmp_path / "strip.png", tmp_path / "moving.gif", {})
    found, animation = cv2.imreadanimation(str(tmp_path / "moving.gif"))
    assert found
    assert len(animation.frames) == 45
    assert set(animation.durations[:-1]) == {200}
    assert (tmp_path / "moving.gif").stat().st_size <= 3_000_000


def test_answers_without_a_picture_are_not_drawn(tmp_path: Path) -> None:
    recorded = record(answer(0, "head", keypoint("head", 0.1), picture=False))
    with pytest.raises(TaihriError, match="no answer could be drawn"):
        write_pictures(recorded, tmp_path / "strip.png", tmp_path / "moving.gif", {})
