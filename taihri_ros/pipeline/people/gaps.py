"""Views beside known people, which show them at most at the edge, so that the model answers about others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from taihri_ros.camera.canonical_view import CanonicalView
from taihri_ros.pipeline.person_views import Aim, Located, PersonViews, look_along

_HALF_BODY_M = 0.35
"""Half the width of somebody who is left out, metres; arms that are held out may be in the view."""

_NARROWEST = 0.2
"""Smallest width of a gap, divided by the distance: a whole person is in it at 3 m."""


def views_beside(views: PersonViews, known: Sequence[Located]) -> list[CanonicalView]:
    """Return the views of the gaps between known people and the edges of the full view, the widest first.

    Args:
        views: The views of the camera.
        known: Where people are expected; those behind the camera are left out.

    Returns:
        The views, as high as the full view; none if there is no gap in which somebody may stand.
    """
    full = views.full
    half_width, half_height = full.width / (2.0 * full.focal_px), full.height / (2.0 * full.focal_px)
    edges = [(-np.inf, -half_width), (half_width, np.inf)]
    for person in known:
        ((x, _, z),) = full.points_to_view(person.root)
        if z > _HALF_BODY_M:
            edges.append(((x - _HALF_BODY_M) / z, (x + _HALF_BODY_M) / z))
    gaps, start = [], -half_width
    for left, right in sorted(edges)[1:]:
        if left - start > _NARROWEST:
            gaps.append((start, min(left, half_width)))
        start = max(start, right)
    gaps.sort(key=lambda gap: gap[0] - gap[1])
    return [_between(views, left, right, half_height) for left, right in gaps]


def _between(views: PersonViews, left: float, right: float, half_height: float) -> CanonicalView:
    direction = np.array([(left + right) / 2.0, 0.0, 1.0])
    rotation = look_along(views.full.R_view_from_camera.T @ direction)
    corners = np.array([[x, half_height, 1.0] for x in (left, right)]) @ views.full.R_view_from_camera @ rotation.T
    return views.aimed(Aim(rotation, np.abs(corners[:, :2] / corners[:, 2:]).max(axis=0), 1.0))
