"""Timers that run whether or not simulated time advances."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode
from rclpy.timer import Timer


@contextmanager
def steady_timer(node: LifecycleNode, period_s: float, callback: Callable[[], None]) -> Iterator[Timer]:
    """Call a function periodically inside a `with` block, by the steady clock.

    Args:
        node: The node, whose executor calls the function.
        period_s: Period in seconds.
        callback: The function.
    """
    timer = node.create_timer(period_s, callback, clock=Clock(clock_type=ClockType.STEADY_TIME))
    try:
        yield timer
    finally:
        node.destroy_timer(timer)
