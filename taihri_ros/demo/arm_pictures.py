"""The clip of the simulated arm: what the robot's camera sees, and person and robot as somebody beside them sees them.

Triangles are drawn from the furthest to the nearest, each in the shade of its own normal: no graphics card or display
is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from taihri_ros.body.recovery import Body
from taihri_ros.camera.camera import Camera
from taihri_ros.demo.arm_watcher import ArmRecord, Sample
from taihri_ros.demo.simulated_arm import SimulatedArm
from taihri_ros.errors import TaihriError

Array = NDArray[np.float64]
Picture = NDArray[np.uint8]
Color = tuple[int, int, int]

View = Callable[[Array], tuple[Array, Array]]
"""A projection of points (..., 3) to pixels (..., 2) and depths (...)."""

_HEIGHT, _WIDTH, _CAPTION, _LABEL_WIDTH = 240, 320, 48, 140
_SKIN, _ARM, _HAND, _ROBOT, _WALL = (222, 184, 160), (90, 120, 150), (245, 125, 40), (150, 155, 160), (242, 242, 238)
_LIGHT = np.array([-0.5, -0.7, -0.5])
_EYE, _CENTRE, _FOCAL = np.array([-2.1, -0.75, -0.75]), np.array([0.05, 0.25, 0.85]), 300.0
_NEAREST_M = 0.15
_WAIT_FRAMES = 4
"""How many frames of the clip show that the arm stands still for the same reason."""

_RATES_HZ, _QUALITIES, _MAX_BYTES = (6.0, 4.0, 3.0), (55, 40, 25), 1_500_000
_LONGEST_MS, _LAST_MS = 400, 1500


def write_clip(record: ArmRecord, bodies: Mapping[int, Body], path: Path) -> None:
    """Write the clip, in real time but for long stops, as a looping WebP animation of at most 1.5 MB.

    Args:
        record: What the watcher received.
        bodies: The true bodies by stamp, ns.
        path: File to write.

    Raises:
        TaihriError: There is nothing to show, or the file cannot be written.
    """
    if record.camera is None or not record.commands:
        raise TaihriError("the arm could not be drawn: no picture of the camera was received")
    arm = SimulatedArm()
    for rate_hz in _RATES_HZ:
        stamps = list(_shown(record, bodies, rate_hz))
        frames = [draw_moment(record, bodies, stamp, arm) for stamp in stamps]
        animation = cv2.Animation()
        animation.frames = [cv2.cvtColor(frame, cv2.COLOR_RGB2BGRA) for frame in frames]
        gaps_ms = np.minimum(np.diff(stamps) // 1_000_000, _LONGEST_MS)
        animation.durations = [*gaps_ms.tolist(), _LAST_MS]
        for quality in _QUALITIES:
            if not cv2.imwriteanimation(str(path), animation, [cv2.IMWRITE_WEBP_QUALITY, quality]):
                raise TaihriError(f"cannot write {path}: check its directory")
            if path.stat().st_size <= _MAX_BYTES:
                return


def draw_moment(record: ArmRecord, bodies: Mapping[int, Body], stamp: int, arm: SimulatedArm) -> Picture:
    """Draw one frame.

    Args:
        record: What the watcher received, with its camera.
        bodies: The true bodies by stamp, ns.
        stamp: The stamp of an image, ns.
        arm: An arm to move.

    Returns:
        (288, 640, 3) uint8 RGB: the camera's picture with the arm in it, the view from beside, and a caption.
    """
    assert record.camera is not None
    sample = _sample(record, stamp)
    arm.at(sample.angles)
    seen = cv2.imdecode(np.frombuffer(record.pictures[stamp], np.uint8), cv2.IMREAD_COLOR)
    picture = cv2.resize(cv2.cvtColor(seen, cv2.COLOR_BGR2RGB), (_WIDTH, _HEIGHT), interpolation=cv2.INTER_AREA)
    links = _links(arm)
    _paint(picture, links, _through(record.camera))
    beside = np.full((_HEIGHT, _WIDTH, 3), _WALL, np.uint8)
    body = bodies[stamp]
    person = body.vertices.astype(np.float64)[body.surface.template.triangles], _SKIN
    _paint(beside, [person, *links, *_robot(arm)], _from_beside)
    for panel, name in ((picture, "the robot's camera"), (beside, "seen from beside")):
        cv2.rectangle(panel, (0, 0), (_LABEL_WIDTH, 22), (30, 30, 30), cv2.FILLED)
        _write(panel, name, 16, (255, 255, 255))
    caption = np.full((_CAPTION, 2 * _WIDTH, 3), 30, np.uint8)
    said = next((text for time_ns, text in reversed(record.commands) if time_ns <= stamp), "")
    _write(caption, f'"{said}"', 19, (255, 190, 90))
    _write(caption, sample.status, 40, (120, 230, 130) if sample.status.startswith("reached") else (255, 255, 255))
    return np.vstack([np.hstack([picture, beside]), caption])


def _write(picture: Picture, text: str, row: int, color: Color) -> None:
    """Write a line of text, smaller if it is too long."""
    scale = 0.45
    (width, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    scale *= min(1.0, (picture.shape[1] - 16) / max(width, 1))
    cv2.putText(picture, text, (8, row), cv2.FONT_HERSHEY_SIMPLEX, scale, color, 1, cv2.LINE_AA)


def _shown(record: ArmRecord, bodies: Mapping[int, Body], rate_hz: float) -> Iterator[int]:
    """Yield the stamps that are shown: evenly spaced, and only the beginning of each stop."""
    last, reason, waited = -np.inf, "", 0
    for stamp in sorted(record.pictures.keys() & bodies.keys()):
        if stamp < record.commands[0][0] or stamp - last < 0.95e9 / rate_hz:
            continue
        status = _sample(record, stamp).status
        state = " ".join(status.split()[:3])
        waited = waited + 1 if status.startswith("stopped") and state == reason else 0
        reason = state
        if waited < _WAIT_FRAMES:
            last = stamp
            yield stamp


def _sample(record: ArmRecord, stamp: int) -> Sample:
    return min(record.samples, key=lambda sample: abs(sample.time_ns - stamp))


def _links(arm: SimulatedArm) -> list[tuple[Array, Color]]:
    """Return the triangles (T, 3, 3) of each link, with their colour."""
    return [
        (_capsule(start, end, radius), _ARM if link in ("upper_arm", "forearm") else _HAND)
        for link, (start, end, radius) in arm.capsules().items()
    ]


def _robot(arm: SimulatedArm) -> list[tuple[Array, Color]]:
    """Return a column under the shoulder and a mast with the camera, which are no part of the arm's model."""
    foot, top = np.array([0.1, 1.25, -0.05]), np.array([0.1, 0.5, -0.05])
    return [
        (_capsule(foot, top, 0.13), _ROBOT),
        (_capsule(top, arm.shoulder, 0.07), _ROBOT),
        (_capsule(top, np.zeros(3), 0.03), _ROBOT),
        (_capsule(np.array([-0.06, 0.0, 0.0]), np.array([0.06, 0.0, 0.0]), 0.035), (60, 60, 65)),
    ]


