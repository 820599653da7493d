"""The URDF of one body, for robot_state_publisher, RViz and planners."""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement, indent, tostring

from taihri_ros.node.ros4hri.human_model import ROOT, SIDES, HumanJoint, HumanSize, human_joints

_RADIUS_M, _HEAD_M = 0.03, 0.1
"""Radius of the limbs and of the head in RViz, metres."""


def body_urdf(body_id: str, size: HumanSize) -> str:
    """Return the URDF of a body.

    Args:
        body_id: The id, with which the names of links and joints end.
        size: The lengths of the body.

    Returns:
        The text of the URDF (XML).
    """
    robot = Element("robot", name=f"human_{body_id}")
    SubElement(SubElement(robot, "material", name="skin"), "color", rgba="0.95 0.75 0.6 1")
    joints = human_joints(size)
    cylinders = _cylinders(size)
    for link in (ROOT, *(joint.child for joint in joints)):
        element = SubElement(robot, "link", name=f"{link}_{body_id}")
        if link == "head":
            _visual(element, (0.0, 0.0, 0.0), "0 0 0", "sphere", radius=_HEAD_M)
        for length, origin, turn in cylinders.get(link, ()):
            _visual(element, origin, turn, "cylinder", length=length, radius=_RADIUS_M)
    for joint in joints:
        _add_joint(robot, joint, body_id)
    indent(robot)
    return tostring(robot, encoding="unicode", xml_declaration=True)


def _cylinders(size: HumanSize) -> dict[str, list[tuple[float, tuple[float, float, float], str]]]:
    """Return length, middle and turn (roll, pitch and yaw) of the cylinders of each link."""
    across = "1.5708 0 0"
    limbs = {"shoulder": size.upper_arm, "elbow": size.forearm, "hip": size.thigh, "knee": size.shin}
    cylinders = {
        f"{letter}_{limb}": [(length, (0.0, 0.0, -length / 2.0), "0 0 0")]
        for letter in SIDES
        for limb, length in limbs.items()
    }
    spine = (-size.torso_forward, 0.0, -size.torso_height / 2.0)
    cylinders["torso"] = [(size.torso_height, spine, "0 0 0"), (size.shoulder_width, (0.0, 0.0, 0.0), across)]
    cylinders[ROOT] = [(size.hip_width, (0.0, 0.0, 0.0), across)]
    return cylinders


def _visual(link: Element, origin: tuple[float, float, float], turn: str, shape: str, **sizes: float) -> None:
    visual = SubElement(link, "visual")
    SubElement(visual, "origin", xyz=_numbers(origin), rpy=turn)
    geometry = SubElement(visual, "geometry")
    SubElement(geometry, shape, {name: f"{value:.4f}" for name, value in sizes.items()})
    SubElement(visual, "material", name="skin")


def _add_joint(robot: Element, joint: HumanJoint, body_id: str) -> None:
    kind = "fixed" if joint.axis is None else "revolute"
    element = SubElement(robot, "joint", name=f"{joint.name}_{body_id}", type=kind)
    SubElement(element, "parent", link=f"{joint.parent}_{body_id}")
    SubElement(element, "child", link=f"{joint.child}_{body_id}")
    SubElement(element, "origin", xyz=_numbers(joint.origin), rpy="0 0 0")
    if joint.axis is not None:
        lower, upper = joint.limits
        SubElement(element, "axis", xyz=_numbers(joint.axis))
        SubElement(element, "limit", lower=f"{lower:.4f}", upper=f"{upper:.4f}", effort="100", velocity="20")


def _numbers(values: tuple[float, float, float]) -> str:
    return " ".join(f"{value:.4f}" for value in values)
