"""Pictures of the demo: ground truth and answer drawn into the camera's image, as a strip and as an animation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray

from taihri_ros.body.recovery import Body
from taihri_ros.camera.camera import Camera
from taihri_ros.camera.picture_files import write_picture
from taihri_ros.demo.people import selected_truths
from taihri_ros.demo.planner import Answer, Record
from taihri_ros.errors import TaihriError
from taihri_ros.evaluation.datasets.items import label
from taihri_ros.node import overlay
from taihri_ros.node.colors import JOINT, TRUTH
from taihri_ros.pipeline.estimate import PersonInFrame
from taihri_ros.skeleton import BONES, INDEX, JOINTS

Picture = NDArray[np.uint8]

_STRIP_WIDTH = 560
_ANIMATION_WIDTHS = (480, 400, 320, 240)
_ANIMATION_FRAMES = 60
_MAX_ANIMATION_BYTES = 3_000_000
_LAST_PICTURE_MS = 1000


def draw(
    answer: Answer,
    joints: NDArray[np.float64],
    camera: Camera,
    body: Body | None = None,
    *,
    people: Sequence[PersonInFrame] = (),
    bodies: Mapping[str, Body] = MappingProxyType({}),
) -> Picture:
    """Draw the ground truth as a skeleton and the answer over it, with a legend.

    Args:
        answer: The answer, with its image.
        joints: (22, 3) true positions in metres, camera optical frame.
        camera: The camera.
        body: The body of the person, whose outline is drawn.
        people: Several people, whose ids are drawn.
        bodies: Their bodies by id, whose outlines are drawn.

    Returns:
        A new picture, (height, width, 3) uint8 RGB.
    """
    assert answer.picture is not None
    truth = label(str(answer.stamp_ns), camera, joints)
    scale = max(answer.picture.shape[:2]) / 640
    drawn = answer.picture.copy()
    at = {name: _at(truth.pixels[INDEX[name]]) for name in JOINTS if truth.in_image[INDEX[name]]}
    for parent, child in BONES:
        if parent in at and child in at:
            cv2.line(drawn, at[parent], at[child], TRUTH, max(1, round(1.5 * scale)), cv2.LINE_AA)
    for pixel in at.values():
        cv2.circle(drawn, pixel, round(3 * scale), TRUTH, -1, cv2.LINE_AA)
    estimate = replace(answer.estimate, people=tuple(people))
    drawn = overlay.draw_overlay(drawn, estimate, camera=camera, body=body, bodies=bodies)
    errors = [
        float(np.linalg.norm(keypoint.position - joints[INDEX[keypoint.name]]))
        for keypoint in answer.estimate.person.located
        if keypoint.name in at
    ]
    mean = f", mean error {1e3 * np.mean(errors):.0f} mm" if errors else ""
    _legend(drawn, (("truth", TRUTH), (f"answer{mean}", JOINT)), scale)
    return drawn


def write_pictures(
    record: Record,
    strip: Path,
    animation: Path,
    bodies: Mapping[int, Body],
    several: Mapping[int, Mapping[str, Body]] = MappingProxyType({}),
) -> None:
    """Write the demo's pictures.

    Args:
        record: What the planner received. Answers without their image or ground truth are left out.
        strip: PNG file to write, with the last answer to each command that has a joint in one row.
        animation: GIF file to write, of at most 3 MB, with up to 60 evenly spaced answers in real time.
        bodies: The bodies whose outlines are drawn, by the stamp of the image (ns).
        several: Those of several people by id instead.

    Raises:
        TaihriError: No answer has both image and ground truth, or a file cannot be written.
    """
    truths = selected_truths(record.people) if record.people.tracked else record.truths
    answers = [each for each in record.answers if each.picture is not None and each.stamp_ns in truths]
    if record.camera is None or not answers:
        raise TaihriError("no answer could be drawn: their images were not received")
    found = [answer for answer in answers if answer.estimate.person.located]
    last = {answer.estimate.command.text: answer for answer in answers}
    last |= {answer.estimate.command.text: answer for answer in found}
    shown = answers[:: -(-len(answers) // _ANIMATION_FRAMES)]
    row, moving = (
        [
            draw(
                each,
                truths[stamp := each.stamp_ns],
                record.camera,
                bodies.get(stamp),
                people=record.people.tracked.get(stamp, ()),
                bodies=several.get(stamp, {}),
            )
            for each in drawn
        ]
        for drawn in (last.values(), shown)
    )
    _write_strip(row, strip)
    _write_animation(moving, [answer.stamp_ns for answer in shown], animation)


def _legend(picture: Picture, entries: Sequence[tuple[str, tuple[int, int, int]]], scale: float) -> None:
    """Draw coloured marks with labels on a dark background in the lower left corner."""
    font, size, line = cv2.FONT_HERSHEY_SIMPLEX, 0.45 * scale, round(18 * scale)
    width = max(cv2.getTextSize(label_text, font, size, 1)[0][0] for label_text, _ in entries)
    top = picture.shape[0] - line * len(entries) - round(8 * scale)
    plate = picture[top:, : width + round(32 * scale)]
    plate[:] = plate // 3
    for row, (label_text, color) in enumerate(entries):
        base = top + line * (row + 1) - round(2 * scale)
        cv2.circle(picture, (round(12 * scale), base - round(5 * scale)), round(4 * scale), color, -1, cv2.LINE_AA)
        cv2.putText(picture, label_text, (round(24 * scale), base), font, size, (255, 255, 255), 1, cv2.LINE_AA)


def _at(pixel: NDArray[np.float64]) -> tuple[int, int]:
    column, row = pixel.tolist()
    return round(column), round(row)


def _write_strip(pictures: Sequence[Picture], path: Path) -> None:
    write_picture(path, np.hstack([_resized(each, _STRIP_WIDTH) for each in pictures]))


def _write_animation(pictures: Sequence[Picture], stamps_ns: Sequence[int], path: Path) -> None:
    """Write a looping animation, as wide as the size limit allows. The last picture is shown longest."""
    animation = cv2.Animation()
    animation.durations = [*(np.diff(stamps_ns) // 1_000_000).tolist(), _LAST_PICTURE_MS]
    for width in _ANIMATION_WIDTHS:
        animation.frames = [cv2.cvtColor(_resized(each, width), cv2.COLOR_RGB2BGRA) for each in pictures]
        if not cv2.imwriteanimation(str(path), animation):
            raise TaihriError(f"cannot write {path}: check its directory")
        if path.stat().st_size <= _MAX_ANIMATION_BYTES:
            return


def _resized(picture: Picture, width: int) -> Picture:
    height = round(width * picture.shape[0] / picture.shape[1])
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
