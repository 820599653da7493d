"""An engine process as the node's subprocess, with its private directory, its pipes and its last output."""

from __future__ import annotations

import collections
import contextlib
import json
import logging
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import taihri_ros
from taihri_ros.inference.engine import EngineError, EngineUnavailableError
from taihri_ros.inference.environment import without_python_variables
from taihri_ros.inference.process.protocol import EXIT_PERMANENT

INSTALL_HINT = "run: ros2 run taihri_ros install_engine (or: taihri engine install)"

_logger = logging.getLogger(__name__)

_KEPT_LINES = 200
_REPORTED_LINES = 5


@dataclass(frozen=True, kw_only=True)
class EngineCommand:
    """Command that starts an engine process.

    Attributes:
        python: Interpreter of the engine's environment, a path or a name on PATH.
        kind: `vllm` or `transformers`.
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

    def __init__(self, command: EngineCommand) -> None:
        """Start the process.

        Args:
            command: The command that starts it.

        Raises:
            EngineError: The interpreter is missing.
        """
        python = shutil.which(str(Path(command.python).expanduser()))
        if python is None:
            raise EngineError(f"the engine's Python interpreter {command.python} is missing; {INSTALL_HINT}")
        self._directory = tempfile.TemporaryDirectory(prefix="taihri-engine-", ignore_cleanup_errors=True)
        directory = Path(self._directory.name)
        (directory / "taihri_ros").symlink_to(Path(taihri_ros.__file__).resolve().parent)
        self.socket = directory / "engine.sock"
        self._lines: collections.deque[str] = collections.deque(maxlen=_KEPT_LINES)
        self._process = subprocess.Popen(
            [
                str(Path(python).absolute()),
                "-u",
                "-m",
                "taihri_ros.inference.process.server",
                *_arguments(command),
                f"--socket={self.socket}",
                "--guard",
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=directory,
            env={**without_python_variables(os.environ), **command.environment, "PYTHONPATH": str(directory)},
            start_new_session=True,
        )
        self._log_thread = threading.Thread(target=self._read_output, name="engine log", daemon=True)
        self._log_thread.start()

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
        lines = list(self._lines)[-_REPORTED_LINES:]
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
        how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with exit status {status}"
        end = f"the engine process {how}; its last output: {self.last_output()}"
        if status == EXIT_PERMANENT:
            raise EngineError(end)
        if "ModuleNotFoundError" in end:
            raise EngineError(f"the engine's Python interpreter lacks a module; {INSTALL_HINT}; {end}")
        raise EngineUnavailableError(end)

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
        self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()
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
            for line in output:
                text = line.decode("utf-8", "replace").rstrip()
                if text:
                    self._lines.append(text)
                    _logger.info("%s", text)


def _arguments(command: EngineCommand) -> list[str]:
    model = Path(command.model).expanduser()
    named = [f"--kind={command.kind}", f"--model={model.resolve() if model.exists() else command.model}"]
    return named + [f"--option={key}={json.dumps(value)}" for key, value in command.options.items()]
