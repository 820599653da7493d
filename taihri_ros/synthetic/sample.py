"""Generation of one sample from seed and index: people, lens, viewpoint, room, light, picture and labels."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from taihri_ros.camera.camera import Camera
from taihri_ros.skeleton import INDEX
from taihri_ros.synthetic import labels
from taihri_ros.synthetic.company import place_company, sample_place_nearby
from taihri_ros.synthetic.dataset import Sample
from taihri_ros.synthetic.decor import move_outdoors, mute
from taihri_ros.synthetic.lenses import sample_camera
from taihri_ros.synthetic.owners import Owner, owner_of
from taihri_ros.synthetic.people.body import Body, body_model, moved
from taihri_ros.synthetic.people.clothing import Outfit, dress, sample_outfit
from taihri_ros.synthetic.people.garments import surface
from taihri_ros.synthetic.people.kinematics import unit
from taihri_ros.synthetic.people.phenotype import Phenotype, sample_phenotype
from taihri_ros.synthetic.people.poses import Pose, sample_pose, sample_task
from taihri_ros.synthetic.people.wardrobe import recolor, sample_lifelike_outfit, sample_sport_colors
from taihri_ros.synthetic.person_labels import PersonLabels
from taihri_ros.synthetic.rendering.photograph import photograph
from taihri_ros.synthetic.rendering.renderer import Renderer
from taihri_ros.synthetic.room import BOX, CYLINDER, ELLIPSOID, Primitive, Room, sample_obstacle, sample_room
from taihri_ros.synthetic.viewpoints import Viewpoint, sample_viewpoint

Rng = np.random.Generator

VIEWS = 4
"""Consecutive samples that share two bodies.

Each body is the labelled person of two samples and may stand in the background of the other two. Posing a body is slow.
"""

_COLOR_FIELDS = (
    *("skin", "hair", "beard", "top", "top_second", "top_pattern", "top_scale", "shirt"),
    *("bottom", "bottom_second", "bottom_pattern", "bottom_scale", "shoe", "glove", "phase"),
)
"""Fields of an outfit that change only its colours; the body is not posed again after they change."""

_MIN_PERSON_SHARE = 0.006
"""Smallest share of the picture that the person may cover."""

_PASSER_BY_SHARE = 0.22
"""Share of the pictures of one person that have an unlabelled second one in the background."""

Style = Literal["plain", "lifelike", "outdoor"]
"""Looks of people and rooms.

