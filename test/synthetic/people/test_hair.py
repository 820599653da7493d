from __future__ import annotations

import numpy as np
import pytest

from taihri_ros.skeleton import INDEX
from taihri_ros.synthetic.people import hair
from taihri_ros.synthetic.people.body import Body, body_model
from taihri_ros.synthetic.people.phenotype import sample_phenotype
from taihri_ros.synthetic.people.poses import sample_pose


@pytest.fixture(scope="module")
def body() -> Body:
    rng = np.random.default_rng(2)
    return body_model().pose([(sample_phenotype(rng), sample_pose(rng, "stand"))])[0]


def shell(body: Body, shape: hair.HairShape | None) -> np.ndarray:
    dressed = hair.with_hair(body, shape)
    assert dressed.vertices[: len(body.vertices)] == pytest.approx(body.vertices)
    return dressed.vertices[len(body.vertices) :]


@pytest.mark.parametrize("style", ["loose", "ponytail", "bun"])
def test_hair_is_at_the_head(body: Body, style: hair.Style) -> None:
    points = shell(body, hair.HairShape(style, 1.5, 1.7, 0.1, 0.0))
    assert points.shape == (hair.POINTS, 3)
    assert np.isfinite(points).all()
    assert np.linalg.norm(points - body.joints[INDEX["head"]], axis=1).max() < 0.35


def test_longer_hair_falls_lower(body: Body) -> None:
    short, long = (shell(body, hair.HairShape("loose", length, 1.7, 0.1, 0.0)) for length in (0.5, 3.0))
    assert long[:, 2].min() < short[:, 2].min() - 0.15


def test_short_hair_is_hidden_in_the_body(body: Body) -> None:
    assert shell(body, None) == pytest.approx(np.tile(body.joints[INDEX["pelvis"]], (hair.POINTS, 1)), abs=1e-5)


def test_the_triangles_use_all_vertices() -> None:
    assert (np.unique(hair.faces(7)) == np.arange(7, 7 + hair.POINTS)).all()


def test_a_similarity_is_recovered() -> None:
    rng = np.random.default_rng(0)
    source = rng.normal(size=(20, 3))
    turn = 1.3 * np.linalg.qr(rng.normal(size=(3, 3)))[0]
    turn *= np.sign(np.linalg.det(turn))
    found, offset = hair._similarity(source, source @ turn.T + [1.0, 2.0, 3.0])
    assert found == pytest.approx(turn)
    assert offset == pytest.approx([1.0, 2.0, 3.0])
