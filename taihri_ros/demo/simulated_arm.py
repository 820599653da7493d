"""The simulated arm of the demo: MuJoCo's kinematics, moved by mink's differential inverse kinematics.

In every step mink solves a quadratic program: the joint velocities that bring the hand nearest to where it shall be
next, within the limits of the joints, and none that brings a link nearer to a limb of the person than is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from taihri_ros.errors import imports_of
from taihri_ros.resources import PACKAGE

with imports_of("arm"):
    import mink
    import mujoco

Array = NDArray[np.float64]

MODEL = PACKAGE / "data" / "arm.xml"
LINKS = ("upper_arm", "forearm", "hand", "left_finger", "right_finger")

_JOINT_SPEED = 1.5
"""Largest speed of a joint, rad/s."""

_FULL_SPEED = 0.5
"""Speed of the hand at which the joints may turn at their largest speed, m/s."""

_LEVER_M = 0.3
"""What turning the hand by a radian counts beside moving it, metres."""

_NOTICED_M = 0.3
"""Distance beyond the one that is kept from which on a limb slows the links down, metres."""


class Limb(Protocol):
    """A capsule around a limb of the person: the joint at which it begins, its ends (3,) and its radius, metres."""

    @property
    def first(self) -> str: ...  # noqa: D102
    @property
    def start(self) -> Array: ...  # noqa: D102
    @property
    def end(self) -> Array: ...  # noqa: D102
    @property
    def radius(self) -> float: ...  # noqa: D102


class SimulatedArm:
    """An arm with 7 joints, 1.3 m long, in the frame of the camera that it is mounted beside (metres, radians).

    Attributes:
        joints: Names of the joints.
        shoulder: (3,) place of the shoulder.
        reach: Distance of the tip of the hand from the shoulder when the arm is straight.
    """

    def __init__(self, *, kept_m: float = 0.13, limbs: int = 13) -> None:
        """Load the model, in its home position.

        Args:
            kept_m: Distance that links keep from limbs, metres.
            limbs: Largest number of limbs.

        Raises:
            TaihriError: mink or MuJoCo is not installed.
        """
        self._kept_m = kept_m
        spec = mujoco.MjSpec.from_file(str(MODEL))
        for number in range(limbs):
            body = spec.worldbody.add_body(name=f"limb{number}", mocap=True)
            body.add_geom(name=f"limb{number}", type=mujoco.mjtGeom.mjGEOM_CAPSULE, size=[0.1, 0.1, 0.0])
        self._model = spec.compile()
        self._geoms = {self._model.geom(number).name: number for number in range(self._model.ngeom)}
        self._mocaps = [int(self._model.body(f"limb{number}").mocapid[0]) for number in range(limbs)]
        self._state = mink.Configuration(self._model)
        self._hand = mink.FrameTask("tip", "site", position_cost=1.0, orientation_cost=[0.0, 0.2, 0.2])
        self._home = mink.PostureTask(self._model, cost=1.0)
        self._posture = mink.PostureTask(self._model, cost=1e-2, gain=0.02)
        self.joints = [self._model.joint(number).name for number in range(self._model.njnt)]
        self.shoulder = np.array(self._model.body("upper_arm").pos)
        self.reach = float(np.linalg.norm(self.at(np.zeros(self._model.nq)).tip - self.shoulder))
        self._state.update_from_keyframe("home")
        self._home.set_target(self._state.q)
        self._posture.set_target(self._state.q)

    @property
    def angles(self) -> Array:
        """The angles of the joints, (7,) radians."""
        return np.array(self._state.q)

    @property
    def tip(self) -> Array:
        """The place of the tip of the hand, (3,) metres."""
        return np.array(self._pose().translation())

    def at(self, angles: Sequence[float] | Array) -> SimulatedArm:
        """Put the arm somewhere, and return it.

        Args:
            angles: (7,) radians.

        Returns:
            The arm itself.
        """
        self._state.update(np.asarray(angles, np.float64))
        return self

    def capsules(self) -> dict[str, tuple[Array, Array, float]]:
        """Return the ends (3,) and the radius of each link by its name, metres."""
        found = {}
        for link in LINKS:
            number = self._geoms[link]
            radius, half = self._model.geom_size[number, :2]
            middle, axis = self._state.data.geom_xpos[number], self._state.data.geom_xmat[number].reshape(3, 3)[:, 2]
            found[link] = middle - half * axis, middle + half * axis, float(radius)
        return found

    def distance(self, limbs: Sequence[Limb]) -> float:
        """Return the smallest distance of a link from a limb, metres; at most 1, negative where they overlap."""
        self._place(limbs)
        pairs = [(self._geoms[link], self._geoms[f"limb{number}"]) for link in LINKS for number in range(len(limbs))]
        model, data = self._model, self._state.data
        return min((float(mujoco.mj_geomDistance(model, data, *pair, 1.0, None)) for pair in pairs), default=1.0)

    def withdraw(self, limbs: Sequence[Limb], speed: float, seconds: float) -> float:
        """Move towards the home position.

        Args:
            limbs: What to keep away from.
            speed: Largest speed of the hand, m/s.
            seconds: How long.

        Returns:
            The angle by which the joint that is furthest from home is off, radians.
        """
        self._solve([self._home], limbs, (), speed, seconds)
        return float(np.abs(self._home.compute_error(self._state)).max())

    def move(
        self,
        position: Array,
        approach: Array,
        limbs: Sequence[Limb],
        touched: Sequence[str],
        speed: float,
        seconds: float,
    ) -> None:
        """Move the hand straight towards a place, as far as the distances allow.

        Args:
            position: (3,) where the tip shall be, metres.
            approach: (3,) unit vector along which the hand shall point; it may turn about it.
            limbs: What to keep away from.
            touched: First joints of the limbs that hand and forearm may come near.
            speed: Largest speed of the hand, m/s.
            seconds: How long.
        """
        pose = self._pose()
        pointing = pose.rotation().as_matrix()[:, 0]
        axis, angle = np.cross(pointing, approach), float(np.arccos(np.clip(pointing @ approach, -1.0, 1.0)))
        turn = mink.SO3.exp(axis * angle / max(float(np.linalg.norm(axis)), 1e-9))
        target = mink.SE3.from_rotation_and_translation(turn @ pose.rotation(), position)
        way = max(float(np.linalg.norm(position - pose.translation())), _LEVER_M * angle, 1e-9)
        self._hand.set_target(pose.interpolate(target, min(1.0, speed * seconds / way)))
        self._solve([self._hand, self._posture], limbs, touched, speed, seconds)

    def _solve(
        self, tasks: Sequence[Any], limbs: Sequence[Limb], touched: Sequence[str], speed: float, seconds: float
    ) -> None:
        self._place(limbs)
        may_touch = [f"limb{number}" for number, limb in enumerate(limbs) if limb.first in touched]
        others = [f"limb{number}" for number, limb in enumerate(limbs) if limb.first not in touched]
        pairs = [(LINKS, others), (LINKS[:1], may_touch)]
        joint_speed = _JOINT_SPEED * min(1.0, speed / _FULL_SPEED)
        limits = [
            mink.ConfigurationLimit(self._model),
            mink.VelocityLimit(self._model, dict.fromkeys(self.joints, joint_speed)),
            mink.CollisionAvoidanceLimit(
                self._model, pairs, 0.5, self._kept_m, self._kept_m + _NOTICED_M, broadphase=False
            ),
        ]
        velocity = mink.solve_ik(self._state, tasks, seconds, "daqp", damping=1e-4, limits=limits)
        self._state.integrate_inplace(velocity, seconds)

    def _place(self, limbs: Sequence[Limb]) -> None:
        """Put the capsules around the limbs."""
        model, data = self._model, self._state.data
        for number, limb in enumerate(limbs):
            geom, mocap = self._geoms[f"limb{number}"], self._mocaps[number]
            model.geom_size[geom, :2] = limb.radius, np.linalg.norm(limb.end - limb.start) / 2.0
            data.mocap_pos[mocap] = (limb.start + limb.end) / 2.0
            mujoco.mju_quatZ2Vec(data.mocap_quat[mocap], limb.end - limb.start)
        self._state.update()

    def _pose(self) -> Any:
        return self._state.get_transform_frame_to_world("tip", "site")
