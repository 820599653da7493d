"""Draws results into images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray

from taihri_ros.body.recovery import Body
from taihri_ros.camera.camera import Camera
from taihri_ros.keypoints import Keypoint, Person, State
from taihri_ros.node.colors import BODY, BONE, BOX, ELLIPSE, JOINT, Color, person_color
from taihri_ros.node.ellipsoids import image_ellipse
from taihri_ros.pipeline.estimate import Estimate, PersonInFrame
from taihri_ros.skeleton import BONES

Plate = tuple[int, int, int, int]
"""Place of a text: left, top, right, bottom, px."""

_TEXT = (255, 255, 255)

_NEAREST_M = 0.05
"""Parts of a body that are nearer to the camera are not drawn, metres."""

_MAX_COORDINATE = 1_000_000
"""Limit of pixel coordinates, since OpenCV's drawing functions use 32-bit integers."""

_SUBPIXEL_BITS = 4
"""Number of fractional bits in the coordinates of outlines."""


def draw_overlay(
    image: NDArray[np.uint8],
    estimate: Estimate,
    note: str = "",
    camera: Camera | None = None,
    body: Body | None = None,
    bodies: Mapping[str, Body] = MappingProxyType({}),
) -> NDArray[np.uint8]:
    """Return an image with joints, their names and distances, bones, box and command drawn into it.

    With a camera, the 95 % confidence ellipse is drawn around every joint with a known covariance, and joints with a
    position but no pixel, such as predicted ones, are drawn as rings at their projection. Missing joints are listed.
    Of several people, each has the box and the id in a colour of their own, and the selected one a wider box and the
    joints.

    Args:
        image: (height, width, 3) uint8 RGB.
        estimate: The estimate of the image.
        note: A line of text for the bottom of the image, such as a warning.
        camera: The camera that took the image.
        body: The body of the person, whose outline is drawn; needs the camera.
        bodies: The bodies of several people by id, whose outlines are drawn instead.

    Returns:
        A new (height, width, 3) uint8 RGB image.
    """
    canvas = image.copy()
    scale = max(canvas.shape[0], canvas.shape[1]) / 640
    thickness = _thickness(1.5, scale)
    if camera is not None:
        colored = [(each, person_color(name)) for name, each in bodies.items()]
        colored = colored or ([] if body is None else [(body, BODY)])
        for each, color in sorted(colored, key=lambda pair: -float(pair[0].joints[0, 2])):
            _draw_body(canvas, each, camera, color, thickness)
    if estimate.person.box is not None:
        _draw_box(canvas, estimate.person.box, BOX, thickness)
    for person in estimate.people:
        _draw_tracked(canvas, person, camera, scale)
    _draw_joints(canvas, estimate.person.located, camera, scale)
    _write(canvas, f'"{estimate.command.text}"', (round(8 * scale), round(18 * scale)), scale)
    if missing := _describe_missing(estimate.person):
        _write(canvas, missing, (round(8 * scale), round(36 * scale)), scale)
    if note:
        _write(canvas, note, (round(8 * scale), canvas.shape[0] - round(10 * scale)), scale)
    return canvas


def _draw_joints(canvas: NDArray[np.uint8], located: Iterable[Keypoint], camera: Camera | None, scale: float) -> None:
    """Draw the bones between located joints, then the joints' ellipses, points, names and distances."""
    thickness = _thickness(1.5, scale)
    drawn = [(each, pixel) for each in located if np.isfinite(pixel := _pixel(each, camera)).all()]
    pixels = {keypoint.name: pixel for keypoint, pixel in drawn}
    for parent, child in BONES:
        if parent in pixels and child in pixels:
            cv2.line(canvas, _rounded(pixels[parent]), _rounded(pixels[child]), BONE, thickness, cv2.LINE_AA)
    if camera is not None:
        for keypoint, pixel in drawn:
            outline = image_ellipse(camera, keypoint.position, keypoint.covariance)
            if outline is not None:
                _draw_outline(canvas, pixel + outline, scale)
    plates: list[Plate] = []
    for keypoint, pixel in drawn:
        column, row = _rounded(pixel)
        fill = -1 if np.isfinite(keypoint.pixel).all() else thickness
        cv2.circle(canvas, (column, row), round(4 * scale), JOINT, fill, cv2.LINE_AA)
        distance = float(np.linalg.norm(keypoint.position))
        label = f"{keypoint.name} {distance:.2f} m"
        plates.append(_write(canvas, label, (column + round(6 * scale), row), scale, plates))


def _describe_missing(person: Person) -> str:
    """Return that nobody is in view or which joints have no position; empty if all have one."""
    if any(keypoint.state is State.NOBODY for keypoint in person.keypoints):
        return f"nobody in view (presence {person.presence:.2f})"
    missing = [keypoint.name for keypoint in person.keypoints if not keypoint.has_position]
    return f"missing: {', '.join(missing)}" if missing else ""


