"""The views beside known people show the rest of the picture, and them at most at the edge."""

from __future__ import annotations

import numpy as np
import pytest
from zoom_oracle import ZOOMING

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.canonical_view import CanonicalView
from taihri_ros.camera.distortion import DistortionModel
from taihri_ros.pipeline.people.gaps import views_beside
from taihri_ros.pipeline.person_views import Located, PersonViews

CAMERA = Camera(640, 480, [[500.0, 0, 320], [0, 500.0, 240], [0, 0, 1]], [], DistortionModel.NONE)
VIEWS = PersonViews(CAMERA, ZOOMING)


def at(x: float, z: float) -> Located:
    root = np.array([x, 0.1, z])
    return Located(root[None], root)


def shows(view: CanonicalView, x: float, z: float, edge: float = 0.0) -> bool:
    """Check whether a place is in a view and, as a share of the width, so far from its edges."""
    ((column, row),) = view.camera.project(view.points_to_view(np.array([x, 0.1, z])))
    return bool(edge * view.width <= column < (1.0 - edge) * view.width and 0 <= row < view.height)


def test_somebody_in_the_middle_leaves_both_sides() -> None:
    left, right = sorted(views_beside(VIEWS, [at(0.0, 2.5)]), key=lambda view: not shows(view, -1.0, 2.5))
    assert shows(left, -1.0, 2.5)
    assert shows(right, 1.0, 2.5)
    assert not shows(left, 1.0, 2.5)
    assert not any(shows(view, 0.0, 2.5, edge=0.2) for view in (left, right))


def test_the_widest_gap_is_the_first_and_a_narrow_one_is_left_out() -> None:
    views = views_beside(VIEWS, [at(-1.2, 2.5), at(-0.6, 2.5), at(0.9, 2.2)])
    assert [shows(view, 0.1, 2.5) for view in views] == [True]


@pytest.mark.parametrize("known", [[], [at(0.0, -1.0)]], ids=["nobody", "behind the camera"])
def test_without_people_in_view_the_whole_width_is_a_gap(known: list[Located]) -> None:
    (view,) = views_beside(VIEWS, known)
    assert all(shows(view, x, 2.5) for x in (-1.4, 0.0, 1.4))


def test_somebody_who_fills_the_view_leaves_no_gap() -> None:
    assert views_beside(VIEWS, [at(0.0, 0.5)]) == []
