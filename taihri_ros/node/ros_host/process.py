"""What the processes of nodes on rclpy have in common: arguments, start, the executor, and an orderly end."""

from __future__ import annotations

import argparse
import logging
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import rclpy
import rclpy.logging
from rclpy.exceptions import NameValidationException, ParameterException
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import remove_ros_args

from taihri_ros.errors import TaihriError
from taihri_ros.inference.printable import printable
from taihri_ros.node.limited_log import LimitedLog
from taihri_ros.node.ros_host.launcher import launch_ended
from taihri_ros.node.ros_host.rcl_errors import rcl_reason
from taihri_ros.node.unread_log import refuse_when_full

logger = logging.getLogger(__name__)

_CONSOLE = (1, 2)
"""Where rcl writes its log, beside its file and /rosout: standard error, or standard output if it is told so. The node
must go on while nobody reads that, as behind a paused `less`."""

_TICK_S = 0.1
"""Longest time in seconds until a signal is handled: Python handles signals between the executor's waits."""


class StartError(TaihriError):
    """An argument or a variable of the environment is not valid, so that the node cannot start."""


def run(name: str, stop: Event, opened: Callable[[], AbstractContextManager[Any]]) -> int:
    """Run a node until it is asked to stop, its launch ends or its context is shut down.

    Args:
        name: Usual name of the node, for what is logged before it is there.
        stop: Is set when the node shall end.
        opened: Creates the node, as a context manager that destroys it.

    Returns:
        The exit code. It is 1 after an error, which is one line of the log, and after the end of the context.
    """
    for stream in _CONSOLE:
        refuse_when_full(stream)
    try:
        with _ros(), ExitStack() as stack:
            ended = launch_ended(_read_arguments().launched_by)
            if stop.is_set() or ended():
                return 0
            with _refused():
                node = stack.enter_context(opened())
            return spin(node, lambda: stop.is_set() or ended())
    except TaihriError as error:
        rclpy.logging.get_logger(name).fatal(printable(str(error)))
        return 1


def spin(node: Any, stops: Callable[[], bool]) -> int:
    """Run the callbacks of a node, one at a time. One that fails is logged, and the node runs on.

    Args:
        node: The node.
        stops: Returns whether to stop; it is called at least every 0.1 s.

    Returns:
        The exit code: 1 if the node cannot go on, because its context was shut down by something else.
    """
    executor, log = SingleThreadedExecutor(context=node.context), LimitedLog(logger)
    executor.add_node(node)
    try:
        while not stops():
            if not node.context.ok():
                logger.error("the ROS context of this process was shut down, so the node ends")
                return 1
            try:
                executor.spin_once(timeout_sec=_TICK_S)
            except Exception as error:
                report = "".join(traceback.format_exception(error))
                log.write(logging.ERROR, "callback", f"internal error in a callback; the node runs on\n{report}")
                time.sleep(_TICK_S / 10)  # one that fails for ever leaves time for the others
    finally:
        executor.remove_node(node)
        executor.shutdown()
    return 0


@contextmanager
def _ros() -> Iterator[None]:
    """Initialise rclpy inside a `with` block, without its handlers of signals."""
    try:
        with _refused():
            rclpy.init(args=sys.argv, signal_handler_options=SignalHandlerOptions.NO)
        yield
    finally:
        rclpy.try_shutdown()


@contextmanager
def _refused() -> Iterator[None]:
    """Raise `StartError` where rclpy refuses an argument or a variable of the environment."""
    try:
        yield
    # RuntimeError is the base of those that rclpy does not export; a text that is not UTF-8 is a UnicodeError.
    except (RuntimeError, NameValidationException, ParameterException, UnicodeError) as error:
        reason = "an argument is not UTF-8" if isinstance(error, UnicodeError) else rcl_reason(error)
        raise StartError(
            f"ROS does not start this node: {reason}; check what is after --ros-args, and ROS_DOMAIN_ID, "
            "RMW_IMPLEMENTATION and CYCLONEDDS_URI in the environment"
        ) from error


def _read_arguments() -> argparse.Namespace:
    """Read the arguments that are not ROS's own.

    Raises:
        StartError: There is an unknown one: parameters without --ros-args would silently not be set.
    """
    path, *arguments = remove_ros_args(sys.argv)
    program = f"ros2 run taihri_ros {Path(path).name}"
    example = f"{program} --ros-args -p NAME:=VALUE -r OLD:=NEW --params-file FILE"
    parser = argparse.ArgumentParser(prog=program, epilog=f"Parameters and topics: {example}")
    parser.add_argument("--launched-by", type=int, metavar="PID", help="end when this process, the launch, has ended")
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        raise StartError(f"unknown argument {unknown[0]!r}: parameters and topics are set with {example}")
    return options
