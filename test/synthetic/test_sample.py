"""Samples depend only on seed and index, and their labels agree with their pictures."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from taihri_ros.skeleton import INDEX
from taihri_ros.synthetic.contact_sheet import contact_sheet
from taihri_ros.synthetic.dataset import Sample
from taihri_ros.synthetic.generation import make_samples
from taihri_ros.synthetic.labels import OUTSIDE, VISIBLE
from taihri_ros.synthetic.owners import Owner
from taihri_ros.synthetic.sample import VIEWS, Generator, Style

SEED = 5


def test_a_sample_depends_only_on_seed_and_index(samples: list[Sample]) -> None:
    start = 2 * VIEWS + 1
    again = make_samples(SEED, 3, 160, start)
    for made, before in zip(again, samples[start:], strict=False):
        assert made.encoded == before.encoded
        assert (made.joints == before.joints).all()
        assert made.body == before.body
    assert make_samples(SEED + 1, 1, 160)[0].encoded != samples[0].encoded


def test_every_sample_differs(samples: list[Sample]) -> None:
    assert len({sample.encoded for sample in samples}) == len(samples)
    assert [sample.index for sample in samples] == list(range(len(samples)))


def test_labels_agree_with_the_camera(samples: list[Sample]) -> None:
    for sample in samples:
        inside = sample.visibility != OUTSIDE
        assert sample.camera.project(sample.joints)[inside] == pytest.approx(sample.pixels[inside], abs=0.01)
        size = np.array([sample.camera.width, sample.camera.height])
        assert (sample.pixels[inside] >= -0.5).all()
        assert (sample.pixels[inside] <= size - 0.5).all()
        assert np.isfinite(sample.pixels).all()
        assert sample.image.shape == (sample.camera.height, sample.camera.width, 3)
        assert (sample.visibility == VISIBLE).any()


def test_the_person_is_within_range_and_the_camera_at_the_height_of_a_robot_head(samples: list[Sample]) -> None:
    for sample in samples:
        assert 0.2 < np.linalg.norm(sample.joints, axis=1).min() < 3.9
        assert 0.7 < sample.body["eye"][2] < 1.8


def test_the_box_bounds_the_visible_part_of_the_person(samples: list[Sample]) -> None:
    for sample in samples:
        x0, y0, x1, y1 = sample.box
        assert 0 <= x0 < x1 < sample.camera.width
        assert 0 <= y0 < y1 < sample.camera.height
        seen = sample.pixels[sample.visibility == VISIBLE]
        slack = 0.07 * sample.camera.width  # a joint may lie under occluded skin
        assert (seen >= [x0 - slack, y0 - slack]).all()
        assert (seen <= [x1 + slack, y1 + slack]).all()


def test_the_rendered_person_lies_where_the_labels_are(generator: Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    render, owners = generator._renderer.render, []

    def recorded(*arguments: Any) -> Any:
        made = render(*arguments)
        owners.append(made[1])
        return made

    monkeypatch.setattr(generator._renderer, "render", recorded)
    hits: list[int] = []
    for number in range(100, 112):
        sample = generator.group(number)[-1]  # rendered last in its group
        near = cv2.dilate((owners[-1] == 1).astype(np.uint8), np.ones((5, 5), np.uint8))
        seen = sample.pixels[sample.visibility == VISIBLE]
        columns, rows = np.clip(np.rint(seen), 0, [near.shape[1] - 1, near.shape[0] - 1]).astype(int).T
        hits.extend(near[rows, columns].tolist())
    assert len(hits) > 60
    assert np.mean(hits) > 0.97


@pytest.mark.parametrize("style", ["plain", "lifelike", "outdoor"])
def test_the_owners_of_pixels_are_stored(style: Style) -> None:
    for sample in make_samples(SEED, 8, 96, style=style):
        assert sample.owners is not None
        assert sample.owners.shape == sample.image.shape[:2]
        assert sample.owners.max() <= 4
        rows, columns = np.nonzero(sample.owners == Owner.PERSON)
        assert sample.box.tolist() == [columns.min(), rows.min(), columns.max(), rows.max()]


def test_labels_of_lifelike_people_agree_with_the_camera() -> None:
    for sample in make_samples(SEED, 8, 96, style="lifelike"):
        inside = sample.visibility != OUTSIDE
        assert sample.camera.project(sample.joints)[inside] == pytest.approx(sample.pixels[inside], abs=0.01)
        assert 0.2 < np.linalg.norm(sample.joints, axis=1).min() < 3.9


def test_the_left_side_of_a_person_facing_the_camera_is_on_the_right(samples: list[Sample]) -> None:
    facing = 0
    for sample in samples:
        place = {name: sample.joints[index] for name, index in INDEX.items()}
        toes = place["left_foot"] - place["left_ankle"] + place["right_foot"] - place["right_ankle"]
        upright = place["pelvis"][1] > place["neck"][1] + 0.25
        if upright and -toes[2] > 0.8 * np.linalg.norm(toes):
            facing += 1
            assert place["left_hip"][0] > place["right_hip"][0]
    assert facing > len(samples) // 5


def test_a_contact_sheet_shows_each_sample_twice(samples: list[Sample]) -> None:
    sheet = contact_sheet(samples[:5], columns=4, cell=100)
    assert (sheet.shape, sheet.dtype) == ((200, 800, 3), np.uint8)
    assert sheet[:40, :90].std() > 1.0
    assert (sheet[100:, 300:] == 40).all()
