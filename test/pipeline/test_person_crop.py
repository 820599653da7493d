"""The person crop keeps metric positions, follows the person, and returns to the full view when necessary."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.canonical_view import CanonicalView
from taihri_ros.camera.distortion import DistortionModel
from taihri_ros.commands.command import joint_command
from taihri_ros.errors import TaihriError
from taihri_ros.keypoints import Keypoint, Person, State
from taihri_ros.model.quantization import decode_pixels, encode_pixels
from taihri_ros.model.spec import ModelSpec
from taihri_ros.pipeline.estimate import Estimate
from taihri_ros.pipeline.person_crop import LOST_MARGIN, PersonCrop, PersonCropMode
from taihri_ros.pipeline.person_views import FEW_JOINTS_MARGIN_M, MARGIN_M, full_view

SPEC = ModelSpec(person_crops=True)
NANO = ModelSpec(focal_px=112.0, max_image_size=(256, 256), min_pixels=1024, max_pixels=65536)
LENSES: dict[str, tuple[DistortionModel, list[float]]] = {
    "pinhole": (DistortionModel.NONE, []),
    "plumb_bob": (DistortionModel.PLUMB_BOB, [-0.28, 0.09, 0.001, -0.0015, -0.012]),
    "rational": (DistortionModel.RATIONAL_POLYNOMIAL, [0.42, 0.11, 0.0005, -0.0004, 0.01, 0.71, 0.2, 0.02]),
    "fisheye": (DistortionModel.EQUIDISTANT, [-0.02, 0.011, -0.006, 0.001]),
}
SECOND = 10**9
WRISTS = ("left_wrist", "right_wrist")
WAVING = {"left_wrist": (0.35, -0.3, 0.0), "right_wrist": (-0.25, 0.1, -0.1)}
STANDING = {"head": (0.0, -0.6, 0.0), "left_shoulder": (0.2, -0.4, 0.0), "right_shoulder": (-0.2, -0.4, 0.0)} | WAVING
STANDING["pelvis"] = (0.0, 0.0, 0.0)
"""Joint positions relative to the pelvis, metres."""


def camera(lens: str = "pinhole", focal: float = 330.0) -> Camera:
    """Return a wide-angle camera with fx != fy and an off-centre principal point."""
    model, coefficients = LENSES[lens]
    K = np.array([[focal, 0, 331.75], [0, focal * 0.98, 228.1], [0, 0, 1]])
    return Camera(640, 480, K, np.array(coefficients), model)


def estimate(joints: Mapping[str, Any], state: State = State.MEASURED) -> Estimate:
    keypoints = tuple(Keypoint(name, state, position=np.array(place)) for name, place in joints.items())
    return Estimate(joint_command(WRISTS), Person(keypoints, None), "", {}, "oracle")


def person(pelvis: Iterable[float], joints: Mapping[str, Iterable[float]] = STANDING) -> dict[str, NDArray[Any]]:
    return {name: np.array(pelvis) + place for name, place in joints.items()}


def next_view(
    person_crop: PersonCrop, joints: Mapping[str, Any], *, source: Camera | None = None, spec: ModelSpec = SPEC
) -> Any:
    """Return the view after a person was found in the full view."""
    source = source or camera()
    person_crop.update(estimate(joints), person_crop.view(source, spec, WRISTS, 0), 0)
    return person_crop.view(source, spec, WRISTS, 1)


def is_full(view: CanonicalView, spec: ModelSpec = SPEC) -> bool:
    full = full_view(view.source, spec)
    return (view.width, view.height) == (full.width, full.height) and np.array_equal(view.R_view_from_camera, np.eye(3))


def edge_distances(view: CanonicalView, joints: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    """Return the distances of joints from the view's edges, (N, 4) metres, negative outside."""
    points = view.points_to_view(list(joints.values()))
    size = np.array([view.width, view.height])
    reach = size / (2.0 * view.focal_px) * points[:, 2:]
    return np.hstack([reach - points[:, :2], reach + points[:, :2]])


far_away = st.tuples(st.floats(-0.5, 0.5), st.floats(-0.3, 0.2), st.floats(2.0, 3.2)).map(
    lambda p: (p[0] * p[2], p[1] * p[2], p[2])
)


