"""People walk past each other, not through each other."""

from __future__ import annotations

import numpy as np
import pytest

from taihri_ros.synthetic import walks
from taihri_ros.synthetic.walks import WalksError, sample_walks

DISTANCE_M, HALF_VIEW = 2.6, 0.6


@pytest.mark.parametrize("people", [2, 3, 4])
def test_people_cross_in_the_picture_and_keep_apart(people: int) -> None:
    for seed in range(3):
        found = sample_walks(
            np.random.default_rng(seed), people, seconds=8.0, distance_m=DISTANCE_M, half_view=HALF_VIEW
        )
        times = np.arange(0.0, 8.0, 0.1)
        places = np.array([[(walk.place(t).x, walk.place(t).y + DISTANCE_M) for t in times] for walk in found])
        bearings = places[..., 0] / places[..., 1]
        crossings = 0
        for first in range(people):
            for second in range(first):
                assert np.linalg.norm(places[first] - places[second], axis=1).min() > 0.5
                both_seen = (np.abs(bearings[[first, second]]) < HALF_VIEW).all(axis=0)
                order = np.sign(bearings[first] - bearings[second])
                crossings += int(((np.diff(order) != 0) & both_seen[1:]).sum())
        assert crossings >= people - 1
        speeds = np.linalg.norm(np.diff(places, axis=1), axis=2) / 0.1
        assert 0.4 < speeds.max() < 1.5
        assert np.abs(np.diff(speeds, axis=1)).max() / 0.1 < 6.0, "nobody stops at once"


def test_who_walks_faces_the_way_and_who_stands_faces_the_camera() -> None:
    found = sample_walks(np.random.default_rng(2), 4, seconds=8.0, distance_m=DISTANCE_M, half_view=HALF_VIEW)
    for walk in found:
        for t in np.arange(0.2, 7.8, 0.2):
            velocity, place = walk.velocity(t), walk.place(t)
            facing = np.array([np.sin(place.yaw), -np.cos(place.yaw)])
            back = walk.place(t, is_backwards=True)
            if np.linalg.norm(velocity) > 0.5:
                assert facing @ velocity / np.linalg.norm(velocity) > 0.8
                assert np.array([np.sin(back.yaw), -np.cos(back.yaw)]) @ velocity < 0.0
            elif np.linalg.norm(velocity) < 0.01:
                assert abs(place.yaw) < 0.1


def test_too_short_a_time_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walks, "_TRIES", 50)
    with pytest.raises(WalksError, match="more time"):
        sample_walks(np.random.default_rng(1), 4, seconds=0.1, distance_m=DISTANCE_M, half_view=HALF_VIEW)
