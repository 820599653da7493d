"""What goes to /diagnostics: rates, ages, stage times, drops by reason, and how the engine is."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import TypeAlias

from taihri_ros.counters import Drop, Snapshot
from taihri_ros.engine.interface import Engine
from taihri_ros.engine.process import EngineHealth, EngineProcess, EngineState
from taihri_ros.perception import Perception

OK, WARN, ERROR = 0, 1, 2

Status: TypeAlias = "tuple[str, int, str, dict[str, str]]"
"""Name, level, message and values of one diagnostic_msgs/DiagnosticStatus."""

_HARMLESS = {Drop.NO_COMMAND, Drop.NEWER_FRAME, Drop.COMMAND_CHANGED, Drop.STOPPED}

_ENGINE_LEVELS = {
    EngineState.READY: OK,
    EngineState.BUSY: OK,
    EngineState.STARTING: WARN,
    EngineState.RESTARTING: ERROR,
    EngineState.FAILED: ERROR,
    EngineState.STOPPED: ERROR,
}


class Diagnostics:
    """Makes the statuses of one node; each call covers the time since the call before."""

    def __init__(self, perception: Perception, engine: Engine, node: str) -> None:
        """Create diagnostics.

        Args:
            perception: The loop to report on.
            engine: Its engine.
            node: Node name, which stands before each status' name.
        """
        self._perception = perception
        self._health: Callable[[], EngineHealth] | None = None
        if isinstance(engine, EngineProcess):
            self._health = lambda: engine.health
        self._node = node
        self._before = perception.counters.snapshot()
        self._when = monotonic()

    def statuses(self, image_publishers: int) -> list[Status]:
        """Report on the time since the last report.

        Args:
            image_publishers: How many publishers the image topic has.

        Returns:
            The statuses of input, perception and, where the engine is a process of ours, engine.
        """
        now, snapshot = monotonic(), self._perception.counters.snapshot()
        elapsed, before = max(now - self._when, 1e-3), self._before
        self._before, self._when = snapshot, now
        statuses = [
            self._input(snapshot, before, elapsed, image_publishers),
            self._perceiving(snapshot, before, elapsed),
        ]
        if self._health is not None:
            statuses.append(self._engine(self._health()))
        return statuses

    def _input(self, snapshot: Snapshot, before: Snapshot, elapsed: float, publishers: int) -> Status:
        frames = snapshot.frames_in - before.frames_in
        level, message = OK, f"{frames / elapsed:.1f} images/s"
        if publishers == 0:
            level, message = WARN, "no publisher on the image topic"
        elif frames == 0:
            level, message = WARN, "no image arrives"
        values = {"image publishers": str(publishers), "rate_hz": f"{frames / elapsed:.2f}"}
        return f"{self._node}: input", level, message, values

    def _perceiving(self, snapshot: Snapshot, before: Snapshot, elapsed: float) -> Status:
        command = self._perception.command
        published = snapshot.published - before.published
        troubles = {
            reason: count - before.dropped.get(reason, 0)
            for reason, count in snapshot.dropped.items()
            if Drop(reason) not in _HARMLESS and count > before.dropped.get(reason, 0)
        }
        level, message = OK, f"{published / elapsed:.1f} answers/s"
        if troubles:
            level = WARN
            message = "frames dropped: " + ", ".join(f"{reason} {count}" for reason, count in troubles.items())
        elif command is None:
            message = "waiting for a command"
        values = {
            "command": command.text if command else "",
            "rate_hz": f"{published / elapsed:.2f}",
            "frames_in": str(snapshot.frames_in),
            "published": str(snapshot.published),
            "pending": str(snapshot.pending),
        }
        if snapshot.success_age_s is not None:
            values["last_answer_age_s"] = f"{snapshot.success_age_s:.2f}"
        values |= {f"dropped.{reason}": str(count) for reason, count in snapshot.dropped.items()}
        for stage, (median, p95) in snapshot.stages_ms.items():
            values |= {f"{stage}_ms.p50": f"{median:.2f}", f"{stage}_ms.p95": f"{p95:.2f}"}
        return f"{self._node}: perception", level, message, values

    def _engine(self, health: EngineHealth) -> Status:
        values = {"state": health.state.value, "restarts": str(health.restarts)}
        if health.last_success_age_s is not None:
            values["last_success_age_s"] = f"{health.last_success_age_s:.2f}"
        if health.pid is not None:
            values["pid"] = str(health.pid)
        if health.info is not None:
            info = health.info
            values |= {
                "kind": f"{info.kind} {info.version}",
                "model": info.spec.name,
                "trained": str(info.spec.trained),
                "device": info.device,
                "dtype": info.dtype,
            }
        return f"{self._node}: engine", _ENGINE_LEVELS[health.state], health.message or health.state.value, values
