"""A person in every part of the window: in the picture, cut out of it, and in metres."""

from __future__ import annotations

import numpy as np
import rerun as rr
from numpy.typing import NDArray

from taihri_ros.keypoints import Person
from taihri_ros.node.colors import BONE, JOINT
from taihri_ros.viewer import drawing, pictures
from taihri_ros.viewer.blueprint import CAMERA, PERSON

_OF_PEOPLE = ("world/person", "world/people", "world/body", f"{CAMERA}/person", f"{CAMERA}/people", PERSON)


def draw_person(stream: rr.RecordingStream, person: Person, jpeg: bytes | None, *, in_space: bool) -> None:
    """Draw a person at the current time of a recording.

    Args:
        stream: The recording.
        person: The person, in the camera's optical frame.
        jpeg: The picture with the person; None if it is not known.
        in_space: Whether to draw the person in metres, too.
    """
    _draw_in_picture(stream, person)
    _draw_in_space(stream, person if in_space else Person((), None))
    _cut_out(stream, person, jpeg)


def clear_people(stream: rr.RecordingStream) -> None:
    """Draw no person from the current time on."""
    for path in _OF_PEOPLE:
        stream.log(path, rr.Clear(recursive=True))


def _draw_in_picture(stream: rr.RecordingStream, person: Person) -> None:
    """Draw box, joints with their names, and bones into the picture of the camera."""
    pixels = _pixels(person)
    stream.log(f"{CAMERA}/person/box", drawing.box_2d(person.box))
    stream.log(f"{CAMERA}/person/bones", drawing.bones_2d(pixels))
    stream.log(f"{CAMERA}/person/joints", drawing.points_2d(pixels, list(pixels)))


def _draw_in_space(stream: rr.RecordingStream, person: Person) -> None:
    """Draw joints, bones and ellipsoids in metres."""
    positions = {each.name: each.position for each in person.located}
    covariances = {each.name: each.covariance for each in person.located}
    stream.log("world/person/joints", drawing.points_3d(positions, JOINT))
    stream.log("world/person/bones", drawing.bones_3d(positions, BONE))
    stream.log("world/person/ellipsoids", drawing.ellipsoids(positions, covariances))


def _cut_out(stream: rr.RecordingStream, person: Person, jpeg: bytes | None) -> None:
    """Show the part of the picture with the person, and the joints in it with their distances from the camera."""
    box, whole = pictures.extent(person), None if jpeg is None else pictures.decode(jpeg)
    if whole is None or box is None:
        stream.log(PERSON, rr.Clear(recursive=True))
        return
    picture, to_square = pictures.cut_out(whole, box)
    pixels = {name: to_square[:, :2] @ pixel + to_square[:, 2] for name, pixel in _pixels(person).items()}
    distances = [f"{np.linalg.norm(each.position):.2f} m" for each in person.located if each.name in pixels]
    stream.log(f"{PERSON}/picture", pictures.shown(pictures.encode(picture)))
    stream.log(f"{PERSON}/bones", drawing.bones_2d(pixels))
    stream.log(f"{PERSON}/joints", drawing.points_2d(pixels, distances))


def _pixels(person: Person) -> dict[str, NDArray[np.float64]]:
    """Return the pixels (2,) of the located joints that have one, by name."""
    return {each.name: each.pixel for each in person.located if np.isfinite(each.pixel).all()}
