"""The posed surface and its normals."""

from __future__ import annotations

import numpy as np
import pytest
from someone import Someone

from taihri_ros.body.kinematics import Kinematics, Posture, exponential
from taihri_ros.body.mesh import Surface
from taihri_ros.body.template import BodyTemplate
from taihri_ros.skeleton import INDEX


def test_a_body_that_is_only_moved_keeps_its_surface(template: BodyTemplate, kinematics: Kinematics) -> None:
    surface, turn = Surface(template), exponential(np.array([[0.3, -1.0, 2.0]]))[0]
    shape = np.linspace(-1.0, 1.0, len(template.shape_joints))
    moved = Posture(np.array([1.0, 2.0, 3.0]), turn, np.zeros(len(template.angle_bones)), shape)
    vertices = surface.vertices(kinematics.place(moved), shape)
    rest = template.vertices + np.tensordot(shape, template.shape_vertices, axes=1)
    assert vertices == pytest.approx(rest @ turn.T + moved.position, abs=1e-5)


def test_a_bent_elbow_moves_the_hand_only(template: BodyTemplate, kinematics: Kinematics) -> None:
    surface, shape = Surface(template), np.zeros(len(template.shape_joints))
    still = Posture(np.zeros(3), np.eye(3), np.zeros(len(template.angle_bones)), shape)
    bent = still.moved(
        np.concatenate([np.zeros(6), np.where(template.angle_bones == INDEX["left_elbow"], 0.8, 0.0), 0.0 * shape])
    )
    shift = surface.vertices(kinematics.place(bent), shape) - surface.vertices(kinematics.place(still), shape)
    share = surface.weights[:, [INDEX["left_elbow"], INDEX["left_wrist"]]].sum(axis=1)
    assert (np.linalg.norm(shift, axis=1)[share == 0.0] < 1e-6).all()
    assert (np.linalg.norm(shift, axis=1)[surface.weights[:, INDEX["left_wrist"]] > 0.99] > 0.1).all()


def test_normals_are_unit_vectors_outward(people: list[Someone], template: BodyTemplate) -> None:
    surface = Surface(template)
    normals = surface.normals(people[0].vertices)
    assert np.linalg.norm(normals, axis=1) == pytest.approx(np.ones(len(normals)), abs=1e-4)
    pushed = people[0].vertices + 0.01 * normals
    volumes = []
    for vertices in (people[0].vertices, pushed):
        a, b, c = vertices[template.triangles].transpose(1, 0, 2)
        volumes.append(float(np.einsum("ti,ti->", a, np.cross(b, c))) / 6.0)
    assert volumes[1] - volumes[0] == pytest.approx(0.018, abs=0.006)  # 1.8 m² of skin, 1 cm thick
