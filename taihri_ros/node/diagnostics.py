"""Reports for /diagnostics: rates, ages, stage times, drops by reason, and the health of the engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Protocol

from taihri_ros.inference.engine import Engine
from taihri_ros.inference.engine_health import EngineHealth, EngineState
from taihri_ros.inference.supervised_engine import SupervisedEngine
from taihri_ros.pipeline.counters import Drop, Snapshot
from taihri_ros.pipeline.scheduler import Scheduler

OK, WARN, ERROR = 0, 1, 2

_EXPECTED_DROPS = {Drop.NO_COMMAND, Drop.NEWER_FRAME, Drop.COMMAND_CHANGED, Drop.STOPPED}
"""Drop reasons of normal operation, which are not reported as a warning."""

_ENGINE_LEVELS = {
    EngineState.READY: OK,
    EngineState.BUSY: OK,
    EngineState.STARTING: WARN,
    EngineState.RESTARTING: ERROR,
    EngineState.FAILED: ERROR,
    EngineState.STOPPED: ERROR,
}


@dataclass(frozen=True)
class Report:
    """The content of one diagnostic_msgs/DiagnosticStatus.

    Attributes:
        level: OK, WARN or ERROR.
        message: One line.
        values: Details by name.
    """

    level: int
    message: str
    values: dict[str, str] = field(default_factory=dict)


class Task(Protocol):
    """A source of reports; each report covers the time since the previous one."""

    @property
    def name(self) -> str:
        """Subject of the reports; the status is named `node: name`."""

    def report(self) -> Report:
        """Return the report."""


class _Interval:
    """The change of the counters between two calls."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._before = scheduler.counters.snapshot()
        self._when = monotonic()

    def next(self) -> tuple[Snapshot, Snapshot, float]:
        """Return the current counters, those of the previous call, and the seconds between both."""
        now, snapshot = monotonic(), self._scheduler.counters.snapshot()
        before, elapsed = self._before, max(now - self._when, 1e-3)
        self._before, self._when = snapshot, now
        return snapshot, before, elapsed


class InputTask:
    """A task that reports whether images arrive."""

    name = "input"

    def __init__(self, scheduler: Scheduler, image_publishers: Callable[[], int]) -> None:
        """Create the task.

        Args:
            scheduler: The scheduler that counts the images.
            image_publishers: Returns the number of publishers of the image topic.
        """
        self._interval = _Interval(scheduler)
        self._publishers = image_publishers

    def report(self) -> Report:
        """Return the rate of images; a warning if none arrive."""
        snapshot, before, elapsed = self._interval.next()
        frames, publishers = snapshot.frames_in - before.frames_in, self._publishers()
        level, message = OK, f"{frames / elapsed:.1f} images/s"
        if publishers == 0:
            level, message = WARN, "no publisher on the image topic"
        elif frames == 0:
            level, message = WARN, "no image arrives"
        return Report(level, message, {"image publishers": str(publishers), "rate_hz": f"{frames / elapsed:.2f}"})


class SchedulerTask:
    """A task that reports how many images were answered or dropped, and the stage times."""

    name = "perception"

    def __init__(self, scheduler: Scheduler) -> None:
        """Create the task for a scheduler."""
        self._scheduler = scheduler
        self._interval = _Interval(scheduler)

    def report(self) -> Report:
        """Return the rate of answers, the drops by reason and the stage times; a warning for unexpected drops.

        It is an error if there are malformed answers only, from the start: the model may be no TAIHRI checkpoint.
        """
        snapshot, before, elapsed = self._interval.next()
        command = self._scheduler.command
        published = snapshot.published - before.published
        unexpected = {
            reason: count - before.dropped.get(reason, 0)
            for reason, count in snapshot.dropped.items()
            if Drop(reason) not in _EXPECTED_DROPS and count > before.dropped.get(reason, 0)
        }
        level, message = OK, f"{published / elapsed:.1f} answers/s"
        if unexpected:
            level = WARN
            message = "frames dropped: " + ", ".join(f"{reason} {count}" for reason, count in unexpected.items())
            if Drop.MALFORMED_ANSWER in unexpected and snapshot.success_age_s is None:
                level, message = ERROR, f"no answer could be read so far: is the model a TAIHRI checkpoint? {message}"
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
        return Report(level, message, values)


class EngineTask:
    """A task that reports the health of the engine: a process on this machine, or a remote server."""

    name = "engine"

    def __init__(self, health: Callable[[], EngineHealth]) -> None:
        """Create the task.

        Args:
            health: Returns the health of the engine.
        """
        self._health = health

    def report(self) -> Report:
        """Return the engine's state, its last success and error, and its description."""
        health = self._health()
        values = {"state": health.state.value, "restarts": str(health.restarts)}
        if health.last_success_age_s is not None:
            values["last_success_age_s"] = f"{health.last_success_age_s:.2f}"
        if health.latency_ms is not None:
            values["latency_ms"] = f"{health.latency_ms:.1f}"
        if health.last_error:
            values["last_error"] = health.last_error
        if health.url is not None:
            values["url"] = health.url
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
                "answers": f"unconstrained: {info.unconstrained}" if info.unconstrained else "constrained",
            }
        return Report(_ENGINE_LEVELS[health.state], health.message or health.state.value, values)


def engine_tasks(engine: Engine) -> list[Task]:
    """Return the tasks for an engine: one if it is supervised, as an engine process and a remote server are."""
    return [EngineTask(lambda: engine.health)] if isinstance(engine, SupervisedEngine) else []


def scheduler_tasks(scheduler: Scheduler, image_publishers: Callable[[], int]) -> list[Task]:
    """Return the tasks for a scheduler and its images; the arguments are those of `InputTask`."""
    return [InputTask(scheduler, image_publishers), SchedulerTask(scheduler)]
