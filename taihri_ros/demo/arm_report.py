"""What the arm did, measured against the person's true joints: tasks reached, times, and distances.

The distances are those from the surface of the body that fits the true joints (`taihri_ros/body`), not from the
capsules that the arm itself plans with.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from taihri_ros.body.recovery import Body, BodyRecovery
from taihri_ros.demo.arm_watcher import ArmRecord, Sample
from taihri_ros.demo.simulated_arm import SimulatedArm
from taihri_ros.skeleton import INDEX, JOINTS

Array = NDArray[np.float64]

KEPT_M = 0.1
"""Distance from the body that the arm keeps, metres.

The person may come nearer. It is a violation if the arm then moves further towards them although they were that near
in the image before, which it could know.
"""

_DEVIATION_M = 0.002
"""Standard deviation of the true joints for the fit of the body, metres."""

_APPROACH_M_S = 0.005
"""Speed towards the body from which on the arm comes nearer by a motion of its own, m/s."""

_LONGEST_GAP_S = 0.05
"""Longest time between an image and the sample of the arm that it is compared with, seconds."""


def true_bodies(record: ArmRecord) -> dict[int, Body]:
    """Return the bodies that fit the true joints, by the stamp of the image (ns)."""
    recovery, bodies = BodyRecovery(), {}
    covariances = np.tile(_DEVIATION_M**2 * np.eye(3), (len(JOINTS), 1, 1))
    for stamp, joints in sorted(record.truths.items()):
        body = recovery.update(joints, covariances, stamp_ns=stamp)
        if body is not None:
            bodies[stamp] = body
    return bodies


def report(record: ArmRecord, bodies: dict[int, Body]) -> dict[str, Any]:
    """Return what happened after each word.

    Args:
        record: What the watcher received.
        bodies: The true bodies.

    Returns:
        The content of `arm.json`.
    """
    ends = [time_ns for time_ns, _ in record.commands[1:]] + [record.samples[-1].time_ns]
    tasks = [
        _task(text, start, end, record, bodies)
        for (start, text), end in zip(record.commands, ends, strict=True)
        if text != "stop"
    ]
    return {
        "tasks": tasks,
        "reached": sum(task["reached"] for task in tasks),
        "answers": len(record.answers),
        "steps_hz": _rate_hz([sample.time_ns for sample in record.samples]),
        "stops_s": [_time_to_stop(start, record.samples) for start, text in record.commands if text == "stop"],
        "kept_m": KEPT_M,
        "nearer": sum(task["nearer"] for task in tasks),
        "violations": sum(task["violations"] for task in tasks),
        "moments": sum(task["moments"] for task in tasks),
    }


def describe_arm(found: dict[str, Any]) -> str:
    """Say in words what happened, a line for each task and one for all."""
    lines = []
    for task in found["tasks"]:
        did = f"reached after {task['seconds']} s" if task["reached"] else task["last_status"]
        place = "" if task["from_true_joint_m"] is None else f"; tip {task['from_true_joint_m']:.2f} m from the joint"
        near = "" if task["nearest_m"] is None else f"; nearest to the body {task['nearest_m']:.2f} m"
        lines.append(f"{task['text']!r}: {did}{place}{near}")
    lines.append(
        f"{found['reached']} of {len(found['tasks'])} reached; {found['violations']} of {found['moments']} moments in "
        f"which the arm came nearer within {found['kept_m']} m of the body"
    )
    return "\n".join(lines)


def nearest_m(arm: SimulatedArm, body: Body, goal: str) -> float:
    """Return the smallest distance of the arm from a body, metres.

    Args:
        arm: The arm.
        body: The body.
        goal: Motion and joint of the arm, such as `shake right_wrist`: hand and forearm may come near what they are to
            touch.

    Returns:
        The distance; 0 if they overlap.
    """
    limb = body.surface.weights.argmax(axis=1)
    near = np.isin(limb, [INDEX[name] for name in _touched(goal)])
    vertices = body.vertices.astype(np.float64)
    distances = []
    for link, (start, end, radius) in arm.capsules().items():
        points = vertices if link == "upper_arm" else vertices[~near]
        along = end - start
        shares = np.clip((points - start) @ along / (along @ along), 0.0, 1.0)
        distances.append(np.linalg.norm(points - start - shares[:, None] * along, axis=1).min() - radius)
    return max(0.0, float(min(distances)))


def _touched(goal: str) -> tuple[str, ...]:
    """Return the joints at which the bones begin that the hand may come near."""
    motion, _, joint = goal.rpartition(" ")
    side = joint.partition("_")[0]
    if motion == "shake":
        return f"{side}_elbow", f"{side}_wrist"
    if motion == "hand over":
        return "left_elbow", "left_wrist", "right_elbow", "right_wrist"
    arm = (f"{side}_collar", f"{side}_shoulder", f"{side}_elbow", f"{side}_wrist")
    return ("spine2", "spine3", "neck", *arm) if motion == "pat" else ()


def _task(text: str, start: int, end: int, record: ArmRecord, bodies: dict[int, Body]) -> dict[str, Any]:
    """Return what happened after a word that was said at `start`, until `end` (ns)."""
    samples = [sample for sample in record.samples if start <= sample.time_ns < end]
    reached = [sample for sample in samples if sample.status.startswith("reached")]
    arm = SimulatedArm()
    seen = {stamp: body for stamp, body in bodies.items() if start <= stamp < end}
    distances, violations = _distances(arm, samples, seen) if len(samples) > 1 else ([], 0)
    last = next((sample for sample in reversed(reached or samples) if _goal(sample.status)), None)
    return {
        "text": text,
        "reached": bool(reached),
        "seconds": round((reached[0].time_ns - start) / 1e9, 2) if reached else None,
        "goal": _goal(last.status) if last else None,
        "from_true_joint_m": _from_joint(arm, last, record.truths) if last else None,
        "last_status": samples[-1].status if samples else "the arm said nothing",
        "moments": len(distances),
        "nearest_m": round(min(distances), 3) if distances else None,
        "nearer": sum(distance < KEPT_M for distance in distances),
        "violations": violations,
    }


def _distances(arm: SimulatedArm, samples: list[Sample], bodies: dict[int, Body]) -> tuple[list[float], int]:
    """Return the distances of the arm from the bodies, metres, and the number of violations; see `KEPT_M`.

    Args:
        arm: The arm, which is moved.
        samples: What the arm did, at least two.
        bodies: The true bodies by the stamp of the image (ns); those far from every sample in time are left out.
    """
    distances: list[float] = []
    violations, was_near, goal = 0, False, ""
    times = np.array([sample.time_ns for sample in samples])
    for stamp, body in bodies.items():
        after = max(1, int(np.abs(times - stamp).argmin()))
        if abs(int(times[after]) - stamp) > _LONGEST_GAP_S * 1e9:
            continue
        goal = _goal(samples[after].status) or goal  # it may have stopped where it touched
        before_m, after_m = (nearest_m(arm.at(samples[number].angles), body, goal) for number in (after - 1, after))
        moved_m = _APPROACH_M_S * (times[after] - times[after - 1]) / 1e9
        distances.append(after_m)
        violations += int(was_near and after_m < KEPT_M and before_m - after_m > moved_m)
        was_near = after_m < KEPT_M
    return distances, violations


def _goal(status: str) -> str:
    """Return motion and joint of a status such as `reaches: shake right_wrist`; empty for another."""
    state, _, goal = status.partition(": ")
    return goal if state in ("reached", "reaches", "withdraws") else ""


def _from_joint(arm: SimulatedArm, sample: Sample, truths: dict[int, Array]) -> float:
    stamp = min(truths, key=lambda each: abs(each - sample.time_ns))
    joint = truths[stamp][INDEX[_goal(sample.status).rpartition(" ")[2]]]
    return round(float(np.linalg.norm(arm.at(sample.angles).tip - joint)), 3)


def _rate_hz(times_ns: list[int]) -> float:
    """Return how often the arm moved in a second, at the median: less than 50 where the machine is too slow."""
    return round(1e9 / max(1.0, float(np.median(np.diff(times_ns)))), 1) if len(times_ns) > 1 else 0.0


def _time_to_stop(start: int, samples: list[Sample]) -> float | None:
    """Return the time from a word at a time (ns) until the arm says that it stands still, seconds."""
    times = [each.time_ns for each in samples if each.time_ns >= start and each.status.startswith("stopped: stop")]
    return round((times[0] - start) / 1e9, 3) if times else None
