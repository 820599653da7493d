"""People keep their ids in synthetic scenes in which they cross; docs/people.md has the metrics of all scenes."""

from __future__ import annotations

import numpy as np
import pytest

from taihri_ros.evaluation.benchmark.crossing_people import Detector, Noise, is_visible, measure
from taihri_ros.synthetic.crossings import CrossingFrame, crossing_scene


@pytest.fixture(scope="module")
def scenes() -> list[list[CrossingFrame]]:
    return [list(crossing_scene(60_000 + number, 2 + number)) for number in range(3)]


def test_people_keep_their_ids(scenes: list[list[CrossingFrame]]) -> None:
    *rows, total = measure(scenes, Noise())
    assert [row["people"] for row in rows] == [2, 3, 4]
    assert total["idf1"] > 0.9
    assert total["hota"] > 0.85
    assert 0.7 < total["idf1_hidden_too"] <= 1.0


def test_without_noise_only_the_first_frames_of_each_person_are_missing(scenes: list[list[CrossingFrame]]) -> None:
    total = list(measure(scenes[:1], Noise(depth_m=0.02, across_m=0.02, joints_m=0.01, missed=0.0)))[-1]
    assert total["switches"] == 0
    assert total["precision"] == 1.0
    assert 0.94 < total["recall"] < 1.0


def test_the_detector_has_the_errors_that_it_is_said_to_have(scenes: list[list[CrossingFrame]]) -> None:
    noise = Noise(missed=0.2)
    detector = Detector(noise, seed=1)
    errors, found, visible = [], 0, 0
    for frame in [frame for scene in scenes for frame in scene]:
        seen = [person for person in frame.people if is_visible(person, noise)]
        visible += len(seen)
        for detection in detector.detect(frame):
            found += 1
            nearest = min(seen, key=lambda person: float(np.linalg.norm(person.joints[0] - detection.root)))
            error = detection.root - nearest.joints[0]
            ray = nearest.joints[0] / np.linalg.norm(nearest.joints[0])
            errors.append([error @ ray, *(error - (error @ ray) * ray)])
    along, *across = np.std(errors, axis=0)
    assert along == pytest.approx(0.15, rel=0.15)
    assert np.linalg.norm(across) == pytest.approx(0.05 * np.sqrt(2), rel=0.15)
    assert found / visible == pytest.approx(0.8, abs=0.05)
