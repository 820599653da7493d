"""The URDF is one tree with REP-155's names, in which the links are where our own model has them."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
from posed_bodies import placed_links, posed
from scipy.spatial.transform import Rotation

from taihri_ros.node.ros4hri.body_urdf import body_urdf
from taihri_ros.node.ros4hri.human_model import HumanSize
from taihri_ros.node.ros4hri.joint_angles import body_frame, joint_angles

ID = "kamul"
LINKS = {"body", "waist", "torso", "head"} | {
    f"{side}_{link}" for side in "lr" for link in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
}


def numbers(element: ElementTree.Element | None, name: str) -> np.ndarray:
    assert element is not None
    return np.array([float(value) for value in element.attrib[name].split()])


def test_the_urdf_is_one_tree_with_the_names_of_rep_155() -> None:
    robot = ElementTree.fromstring(body_urdf(ID, HumanSize.of(posed())).encode())
    links = [link.attrib["name"] for link in robot.findall("link")]
    children = [joint.find("child").attrib["link"] for joint in robot.findall("joint")]  # type: ignore[union-attr]
    parents = {joint.find("parent").attrib["link"] for joint in robot.findall("joint")}  # type: ignore[union-attr]
    assert {f"{link}_{ID}" for link in LINKS} <= set(links)
    assert len(set(links)) == len(links)
    assert sorted([*children, f"body_{ID}"]) == sorted(links), "each link but the root has one joint"
    assert parents <= set(links)
    for joint in robot.findall("joint"):
        if joint.attrib["type"] == "revolute":
            limit = joint.find("limit")
            assert limit is not None
            assert float(limit.attrib["lower"]) < float(limit.attrib["upper"])
            assert np.linalg.norm(numbers(joint.find("axis"), "xyz")) == 1.0
    lengths = [float(each.attrib["length"]) for each in robot.iter("cylinder")]
    assert min(lengths) > 0.1


def test_the_links_of_the_urdf_are_where_the_model_has_them() -> None:
    body = posed(turn=(0.3, 2.0, -0.4))
    size = HumanSize.of(body)
    angles = {f"{name}_{ID}": angle for name, angle in joint_angles(body, size).items()}
    robot = ElementTree.fromstring(body_urdf(ID, size).encode())
    place, axes = body_frame(body)
    frames = {f"body_{ID}": (place, axes)}
    for joint in robot.findall("joint"):
        parent, child = joint.find("parent"), joint.find("child")
        assert parent is not None
        assert child is not None
        turn = np.zeros(3)
        if joint.attrib["type"] == "revolute":
            turn = angles[joint.attrib["name"]] * numbers(joint.find("axis"), "xyz")
        place, axes = frames[parent.attrib["link"]]
        offset = numbers(joint.find("origin"), "xyz")
        frames[child.attrib["link"]] = place + axes @ offset, axes @ Rotation.from_rotvec(turn).as_matrix()
    for link, expected in placed_links(body).items():
        np.testing.assert_allclose(frames[f"{link}_{ID}"][0], expected, atol=1e-3)
    assert len(frames) == len(placed_links(body))


def test_the_lengths_are_those_of_the_body_in_any_pose() -> None:
    size = HumanSize.of(posed())
    tall = np.zeros(len(posed().shape))
    tall[0] = 1.5
    assert not HumanSize.of(posed(turn=(1.0, 0.0, 0.0))).differs(size, 1e-9)
    assert HumanSize.of(posed(shape=tall)).differs(size, 0.03)
    thigh = np.linalg.norm(posed().joints[1] - posed().joints[4])
    assert abs(size.thigh - thigh) < 1e-9
