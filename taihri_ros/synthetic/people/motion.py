"""A moving person that blends smoothly from one gesture to the next."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from taihri_ros.synthetic.people.body import Body, Place, body_model, moved
from taihri_ros.synthetic.people.clothing import Outfit, dress
from taihri_ros.synthetic.people.garments import surface
from taihri_ros.synthetic.people.phenotype import Phenotype, sample_phenotype
from taihri_ros.synthetic.people.poses import Pose, blend, sample_pose
from taihri_ros.synthetic.people.wardrobe import sample_lifelike_outfit

TRANSITION_S = 0.9
"""Duration of the transition between two gestures."""

_STRIDE_HZ = 0.9
"""Strides (two steps) per second while walking."""


class Actor:
    """A person of one shape and outfit that performs gestures over time."""

    def __init__(self, seed: int, gesture: str = "stand") -> None:
        """Sample the person.

        Args:
            seed: Seed of shape, clothes and the variation of each gesture.
            gesture: First gesture, one of `poses.TASKS`.
        """
        rng = np.random.default_rng([seed, 1])
        self.shape: Phenotype = sample_phenotype(rng)
        self.outfit: Outfit = sample_lifelike_outfit(rng, self.shape.gender)
        self._seed = seed
        self._thickness = self.outfit.thickness(surface(body_model().template))[None]
        self._poses: dict[str, Pose] = {}
        self._from = self._to = self._gesture_pose(gesture)
        self._gestures = (gesture, gesture)
        self._changed = -TRANSITION_S
        self._phase = float(rng.uniform(0.0, 2.0 * np.pi))

    def start_gesture(self, gesture: str, seconds: float) -> None:
        """Start a gesture.

        Args:
            gesture: One of `poses.TASKS`; `walk` walks on the spot.
            seconds: Start time, on the clock of `at`.
        """
        self._from, self._to = self.pose(seconds), self._gesture_pose(gesture)
        self._gestures = (self._gestures[1], gesture)
        self._changed = seconds

    def pose(self, seconds: float) -> Pose:
        """Return the pose at a time, with breathing and swaying."""
        share = float(np.clip((seconds - self._changed) / TRANSITION_S, 0.0, 1.0))
        eased = share * share * (3.0 - 2.0 * share)
        pose = blend(self._from, self._step(self._to, seconds), eased)
        slow = 2.0 * np.pi * 0.23 * seconds + self._phase
        sway = 0.02 * np.sin(slow + np.array([0.0, 1.7, 3.1]))
        drift = 0.02 * np.sin(1.7 * slow + np.array([0.4, 2.2, 4.0]))
        arms = tuple(replace(arm, target=arm.target + drift * (1.0, 0.8)[side]) for side, arm in enumerate(pose.arms))
        return replace(pose, spine=pose.spine + sway, head=pose.head + 2.0 * sway[::-1], arms=(arms[0], arms[1]))

    def at(self, seconds: float, place: Place | None = None) -> Body:
        """Return the posed body at a time.

        Args:
            seconds: Time; not before the last `start_gesture`.
            place: Planar pose of the person; None for the origin.

        Returns:
            The dressed body in the room's frame: the person faces -y, x to its left, z up from the floor, metres.
        """
        bare = body_model().pose([(self.shape, self.pose(seconds))], self._thickness)[0]
        body = dress(bare, self.outfit)
        return body if place is None else moved(body, place)

    def _gesture_pose(self, gesture: str) -> Pose:
        if gesture not in self._poses:
            number = sum(ord(letter) * 31**i for i, letter in enumerate(gesture)) % (1 << 31)
            self._poses[gesture] = sample_pose(np.random.default_rng([self._seed, number]), gesture)
        return self._poses[gesture]

    def _step(self, pose: Pose, seconds: float) -> Pose:
        """Return the pose with swinging legs and arms if the person walks."""
        if self._gestures[1] != "walk":
            return pose
        swing = np.sin(2.0 * np.pi * _STRIDE_HZ * seconds + self._phase)
        lift = np.cos(2.0 * np.pi * _STRIDE_HZ * seconds + self._phase)
        legs, arms = [], []
        for side, sign in enumerate((1.0, -1.0)):
            leg, arm = pose.legs[side], pose.arms[side]
            up = -0.97 + 0.12 * max(0.0, sign * lift)
            legs.append(replace(leg, target=np.array([0.04, 0.24 * sign * swing, up])))
            hanging = np.array([0.14, 0.1 - 0.2 * sign * swing, -0.93])
            arms.append(replace(arm, target=hanging, pole=np.array([0.4, -1.0, 0.0])))
        return replace(pose, legs=(legs[0], legs[1]), arms=(arms[0], arms[1]))
