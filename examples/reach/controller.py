"""Moves an arm by the planner's decisions, and says what it does and why."""

import math

import numpy as np
from planning import Planner, Stop, speed, waypoint

from taihri_ros.demo.simulated_arm import SimulatedArm  # yours: with withdraw, move, tip and distance

PERIOD = 0.02  # s between two steps
TOLERANCE, HOME, PATIENCE = 0.02, 0.1, 4.0  # m from a goal that count as reached; rad from home; s without progress
KEPT = 0.1  # m from the body at which the arm stands still; its motions keep 0.03 m more


class Controller:
    """Moves the arm. Call `step` every period."""

    def __init__(self, planner: Planner, arm: SimulatedArm) -> None:
        self._planner, self._arm, self._last, self._stuck = planner, arm, -np.inf, None
        self._text, self._name, self._is_home, self._best, self._since = "", "", False, np.inf, -np.inf

    def step(self, now: float) -> str:
        """Move the arm until now, s, and return what it does and why."""
        seconds, self._last = float(np.clip(now - self._last, 0.1 * PERIOD, 2.0 * PERIOD)), now
        decision, limbs = self._planner.decide(now), self._planner.limbs(now)
        if self._planner.text != self._text:
            self._text, self._name, self._is_home = self._planner.text, "", False
        if isinstance(decision, Stop):
            self._name = ""
            return f"stopped: {decision.reason}"
        if decision.name != self._name or (self._stuck and math.dist(decision.position, self._stuck.position) > 0.1):
            self._name, self._best, self._stuck = decision.name, np.inf, None
        if self._stuck:
            return f"stopped: unreachable: the arm came no nearer than {self._best:.2f} m to {decision.name}"
        limit = speed(self._arm.distance(limbs))
        if not self._is_home:
            left = self._arm.withdraw(limbs, limit, seconds)
            if left < HOME or self._stands(left, HOME, now):
                self._is_home, self._best = True, np.inf
            return f"withdraws: {decision.name}"
        near = self._arm.distance([limb for limb in limbs if limb.first not in decision.touched])
        if near < KEPT:
            self._best = np.inf
            return f"stopped: too near: {max(near, 0.0):.2f} m from the person, who may step back"
        self._arm.move(waypoint(decision, self._arm.tip), decision.approach, limbs, decision.touched, limit, seconds)
        left = math.dist(decision.position, self._arm.tip)
        if self._stands(left, TOLERANCE, now):
            self._stuck = decision
        return f"{'reached' if left < TOLERANCE else 'reaches'}: {decision.name}"

    def _stands(self, left: float, enough: float, now: float) -> bool:
        if left < max(self._best - 0.005, enough):
            self._best, self._since = left, now
        return now - self._since > PATIENCE