def _capsule(start: Array, end: Array, radius: float) -> Array:
    """Return the triangles (T, 3, 3) of a capsule, counter-clockwise from outside."""
    around, along = np.linspace(0.0, 2.0 * np.pi, 15), np.linspace(-np.pi / 2.0, np.pi / 2.0, 8)
    axis = (end - start) / np.linalg.norm(end - start)
    side = np.cross(axis, [0.0, 0.0, 1.0] if abs(axis[2]) < 0.9 else [1.0, 0.0, 0.0])
    side /= np.linalg.norm(side)
    other = np.cross(axis, side)
    ring = np.cos(around)[:, None] * side + np.sin(around)[:, None] * other
    grid = radius * (np.cos(along)[:, None, None] * ring + np.sin(along)[:, None, None] * axis)
    grid += np.where(along < 0.0, 0.0, 1.0)[:, None, None] * (end - start) + start
    a, b, c, d = grid[:-1, :-1], grid[:-1, 1:], grid[1:, 1:], grid[1:, :-1]
    return np.concatenate([np.stack(corners, axis=-2).reshape(-1, 3, 3) for corners in ((a, b, c), (a, c, d))])


def _paint(picture: Picture, parts: Sequence[tuple[Array, Color]], view: View) -> None:
    """Draw coloured triangles into a picture through a view, which returns pixels (..., 2) and depths (...)."""
    triangles = np.concatenate([triangles for triangles, _ in parts])
    colors = np.concatenate([np.tile(np.array(color, np.float64), (len(part), 1)) for part, color in parts])
    normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    shades = 0.6 + 0.4 * np.clip(normals @ (_LIGHT / np.linalg.norm(_LIGHT)), -0.6, 1.0)
    pixels, depths = view(triangles)
    drawn = np.flatnonzero((depths > _NEAREST_M).all(axis=1) & np.isfinite(pixels).all(axis=(1, 2)))
    for number in drawn[np.argsort(-depths[drawn].mean(axis=1))]:
        corners = np.round(np.clip(pixels[number], -4000, 4000) * 16).astype(np.int32)
        cv2.fillConvexPoly(picture, corners, (colors[number] * shades[number]).tolist(), cv2.LINE_AA, 4)


def _from_beside(points: Array) -> tuple[Array, Array]:
    """Project points (..., 3) for somebody who stands beside robot and person."""
    forward = (_CENTRE - _EYE) / np.linalg.norm(_CENTRE - _EYE)
    right = np.cross([0.0, 1.0, 0.0], forward)
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(forward, right), forward])
    local = (points - _EYE) @ rotation.T
    pixels = _FOCAL * local[..., :2] / np.maximum(local[..., 2:], 1e-3) + [_WIDTH / 2.0, _HEIGHT / 2.0]
    return pixels, local[..., 2]


def _through(camera: Camera) -> View:
    """Return the projection into the robot camera's picture at the clip's size."""
    scale = np.array([_WIDTH / camera.width, _HEIGHT / camera.height])

    def project(points: Array) -> tuple[Array, Array]:
        pixels = camera.project(points.reshape(-1, 3)).reshape(*points.shape[:-1], 2)
        return pixels * scale, points[..., 2]

    return project
