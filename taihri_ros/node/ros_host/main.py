"""Main program of the rclpy host: one executor thread, and an orderly shutdown on one or more Ctrl-C."""

from __future__ import annotations

import signal
import sys
from threading import Event

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)

_TICK_S = 0.1
"""Longest time in seconds until a signal is handled: Python handles signals between the executor's waits."""


def main() -> None:
    """Run the node until SIGINT or SIGTERM. An invalid parameter prints one line on stderr and exits with code 1."""
    stop = Event()
    for number in _STOP_SIGNALS:
        signal.signal(number, lambda *_: stop.set())
    status = _run(stop)
    for number in _STOP_SIGNALS:  # another Ctrl-C must not interrupt Python's own shutdown
        signal.signal(number, signal.SIG_IGN)
    sys.exit(status)


def _run(stop: Event) -> int:
    # Imported here, so that Ctrl-C during these slow imports is handled too.
    import rclpy
    import rclpy.logging
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.signals import SignalHandlerOptions

    from taihri_ros.errors import TaihriError
    from taihri_ros.node.ros_host.lifecycle_node import TaihriNode
    from taihri_ros.node.topics import NODE_NAME

    rclpy.init(args=sys.argv, signal_handler_options=SignalHandlerOptions.NO)
    try:
        node = TaihriNode()
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        try:
            while not stop.is_set():
                executor.spin_once(timeout_sec=_TICK_S)
        finally:
            node.destroy_node()
            executor.shutdown()
    except TaihriError as error:
        rclpy.logging.get_logger(NODE_NAME).fatal(str(error))
        return 1
    finally:
        rclpy.try_shutdown()
    return 0
