"""Diagnostics through diagnostic_updater, which publishes them on /diagnostics."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from diagnostic_updater import DiagnosticStatusWrapper, Updater
from rclpy.lifecycle import LifecycleNode

from taihri_ros.node.diagnostics import Report, Task
from taihri_ros.node.messages import encodable
from taihri_ros.node.node_names import hardware_id, status_prefix
from taihri_ros.node.parameters import Parameters
from taihri_ros.node.ros_host.timers import steady_timer


@contextmanager
def steady_updater(node: LifecycleNode, parameters: Parameters) -> Iterator[Updater]:
    """Publish diagnostics inside a `with` block, also while simulated time stands still.

    Args:
        node: The node.
        parameters: The period is used, and the model in the hardware id.

    Returns:
        The updater, without tasks.
    """
    full_name = node.get_fully_qualified_name()
    updater = Updater(node, parameters.diagnostics_period_s)
    updater.node_name = status_prefix(full_name)
    updater.setHardwareID(encodable(hardware_id(full_name, parameters.engine_model)))
    node.destroy_timer(updater.timer)  # it follows the node's clock
    with steady_timer(node, updater.period, updater.update):
        yield updater


@contextmanager
def published_tasks(updater: Updater, tasks: Iterable[Task]) -> Iterator[None]:
    """Publish the reports of tasks inside a `with` block.

    Args:
        updater: The node's updater.
        tasks: The tasks; removed from the updater at the end of the block.
    """
    names = []
    for task in tasks:
        updater.add(task.name, _runner(task.report))
        names.append(task.name)
    try:
        yield
    finally:
        for name in names:
            updater.removeByName(name)


def _runner(report: Callable[[], Report]) -> Callable[[DiagnosticStatusWrapper], DiagnosticStatusWrapper]:
    def run(status: DiagnosticStatusWrapper) -> DiagnosticStatusWrapper:
        found = report()
        status.summary(bytes([found.level]), encodable(found.message))
        for key, value in found.values.items():
            status.add(key, encodable(value))
        return status

    return run
