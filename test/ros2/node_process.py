"""The node as `ros2 run` starts it, in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ament_index_python.packages import get_package_prefix
from domains import new_domain
from robot import Robot


def node_command(parameters: dict[str, object]) -> list[str]:
    """Return the command line of the node with parameters."""
    command = [f"{get_package_prefix('taihri_ros')}/lib/taihri_ros/taihri_node", "--ros-args"]
    for name, value in parameters.items():
        command += ["-p", f"{name}:={value}"]
    return command


class Process:
    """A process of the node."""

    def __init__(self, domain: int, parameters: dict[str, object]) -> None:
        self._process = subprocess.Popen(
            node_command(parameters),
            env=os.environ | {"ROS_DOMAIN_ID": str(domain)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def end(self, *signals: signal.Signals) -> tuple[int, str, float]:
        """Send signals and return the exit status, the output, and the seconds until the exit."""
        begin = time.monotonic()
        for number in signals:
            self._process.send_signal(number)
            time.sleep(0.2)
        output, _ = self._process.communicate(timeout=30)
        return self._process.returncode, output, time.monotonic() - begin

    def handles_signals(self) -> bool:
        """Return whether the main program has begun; before, the interpreter itself is being started."""
        lines = Path(f"/proc/{self._process.pid}/status").read_text(encoding="ascii").splitlines()
        (caught,) = (line.split()[1] for line in lines if line.startswith("SigCgt"))
        return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)

    def kill(self) -> None:
        """End the process at once, if it still runs."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


@contextmanager
def node(parameters: dict[str, object]) -> Iterator[tuple[Process, Robot]]:
    """Return a process of the node, and a robot in its domain."""
    domain = new_domain()
    process = Process(domain, parameters)
    try:
        with Robot(domain) as robot:
            yield process, robot
    finally:
        process.kill()