def _draw_tracked(canvas: NDArray[np.uint8], person: PersonInFrame, camera: Camera | None, scale: float) -> None:
    """Draw the box of a person who is seen, and the id there or at the pelvis."""
    track = person.track
    if track.detection is not None and track.box is not None:
        thickness = _thickness(3.0 if person.selected else 1.5, scale)
        left, top = _draw_box(canvas, track.box, person_color(track.id), thickness)
        at = left, top - round(4 * scale)
    elif camera is not None and np.isfinite(root := camera.project(track.root)[0]).all():
        at = _rounded(root)
    else:
        return
    seen = "" if track.detection is not None else f", seen {track.since_seen_s:.1f} s ago"
    _write(canvas, f"{track.id}{seen}", at, scale)


def _draw_box(canvas: NDArray[np.uint8], box: NDArray[np.float64], color: Color, thickness: int) -> tuple[int, int]:
    """Draw a box (4,) px and return its left upper corner."""
    left, top, right, bottom = (round(value) for value in box.tolist())
    cv2.rectangle(canvas, (left, top), (right, bottom), color, thickness)
    return left, top


def _draw_body(canvas: NDArray[np.uint8], body: Body, camera: Camera, color: Color, thickness: int) -> None:
    """Shade the surface of the limbs of a body that keypoints show, and draw its outline."""
    vertices, triangles = body.vertices.astype(np.float64), body.surface.template.triangles
    pixels = np.clip(camera.project(vertices), -_MAX_COORDINATE, _MAX_COORDINATE)
    drawable = (vertices[:, 2] > _NEAREST_M) & np.isfinite(pixels).all(axis=1) & body.supported_vertices
    shown = drawable[triangles].all(axis=1)
    silhouette = np.zeros(canvas.shape[:2], np.uint8)
    for corners in np.round(pixels[triangles[shown]]).astype(np.int32):
        cv2.fillConvexPoly(silhouette, corners, 1)
    inside = silhouette.astype(bool)
    canvas[inside] = canvas[inside] // 4 * 3 + np.array(color, np.uint8) // 4
    outlines, _ = cv2.findContours(silhouette, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(canvas, outlines, -1, color, thickness, cv2.LINE_AA)


def _pixel(keypoint: Keypoint, camera: Camera | None) -> NDArray[np.float64]:
    """Return a joint's pixel, or the projection of its position if it has none; (2,) px, NaN without both."""
    if camera is None or np.isfinite(keypoint.pixel).all():
        return keypoint.pixel
    return np.asarray(camera.project(keypoint.position)[0])


def _rounded(pixel: NDArray[np.float64]) -> tuple[int, int]:
    column, row = np.clip(pixel, -_MAX_COORDINATE, _MAX_COORDINATE).tolist()
    return round(column), round(row)


def _thickness(width: float, scale: float) -> int:
    """Return the thickness of a line in px; its width is that in an image of 640 px."""
    return max(1, round(width * scale))


def _draw_outline(canvas: NDArray[np.uint8], corners: NDArray[np.float64], scale: float) -> None:
    """Draw a thin closed polygon with corners (N, 2) px."""
    points = np.round(np.clip(corners, -_MAX_COORDINATE, _MAX_COORDINATE) * 2**_SUBPIXEL_BITS).astype(np.int32)
    cv2.polylines(canvas, [points], True, ELLIPSE, _thickness(1.0, scale), cv2.LINE_AA, _SUBPIXEL_BITS)


def _write(
    canvas: NDArray[np.uint8], text: str, at: tuple[int, int], scale: float, taken: Sequence[Plate] = ()
) -> Plate:
    """Write white text on a darkened background, and return where that is.

    A position (px) too near to the edge is moved into the image. One whose text would cover text at the places that are
    taken is moved down, or up where there is no place below.
    """
    font, size, thickness, margin = cv2.FONT_HERSHEY_SIMPLEX, 0.45 * scale, _thickness(1.0, scale), round(3 * scale)
    (width, height), below = cv2.getTextSize(text, font, size, thickness)
    left = max(margin, min(at[0], canvas.shape[1] - width - margin))
    highest, lowest = height + margin, canvas.shape[0] - below - margin
    wanted = max(highest, min(at[1], lowest))
    step = height + below + 2 * margin + 1

    def plate_at(bottom: int) -> Plate:
        return left - margin, bottom - height - margin, left + width + margin, bottom + below + margin

    bottoms = [*range(wanted, lowest + 1, step), *range(wanted - step, highest - 1, -step)]
    free = (each for each in bottoms if not any(_overlap(plate_at(each), other) for other in taken))
    bottom = next(free, wanted)
    first_column, first_row, last_column, last_row = plate = plate_at(bottom)
    shade = canvas[first_row:last_row, first_column:last_column]
    shade[:] = shade // 3
    cv2.putText(canvas, text, (left, bottom), font, size, _TEXT, thickness, cv2.LINE_AA)
    return plate


def _overlap(one: Plate, other: Plate) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
