from __future__ import annotations

import numpy as np

from taihri_ros.synthetic.decor import move_outdoors, mute
from taihri_ros.synthetic.room import Room, sample_room


def saturation(room: Room) -> float:
    colors = room.surfaces[:6, :3]
    return float(((colors.max(axis=1) - colors.min(axis=1)) / colors.max(axis=1)).mean())


def test_a_muted_room_has_the_same_objects_in_less_saturated_colors() -> None:
    before, after = [], []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        room = sample_room(rng, np.array([0.0, -2.0, 1.3]), ())
        muted = mute(rng, room)
        assert muted.primitives == room.primitives
        assert muted.surfaces.shape == room.surfaces.shape
        assert (muted.surfaces[:, :6] > 0.0).all()
        before.append(saturation(room))
        after.append(saturation(muted))
    assert np.mean(after) < 0.6 * np.mean(before)


def test_outdoors_the_walls_are_further_away_under_a_bright_sky() -> None:
    rng = np.random.default_rng(0)
    room = sample_room(rng, np.array([0.0, -2.0, 1.3]), ())
    place = move_outdoors(rng, room)
    assert (place.half > room.half).all()
    assert place.height > room.height
    assert place.surfaces.shape == room.surfaces.shape
    assert place.surfaces[1, :3].mean() > 0.5