`plain` is that of the frozen test split and `lifelike` that of the training data. `outdoor` has lifelike people in
sports and work clothes outdoors; no training may use it, so that it measures how a model generalises.
"""

_FAR_SHARE = 0.6
"""Share of lifelike pictures that show most of the person from further away."""

_MUTED_SHARE = 0.9
"""Share of lifelike pictures in a muted room; the others have any colours, as training views have."""

_FAULTS = 0.4
"""Faults of the camera in lifelike pictures; training adds more to every view."""


@dataclass(frozen=True)
class _Character:
    """A person before they are posed: shape of the body, task, pose and clothes."""

    shape: Phenotype
    task: str
    pose: Pose
    outfit: Outfit


@dataclass(frozen=True, eq=False)
class _Shot:
    """A rendered scene in which the labelled person can be seen.

    Attributes:
        camera, viewpoint, room: Where the picture was taken.
        bodies: The people, the labelled one first, world frame.
        objects: Number of objects that belong to them.
        joints: (22, 3) metres, joints of the labelled person, camera optical frame.
        pixels: (22, 2) px, their projections.
        visibility: (22,) their visibility.
        light: float32 (height, width, 3) the picture before the camera's sensor, linear RGB.
        owners: int8 (height, width) what each pixel shows; see `Renderer.render`.
    """

    camera: Camera
    viewpoint: Viewpoint
    room: Room
    bodies: list[Body]
    objects: int
    joints: NDArray[np.float64]
    pixels: NDArray[np.float32]
    visibility: NDArray[np.int8]
    light: NDArray[np.float32]
    owners: NDArray[np.int8]


class Generator:
    """Generator of samples; sample i depends only on the seed and i."""

    def __init__(self, seed: int, size: int = 224, style: Style = "plain", people: int = 1) -> None:
        """Load the body model.

        Args:
            seed: Seed of the data set.
            size: Longer side of the pictures, px.
            style: Look of people and rooms.
            people: Number of labelled people in each picture, at least 1. Pictures of one person may have an unlabelled
                second one in the background.
        """
        self.seed, self.size, self._style, self._people = seed, size, style, people
        self._lifelike = style != "plain"
        self._places = surface(body_model().template)
        self._bodies = max(people, 2)
        self._renderer = Renderer(self._places, self._bodies)

    def group(self, number: int) -> list[Sample]:
        """Generate one group: the samples from `number * VIEWS` to `number * VIEWS + VIEWS - 1`.

        Args:
            number: Number of the group.

        Returns:
            The samples of the group.
        """
        rng = np.random.default_rng([self.seed, number])
        characters = [_sample_character(rng, self._lifelike) for _ in range(self._bodies)]
        thickness = np.stack([character.outfit.thickness(self._places) for character in characters])
        bare = body_model().pose([(character.shape, character.pose) for character in characters], thickness)
        bodies = [dress(body, character.outfit) for body, character in zip(bare, characters, strict=True)]
        made = []
        for view in range(VIEWS):
            first = view * self._bodies // VIEWS
            order = [first, *(who for who in range(self._bodies) if who != first)]
            cast = [(characters[who], bodies[who]) for who in order]
            made.append(self._view(np.random.default_rng([self.seed, number, view]), cast, number * VIEWS + view))
        return made

    def _view(self, rng: Rng, cast: list[tuple[_Character, Body]], index: int) -> Sample:
        """Return a sample of people in a room of their own; the first one is labelled."""
        character = cast[0][0]
        outfits = [_recolored(rng, who, self._style) for who, _ in cast]
        far = self._lifelike and rng.random() < _FAR_SHARE
        while (shot := self._shoot(rng, cast, outfits, far=far)) is None:
            pass
        picture = photograph(rng, shot.light, _FAULTS if self._lifelike else 1.0)
        quality = int(rng.integers(82 if self._lifelike else 55, 97))
        companions = zip(cast[1:], shot.bodies[1:], strict=True) if self._people > 1 else ()
        return Sample(
            encoded=_jpeg(picture, quality),
            camera=shot.camera,
            joints=shot.joints.astype(np.float32),
            pixels=shot.pixels,
            visibility=shot.visibility,
            box=labels.box(shot.owners == Owner.PERSON),
            task=character.task,
            body=_describe(character, shot.viewpoint, shot.objects, len(shot.bodies)),
            index=index,
            seed=self.seed,
            owner_png=bytes(cv2.imencode(".png", shot.owners.view(np.uint8))[1].tobytes()),
            others=tuple(
                self._labels(number, who, there, shot) for number, ((who, _), there) in enumerate(companions, start=1)
            ),
        )

    def _shoot(
        self, rng: Rng, cast: list[tuple[_Character, Body]], outfits: list[Outfit], *, far: bool
    ) -> _Shot | None:
        """Sample camera, viewpoint, company and room, and render them; None if the labelled person is hardly seen."""
        (character, body), *others = cast
        camera, rays = sample_camera(rng, self.size)
        viewpoint = sample_viewpoint(rng, body, character.task, camera, far)
        if viewpoint is None:
            return None
        joints = viewpoint.to_camera(body.joints)
        pixels, inside = labels.project(camera, joints)
        if inside.sum() < 2:
            return None
        bodies, primitives = [body], _sample_primitives(rng, character, body, viewpoint)
        if self._people > 1:
            placed = place_company(rng, viewpoint, camera, body, [other for _, other in others])
            if placed is None:
                return None
            bodies += placed
            primitives += [seat for other in placed for seat in _seat(rng, other)]
        elif rng.random() < _PASSER_BY_SHARE:
            bodies.append(moved(others[0][1], sample_place_nearby(rng, viewpoint)))
            primitives += _seat(rng, bodies[1])
        self._renderer.set_people([(there.vertices, worn) for there, worn in zip(bodies, outfits, strict=False)])
        company = [there.joints[0] for there in bodies[1:]] if self._people > 1 else []
        room = self._decorated(rng, sample_room(rng, viewpoint.eye, tuple(primitives), company=company))
        visibility = labels.visibility(inside, self._renderer.probe(body.joints, viewpoint, room))
        if not (visibility == labels.VISIBLE).any():
            return None
        light, owners = self._renderer.render(camera, rays, viewpoint, room)
        if (owners == Owner.PERSON).mean() < _MIN_PERSON_SHARE:
            return None
        return _Shot(
            camera, viewpoint, room, bodies, len(primitives), joints, pixels, visibility, light=light, owners=owners
        )

    def _decorated(self, rng: Rng, room: Room) -> Room:
        """Return a room in the style of the data set."""
        if self._style == "outdoor":
            return move_outdoors(rng, room)
        return mute(rng, room) if self._lifelike and rng.random() < _MUTED_SHARE else room

    def _labels(self, number: int, character: _Character, body: Body, shot: _Shot) -> PersonLabels:
        """Return the labels of a further person, who has this number among the people of the picture."""
        joints = shot.viewpoint.to_camera(body.joints)
        pixels, inside = labels.project(shot.camera, joints)
        shown = shot.owners == owner_of(number)
        return PersonLabels(
            joints=joints.astype(np.float32),
            pixels=pixels,
            visibility=labels.visibility(inside, self._renderer.probe(body.joints, shot.viewpoint, shot.room, number)),
            box=labels.box(shown) if shown.any() else None,
            task=character.task,
            body=_describe_person(character),
        )


def _sample_character(rng: Rng, lifelike: bool) -> _Character:
    task = sample_task(rng)
    if lifelike:
        shape = sample_phenotype(rng)
        return _Character(shape, task, sample_pose(rng, task), sample_lifelike_outfit(rng, shape.gender))
    return _Character(sample_phenotype(rng), task, sample_pose(rng, task), sample_outfit(rng))


def _recolored(rng: Rng, character: _Character, style: Style) -> Outfit:
    """Return an outfit of the same shape with other colours of clothes, skin and hair."""
    if style != "plain":
        lifelike = replace(character.outfit, **recolor(rng, character.outfit, character.shape.gender))
        return replace(lifelike, **sample_sport_colors(rng)) if style == "outdoor" else lifelike
    other = sample_outfit(rng)
    return replace(character.outfit, **{name: getattr(other, name) for name in _COLOR_FIELDS})


def _seat(rng: Rng, body: Body) -> list[Primitive]:
    """Return a stool or chair under a seated person, or nothing for a standing one."""
    if body.seat is None:
        return []
    hips = body.joints[INDEX["left_hip"]] - body.joints[INDEX["right_hip"]]
    yaw = float(np.arctan2(hips[1], hips[0]))
    back = np.array([-np.sin(yaw), np.cos(yaw)])
    shape, half = (BOX if rng.random() < 0.7 else CYLINDER), float(rng.uniform(0.17, 0.3))
    x, y = (body.joints[0, :2] + 0.05 * back).tolist()
    primitives = [
        Primitive(shape, (x, y, body.seat / 2), (half, half, body.seat / 2), yaw + float(rng.normal(0.0, 0.1)))
    ]
    if shape == BOX and rng.random() < 0.5:
        tall = float(rng.uniform(0.2, 0.4))
        x, y = (body.joints[0, :2] + 0.3 * back).tolist()
        primitives.append(Primitive(BOX, (x, y, body.seat + tall - 0.1), (half, 0.02, tall), yaw))
    return primitives


def _sample_primitives(rng: Rng, character: _Character, body: Body, viewpoint: Viewpoint) -> list[Primitive]:
    """Sample the objects around the person: seat, held objects and sometimes an obstacle in front."""
    primitives = _seat(rng, body)
    holds = character.task == "take_object" or character.task.startswith("hand_over")
    for side in ("left", "right"):
        if rng.random() < (0.45 if holds else 0.06):
            elbow, wrist = body.joints[INDEX[f"{side}_elbow"]], body.joints[INDEX[f"{side}_wrist"]]
            size = rng.uniform(0.02, 0.09, 3)
            place = wrist + unit(wrist - elbow) * (0.09 + size.mean())
            x, y, z = place.tolist()
            a, b, c = size.tolist()
            shape = (BOX, CYLINDER, ELLIPSOID)[int(rng.integers(3))]
            primitives.append(
                Primitive(shape, (x, y, z), (a, b if shape != CYLINDER else a, c), float(rng.uniform(0, np.pi)))
            )
    if rng.random() < 0.14:
        target = body.joints[int(rng.integers(len(body.joints)))]
        primitives.append(sample_obstacle(rng, viewpoint.eye, target))
    return primitives


def _describe(character: _Character, viewpoint: Viewpoint, primitives: int, people: int) -> dict[str, Any]:
    return {
        **_describe_person(character),
        "eye": viewpoint.eye.tolist(),
        "rotation": viewpoint.rotation.tolist(),
        "things": primitives,
        "people": people,
    }


def _describe_person(character: _Character) -> dict[str, Any]:
    def plain(value: Any) -> Any:
        return value.tolist() if isinstance(value, np.ndarray) else value

    pose = {field.name: plain(getattr(character.pose, field.name)) for field in fields(Pose)}
    for part in ("arms", "legs"):
        pose[part] = [{name: plain(value) for name, value in asdict(limb).items()} for limb in pose[part]]
    return {"phenotype": asdict(character.shape), "pose": pose}


def _jpeg(picture: NDArray[np.uint8], quality: int) -> bytes:
    encoded = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return bytes(encoded.tobytes())
