"""Random rooms: floor, walls, furniture and clutter with procedural surfaces, and their light.

World frame: the frame of the labelled person; x to its left, y to its back, z up from the floor, metres.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from taihri_ros.synthetic.surface_patterns import Pattern

Rng = np.random.Generator
Floats = NDArray[np.float32]

_FLOORS = (
    *(Pattern.PLAIN, Pattern.CHECKS, Pattern.PATCHES, Pattern.TILES, Pattern.PLANKS, Pattern.PLANKS, Pattern.CLOUDS),
    Pattern.CLOUDS,
)
_CEILINGS = (Pattern.PLAIN, Pattern.PLAIN, Pattern.CLOUDS)
_WALLS = (
    *(Pattern.PLAIN, Pattern.PLAIN, Pattern.PLAIN, Pattern.STRIPES_ACROSS, Pattern.STRIPES_ALONG, Pattern.BRICKS),
    *(Pattern.CLOUDS, Pattern.CLOUDS, Pattern.SHELVES, Pattern.PRINT),
)
_OBJECTS = (
    *(Pattern.PLAIN, Pattern.PLAIN, Pattern.PLAIN, Pattern.STRIPES_ACROSS, Pattern.CHECKS, Pattern.PRINT),
    *(Pattern.PATCHES, Pattern.CLOUDS, Pattern.SHELVES),
)
"""Patterns of floors, ceilings, walls and objects, as often as they are listed."""

BOX, ELLIPSOID, CYLINDER = 0, 1, 2
"""Shapes of a `Primitive`."""

SIDES = 6
"""Number of surfaces of an empty room: floor, ceiling and four walls."""


@dataclass(frozen=True)
class Primitive:
    """A box, ellipsoid or upright cylinder: furniture, a held object or an obstacle.

    Attributes:
        shape: `BOX`, `ELLIPSOID` or `CYLINDER`.
        middle: (3,) centre, metres.
        half: (3,) half extents along its own axes, metres.
        yaw: Rotation about the vertical axis, radians.
    """

    shape: int
    middle: tuple[float, float, float]
    half: tuple[float, float, float]
    yaw: float


@dataclass(frozen=True)
class Room:
    """A room with its objects and light.

    Attributes:
        middle: (2,) centre of the floor, metres.
        half: (2,) half of width and depth, metres.
        height: Height of the ceiling, metres.
        yaw: Rotation about the vertical axis, radians.
        surfaces: float32 (6 + N, 9) for floor, ceiling, four walls and each object: two colours (linear RGB), pattern,
            scale of the pattern (metres), gloss.
        primitives: The N objects.
        light: (3,) position of the lamp or sun, metres.
        light_color: (3,) linear RGB of its light at normal incidence.
        ambient: (2, 3) linear RGB of the light from above and from below.
        seed: Seed of the noise in the patterns.
        own: Number of first objects that belong to the people: seats, held objects, obstacles.
    """

    middle: NDArray[np.float64]
    half: NDArray[np.float64]
    height: float
    yaw: float
    surfaces: Floats
    primitives: tuple[Primitive, ...]
    light: NDArray[np.float64]
    light_color: NDArray[np.float64]
    ambient: NDArray[np.float64]
    seed: int
    own: int = 0

    def packed_primitives(self) -> Floats:
        """Return the objects for the renderer: float32 (N, 9), shape, centre, half extents, cosine and sine of yaw."""
        rows = [(p.shape, *p.middle, *p.half, np.cos(p.yaw), np.sin(p.yaw)) for p in self.primitives]
        return np.array(rows, dtype=np.float32).reshape(-1, 9)

    def shadow(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the shadows of points on the floor, the ceiling and the walls.

        Args:
            points: (N, 3) metres, inside the room.

        Returns:
            float64 (N, 3) metres.
        """
        return self.project(points, self.light)

    def project(self, points: NDArray[np.float64], source: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return where the lines from a source through points meet the floor, the ceiling and the walls.

        Args:
            points: (N, 3) metres, inside the room.
            source: (3,) metres.

        Returns:
            float64 (N, 3) metres.
        """
        cosine, sine = np.cos(self.yaw), np.sin(self.yaw)
        turn = np.array([[cosine, sine, 0.0], [-sine, cosine, 0.0], [0.0, 0.0, 1.0]])
        start = (points - [*self.middle, 0.0]) @ turn.T
        direction = (points - source) @ turn.T
        direction = direction / np.linalg.norm(direction, axis=1, keepdims=True) + 1e-9
        walls = np.where(direction > 0.0, [*self.half, self.height], [*(-self.half), 0.0])
        return np.asarray(points + ((walls - start) / direction).min(axis=1, keepdims=True) * (direction @ turn))


def sample_room(
    rng: Rng,
    camera: NDArray[np.float64],
    primitives: tuple[Primitive, ...],
    margin: float = 0.55,
    company: Sequence[NDArray[np.float64]] = (),
) -> Room:
    """Sample a room around a person at the origin, further people and a camera.

    Args:
        rng: Random number generator.
        camera: (3,) position of the camera, metres.
        primitives: Objects that belong to the person: seat, held objects, obstacles.
        margin: Smallest distance of the people and the camera to the walls, metres.
        company: (3,) positions of the further people, metres.

    Returns:
        The room.
    """
    yaw = rng.uniform(0.0, np.pi / 2)
    turn = np.array([[np.cos(yaw), np.sin(yaw)], [-np.sin(yaw), np.cos(yaw)]])
    inside = np.array([np.zeros(2), turn @ camera[:2], *(turn @ place[:2] for place in company)])
    low = inside.min(axis=0) - np.exp(rng.uniform(np.log(margin), np.log(6.0), 2))
    high = inside.max(axis=0) + np.exp(rng.uniform(np.log(margin), np.log(6.0), 2))
    middle, half = turn.T @ (0.5 * (low + high)), 0.5 * (high - low)
    primitives_in_room = (*primitives, *_furniture(rng, camera[:2], turn, low, high, yaw))
    surfaces = [_surface(rng, _FLOORS, 0.08, 0.6, gloss=0.25), _surface(rng, _CEILINGS, 0.5, 1.0)]
    wall = _surface(rng, _WALLS, 0.08, 0.6)
    surfaces += [wall if rng.random() < 0.7 else _surface(rng, _WALLS, 0.08, 0.6) for _ in range(4)]
    surfaces += [_surface(rng, _OBJECTS, 0.02, 0.3, gloss=0.3) for _ in primitives_in_room]
    return Room(
        middle=middle,
        half=half,
        height=float(rng.uniform(2.3, 4.0)),
        yaw=float(yaw),
        surfaces=np.array(surfaces, dtype=np.float32),
        primitives=primitives_in_room,
        **_light(rng),
        seed=int(rng.integers(1 << 20)),
        own=len(primitives),
    )


def cleared(room: Room, radius_m: float) -> Room:
    """Return a room without the objects that stand within a distance of the origin.

    Args:
        room: The room.
        radius_m: The distance, metres.

    Returns:
        The room with the other objects.
    """
    reaches = [np.hypot(*each.middle[:2]) - np.hypot(*each.half[:2]) for each in room.primitives]
    kept = [number for number, reach in enumerate(reaches) if reach > radius_m]
    return replace(
        room,
        primitives=tuple(room.primitives[number] for number in kept),
        surfaces=room.surfaces[[*range(SIDES), *(SIDES + number for number in kept)]],
        own=sum(number < room.own for number in kept),
    )


def _light(rng: Rng) -> dict[str, NDArray[np.float64]]:
    azimuth, height = rng.uniform(-np.pi, np.pi), rng.uniform(0.35, 1.45)
    distance = float(np.exp(rng.uniform(np.log(2.0), np.log(40.0))))
    direction = np.array([np.cos(azimuth) * np.cos(height), np.sin(azimuth) * np.cos(height), np.sin(height)])
    warmth = rng.normal(0.0, 0.22)
    tint = np.array([np.exp(warmth), 1.0, np.exp(-warmth)])
    share = rng.uniform(0.15, 0.85)
    sky = np.exp(rng.normal(0.0, 0.06, 3)) * np.array([np.exp(-0.4 * warmth), 1.0, np.exp(0.4 * warmth)])
    return {
        "light": direction * distance + np.array([0.0, 0.0, 1.0]),
        "light_color": 1.5 * share * tint,
        "ambient": np.stack([1.0 * (1.0 - share) * sky, rng.uniform(0.2, 0.7) * (1.0 - share) * sky]),
    }


def _surface(rng: Rng, patterns: tuple[Pattern, ...], low: float, high: float, gloss: float = 0.05) -> list[float]:
    base = rng.uniform(0.04, 0.95) ** 1.6 * np.exp(rng.normal(0.0, 0.25 if rng.random() < 0.7 else 0.9, 3))
    second = base * np.exp(rng.normal(-0.2, 0.5)) if rng.random() < 0.6 else rng.uniform(0.02, 0.9, 3) ** 2
    scale = float(np.exp(rng.uniform(np.log(low), np.log(high))))
    kind = patterns[int(rng.integers(len(patterns)))]
    return [*np.clip(base, 0.01, 0.9), *np.clip(second, 0.01, 0.9), kind, scale, float(rng.uniform(0.0, gloss))]


def _furniture(
    rng: Rng,
    camera: NDArray[np.float64],
    turn: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    yaw: float,
) -> list[Primitive]:
    """Sample cupboards, tables, columns, balls and pictures that do not block the view of the person."""
    found: list[Primitive] = []
    for _ in range(int(rng.integers(1, 11))):
        place = rng.uniform(low, high)
        kind = rng.random()
        if kind < 0.3:  # against a wall
            axis = int(rng.integers(2))
            place[axis] = (low, high)[int(rng.integers(2))][axis]
            half = (rng.uniform(0.1, 0.9), rng.uniform(0.05, 0.5), rng.uniform(0.2, 1.1))
            primitive = Primitive(BOX, (*_to_world(turn, place), half[2]), half, yaw)
        elif kind < 0.5:  # a picture, window or door on a wall
            axis = int(rng.integers(2))
            place[axis] = (low, high)[int(rng.integers(2))][axis]
            size = (0.015, rng.uniform(0.15, 1.0)) if axis == 0 else (rng.uniform(0.15, 1.0), 0.015)
            primitive = Primitive(
                BOX, (*_to_world(turn, place), rng.uniform(0.9, 1.9)), (*size, rng.uniform(0.15, 0.9)), yaw
            )
        elif kind < 0.75:  # a box or table on the floor
            half = (rng.uniform(0.08, 0.6), rng.uniform(0.08, 0.45), rng.uniform(0.05, 0.45))
            primitive = Primitive(BOX, (*_to_world(turn, place), half[2]), half, rng.uniform(0.0, np.pi))
        elif kind < 0.9:  # a column, bin or lamp
            radius, tall = rng.uniform(0.03, 0.3), rng.uniform(0.15, 1.2)
            primitive = Primitive(CYLINDER, (*_to_world(turn, place), tall), (radius, radius, tall), 0.0)
        else:
            radius = rng.uniform(0.06, 0.4)
            primitive = Primitive(ELLIPSOID, (*_to_world(turn, place), radius), (radius, radius, radius), 0.0)
        if _clear(primitive, camera):
            found.append(primitive)
    return found


def _to_world(turn: NDArray[np.float64], place: NDArray[np.float64]) -> tuple[float, float]:
    x, y = turn.T @ place
    return float(x), float(y)


def _clear(primitive: Primitive, camera: NDArray[np.float64]) -> bool:
    """Check that an object blocks neither the person nor the line between the camera (2,) and the person."""
    middle, reach = np.array(primitive.middle[:2]), float(np.hypot(*primitive.half[:2]))
    along = float(np.clip(middle @ camera / (camera @ camera + 1e-9), 0.0, 1.0))
    return bool(np.linalg.norm(middle - along * camera) > reach + (0.55 if along < 0.3 else 0.3))


def sample_obstacle(rng: Rng, camera: NDArray[np.float64], target: NDArray[np.float64]) -> Primitive:
    """Sample an object that stands or hangs in front of a part of the person.

    Args:
        rng: Random number generator.
        camera: (3,) position of the camera, metres.
        target: (3,) position of the part, metres.

    Returns:
        An object between camera and target.
    """
    share = rng.uniform(0.35, 0.8)
    place = camera + share * (target - camera) + rng.normal(0.0, 0.12, 3)
    size = rng.uniform(0.03, 0.16, 3) * max(0.5, share * float(np.linalg.norm(target - camera)))
    shape = int(rng.integers(3))
    if shape == BOX and rng.random() < 0.5:  # a table or counter up to the floor
        top = float(np.clip(place[2], 0.3, 1.1))
        return Primitive(
            BOX, (place[0], place[1], top / 2), (rng.uniform(0.2, 0.7), size[1], top / 2), rng.uniform(0, np.pi)
        )
    x, y, z = place.tolist()
    a, b, c = size.tolist()
    return Primitive(shape, (x, y, z), (a, b if shape == BOX else a, c), float(rng.uniform(0.0, np.pi)))
