"""Clothes: surface coordinates, the thickness of garments, and skirts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from taihri_ros.skeleton import INDEX
from taihri_ros.synthetic.people import skirt
from taihri_ros.synthetic.people.body import body_model
from taihri_ros.synthetic.people.clothing import Outfit, sample_outfit
from taihri_ros.synthetic.people.garments import Surface, surface
from taihri_ros.synthetic.people.phenotype import sample_phenotype
from taihri_ros.synthetic.people.poses import sample_pose
from taihri_ros.synthetic.rendering import shading


@pytest.fixture(scope="module")
def places() -> Surface:
    return surface(body_model().template)


def outfit(**changes: float) -> Outfit:
    return replace(sample_outfit(np.random.default_rng(0)), **changes)


def test_the_renderer_reads_the_packed_fields() -> None:
    worn = outfit(sleeve=0.37, hem=-0.11, bottom_length=0.83, skirt=1.0, phase=42.0)
    packed = worn.pack()
    read = {
        name: packed[getattr(shading, name.upper())] for name in ("sleeve", "hem", "bottom_length", "skirt", "phase")
    }
    assert read == pytest.approx({"sleeve": 0.37, "hem": -0.11, "bottom_length": 0.83, "skirt": 1.0, "phase": 42.0})
    for name in ("skin", "hair", "top", "bottom", "shoe", "shirt"):
        start = getattr(shading, name.upper())
        assert packed[start : start + 3] == pytest.approx(getattr(worn, name), rel=1e-6)


def test_arm_and_leg_coordinates_are_symmetric(places: Surface) -> None:
    x, arm, leg = places.rest[: places.skin, 0], places.arm[: places.skin], places.leg[: places.skin]
    for coordinate in (arm[np.abs(arm) > 0], leg):
        assert np.isfinite(coordinate).all()
    assert np.percentile(arm[x > 0.05], [50, 90]) == pytest.approx(np.percentile(arm[x < -0.05], [50, 90]), abs=0.02)
    template = body_model().template
    for name, expected in (("elbow", 0.5), ("wrist", 1.0)):
        near = np.linalg.norm(template.vertices - template.joints[INDEX[f"right_{name}"]], axis=1) < 0.05
        assert np.median(arm[near]) == pytest.approx(expected, abs=0.06)
    near = np.linalg.norm(template.vertices - template.joints[INDEX["left_knee"]], axis=1) < 0.08
    assert np.median(leg[near]) == pytest.approx(0.5, abs=0.05)


def test_a_sleeve_ends_at_its_length(places: Surface) -> None:
    thick = outfit(sleeve=0.5, top_thickness=0.02, hair_thickness=0.0, hairline=3.0).thickness(places)
    arm, leg = places.arm[: places.skin], places.leg[: places.skin]
    assert (thick[(arm > 0.05) & (arm < 0.45)] >= 0.02).all()
    assert (thick[arm > 0.52] == 0.0).all()
    assert (thick[(arm == 0.0) & (leg > 1.0)] == 0.0).all()


@pytest.mark.parametrize("task", ["stand", "sit", "crouch", "walk"])
def test_a_skirt_surrounds_both_legs(task: str) -> None:
    rng = np.random.default_rng(1)
    body = body_model().pose([(sample_phenotype(rng), sample_pose(rng, task))])[0]
    dressed = skirt.with_skirt(body, skirt.SkirtShape(waist=-0.12, length=0.5, flare=0.1, thickness=0.01, phase=0.0))
    rings = dressed.vertices[len(body.vertices) :].reshape(-1, 24, 3)
    assert dressed.vertices[: len(body.vertices)] == pytest.approx(body.vertices)
    assert np.isfinite(rings).all()
    knees = 0.5 * (body.joints[INDEX["left_knee"]] + body.joints[INDEX["right_knee"]])
    assert rings[-1].mean(axis=0) == pytest.approx(knees, abs=0.05)
    assert np.linalg.norm(rings[-1] - rings[-1].mean(axis=0), axis=1).min() > 0.05
    hidden = skirt.with_skirt(body, None).vertices[len(body.vertices) :]
    assert hidden == pytest.approx(np.tile(body.joints[0], (skirt.POINTS, 1)), abs=1e-5)


def test_the_triangles_of_the_skirt_use_all_its_vertices() -> None:
    faces = skirt.faces(100)
    assert faces.min() == 100
    assert faces.max() == 100 + skirt.POINTS - 1
    assert len(np.unique(faces)) == skirt.POINTS