@pytest.mark.parametrize("lens", LENSES)
@settings(max_examples=30)
@given(pelvis=far_away)
def test_a_point_decoded_in_the_crop_maps_back_to_the_camera(lens: str, pelvis: tuple[float, ...]) -> None:
    joints = person(pelvis, WAVING)
    source = camera(lens)
    view = next_view(PersonCrop("always"), joints, source=source)
    assert not is_full(view)
    places = np.array(list(joints.values()))
    in_view = view.points_to_view(places)
    decoded = SPEC.space.decode(SPEC.space.encode(in_view))
    errors = np.linalg.norm(view.points_to_camera(decoded) - places, axis=1)
    assert (errors <= np.linalg.norm(SPEC.space.step / 2) + 1e-9).all()
    size = (view.width, view.height)
    pixels = decode_pixels(encode_pixels(view.camera.project(in_view), size), size)
    pixel_errors = np.abs(view.view_to_source_pixels(pixels) - source.project(places))
    assert (pixel_errors <= max(size) / 999).all()  # the source's focal length is a third of the view's


@pytest.mark.parametrize("lens", LENSES)
@pytest.mark.parametrize("spec", [SPEC, NANO], ids=["official", "nano"])
@given(pelvis=st.tuples(st.floats(-2.4, 2.4), st.floats(-2.4, 2.4), st.floats(0.1, 4.0)), joints=st.booleans())
@settings(max_examples=30)
def test_every_view_is_within_the_limits_of_the_model(
    lens: str, spec: ModelSpec, pelvis: tuple[float, ...], joints: bool
) -> None:
    view = next_view(
        PersonCrop("always"), person(pelvis, STANDING if joints else WAVING), source=camera(lens), spec=spec
    )
    assert view.focal_px == spec.focal_px
    assert view.width % 32 == view.height % 32 == 0
    assert max(view.width, view.height) <= spec.max_image_size[0]
    assert spec.min_pixels <= view.width * view.height <= spec.max_pixels


def test_a_crop_has_at_least_four_tokens_per_side() -> None:
    joints = person((0, 0, 3.8))
    view = next_view(PersonCrop("always"), joints, spec=NANO)
    assert (view.width, view.height) == (128, 128)
    low = Camera(640, 160, np.array([[330.0, 0, 319.5], [0, 330.0, 79.5], [0, 0, 1]]), np.empty(0), camera().model)
    assert full_view(low, NANO).height == 64
    view = next_view(PersonCrop("always"), person((0, 0, 3.8)), source=low, spec=NANO)
    assert (view.width, view.height) == (128, 64)


def test_a_crop_has_at_least_min_pixels() -> None:
    spec = replace(SPEC, min_pixels=600 * 600)
    view = next_view(PersonCrop("always"), person((0, 0, 3.8)), spec=spec)
    assert 600 * 600 <= view.width * view.height < 640 * 640
    assert next_view(PersonCrop("always"), person((0, 0, 3.8))).height < 500


@pytest.mark.parametrize("lens", LENSES)
@pytest.mark.parametrize(("found", "margin"), [(STANDING, MARGIN_M), (WAVING, FEW_JOINTS_MARGIN_M)])
def test_the_person_is_centred_with_the_margin_around(lens: str, found: Mapping[str, Any], margin: float) -> None:
    joints = person((0.5, 0.0, 3.0), found)
    view = next_view(PersonCrop("always"), joints, source=camera(lens))
    margins = edge_distances(view, joints).min(axis=0)
    assert (margins >= margin - 1e-6).all()
    token_m = 32 / SPEC.focal_px * 3.3
    assert (margins < margin + token_m).all()
    np.testing.assert_allclose(margins[:2], margins[2:], atol=0.02)
    assert view.R_view_from_camera[0, 1] == 0.0  # no roll


def test_a_crop_does_not_extend_beyond_the_full_view() -> None:
    joints = person((-2.2, -0.4, 2.4))
    source = camera()
    view = next_view(PersonCrop("always"), joints, source=source)
    full = full_view(source, SPEC)
    left = full.view_rays([[-0.5, (full.height - 1) / 2]])
    (edge,) = view.camera.project(view.points_to_view(left))
    assert -40 < edge[0] < 40  # the corners of the image lie farther out


