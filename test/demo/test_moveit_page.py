"""The functions of docs/moveit.md, on messages with the fields of MoveIt 2 in Humble and Jazzy."""

from __future__ import annotations

import re
import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from reaching import NOW, body_joints, keypoints, person, planner, planning
from required import ROOT


def message(name: str, constants: dict[str, Any] | None = None, **fields: Any) -> Any:
    """Return a message type that has these fields only, as those of rclpy; the default of one is a type or a value."""

    def set_up(self: Any, **given: Any) -> None:
        for field, kind in fields.items():
            object.__setattr__(self, field, given.pop(field, None) or (kind() if isinstance(kind, type) else kind))
        assert not given, f"{name} has no field {given}"

    def set_field(self: Any, field: str, value: Any) -> None:
        assert field in fields, f"{name} has no field {field}"
        object.__setattr__(self, field, value)

    return type(name, (), {"__init__": set_up, "__setattr__": set_field, **(constants or {})})


POINT = message("Point", x=0.0, y=0.0, z=0.0)
POSE = message("Pose", position=POINT, orientation=message("Quaternion", x=0.0, y=0.0, z=0.0, w=1.0))
HEADER = message("Header", stamp=None, frame_id="")
SOLID = message("SolidPrimitive", {"BOX": 1, "SPHERE": 2, "CYLINDER": 3}, type=0, dimensions=list)
OBJECT = message(
    "CollisionObject",
    {"ADD": b"\x00", "REMOVE": b"\x01"},
    header=HEADER,
    pose=POSE,
    id="",
    primitives=list,
    primitive_poses=list,
    operation=b"\x00",
)
WORLD = message("PlanningSceneWorld", collision_objects=list)
TWIST = message("Twist", linear=POINT, angular=POINT)
MODULES = {
    "geometry_msgs.msg": {"Pose": POSE, "TwistStamped": message("TwistStamped", header=HEADER, twist=TWIST)},
    "moveit_msgs.msg": {
        "CollisionObject": OBJECT,
        "PlanningScene": message("PlanningScene", is_diff=False, world=WORLD),
    },
    "shape_msgs.msg": {"SolidPrimitive": SOLID},
}


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The names that the program of the page defines."""
    for name, types in MODULES.items():
        module = ModuleType(name)
        vars(module).update(types)
        monkeypatch.setitem(sys.modules, name.partition(".")[0], ModuleType(name))
        monkeypatch.setitem(sys.modules, name, module)
    (program,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "moveit.md").read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(program, "docs/moveit.md", "exec"), names)
    return names


def told() -> planning.Planner:
    made = planner("shake my hand")
    made.on_person(keypoints(person(), "right_elbow", "right_wrist"))
    made.on_body(body_joints(person()))
    return made


def test_every_limb_but_the_touched_ones_is_a_cylinder_around_it(page: dict[str, Any]) -> None:
    limbs = told().limbs(NOW)
    made = page["scene"](limbs, ("right_elbow",), "base_link", "now")
    (found,) = made.world.collision_objects
    kept = [limb for limb in limbs if limb.first != "right_elbow"]
    assert made.is_diff
    assert (found.id, found.operation, found.header.frame_id) == ("person", OBJECT.ADD, "base_link")
    assert len(found.primitives) == len(found.primitive_poses) == len(kept) == len(limbs) - 1
    for limb, solid, pose in zip(kept, found.primitives, found.primitive_poses, strict=True):
        height, radius = solid.dimensions
        assert radius == pytest.approx(limb.radius + 0.13)
        turn, at = pose.orientation, pose.position
        axis = np.array([2 * (turn.x * turn.z + turn.w * turn.y), 2 * (turn.y * turn.z - turn.w * turn.x)])
        axis = np.array([*axis, 1 - 2 * (turn.x**2 + turn.y**2)])
        for end, sign in ((limb.start, -1), (limb.end, 1)):
            cap = np.array([at.x, at.y, at.z]) + sign * (height / 2 - radius) * axis
            assert np.allclose(cap, end)


def test_where_no_limb_is_left_the_person_is_removed(page: dict[str, Any]) -> None:
    for limbs in ([], told().limbs(NOW)):
        made = page["scene"](limbs, {limb.first for limb in limbs}, "base_link", "now")
        assert made.world.collision_objects[0].operation == OBJECT.REMOVE


def test_the_twist_goes_to_the_waypoint_at_the_speed_of_the_distance_and_is_zero_for_a_stop(
    page: dict[str, Any],
) -> None:
    goal, tip = told().decide(NOW), np.array([0.2, 0.45, 0.5])
    assert isinstance(goal, planning.Goal)
    moving = page["twist"](goal, tip, np.array([0.0, 0.0, 1.0]), 0.1, "base_link", "now").twist
    linear = np.array([moving.linear.x, moving.linear.y, moving.linear.z])
    gap = planning.waypoint(goal, tip) - tip
    assert np.allclose(linear, 0.35 * gap / np.linalg.norm(gap))
    assert 0.0 < np.linalg.norm([moving.angular.x, moving.angular.y, moving.angular.z]) <= 0.9
    standing = page["twist"](planning.Stop("stop"), tip, tip, 0.1, "base_link", "now")
    assert standing.header.frame_id == "base_link"
    parts = (standing.twist.linear, standing.twist.angular)
    assert [value for part in parts for value in (part.x, part.y, part.z)] == [0.0] * 6


def test_the_messages_of_this_test_refuse_other_fields() -> None:
    with pytest.raises(AssertionError, match="Point has no field w"):
        POINT().w = 1.0
    with pytest.raises(AssertionError, match="CollisionObject has no field"):
        OBJECT(name="person")
