"""The views of a person: how far they zoom, what they show, and the grid in which somebody is searched."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray
from zoom_oracle import ZOOMING, stand

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.distortion import DistortionModel
from taihri_ros.model.zoom import ROOT
from taihri_ros.pipeline.person_views import FINEST, READ_AT_M, ZOOM_STEP, Located, PersonViews


def camera(focal: float = 500.0, width: int = 640, height: int = 480) -> Camera:
    K = np.array([[focal, 0, width / 2 - 3.0], [0, focal, height / 2 + 2.0], [0, 0, 1]])
    return Camera(width, height, K, np.empty(0), DistortionModel.NONE)


VIEWS = PersonViews(camera(), ZOOMING)


def standing(x: float, y: float, z: float) -> Located:
    person = stand(x, y, z)
    return Located(np.array(list(person.values())), person[ROOT])


@pytest.mark.parametrize(("depth", "zoom"), [(0.8, 1.0), (1.6, 1.0), (1.9, 1.0), (2.4, 1.5), (4.0, 2.5), (9.0, 4.0)])
def test_somebody_far_away_is_shown_as_if_near(depth: float, zoom: float) -> None:
    view = VIEWS.around(standing(0.0, -0.1, depth))
    assert VIEWS.zoom(view) == pytest.approx(zoom, rel=0.01)


def test_the_zoom_stays_in_the_range_that_the_checkpoint_has_learned() -> None:
    for largest in (1.0, 1.2, 1.6):
        views = PersonViews(camera(), replace(ZOOMING, zoom=(0.5, largest)))
        assert views.zoom(views.around(standing(0.0, 0.0, 3.9))) == (largest if largest >= ZOOM_STEP else 1.0)


@pytest.mark.parametrize("focal", [30.0, 60.0, 100.0])
def test_the_zoom_stays_within_a_few_view_pixels_per_source_pixel(focal: float) -> None:
    views = PersonViews(camera(focal, 160, 120), ZOOMING)
    view = views.around(standing(0.0, 0.0, 3.6))
    assert view.focal_px == pytest.approx(max(112.0, min(FINEST * focal, 112.0 * 3.6 / READ_AT_M)), rel=0.01)


def test_a_view_zooms_only_as_far_as_it_shows_the_person_with_their_margin() -> None:
    arms = Located(np.array([[-1.5, 0.0, 3.2], [1.5, 0.0, 3.2], [0.0, 0.0, 3.2]]), np.array([0.0, 0.0, 3.2]))
    view = VIEWS.around(arms)
    needed = 2.0 * (1.5 + 0.9) / 3.2
    assert view.width == 256
    assert view.focal_px == pytest.approx(256 / min(needed, 640 / 500), rel=0.02)
    wide = replace(ZOOMING, max_pixels=128 * 160)
    views = PersonViews(camera(), wide)
    view = views.around(standing(0.0, 0.0, 3.2))
    assert view.width * view.height <= wide.max_pixels
    assert 1.0 < views.zoom(view) < 2.0
    assert views.shows(view, standing(0.0, 0.0, 3.2), 0.5)


def test_zoom_extends_the_reach_of_the_depth_bins() -> None:
    far = standing(0.3, 0.0, 9.0)
    assert VIEWS.zoom(VIEWS.around(far)) == 4.0
    plain = PersonViews(camera(), replace(ZOOMING, zoom=(1.0, 1.0)))
    assert plain.around(far) is plain.full
    assert VIEWS.around(standing(0.0, 0.0, 17.0)) is VIEWS.full, "4 m times 4 are 16 m"
    assert VIEWS.around(standing(9.0, 0.0, 3.0)) is VIEWS.full, "outside of the image"


def test_a_box_leads_to_the_same_view_as_its_joints() -> None:
    person = stand(-0.4, 0.1, 3.4)
    pixels = camera().project(np.array(list(person.values())))
    box = (pixels[:, 0].min(), pixels[:, 1].min() - 12.0, pixels[:, 0].max(), pixels[:, 1].max() + 12.0)
    from_box = VIEWS.around(Located.in_box(camera(), box))
    from_joints = VIEWS.around(standing(-0.4, 0.1, 3.4))
    assert VIEWS.zoom(from_box) == pytest.approx(VIEWS.zoom(from_joints), rel=0.1)
    assert VIEWS.shows(from_box, standing(-0.4, 0.1, 3.4), 0.5)
    axes = from_box.R_view_from_camera[2], from_joints.R_view_from_camera[2]
    assert np.dot(*axes) > np.cos(np.radians(3.0))


@pytest.mark.parametrize(
    ("focal", "size"), [(500.0, (640, 480)), (270.0, (640, 480)), (900.0, (1280, 720)), (360.0, (480, 640))]
)
def test_somebody_who_stands_far_away_is_whole_in_a_view_of_the_grid(focal: float, size: tuple[int, int]) -> None:
    views = PersonViews(camera(focal, *size), ZOOMING)
    (left, top), (right, bottom) = box = views.full.source_box()
    places = np.stack(np.meshgrid(np.linspace(left, right, 15), np.linspace(top, bottom, 9)), axis=-1).reshape(-1, 2)
    for ray in views.full.view_rays(places):
        for depth in (3.3, 5.0):
            body = np.array([[0.0, -0.8, 0.0], [-0.25, -0.4, 0.0], [0.25, -0.4, 0.0], [0.1, 0.8, 0.0]]) + ray * depth
            in_image = is_inside(views.full.camera.project(body), box[0], box[1])
            assert any(
                is_inside(
                    view.camera.project(view.points_to_view(body[in_image])), (0, 0), (view.width, view.height)
                ).all()
                for view in views.search
            ), (ray, depth)


def is_inside(pixels: NDArray[np.float64], low: ArrayLike, high: ArrayLike) -> NDArray[np.bool_]:
    return np.asarray(((pixels >= low) & (pixels <= high)).all(axis=1))


def test_the_grid_is_coarse_and_begins_in_the_middle() -> None:
    assert len(VIEWS.search) == 2, "two views of 59 degrees cover 65 degrees"
    wide = PersonViews(camera(250.0), ZOOMING)
    axes = np.array([view.R_view_from_camera[2] for view in wide.search])
    across, down = (axes[:, :2] / axes[:, 2:]).T
    assert (len(set(across.round(6))), len(set(down.round(6)))) == (3, 3)
    assert np.abs(down[:3]).max() < 0.02, "people stand beside each other: the middle row is first"
    np.testing.assert_allclose(np.abs(across), [0.0, *[np.abs(across).max()] * 2] * 3, atol=0.02)
    assert all(wide.zoom(view) == 2.0 for view in wide.search)
    assert all(max(view.width, view.height) <= 256 for view in wide.search)


def test_there_is_no_grid_for_a_model_without_zoom() -> None:
    for zoom in ((1.0, 1.0), (0.5, 1.0), (1.0, 1.2)):
        assert PersonViews(camera(), replace(ZOOMING, zoom=zoom)).search == ()
