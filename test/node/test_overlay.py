"""The overlay shows located joints, bones, confidence ellipses, the box and notes, and no other joints."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from taihri_ros.body.recovery import BodyRecovery
from taihri_ros.camera.camera import Camera
from taihri_ros.camera.distortion import DistortionModel
from taihri_ros.commands.command import Command
from taihri_ros.keypoints import Keypoint, Person, State
from taihri_ros.node.colors import person_color
from taihri_ros.node.overlay import draw_overlay
from taihri_ros.pipeline.estimate import Estimate, PersonInFrame
from taihri_ros.pipeline.frames import Result
from taihri_ros.pipeline.people.person_track import TrackedPerson, TrackState


def estimate(*keypoints: Keypoint, box: tuple[float, ...] | None = None, text: str = "x") -> Estimate:
    person = Person(keypoints, None if box is None else np.array(box))
    return Estimate(Command(text), person, "", {}, "model")


def joint(name: str, pixel: tuple[float, float], state: State = State.MEASURED, **more: Any) -> Keypoint:
    more = {"position": np.array([0.0, 0.0, 1.25])} | more
    return Keypoint(name, state, pixel=np.array(pixel), **more)


CAMERA = Camera(640, 480, np.array([[500.0, 0, 320], [0, 500, 240], [0, 0, 1]]), np.empty(0), DistortionModel.NONE)
UNSEEN = (np.nan, np.nan)


def grey_image(height: int = 480, width: int = 640) -> NDArray[np.uint8]:
    return np.full((height, width, 3), 90, np.uint8)


def changed(*keypoints: Keypoint, camera: Camera | None = None, **more: Any) -> NDArray[np.bool_]:
    """Return which pixels differ from the overlay of an estimate without a person."""
    drawn = draw_overlay(grey_image(), estimate(*keypoints, **more), camera=camera)
    return np.asarray((drawn != draw_overlay(grey_image(), estimate())).any(axis=2))


def drawn_with_camera_only(*keypoints: Keypoint) -> NDArray[np.bool_]:
    """Return which pixels differ from the overlay without a camera."""
    with_camera, without = (
        draw_overlay(grey_image(), estimate(*keypoints), camera=camera) for camera in (CAMERA, None)
    )
    return np.asarray((with_camera != without).any(axis=2))


def test_a_joint_is_drawn_at_its_pixel_and_nowhere_else() -> None:
    image = grey_image()
    drawn = draw_overlay(image, estimate(joint("head", (300.4, 200.3))))
    assert (image == 90).all(), "the input must not be modified"
    assert drawn[200, 300].tolist() == [255, 115, 25]
    differs = changed(joint("head", (300.4, 200.3)))
    rows, columns = np.nonzero(differs)
    assert rows.min() >= 180
    assert rows.max() <= 210
    assert columns.min() >= 294
    assert columns.max() <= 300 + 130


def test_missing_joints_are_not_drawn_but_listed() -> None:
    lost = joint("head", (300, 200), State.OUT_OF_RANGE)
    unseen = Keypoint("neck", State.MEASURED, position=np.array([0.0, 0.0, 1.0]))
    differs = changed(lost, unseen)
    assert not differs[50:].any()
    assert differs[:50].any(), "the missing joint is listed"
    assert not changed(unseen).any()


def test_joints_that_are_not_believed_are_not_drawn_and_nobody_is_said(doubtful: Result, unbelieved: Result) -> None:
    written: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cv2, "putText", lambda _, text, *args: written.append(text))
        for result in (doubtful, unbelieved):
            draw_overlay(grey_image(), result.estimate, camera=CAMERA)
    assert [text for text in written if text.startswith(("missing", "nobody"))] == [
        "missing: left_shoulder, left_elbow",
        "nobody in view (presence 0.25)",
    ]
    assert [text for text in written if text.endswith(" m")] == ["head 1.15 m", "left_wrist 1.35 m"]


def test_a_bone_is_drawn_between_two_located_joints_only() -> None:
    elbow, wrist = joint("left_elbow", (100, 100)), joint("left_wrist", (100, 400))
    assert changed(elbow, wrist)[250, 100]
    assert not changed(elbow, joint("left_wrist", (100, 400), State.DUPLICATE))[250, 100]
    assert not changed(elbow, joint("right_wrist", (100, 400)))[250, 100]


@pytest.mark.parametrize("row", [100.0, 474.0])
def test_the_names_of_joints_beside_each_other_do_not_cover_each_other(row: float) -> None:
    near = [joint(name, (100.0 + column, row)) for column, name in enumerate(("head", "neck", "spine3"))]
    alone, together = (changed(*joints)[60:, 130:150].any(axis=1) for joints in (near[:1], near))
    assert together.sum() >= 3 * alone.sum()


def test_the_box_is_an_outline() -> None:
    differs = changed(box=(100.2, 150.0, 300.0, 400.0))
    assert differs[150, 200]
    assert differs[300, 100]
    assert differs[300, 300]
    assert differs[400, 200]
    assert not differs[300, 200]
    assert not differs[:140].any()


def test_the_note_is_at_the_bottom() -> None:
    plain, noted = draw_overlay(grey_image(), estimate()), draw_overlay(grey_image(), estimate(), "untrained")
    rows = np.nonzero((plain != noted).any(axis=(1, 2)))[0]
    assert rows.min() > 440


@pytest.mark.parametrize("size", [(16, 16), (48, 64), (720, 1280), (3000, 200)])
def test_any_image_size_and_joints_outside_the_image_are_drawn(size: tuple[int, int]) -> None:
    keypoints = [joint("left_elbow", (-4000.0, 9000.0)), joint("left_wrist", (5.0, 5.0)), joint("head", (1e6, -1e6))]
    drawn = draw_overlay(
        grey_image(*size), estimate(*keypoints, box=(-100.0, -1e5, 1e5, 5.0), text="h\u00e9\u4f60 \U0001f600"), "n"
    )
    assert drawn.shape == (*size, 3)
    assert drawn.dtype == np.uint8


def test_a_read_only_image_is_accepted() -> None:
    image = grey_image()
    image.setflags(write=False)
    assert (draw_overlay(image, estimate(joint("head", (300, 200)))) != image).any()


def test_the_outline_is_the_95_percent_confidence_ellipse() -> None:
    covariance = np.diag([0.05, 0.1, 0.3]) ** 2
    wrist = joint("left_wrist", (300.25, 200.5), covariance=covariance)
    semi_axes = np.sqrt(5.991) * np.array([0.05, 0.1]) * 500 / 1.25
    rows, columns = np.nonzero(drawn_with_camera_only(wrist))
    outline = np.hypot((columns - 300.25) / semi_axes[0], (rows - 200.5) / semi_axes[1])
    assert np.abs(outline - 1).max() < 2 / semi_axes.min(), "a thin line"
    angles = np.sort(np.arctan2((rows - 200.5) / semi_axes[1], (columns - 300.25) / semi_axes[0]))
    assert np.diff([*angles, angles[0] + 2 * np.pi]).max() < 0.06, "the line is closed"
    for column, row in ((300.25 - semi_axes[0], 200.5), (300.25, 200.5 - semi_axes[1]), (300.25, 200.5 + semi_axes[1])):
        drawn = draw_overlay(grey_image(), estimate(wrist), camera=CAMERA)[
            round(row) - 1 : round(row) + 2, round(column)
        ]
        assert (drawn[:, 0].astype(int) - drawn[:, 1] > 60).any(), "pink, unlike joints and bones"
        assert (drawn[:, 2] > 130).any()


@pytest.mark.parametrize(
    "more",
    [
        {"covariance": np.full((3, 3), np.nan)},
        {"covariance": np.diag([1e-4, np.inf, 1e-4])},
        {"covariance": np.eye(3) * 1e-4, "position": np.array([0.0, 0.0, -1.0])},
        {"covariance": np.eye(3) * 1e-4, "position": np.full(3, np.nan)},
    ],
)
def test_without_a_known_covariance_there_is_no_outline(more: dict[str, Any]) -> None:
    assert not drawn_with_camera_only(joint("head", (300, 200), **more)).any()


@pytest.mark.parametrize("sigma", [0.0, 1e-9, 1.0, 1e3, 1e6, 1e9, 1e100])
@pytest.mark.parametrize("pixel", [(300.0, 200.0), (1e9, -1e9), (-5000.0, 5000.0)])
def test_outlines_of_any_size_and_position_are_drawn(sigma: float, pixel: tuple[float, float]) -> None:
    near = np.array([1.0, 1.0, 1e-2])
    for position in (np.array([0.1, 0.2, 1.25]), near):
        head = joint("head", pixel, covariance=sigma**2 * np.eye(3), position=position)
        with np.errstate(invalid="raise"):
            drawn = draw_overlay(grey_image(), estimate(head), camera=CAMERA)
        assert (drawn == 90).mean() > 0.9, "the image is still visible"


def test_a_predicted_joint_is_a_ring_at_its_projection() -> None:
    predicted = joint("head", UNSEEN, State.PREDICTED, position=np.array([0.1, -0.05, 1.25]))
    assert not changed(predicted).any(), "its projection is unknown without a camera"
    differs = changed(predicted, camera=CAMERA)
    assert not differs[220, 360], "a ring is hollow"
    assert differs[216, 360]
    assert differs[224, 360]
    assert differs[220, 356]
    rows, _ = np.nonzero(differs[:, :361])
    assert (rows.min(), rows.max()) == pytest.approx((220, 220), abs=8)
    assert changed(joint("head", (360, 220)), camera=CAMERA)[220, 360], "a measured joint is filled"


def test_a_predicted_joint_has_bones_and_an_outline() -> None:
    wrist = joint(
        "left_wrist", UNSEEN, State.PREDICTED, position=np.array([0.0, 0.25, 1.25]), covariance=np.eye(3) * 1e-2
    )
    assert changed(joint("left_elbow", (320, 100)), wrist, camera=CAMERA)[170, 320]
    reach = round(np.sqrt(5.991) * 0.1 * 500 / 1.25)
    assert changed(wrist, camera=CAMERA)[340 + reach - 1 : 340 + reach + 2, 320].any()


@pytest.mark.parametrize("position", [(0.0, 0.0, -1.0), (np.nan, 0.0, 1.0), (5.0, 5.0, 1e-12)])
def test_a_predicted_joint_that_the_camera_cannot_see_is_not_drawn(position: tuple[float, ...]) -> None:
    assert not changed(joint("head", UNSEEN, State.PREDICTED, position=np.array(position)), camera=CAMERA)[:400].any()


@pytest.mark.parametrize("seen", [True, False])
def test_everybody_has_the_box_and_the_id(seen: bool) -> None:
    state = TrackState.CONFIRMED if seen else TrackState.LOST
    box = np.array([400.0, 100.0, 500.0, 300.0])
    root = np.array([-0.5, 0.5, 2.0])
    track = TrackedPerson("kamul", root, np.zeros(3), np.eye(3), 1.0, 0.4, state, 0 if seen else None, box)
    people = (PersonInFrame(track, None, selected=False),)
    drawn = draw_overlay(grey_image(), replace(estimate(), people=people), camera=CAMERA)
    changes = (drawn != draw_overlay(grey_image(), estimate(), camera=CAMERA)).any(axis=2)
    assert changes[200, 400] == changes[300, 450] == seen, "a box that was not seen now is not drawn"
    row, column = (90, 420) if seen else (360, 220)
    assert changes[row - 10 : row + 10, column : column + 40].any(), "the id"


def test_several_bodies_have_the_colors_of_their_ids() -> None:
    points = BodyRecovery().rest_joints()
    covariances = np.tile(0.02**2 * np.eye(3), (22, 1, 1))
    bodies = {
        name: BodyRecovery().update(points + np.array([x, 0.2, 3.0]), covariances, stamp_ns=0)
        for name, x in (("kamul", -0.6), ("jodan", 0.6))
    }
    shown = {name: body for name, body in bodies.items() if body is not None}
    assert len(shown) == 2
    drawn = draw_overlay(grey_image(), estimate(), camera=CAMERA, body=shown["kamul"], bodies=shown)
    for name in shown:
        outline = (drawn == person_color(name)).all(axis=2)
        assert outline.sum() > 50, name
        assert (np.flatnonzero(outline.any(axis=0)).mean() < 320) == (name == "kamul")
