"""Main program of the rclpy host."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any

from taihri_ros.node.stop_event import ignore_signals, set_by_signals


def main() -> None:
    """Run the node until SIGINT, SIGTERM or SIGHUP. An invalid parameter prints one line and exits with code 1."""
    stop = set_by_signals(Event())
    status = _run(stop)
    ignore_signals()
    sys.exit(status)


def _run(stop: Event) -> int:
    # Imported here, so that Ctrl-C during these slow imports is handled too.
    from taihri_ros.node.ros_host import process
    from taihri_ros.node.topics import NODE_NAME

    return process.run(NODE_NAME, stop, _opened_node)


@contextmanager
def _opened_node() -> Iterator[Any]:
    from taihri_ros.node.ros_host.lifecycle_node import TaihriNode

    node = TaihriNode()
    try:
        yield node
    finally:
        node.destroy_node()
