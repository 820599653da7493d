"""An engine process as the node's subprocess, with its private directory, its pipes and its last output."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from taihri_ros.inference.engine import EngineError, EngineUnavailableError
from taihri_ros.inference.environment import find_interpreter, without_python_variables
from taihri_ros.inference.process.engine_output import EngineOutput
from taihri_ros.inference.process.exit_status import EXIT_PERMANENT, install_hint
from taihri_ros.inference.process.private_directory import SOCKET, make_private_directory
from taihri_ros.resources import expand_home

_ENTRY = "taihri_ros.inference.process.entry"
_REPORTED_LINES = 5
_KILL_S = 1.0
_PASSING = (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE)
"""Errors at the start of a process for which a later start may succeed: the machine is out of memory, processes or file
descriptors."""


@dataclass(frozen=True, kw_only=True)
class EngineCommand:
    """Command that starts an engine process.

    Attributes:
        python: Interpreter of the engine's environment, a path or a name on PATH.
        kind: `vllm`, `transformers` or `mediapipe`.
        model: Directory of the checkpoint.
        options: Options of the engine, of the types of JSON.
        environment: Environment variables in addition to those of this process.
    """

    python: str
    kind: str
    model: str
    options: Mapping[str, object] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)


class EngineSubprocess:
    """An engine process; leaving the `with` block ends it and removes its directory.

    The process leads its own process group, so Ctrl-C in a terminal does not reach it before the supervisor ends it. It
    runs this copy of the package: a link to the package in the private directory is the only import path that is added
    to the engine's interpreter. Node and engine therefore run the same version, and the engine imports no other module
    of the node.
    """

    def __init__(self, command: EngineCommand, mode: str = "--guard") -> None:
        """Start the process.

        Args:
            command: The command that starts it.
            mode: `--guard` to serve the engine until this process ends, or `--check`; see `check`.

        Raises:
            EngineUnavailableError: The machine cannot start a process now.
            EngineError: The interpreter cannot be executed, or there is no place for the socket.
        """
        self._python = find_interpreter(command.python, command.kind)
        arguments = _arguments(command)
        self._directory = make_private_directory()
        directory = Path(self._directory.name)
        self.socket = directory / SOCKET
        self._output = EngineOutput()
        environment = {
            **without_python_variables(os.environ),
            **command.environment,
            "PYTHONPATH": str(directory),
            "PYTHONWARNINGS": "ignore::FutureWarning",  # meant for those who call a framework, not for users
        }
        try:
            self._process = subprocess.Popen(
                [self._python, "-u", "-m", _ENTRY, *arguments, f"--socket={self.socket}", mode],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=directory,
                env=environment,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            self._directory.cleanup()
            reason = getattr(error, "strerror", None) or str(error)
            if getattr(error, "errno", None) in _PASSING:
                raise EngineUnavailableError(f"the engine process cannot be started now: {reason}") from error
            raise EngineError(
                f"the engine's Python interpreter {self._python} cannot be executed ({reason}); "
                f"{install_hint(command.kind)}"
            ) from error
        self._log_thread = threading.Thread(target=self._read_output, name="engine log", daemon=True)
        try:
            self._log_thread.start()
        except RuntimeError as error:
            self.end(0.0)
            raise EngineUnavailableError(f"the engine process cannot be watched now: {error}") from error

    @classmethod
    def check(cls, command: EngineCommand, timeout_s: float) -> None:
        """Check that the process can start: its place, interpreter, framework and checkpoint, without loading it.

        Args:
            command: The command that starts it.
            timeout_s: Longest time for the check, in s.

        Raises:
            EngineUnavailableError: The check failed for a reason that may pass, or was not complete in time.
            EngineError: The process cannot start; the message contains the solution.
        """
        with cls(command, "--check") as process:
            process.wait(timeout_s)
            if process._process.poll() == 0:
                process._log_thread.join(timeout=1.0)
                if process._output.has_begun:
                    return
            process.check_alive()
            raise EngineUnavailableError(f"the check of the engine was not complete within {timeout_s:.0f} s")

    @property
    def pid(self) -> int:
        """Id of the process and of its process group."""
        return self._process.pid

    def wait(self, timeout_s: float) -> None:
        """Wait until the process has ended, at most `timeout_s` seconds."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout_s)

    def last_output(self) -> str:
        """Return the last lines of the output of the process, joined to one line."""
        lines = self._output.last(_REPORTED_LINES)
        return " | ".join(lines) if lines else "(none)"

    def check_alive(self) -> None:
        """Check that the process has not ended.

        Raises:
            EngineUnavailableError: It has ended; a restart may help.
            EngineError: It has ended, and a restart would end in the same way.
        """
        status = self._process.poll()
        if status is None:
            return
        self._log_thread.join(timeout=1.0)
        if status == EXIT_PERMANENT and self._output.fault:
            raise EngineError(self._output.fault)
        how = f"was killed by {_signal_name(-status)}" if status < 0 else f"ended with exit status {status}"
        end = f"the engine process {how}; its last output: {self.last_output()}"
        if status >= 0 and not self._output.has_begun and (self._output.last(1) or not status):
            raise EngineError(f"{self._python} does not run the engine, is it the Python of its environment? {end}")
        raise EngineError(end) if status == EXIT_PERMANENT else EngineUnavailableError(end)

    def end(self, timeout_s: float = 1.0) -> None:
        """End the process and every process that it has started, and remove its directory.

        Args:
            timeout_s: Time in s after which a process that has not ended is killed; 0 kills it at once.
        """
        if self._process.poll() is None and timeout_s > 0:
            self._process.terminate()
            self.wait(timeout_s)
        with contextlib.suppress(ProcessLookupError):  # its own subprocesses may outlive it
            os.killpg(self.pid, signal.SIGKILL)
        self.wait(_KILL_S)  # a process that waits for a driver cannot be killed before the driver returns
        assert self._process.stdin is not None
        self._process.stdin.close()
        if self._log_thread.ident is not None:
            self._log_thread.join(timeout=1.0)
        self._directory.cleanup()

    def __enter__(self) -> EngineSubprocess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def _read_output(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as output:
            self._output.read(output)


def _signal_name(number: int) -> str:
    return next((one.name for one in signal.Signals if one == number), f"signal {number}")


def _arguments(command: EngineCommand) -> list[str]:
    model = expand_home(command.model)
    named = [f"--kind={command.kind}", f"--model={model.absolute() if os.path.lexists(model) else command.model}"]
    return named + [f"--option={key}={json.dumps(value)}" for key, value in command.options.items()]