@pytest.mark.parametrize(
    ("x", "z", "cropped"), [(0.0, 3.85, True), (0.0, 3.95, False), (1.6, 3.4, True), (1.6, 3.6, False)]
)
def test_the_full_view_is_used_where_the_depth_bins_of_a_turned_view_end(x: float, z: float, cropped: bool) -> None:
    assert is_full(next_view(PersonCrop("auto"), {"left_wrist": np.array([x, 0.0, z])})) != cropped


def walk(person_crop: PersonCrop, places: Iterable[Iterable[float]], joints: Mapping[str, Any]) -> list[CanonicalView]:
    """Return the views of a person who moves through the places at 10 Hz and is found in every frame."""
    views = []
    for number, place in enumerate(places):
        found = person(place, joints)
        views.append(person_crop.view(camera(), SPEC, WRISTS, number * SECOND // 10))
        person_crop.update(estimate(found), views[-1], number * SECOND // 10)
        assert is_full(views[-1]) or edge_distances(views[-1], found).min() >= LOST_MARGIN * MARGIN_M
    return views


@pytest.mark.parametrize("joints", [STANDING, WAVING], ids=["standing", "wrists"])
def test_a_person_who_walks_past_needs_few_views(joints: Mapping[str, Any]) -> None:
    path = [(x, 0.1 * np.sin(6 * x), 3.0) for x in np.linspace(-1.2, 1.2, 48)]
    views = walk(PersonCrop("auto", refresh_s=100.0), path, joints)
    assert is_full(views[0])
    full_tokens = views[0].width * views[0].height
    assert all(view.width * view.height <= full_tokens * 2 / 3 for view in views[1:])
    assert 5 <= len(set(views)) <= 14  # the person walks 2.4 m and may move 0.25 m within a view
    assert all(not is_full(view) for view in views[1:])


def test_noisy_answers_for_a_standing_person_keep_one_view() -> None:
    random = np.random.default_rng(0)
    path = np.array([0.4, 0.0, 2.5]) + random.normal(0.0, [0.03, 0.03, 0.1], (60, 3))
    views = walk(PersonCrop("auto", refresh_s=100.0), path, STANDING)
    assert len(set(views[1:])) == 1


def test_a_swaying_person_reuses_recent_views() -> None:
    path = [(0.35 * np.sin(t), 0.0, 3.0) for t in np.arange(0.0, 60.0, 0.2)]
    assert len(set(walk(PersonCrop("auto", refresh_s=100.0), path, STANDING))) <= 5


def test_the_view_shrinks_as_the_person_walks_away() -> None:
    views = walk(PersonCrop("auto", refresh_s=100.0), [(0.0, 0.0, z) for z in np.linspace(1.8, 3.9, 22)], WAVING)
    areas = [view.width * view.height for view in views]
    assert areas == sorted(areas, reverse=True)
    assert areas[-1] < 0.4 * areas[1]


def test_the_view_grows_to_the_full_view_as_the_person_approaches() -> None:
    views = walk(PersonCrop("auto", refresh_s=100.0), [(0.0, 0.0, z) for z in np.linspace(3.8, 0.5, 34)], WAVING)
    areas = [view.width * view.height for view in views[1:]]
    assert areas == sorted(areas)
    assert is_full(views[-1])
    assert not is_full(views[1])


def test_without_a_suitable_crop_a_crop_is_tried_again_after_half_a_second() -> None:
    places = [(0.0, 0.0, 0.9)] * 2 + [(0.0, 0.0, 3.0)] * 8
    views = walk(PersonCrop("auto", refresh_s=100.0), places, STANDING)
    assert [number for number, view in enumerate(views) if is_full(view)] == [0, 1, 2, 3, 4, 5]


def test_the_full_view_is_used_when_the_refresh_is_due() -> None:
    views = walk(PersonCrop("auto", refresh_s=0.5), [(0.0, 0.0, 3.0)] * 16, STANDING)
    assert [number for number, view in enumerate(views) if is_full(view)] == [0, 5, 10, 15]
    assert len(set(views)) == 2


def test_the_full_view_is_used_when_a_stamp_is_earlier_than_the_last_full_view() -> None:
    person_crop = PersonCrop("auto", refresh_s=1.0)
    person_crop.update(estimate(person((0, 0, 3))), person_crop.view(camera(), SPEC, WRISTS, SECOND), SECOND)
    assert is_full(person_crop.view(camera(), SPEC, WRISTS, SECOND - 1))
    assert not is_full(person_crop.view(camera(), SPEC, WRISTS, SECOND))


@pytest.mark.parametrize(
    "result",
    [
        None,
        estimate({}),
        estimate(person((0, 0, 3)), State.NOT_ANSWERED),
        estimate(person((0, 0, 3)), State.PREDICTED),
    ],
    ids=["error", "no joint", "none answered", "predicted only"],
)
def test_the_full_view_is_used_when_the_person_is_lost(result: Estimate | None) -> None:
    person_crop = PersonCrop("auto")
    view = next_view(person_crop, person((0, 0, 3)))
    assert not is_full(view)
    person_crop.update(result, view, 2)
    assert is_full(person_crop.view(camera(), SPEC, WRISTS, 3))
    person_crop.update(estimate(person((0, 0, 3))), person_crop.view(camera(), SPEC, WRISTS, 4), 4)
    assert person_crop.view(camera(), SPEC, WRISTS, 5) is view


def without_pixel(found: Estimate, name: str, *, position: bool = True) -> Estimate:
    """Return an estimate in which one joint is out of view, with or without its position."""
    keypoints = tuple(
        Keypoint(name, State.OUT_OF_VIEW, position=keypoint.position if position else np.full(3, np.nan))
        if keypoint.name == name
        else keypoint
        for keypoint in found.person.keypoints
    )
    return dataclasses.replace(found, person=Person(keypoints, None))


@pytest.mark.parametrize("position", [True, False])
def test_the_full_view_is_used_when_only_the_crop_cuts_a_joint_off(position: bool) -> None:
    person_crop, found = PersonCrop("auto"), estimate(person((0, 0, 3)))
    view = next_view(person_crop, person((0, 0, 3)))
    person_crop.update(without_pixel(found, "left_wrist", position=position), view, 2)
    full = person_crop.view(camera(), SPEC, WRISTS, 3)
    assert is_full(full)
    person_crop.update(without_pixel(found, "left_wrist", position=position), full, 3)
    view = person_crop.view(camera(), SPEC, WRISTS, 4)
    assert not is_full(view)
    person_crop.update(without_pixel(found, "left_wrist", position=position), view, 4)
    assert not is_full(person_crop.view(camera(), SPEC, WRISTS, 5)), "the full view does not show it either"
    person_crop.update(without_pixel(found, "right_wrist", position=position), view, 5)
    assert is_full(person_crop.view(camera(), SPEC, WRISTS, 6))


@pytest.mark.parametrize("share", [0.9, 1.1])
def test_the_full_view_is_used_when_a_joint_is_near_the_edge(share: float) -> None:
    person_crop = PersonCrop("auto")
    view = next_view(person_crop, {"left_wrist": np.array([0.0, 0.0, 3.0])})
    reach = view.width / (2 * SPEC.focal_px) * 3.0
    moved = view.points_to_camera([[reach - share * LOST_MARGIN * FEW_JOINTS_MARGIN_M, 0.0, 3.0]])[0]
    person_crop.update(estimate({"left_wrist": moved}), view, 2)
    assert is_full(person_crop.view(camera(), SPEC, WRISTS, 3)) == (share < 1)


def test_a_joint_near_the_edge_of_the_image_keeps_the_crop() -> None:
    source = camera(focal=610.0)
    corner = np.array([-0.54, -0.37, 1.0]) * 3.0
    person_crop = PersonCrop("auto")
    view = next_view(person_crop, {"left_wrist": corner}, source=source)
    assert not is_full(view)
    assert edge_distances(view, {"left_wrist": corner}).min() < 0.2
    person_crop.update(estimate({"left_wrist": corner}), view, 2)
    assert person_crop.view(source, SPEC, WRISTS, 3) is view


@pytest.mark.parametrize(
    ("mode", "distance", "cropped"),
    [
        ("never", 3.5, False),
        ("always", 3.5, True),
        ("auto", 3.5, True),
        ("always", 1.45, True),
        ("auto", 1.45, False),
        ("always", 0.5, False),
    ],
)
def test_each_mode_crops_when_it_saves_enough_tokens(mode: PersonCropMode, distance: float, cropped: bool) -> None:
    view = next_view(PersonCrop(mode), person((0, 0, distance)))
    assert is_full(view) != cropped
    full = full_view(camera(), SPEC)
    if mode == "always" and distance == 1.45:
        assert view.width * view.height > full.width * full.height * 2 / 3


@pytest.mark.parametrize("mode", ["always", "auto"])
def test_a_narrow_camera_is_never_cropped(mode: PersonCropMode) -> None:
    narrow = Camera(128, 96, np.array([[1000.0, 0, 63.5], [0, 1000.0, 47.5], [0, 0, 1]]), np.empty(0), camera().model)
    for distance in (0.5, 1.5, 3.9):
        assert is_full(next_view(PersonCrop(mode), person((0, 0, distance), WAVING), source=narrow))


def test_another_camera_command_or_model_starts_from_the_full_view() -> None:
    for source, spec, joints in (
        (camera(focal=340.0), SPEC, WRISTS),
        (camera(), replace(SPEC, focal_px=990.0), WRISTS),
        (camera(), SPEC, ("head",)),
    ):
        person_crop = PersonCrop("auto")
        before = next_view(person_crop, person((0, 0, 3)))
        assert not is_full(before)
        view = person_crop.view(source, spec, joints, 2)
        assert is_full(view, spec)
        assert (view.source, view.focal_px) == (source, spec.focal_px)
        person_crop.update(estimate(person((0, 0, 3))), before, 2) if joints == WRISTS else None
        assert is_full(person_crop.view(source, spec, joints, 3), spec)  # results of an old view are ignored


@pytest.mark.parametrize(("mode", "crops"), [("always", True), ("auto", False), ("never", False)])
def test_a_model_not_trained_on_crops_is_cropped_only_in_mode_always(mode: PersonCropMode, crops: bool) -> None:
    official = ModelSpec()
    assert is_full(next_view(PersonCrop(mode), person((0, 0, 3)), spec=official), official) is not crops


def test_the_full_view_is_cached_per_camera() -> None:
    person_crop = PersonCrop("auto")
    first = person_crop.view(camera(), SPEC, WRISTS, 0)
    assert person_crop.view(camera(), SPEC, ("head",), 1) is first
    assert person_crop.view(camera("fisheye"), SPEC, WRISTS, 2) is not first


def test_reset_discards_the_person() -> None:
    person_crop = PersonCrop("auto")
    view = next_view(person_crop, person((0, 0, 3)))
    assert person_crop.view(camera(), SPEC, WRISTS, 2) is view
    person_crop.reset()
    assert is_full(person_crop.view(camera(), SPEC, WRISTS, 3))


def test_the_view_is_no_larger_than_necessary() -> None:
    view = next_view(PersonCrop("always"), person((1.0, 0.3, 2.5)))
    assert (view.width, view.height) == (512, 672)  # a view centred on the mean of the joints is 576x704


@pytest.mark.filterwarnings("error")
def test_joints_outside_the_image_cause_no_crop() -> None:
    assert is_full(next_view(PersonCrop("always"), {"left_wrist": np.array([2.4, 0.0, 0.3])}))
    assert is_full(next_view(PersonCrop("always"), {"left_wrist": np.array([0.0, 0.0, 0.0])}))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mode": "sometimes"}, "must be never, always or auto, not 'sometimes'"),
        ({"refresh_s": 0.0}, "must be positive, not 0 s"),
        ({"refresh_s": float("nan")}, "must be positive, not nan s"),
    ],
)
def test_settings_out_of_range_are_rejected(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(TaihriError, match=message):
        PersonCrop(**{"mode": "always", **settings})
