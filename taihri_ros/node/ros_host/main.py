"""The process of the rclpy host: one executor thread, and an orderly end on one or more Ctrl-C."""

from __future__ import annotations

import signal
import sys
from threading import Event

_ENDING = (signal.SIGINT, signal.SIGTERM)

_TICK_S = 0.1
"""How soon a signal is seen: Python handles signals between the executor's waits."""


def main() -> None:
    """Run the node until SIGINT or SIGTERM; a wrong parameter is one line on stderr and exit code 1."""
    stop = Event()
    for number in _ENDING:
        signal.signal(number, lambda *_: stop.set())
    status = _run(stop)
    for number in _ENDING:  # a further Ctrl-C must not hit an interpreter that has given up its handlers
        signal.signal(number, signal.SIG_IGN)
    sys.exit(status)


def _run(stop: Event) -> int:
    # Imported here, so that Ctrl-C during these slow imports is an orderly end too.
    import rclpy
    import rclpy.logging
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.signals import SignalHandlerOptions

    from taihri_ros.errors import TaihriError
    from taihri_ros.node.ros_host.lifecycle_node import NODE_NAME, TaihriNode

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
