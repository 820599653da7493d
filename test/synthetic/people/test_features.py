from __future__ import annotations

import numpy as np
import pytest

from taihri_ros.skeleton import INDEX
from taihri_ros.synthetic.people.body import body_model
from taihri_ros.synthetic.people.garments import Surface, surface


@pytest.fixture(scope="module")
def places() -> Surface:
    return surface(body_model().template)


def test_the_features_of_the_face_are_where_they_belong(places: Surface) -> None:
    head = places.head[: places.skin]
    lips, lids, gaze = places.face[: places.skin].T
    assert head[lips > 0.5].mean(axis=0) == pytest.approx([0.0, -0.95, -0.97], abs=0.08)
    eyelids = head[lids > 0.5]
    assert (eyelids[:, 1] < -0.7).all()
    assert np.abs(eyelids[:, 0]).max() < 0.5
    ears = head[lids < -0.5]
    assert (np.abs(ears[:, 0]) > 0.6).all()
    pupils = head[gaze > 0.9]
    assert len(pupils) >= 16
    assert pupils[:, 1] == pytest.approx(pupils[:, 1].mean(), abs=0.03)
    assert pupils[:, 0].min() < -0.2 < 0.2 < pupils[:, 0].max()


def test_creases_are_occluded_and_open_skin_is_not(places: Surface) -> None:
    template, free = body_model().template, places.occlusion[: places.skin]
    assert ((free >= 0.0) & (free <= 1.0 + 1e-6)).all()
    middle = 0.5 * (template.joints[INDEX["left_elbow"]] + template.joints[INDEX["left_wrist"]])
    forearm = np.linalg.norm(template.vertices - middle, axis=1) < 0.05
    between = template.joints[INDEX["pelvis"]] * [0.0, 1.0, 1.0] - [0.0, 0.0, 0.12]
    crotch = np.linalg.norm(template.vertices - between, axis=1) < 0.05
    assert np.median(free[forearm]) > 0.9
    assert np.median(free[crotch]) < 0.75


def test_cloth_hangs_free_at_the_waist(places: Surface) -> None:
    slack, points = places.slack[: places.skin], places.rest[: places.skin]
    joints = body_model().template.joints
    assert ((slack >= 0.0) & (slack <= 0.0701)).all()
    trunk = places.arm[: places.skin] == 0.0
    waist = trunk & (np.abs(points[:, 2] - joints[INDEX["spine2"], 2]) < 0.03) & (np.abs(points[:, 0]) > 0.1)
    hand = places.arm[: places.skin] > 1.0
    assert slack[waist].mean() > 0.01
    assert (slack[hand] == 0.0).all()
