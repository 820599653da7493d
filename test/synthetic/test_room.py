"""Rooms: person and camera stand inside, nothing blocks the view, and shadows fall on the walls."""

from __future__ import annotations

import numpy as np
import pytest

from taihri_ros.synthetic.room import sample_obstacle, sample_room


@pytest.mark.parametrize("seed", range(8))
def test_person_and_camera_are_in_the_room_and_the_line_between_is_free(seed: int) -> None:
    camera = np.array([0.6, -1.8, 1.3])
    room = sample_room(np.random.default_rng(seed), camera, ())
    turn = np.array([[np.cos(room.yaw), np.sin(room.yaw)], [-np.sin(room.yaw), np.cos(room.yaw)]])
    for place in (np.zeros(2), camera[:2]):
        assert (np.abs(turn @ (place - room.middle)) <= room.half - 0.5).all()
    for primitive in room.primitives:
        for share in np.linspace(0.0, 1.0, 20):
            apart = np.linalg.norm(np.array(primitive.middle[:2]) - share * camera[:2])
            assert apart > np.hypot(*primitive.half[:2]) + 0.29
    assert len(room.surfaces) == 6 + len(room.primitives)


def test_a_shadow_lies_on_a_wall_in_line_with_the_light() -> None:
    room = sample_room(np.random.default_rng(3), np.array([0.0, -1.5, 1.3]), ())
    points = np.random.default_rng(0).uniform([-0.4, -0.4, 0.1], [0.4, 0.4, 1.7], (50, 3))
    shadow = room.shadow(points)
    away, on = points - room.light, shadow - points
    assert np.cross(away, on) == pytest.approx(np.zeros((50, 3)), abs=1e-3 * np.linalg.norm(away, axis=1).max())
    assert ((away * on).sum(axis=1) > 0.0).all()
    turn = np.array([[np.cos(room.yaw), np.sin(room.yaw)], [-np.sin(room.yaw), np.cos(room.yaw)]])
    walls = np.abs((shadow[:, :2] - room.middle) @ turn.T) - room.half
    on_floor = np.abs(shadow[:, 2]) < 1e-6
    assert (on_floor | (np.abs(walls) < 1e-6).any(axis=1)).all()


def test_an_obstacle_stands_between_camera_and_target() -> None:
    camera, target = np.array([0.0, -2.0, 1.4]), np.array([0.0, 0.0, 1.2])
    primitives = [sample_obstacle(np.random.default_rng(seed), camera, target) for seed in range(40)]
    places = np.array([primitive.middle for primitive in primitives])
    assert -1.6 < np.median(places[:, 1]) < -0.3
    assert np.abs(np.median(places[:, 0])) < 0.1
