"""The nearest place of a body to points and segments, against the surface in fine steps."""

from __future__ import annotations

import numpy as np
import pytest
from someone import Someone

from taihri_ros.body.distance import Nearest, nearest_to_segment
from taihri_ros.body.recovery import Body, BodyError, BodyRecovery
from taihri_ros.skeleton import INDEX

COVARIANCES = np.tile(0.02**2 * np.eye(3), (22, 1, 1))


@pytest.fixture(scope="module")
def body(people: list[Someone]) -> Body:
    made = BodyRecovery(shared=0.0).update(people[0].joints, COVARIANCES, stamp_ns=0)
    assert made is not None
    return made


@pytest.fixture(scope="module")
def skin(body: Body) -> np.ndarray:
    """Points on the surface, at most some millimetres apart."""
    steps = [(a, b, 8 - a - b) for a in range(9) for b in range(9 - a)]
    corners = body.vertices[body.surface.template.triangles].astype(np.float64)
    return np.einsum("sk,tki->tsi", np.array(steps) / 8.0, corners).reshape(-1, 3)


def nearest_to_point(body: Body, point: np.ndarray) -> Nearest:
    return nearest_to_segment(body, point, point)


def outside(body: Body, rng: np.random.Generator) -> np.ndarray:
    direction = rng.normal(size=3)
    return body.joints[INDEX["spine2"]] + direction / np.linalg.norm(direction) * rng.uniform(0.9, 1.5)


def test_the_nearest_place_to_a_point_is_that_of_the_finely_divided_surface(body: Body, skin: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        point = outside(body, rng)
        found = nearest_to_point(body, point)
        gaps = np.linalg.norm(skin - point, axis=1)
        assert gaps.min() - 0.003 < found.distance_m <= gaps.min() + 1e-9
        assert np.linalg.norm(skin - found.on_body, axis=1).min() < 0.006
        assert np.linalg.norm(found.on_body - point) == pytest.approx(found.distance_m)
        assert found.on_query == pytest.approx(point)


def test_the_nearest_place_to_a_segment_is_that_of_its_finely_divided_points(body: Body) -> None:
    rng, compared = np.random.default_rng(1), 0
    for _ in range(12):
        start, end = outside(body, rng), outside(body, rng)
        found = nearest_to_segment(body, start, end)
        share = (found.on_query - start) @ (end - start) / np.sum((end - start) ** 2)
        assert -1e-9 <= share <= 1.0 + 1e-9
        assert start + share * (end - start) == pytest.approx(found.on_query)
        if found.distance_m > 0.0:
            points = start + np.linspace(0.0, 1.0, 17)[:, None] * (end - start)
            least = min(nearest_to_point(body, point).distance_m for point in points)
            assert found.distance_m <= least + 1e-9
            assert least - found.distance_m < 0.06
            compared += 1
    assert compared >= 4


def test_a_query_that_reaches_into_the_body_has_distance_zero(body: Body) -> None:
    inside, far = body.joints[INDEX["spine2"]], body.joints[INDEX["spine2"]] + [0.0, 0.0, -1.0]
    for found in (
        nearest_to_point(body, inside),
        nearest_to_segment(body, inside, inside + 0.01),
        nearest_to_segment(body, far, inside),
        nearest_to_segment(body, far, 2.0 * inside - far),
    ):
        assert found.distance_m == 0.0
        assert found.on_body == pytest.approx(found.on_query, abs=1e-9)
        assert found.doubt_m > 0.0
    assert nearest_to_point(body, far).distance_m > 0.5


def test_a_segment_may_run_along_an_edge_of_the_surface(body: Body) -> None:
    first, second = body.vertices[body.surface.template.triangles[100, :2]].astype(np.float64)
    found = nearest_to_segment(body, first, second)
    assert found.distance_m == pytest.approx(0.0, abs=1e-6)


def test_the_part_of_the_body_is_named(body: Body) -> None:
    beyond = body.joints[INDEX["left_wrist"]] + 1.3 * (
        body.joints[INDEX["left_wrist"]] - body.joints[INDEX["left_elbow"]]
    )
    found = nearest_to_point(body, beyond)
    assert found.joint == "left_wrist"
    assert found.supported


def test_the_doubt_grows_with_that_of_the_limb(people: list[Someone], body: Body) -> None:
    points = people[0].joints.copy()
    points[[INDEX["left_elbow"], INDEX["left_wrist"]]] = np.nan
    blind = BodyRecovery(shared=0.0).update(points, COVARIANCES, stamp_ns=0)
    assert blind is not None
    lower = blind.joints[INDEX["left_wrist"]] - blind.joints[INDEX["left_elbow"]]
    unseen = nearest_to_point(blind, blind.joints[INDEX["left_wrist"]] + 2.0 * lower)
    assert not unseen.supported
    seen = nearest_to_point(body, body.joints[INDEX["head"]] + [0.0, -0.5, 0.0])
    assert seen.joint == "head"
    assert seen.supported
    assert 0.003 < seen.doubt_m < 0.04
    assert unseen.doubt_m > 3.0 * seen.doubt_m


def test_the_doubt_is_the_spread_of_the_distance(people: list[Someone]) -> None:
    rng, distances, doubts = np.random.default_rng(2), [], []
    point = people[0].joints[INDEX["spine3"]] + [0.0, 0.0, -0.6]
    for _ in range(40):
        noisy = people[0].joints + rng.normal(0.0, 0.02, (22, 3))
        made = BodyRecovery(shared=0.0).update(noisy, COVARIANCES, stamp_ns=0)
        assert made is not None
        found = nearest_to_point(made, point)
        distances.append(found.distance_m)
        doubts.append(found.doubt_m)
    truth = nearest_to_surface(people[0], point)
    spread = np.sqrt(np.mean((np.array(distances) - truth) ** 2))
    assert 0.4 < spread / np.mean(doubts) < 1.6


def nearest_to_surface(someone: Someone, point: np.ndarray) -> float:
    return float(np.linalg.norm(someone.vertices - point, axis=1).min())


@pytest.mark.parametrize("point", [[0.0, np.nan, 1.0], [0.0, 1.0]])
def test_a_wrong_point_is_refused(body: Body, point: list[float]) -> None:
    with pytest.raises(BodyError, match="three finite numbers in metres"):
        nearest_to_point(body, point)
