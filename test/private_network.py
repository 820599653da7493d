"""Two machines for a test: network namespaces, joined by a virtual cable that can be pulled out."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from types import TracebackType

from required import require

LEFT, RIGHT = "left", "right"
_DEVICE = "cable"


class Cable:
    """A cable between two network namespaces. Use it as a context manager; the namespaces end with it.

    Where the user is not root, they are in a user namespace. Where the kernel permits neither, the test is skipped.
    """

    def __init__(self) -> None:
        for tool in ("unshare", "nsenter", "ip"):
            require(shutil.which(tool), tool, "apt-get install util-linux iproute2")
        self._stack = ExitStack()
        self._pids: dict[str, int] = {}
        self._into_user = [] if os.getuid() == 0 else ["--user", "--preserve-credentials"]

    def __enter__(self) -> Cable:
        try:
            self._make()
        except (OSError, subprocess.CalledProcessError) as error:
            self._stack.close()
            reason = " ".join((getattr(error, "stderr", "") or str(error)).split())
            require(False, f"a private network namespace ({reason})", "run this as root, or permit user namespaces")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def at(self, side: str, *command: str) -> list[str]:
        """Return a command line that runs a command on one side."""
        return ["nsenter", "--target", str(self._pids[side]), *self._into_user, "--net", *command]

    def pull(self) -> None:
        """Pull the cable out: the interface goes down."""
        self._run(LEFT, "ip", "link", "set", _DEVICE, "down")

    def plug(self) -> None:
        """Plug the cable in again."""
        self._run(LEFT, "ip", "link", "set", _DEVICE, "up")

    def _make(self) -> None:
        new_user = [] if os.getuid() == 0 else ["--user", "--map-root-user"]
        self._hold(LEFT, ["unshare", *new_user, "--net"])
        inside = self.at(LEFT) if new_user else []
        self._hold(RIGHT, [*inside, "unshare", "--net"])
        peer = ["peer", "name", _DEVICE, "netns", str(self._pids[RIGHT])]
        self._run(LEFT, "ip", "link", "add", _DEVICE, "type", "veth", *peer)
        for number, side in enumerate((LEFT, RIGHT), 1):
            self._run(side, "ip", "address", "add", f"10.77.0.{number}/24", "dev", _DEVICE)
            for device in ("lo", _DEVICE):
                self._run(side, "ip", "link", "set", device, "up")

    def _hold(self, side: str, command: list[str]) -> None:
        """Start the process whose namespaces are those of a side; it ends when its input does."""
        holder = subprocess.Popen(
            [*command, "sh", "-c", "echo; exec cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._stack.enter_context(holder)
        assert holder.stdout is not None
        assert holder.stderr is not None
        if not holder.stdout.readline():
            raise OSError(holder.stderr.read().decode(errors="replace"))
        self._pids[side] = holder.pid

    def _run(self, side: str, *command: str) -> None:
        subprocess.run(self.at(side, *command), check=True, capture_output=True, text=True)


def outages(
    cable: Cable, robot: Peer, pauses_s: Sequence[float], wait_for: Callable[[Callable[[], bool], float], object]
) -> str:
    """Pull the cable out for some seconds each, and wait each time until the robot receives answers again.

    Args:
        cable: The cable.
        robot: Writes a line with "answer" for each one.
        pauses_s: How long the cable is out, seconds.
        wait_for: Waits for a condition, at most so many seconds.

    Returns:
        What was measured.
    """
    slowest_s = 0.0
    for pause_s in pauses_s:
        cable.pull()
        time.sleep(pause_s)
        wanted = robot.count("answer") + 3
        cable.plug()
        began = time.monotonic()
        wait_for(lambda wanted=wanted: robot.count("answer") > wanted, 60)  # type: ignore[misc]
        slowest_s = max(slowest_s, time.monotonic() - began)
    return (
        f"answered again after {slowest_s:.1f} s at most, down for {max(pauses_s):.0f} s at most, {len(pauses_s)} times"
    )


class Peer:
    """A process whose lines are counted. Use it as a context manager, which ends it."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            command, env=os.environ | environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.lines: list[str] = []
        self._listener = threading.Thread(target=self._listen)
        self._listener.start()

    def __enter__(self) -> Peer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.terminate()
        self.process.wait(30)
        self._listener.join()
        if error is not None:
            print("\n".join(self.lines[-40:]))

    def count(self, text: str) -> int:
        """Return how many lines hold a text."""
        return sum(text in line for line in self.lines)

    def _listen(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stream:
            for line in stream:
                self.lines.append(line.rstrip())
