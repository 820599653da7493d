"""One start of an engine process, with all that belongs to it: its private directory, its pipes, and its last words."""

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
from taihri_ros.inference.environment import without_python
from taihri_ros.inference.process.protocol import EXIT_PERMANENT

INSTALL_HINT = "run: ros2 run taihri_ros install_engine (or: taihri engine install)"

_logger = logging.getLogger(__name__)

_KEPT_LINES = 200
_TOLD_LINES = 5


@dataclass(frozen=True, kw_only=True)
class EngineCommand:
    """What to start.

    Attributes:
        python: The engine environment's interpreter, a path or a name on PATH.
        kind: `vllm` or `transformers`.
        model: The checkpoint.
        options: Settings of the engine, of JSON's types.
        environment: Environment variables beside the ones of this process.
    """

    python: str
    kind: str
    model: str
    options: Mapping[str, object] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)


class EngineSubprocess:
    """An engine process; ends it and removes its directory on leaving the `with` statement.

    The process leads a group of its own, so that Ctrl-C in a terminal does not reach it before its supervisor has said
    so. It runs this very copy of the package: a link to it in the private directory is the only import path that the
    engine's own interpreter is given. So node and engine never differ, and nothing of the node's modules leaks over.
    """

    def __init__(self, command: EngineCommand) -> None:
        """Start the process.

        Args:
            command: What to start.

        Raises:
            EngineError: The interpreter is missing.
        """
        python = shutil.which(str(Path(command.python).expanduser()))
        if python is None:
            raise EngineError(f"the engine's Python {command.python} is missing; {INSTALL_HINT}")
        self._directory = tempfile.TemporaryDirectory(prefix="taihri-engine-", ignore_cleanup_errors=True)
        place = Path(self._directory.name)
        (place / "taihri_ros").symlink_to(Path(taihri_ros.__file__).resolve().parent)
        self.socket = place / "engine.sock"
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
            cwd=place,
            env={**without_python(os.environ), **command.environment, "PYTHONPATH": str(place)},
            start_new_session=True,
        )
        self._listener = threading.Thread(target=self._listen, name="engine log", daemon=True)
        self._listener.start()

    @property
    def pid(self) -> int:
        """Process id, which is the process group's too."""
        return self._process.pid

    def wait(self, timeout_s: float) -> None:
        """Wait a little for the process to end."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout_s)

    def last_words(self) -> str:
        """Give the last lines of what the process has printed, as one line."""
        lines = list(self._lines)[-_TOLD_LINES:]
        return " | ".join(lines) if lines else "it printed nothing"

    def check_alive(self) -> None:
        """Make sure that the process has not ended.

        Raises:
            EngineUnavailableError: It has; another start may help.
            EngineError: It has, and another start would end in the same way.
        """
        status = self._process.poll()
        if status is None:
            return
        self._listener.join(timeout=1.0)
        how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with exit status {status}"
        end = f"the engine process {how}; its last words: {self.last_words()}"
        if status == EXIT_PERMANENT:
            raise EngineError(end)
        if "ModuleNotFoundError" in end:
            raise EngineError(f"the engine's Python lacks a module, {INSTALL_HINT}; {end}")
        raise EngineUnavailableError(end)

    def end(self, patience_s: float = 1.0) -> None:
        """End the process and all that it has started, and remove its directory.

        Args:
            patience_s: How long it may take to end by itself before it is killed; 0 kills it at once.
        """
        if self._process.poll() is None and patience_s > 0:
            self._process.terminate()
            self.wait(patience_s)
        with contextlib.suppress(ProcessLookupError):  # what the process has started may outlive it
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._listener.join(timeout=1.0)
        self._directory.cleanup()

    def __enter__(self) -> EngineSubprocess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def _listen(self) -> None:
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
