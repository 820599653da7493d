"""Random poses for tasks: standing, walking, sitting, crouching and gestures of interaction."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Rng = np.random.Generator


@dataclass(frozen=True)
class Limb:
    """Target of an arm or leg.

    Attributes:
        target: (3,) position of wrist or ankle from shoulder or hip, in limb lengths: outward (away from the body's
            middle), forward, up; in the frame of the chest for arms, and for legs in the body frame turned by the yaw
            of the pelvis.
        pole: (3,) direction in which elbow or knee points: outward, forward, up.
        twist: Rotation of the hand about the forearm or of the foot about the shin, radians.
        bend: Flexion of the hand, or pitch of the foot (toes down), radians.
    """

    target: Array
    pole: Array
    twist: float
    bend: float


@dataclass(frozen=True)
class Pose:
    """A posture in parameters that have the same meaning for every body.

    Attributes:
        pelvis: Pitch (forward), roll (to the left) and yaw (to the left) of the pelvis, radians.
        spine: Pitch, roll and yaw of the chest relative to the pelvis, radians.
        head: Pitch, roll and yaw of the head relative to the chest, radians.
        arms: Left and right.
        legs: Left and right.
        seated: Whether the person sits on a seat.
        fingers: Curl of the fingers, radians per joint.
    """

    pelvis: Array
    spine: Array
    head: Array
    arms: tuple[Limb, Limb]
    legs: tuple[Limb, Limb]
    seated: bool = False
    fingers: float = 0.3


def blend(first: Pose, second: Pose, share: float) -> Pose:
    """Return the linear interpolation of two poses.

    Args:
        first: The pose at share 0.
        second: The pose at share 1.
        share: In [0, 1].

    Returns:
        The interpolated pose; it is seated if the nearer pose is.
    """
    rest = 1.0 - share

    def between(a: Limb, b: Limb) -> Limb:
        return Limb(
            target=rest * a.target + share * b.target,
            pole=rest * a.pole + share * b.pole,
            twist=rest * a.twist + share * b.twist,
            bend=rest * a.bend + share * b.bend,
        )

    return Pose(
        pelvis=rest * first.pelvis + share * second.pelvis,
        spine=rest * first.spine + share * second.spine,
        head=rest * first.head + share * second.head,
        arms=(between(first.arms[0], second.arms[0]), between(first.arms[1], second.arms[1])),
        legs=(between(first.legs[0], second.legs[0]), between(first.legs[1], second.legs[1])),
        seated=first.seated if share < 0.5 else second.seated,
        fingers=rest * first.fingers + share * second.fingers,
    )


_HANGING = (0.17, 0.05, -0.97)
_GESTURES: dict[str, tuple[tuple[str, tuple[float, float, float], float], ...]] = {
    # task: (arm, target (outward, forward, up), standard deviation) in arm lengths, for each arm that takes part
    "handshake": (("right", (-0.12, 0.68, -0.42), 0.14),),
    "handshake_left": (("left", (-0.12, 0.68, -0.42), 0.14),),
    "high_five": (("either", (0.12, 0.45, 0.42), 0.16),),
    "fist_bump": (("either", (-0.08, 0.75, -0.2), 0.14),),
    "hug": (("left", (0.42, 0.62, -0.08), 0.2), ("right", (0.42, 0.62, -0.08), 0.2)),
    "hand_over_left": (("left", (-0.02, 0.62, -0.35), 0.16),),
    "hand_over_right": (("right", (-0.02, 0.62, -0.35), 0.16),),
    "hand_over_both": (("left", (-0.12, 0.62, -0.38), 0.14), ("right", (-0.12, 0.62, -0.38), 0.14)),
    "take_object": (("either", (-0.05, 0.7, -0.25), 0.18),),
    "pat_shoulder": (),
    "help_up": (("either", (0.0, 0.65, 0.15), 0.22),),
    "put_on_watch": (("either", (-0.25, 0.55, -0.32), 0.14),),
    "tie_shoe": (),
    "check_knee": (),
    "look_at_face": (),
    "follow_elbow": (("either", (0.45, 0.15, -0.05), 0.22),),
    "steady_shoulders": (),
    "wave": (("either", (0.3, 0.25, 0.55), 0.2),),
    "point": (("either", (0.15, 0.85, 0.05), 0.3),),
}
_STANCES = ("stand", "walk", "sit", "crouch")
TASKS = (*_STANCES, *_GESTURES, "random")
"""Names of all tasks of a synthetic person."""

_SITTING = {"help_up": 0.85, "tie_shoe": 0.45, "check_knee": 0.5, "put_on_watch": 0.4}
_FOCUS = {
    "pat_shoulder": ("left_shoulder", "right_shoulder"),
    "steady_shoulders": ("left_shoulder", "right_shoulder"),
    "tie_shoe": ("left_foot", "right_foot"),
    "check_knee": ("left_knee", "right_knee"),
    "look_at_face": ("head",),
    "follow_elbow": ("left_elbow", "right_elbow"),
    "crouch": ("head", "spine3"),
}


def focus(task: str) -> tuple[str, ...]:
    """Return the names of the joints that a robot looks at during a task, one of `TASKS`."""
    return _FOCUS.get(task, ("left_wrist", "right_wrist") if task in _GESTURES else ("spine2", "spine3", "pelvis"))


def sample_task(rng: Rng) -> str:
    """Sample a task: 36 % random poses, 16 % stances, 48 % gestures."""
    choice = rng.random()
    if choice < 0.36:
        return "random"
    names = _STANCES if choice < 0.52 else tuple(_GESTURES)
    return names[int(rng.integers(len(names)))]


def sample_pose(rng: Rng, task: str) -> Pose:
    """Sample a pose for a task.

    Args:
        rng: Random number generator.
        task: One of `TASKS`.

    Returns:
        The pose, within the limits of human joints.
    """
    pose = _stance(rng, _stance_of(rng, task))
    if task in _GESTURES:
        pose = _gesture(rng, pose, task)
    elif task == "random" or rng.random() < 0.4:
        pose = replace(pose, arms=(_free_arm(rng, pose.seated), _free_arm(rng, pose.seated)))
    if task == "random":
        pose = replace(
            pose,
            spine=np.clip(rng.normal([0.15, 0.0, 0.0], [0.3, 0.15, 0.28]), [-0.35, -0.45, -0.7], [1.0, 0.45, 0.7]),
            head=np.clip(rng.normal(0.0, [0.3, 0.2, 0.45]), [-0.7, -0.5, -1.2], [0.8, 0.5, 1.2]),
        )
    return pose


def _stance_of(rng: Rng, task: str) -> str:
    if task in _STANCES:
        return task
    if rng.random() < _SITTING.get(task, 0.12 if task != "random" else 0.2):
        return "sit"
    return str(rng.choice(["stand", "walk", "crouch"], p=[0.72, 0.16, 0.12]))


def _stance(rng: Rng, name: str) -> Pose:
    lean = rng.normal(0.0, [0.06, 0.04, 0.06])
    spine = rng.normal([0.06, 0.0, 0.0], [0.1, 0.06, 0.12])
    head = np.clip(rng.normal([0.02, 0.0, 0.0], [0.18, 0.09, 0.3]), [-0.6, -0.4, -1.1], [0.6, 0.4, 1.1])
    if name == "walk":
        stride = rng.uniform(0.08, 0.36) * rng.choice([-1.0, 1.0])
        legs = (_leg(rng, 0.05, stride, 0.965), _leg(rng, 0.05, -stride, 0.965))
        swing = 0.9 * stride + rng.normal(0.0, 0.1)
        arms = (_arm(rng, (0.15, 0.12 - swing, -0.93), 0.06), _arm(rng, (0.15, 0.12 + swing, -0.93), 0.06))
    elif name == "sit":
        lean[0] = rng.normal(-0.1, 0.12)
        spine[0] = rng.normal(0.12, 0.16)
        legs = (_seated_leg(rng), _seated_leg(rng))
        arms = (_lap_arm(rng), _lap_arm(rng))
    elif name == "crouch":
        depth = rng.uniform(0.0, 1.0)
        lean[0] = rng.uniform(0.1, 0.4 + 0.5 * depth)
        spine[0] = rng.uniform(0.1, 0.7)
        head[0] -= rng.uniform(0.2, 0.6)
        reach = rng.uniform(0.98 - 0.45 * depth, 0.98)
        legs = (_leg(rng, 0.12, 0.1 * depth, reach), _leg(rng, 0.12, 0.1 * depth, reach))
        arms = (_arm(rng, (0.1, 0.35, -0.8), 0.2), _arm(rng, (0.1, 0.35, -0.8), 0.2))
    else:
        width, reach = rng.uniform(0.0, 0.16), rng.uniform(0.965, 0.995)
        legs = (_leg(rng, width, rng.normal(0, 0.04), reach), _leg(rng, width, rng.normal(0, 0.04), reach))
        arms = (_arm(rng, _HANGING, 0.07), _arm(rng, _HANGING, 0.07))
        for side in range(2):
            if rng.random() < 0.25:
                arms = _with(arms, side, _common_arm(rng))
    return Pose(lean, spine, head, arms, legs, seated=name == "sit", fingers=rng.uniform(0.05, 0.9))


def _gesture(rng: Rng, pose: Pose, task: str) -> Pose:
    either = "left" if rng.random() < 0.5 else "right"
    for arm, arm_target, spread in _GESTURES[task]:
        side = 0 if (either if arm == "either" else arm) == "left" else 1
        pose = replace(pose, arms=_with(pose.arms, side, _arm(rng, arm_target, spread)))
    side = int(rng.integers(2))
    if task == "tie_shoe" and not pose.seated:
        leg = _leg(rng, 0.06, rng.uniform(0.15, 0.5), rng.uniform(0.72, 0.98))
        pose = replace(pose, legs=_with(pose.legs, side, leg))
    if task == "check_knee" and not pose.seated:
        target = np.array([rng.normal(0.05, 0.08), rng.uniform(0.15, 0.5), rng.uniform(-0.75, -0.45)])
        pose = replace(pose, legs=_with(pose.legs, side, replace(pose.legs[side], target=target)))
    if task in ("tie_shoe", "check_knee") and pose.seated and rng.random() < 0.6:
        target = np.array([rng.normal(0.03, 0.08), rng.uniform(0.5, 0.92), rng.uniform(-0.6, -0.2)])
        pose = replace(pose, legs=_with(pose.legs, side, replace(pose.legs[side], target=target, bend=-0.2)))
    if task in ("look_at_face", "pat_shoulder", "steady_shoulders"):
        pose = replace(pose, head=rng.normal(0.0, [0.12, 0.07, 0.16]))
    if task in ("pat_shoulder", "steady_shoulders") and rng.random() < 0.5:
        pose = replace(pose, spine=pose.spine + np.array([0.0, 0.0, rng.normal(0.0, 0.35)]))
    return pose


def _with(pair: tuple[Limb, Limb], side: int, limb: Limb) -> tuple[Limb, Limb]:
    return (limb, pair[1]) if side == 0 else (pair[0], limb)


def _arm(rng: Rng, target: ArrayLike, spread: float) -> Limb:
    return Limb(
        target=np.asarray(target) + rng.normal(0.0, spread, 3),
        pole=np.array([0.55, -0.45, -0.8]) + rng.normal(0.0, 0.3, 3),
        twist=float(np.clip(rng.normal(0.0, 0.6), -1.4, 1.4)),
        bend=float(np.clip(rng.normal(0.0, 0.3), -0.9, 0.9)),
    )


def _free_arm(rng: Rng, seated: bool) -> Limb:
    """Sample any arm target that does not pass through the trunk."""
    if rng.random() < 0.2:
        return _common_arm(rng)
    while True:
        direction = rng.normal([0.25, 0.35, -0.15], [0.6, 0.6, 0.75])
        target = direction / np.linalg.norm(direction) * (1.0 - 0.72 * rng.random() ** 1.6)
        outward, forward, up = target
        inside = outward < 0.1 and abs(forward + 0.05) < 0.26 and up < 0.35
        behind = forward < -0.45 or (forward < 0.05 and outward < -0.05)
        through_lap = seated and up < -0.6 and forward > 0.0
        if not (inside or behind or through_lap):
            return replace(_arm(rng, target, 0.0), pole=rng.normal([0.6, -0.3, -0.7], 0.45))


def _common_arm(rng: Rng) -> Limb:
    """Sample one of the common arm postures."""
    targets = (
        (0.22, 0.02, -0.62),  # hand on the hip
        (-0.42, 0.36, -0.35),  # folded before the chest
        (0.02, 0.3, -0.62),  # hand in the pocket, or at the belly
        (-0.2, 0.35, 0.28),  # hand at the face
        (-0.12, 0.55, -0.2),  # holding something
        (0.1, 0.05, 0.42),  # hand at the back of the head
        (-0.2, -0.22, -0.72),  # hand behind the back
        (0.9, 0.1, 0.0),  # stretched to the side
        (0.2, 0.1, 0.95),  # stretched up
    )
    return _arm(rng, targets[int(rng.integers(len(targets)))], 0.07)


def _lap_arm(rng: Rng) -> Limb:
    return _arm(rng, (-0.1, 0.5, -0.62), 0.1) if rng.random() < 0.7 else _arm(rng, (0.22, 0.15, -0.72), 0.1)


def _leg(rng: Rng, outward: float, forward: float, reach: float) -> Limb:
    down = np.sqrt(max(0.05, reach**2 - outward**2 - forward**2))
    return Limb(
        target=np.array([outward + rng.normal(0.0, 0.02), forward + rng.normal(0.0, 0.02), -down]),
        pole=np.array([rng.normal(0.15, 0.15), 1.0, 0.0]),
        twist=float(rng.normal(0.2, 0.15)),
        bend=float(np.clip(-0.6 * min(forward, 0.0) + rng.normal(0.0, 0.05), -0.2, 0.6)),
    )


def _seated_leg(rng: Rng) -> Limb:
    forward = rng.uniform(0.3, 0.68)
    down = rng.uniform(0.42, 0.56)
    return Limb(
        target=np.array([rng.normal(0.06, 0.08), forward, -down]),
        pole=np.array([rng.normal(0.15, 0.2), 0.7, 1.0]),
        twist=float(rng.normal(0.1, 0.2)),
        bend=float(rng.normal(0.0, 0.08)),
    )
