"""Diagnostics through diagnostic_updater, which publishes them on /diagnostics."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from diagnostic_updater import DiagnosticStatusWrapper, Updater

from taihri_ros.node.diagnostics import Report, Task


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
        status.summary(bytes([found.level]), found.message)
        for key, value in found.values.items():
            status.add(key, value)
        return status

    return run
