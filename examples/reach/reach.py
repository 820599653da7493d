"""A ROS 2 node that moves an arm to the person as the command says. It hears the topics of /taihri and nothing else.

`python reach.py [SECONDS]`: an image older than SECONDS (0.5) is stale. Publishes /joint_states and /reach/status.
"""

import signal
import sys
import threading
import time

import numpy as np
from planning import Goal, Planner, Stop, speed, waypoint
from ros import Node

from taihri_ros.demo.simulated_arm import SimulatedArm  # yours: with withdraw, move, tip, distance and angles

PERIOD, TOLERANCE, PATIENCE = 0.02, 0.02, 4.0  # s; m from the goal that count as reached; s without getting nearer
KEPT = 0.1  # m from the body at which the arm stands still; its motions keep 0.03 m more


class Controller:
    """Moves the arm by the planner's decisions."""

    def __init__(self, planner: Planner, arm: SimulatedArm) -> None:
        self._planner, self._arm = planner, arm
        self._text, self._name, self._is_home, self._best, self._since = "", "", False, np.inf, 0.0
        self._stuck: Goal | None = None

    def step(self, now: float, seconds: float) -> str:
        """Move the arm for some seconds, and return what it does and why."""
        decision, limbs = self._planner.decide(now), self._planner.limbs(now)
        if self._planner.text != self._text:
            self._text, self._is_home, self._stuck = self._planner.text, False, None
        if isinstance(decision, Stop):
            self._best = np.inf
            return f"stopped: {decision.reason}"
        if decision.name != self._name:
            self._name, self._best = decision.name, np.inf
        if self._stuck and np.linalg.norm(decision.position - self._stuck.position) < 0.1:
            return f"stopped: unreachable: the arm came no nearer than {self._best:.2f} m to {decision.name}"
        self._stuck, limit = None, speed(self._arm.distance(limbs))
        if not self._is_home:
            self._is_home, self._best = self._arm.withdraw(limbs, limit, seconds), np.inf
            return f"withdraws: {decision.name}"
        near = self._arm.distance([limb for limb in limbs if limb.first not in decision.touched])
        if near < KEPT:
            return f"stopped: too near: {near:.2f} m from the person, who may step back"
        position = waypoint(decision, self._arm.tip)
        self._arm.move(position, decision.approach, limbs, decision.touched, limit, seconds)
        left = float(np.linalg.norm(decision.position - self._arm.tip))
        if left < max(self._best - 0.005, TOLERANCE):
            self._best, self._since = left, now
        elif now - self._since > PATIENCE:
            self._stuck = decision
        return f"{'reached' if left < TOLERANCE else 'reaches'}: {decision.name}"


def main() -> None:
    """Run until interrupted."""
    arm, node, stop = SimulatedArm(kept_m=KEPT + 0.03), Node("reach"), threading.Event()
    planner = Planner(arm.shoulder, arm.reach, *map(float, sys.argv[1:2]))
    controller = Controller(planner, arm)
    node.subscribe("taihri_ros/msg/ActiveCommand", "/taihri/active_command", planner.on_command, latched=True)
    node.subscribe("taihri_ros/msg/HumanKeypoints", "/taihri/person", planner.on_person)
    node.subscribe("taihri_ros/msg/BodyJoints", "/taihri/body_joints", planner.on_body)
    states = node.publisher("sensor_msgs/msg/JointState", "/joint_states")
    statuses = node.publisher("std_msgs/msg/String", "/reach/status")
    time_type, header_type = node.message("builtin_interfaces/msg/Time"), node.message("std_msgs/msg/Header")
    state_type, string_type = node.message("sensor_msgs/msg/JointState"), node.message("std_msgs/msg/String")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    last = time.time()
    while not stop.wait(PERIOD):
        now = time.time()
        node.deliver()
        status = controller.step(now, min(max(now - last, 0.1 * PERIOD), 2.0 * PERIOD))
        last = now
        header = header_type(stamp=time_type(sec=int(now), nanosec=int(now % 1.0 * 1e9)), frame_id="")
        angles, none = node.floats(arm.angles), node.floats(np.empty(0))
        states.publish(state_type(header=header, name=arm.joints, position=angles, velocity=none, effort=none))
        statuses.publish(string_type(data=status))


if __name__ == "__main__":
    main()
