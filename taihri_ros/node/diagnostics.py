"""Reports for /diagnostics: rates, ages, stage times, drops by reason, and the health of the engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Protocol

from taihri_ros.inference.answer_times import HANG_S
from taihri_ros.inference.engine import Engine
from taihri_ros.inference.engine_health import EngineHealth, EngineState
from taihri_ros.inference.supervised_engine import SupervisedEngine
from taihri_ros.pipeline.counters import Drop, Snapshot
from taihri_ros.pipeline.scheduler import Scheduler

OK, WARN, ERROR = 0, 1, 2

_EXPECTED_DROPS = {Drop.NO_COMMAND, Drop.NEWER_FRAME, Drop.COMMAND_CHANGED, Drop.STOPPED}
"""Drop reasons of normal operation, which are not reported as a warning."""

_ADVICE = {
    Drop.NO_CAMERA_INFO: "publish camera_info beside the image, or remap it",
    Drop.STALE_FRAME: "synchronise the clocks of camera and node, or raise max_frame_age_s",
    Drop.ENGINE_UNAVAILABLE: "see the status engine",
    Drop.MALFORMED_ANSWER: "check that the model is a TAIHRI checkpoint",
}
"""What to do about dropped images, by reason."""

_LOG = "look the reason up in the log"
_NETWORK = "use compressed images, or raise net.core.rmem_max on both machines"
_CAMERA = "start the camera, or remap the image topic"
_OTHER_IMAGES = "see the log, remap the image topic, or set image_transport to what the camera sends"
_NO_IMAGES = "no image arrives: see the status input"
"""What to do about drops of any other reason, lost images, and images that do not come."""

_LOST_SHARE = 0.1
"""Share of the images that arrive from which on lost ones are a warning."""

_SLOW_HZ = 1.5
"""Rate in Hz below which most images of a camera may be lost: then the gaps between the others tell nothing."""

_LATE_S = 1.0
"""Time in s beyond what is usual after which a missing answer is a warning."""

_FAILED_S = 3.0
"""Time in s beyond what is usual after which a missing answer is an error: by then a hung engine has been found out."""

_ENGINE_ADVICE = {
    EngineState.STARTING: "wait until it is ready",
    EngineState.RESTARTING: "it is started again by itself; if that repeats, read its output in the log",
    EngineState.FAILED: "correct that, and start the node again",
    EngineState.STOPPED: "start the node again",
}

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

    def __init__(
        self,
        scheduler: Scheduler,
        image_publishers: Callable[[], int],
        lost_images: Callable[[], int] | None = None,
        mismatch: Callable[[], str | None] | None = None,
    ) -> None:
        """Create the task.

        Args:
            scheduler: The scheduler that counts the images.
            image_publishers: Returns the number of publishers of the image topic.
            lost_images: Returns how many images are missing by their stamps; None if unknown.
            mismatch: Returns what does not fit of the last publisher whose images cannot be received, such as its type;
                None if it is unknown.
        """
        self._interval = _Interval(scheduler)
        self._publishers = image_publishers
        self._lost_images, self._lost = lost_images, 0
        self._mismatch = mismatch or (lambda: None)

    def report(self) -> Report:
        """Return the rate of images; a warning if none arrive, or some are lost on their way."""
        snapshot, before, elapsed = self._interval.next()
        frames, publishers = snapshot.frames_in - before.frames_in, self._publishers()
        rate_hz, lost = frames / elapsed, 0
        values = {"image publishers": str(publishers), "rate_hz": f"{rate_hz:.2f}"}
        if self._lost_images is not None:
            total = self._lost_images()
            lost, self._lost = total - self._lost, total
            values["lost"] = str(self._lost)
        problem = self._problem(publishers, frames, rate_hz, lost)
        return Report(WARN if problem else OK, problem or f"{rate_hz:.1f} images/s", values)

    def _problem(self, publishers: int, frames: int, rate_hz: float, lost: int) -> str:
        """Return what is wrong with the images of an interval and what to do; empty if nothing is."""
        if publishers == 0:
            if mismatch := self._mismatch():
                return (
                    f"no publisher on the image topic that fits: the last one had another {mismatch}: {_OTHER_IMAGES}"
                )
            return f"no publisher on the image topic: {_CAMERA}"
        if frames == 0:
            return f"no image arrives: check the camera and the QoS of its topic; if they are right, {_NETWORK}"
        if lost > _LOST_SHARE * frames:
            return f"{rate_hz:.1f} images/s, {lost} lost on their way: {_NETWORK}"
        if rate_hz < _SLOW_HZ:
            return f"{rate_hz:.1f} images/s: if the camera sends more, they are lost on their way: {_NETWORK}"
        return ""


class SchedulerTask:
    """A task that reports how many images were answered or dropped, and the stage times."""

    name = "perception"

    def __init__(self, scheduler: Scheduler) -> None:
        """Create the task for a scheduler."""
        self._scheduler = scheduler
        self._interval = _Interval(scheduler)

    def report(self) -> Report:
        """Return the rate of answers, the drops by reason and the stage times; a warning for unexpected drops.

        It is a warning if a running command gets no answer for 1 s more than usual, and an error from 3 s on, unless
        the engine has not been loaded yet. It is an error if there are malformed answers only, from the start: the
        model may be no TAIHRI checkpoint.
        """
        snapshot, before, elapsed = self._interval.next()
        command = self._scheduler.command
        published = snapshot.published - before.published
        unexpected = {
            Drop(reason): count - before.dropped.get(reason, 0)
            for reason, count in snapshot.dropped.items()
            if Drop(reason) not in _EXPECTED_DROPS and count > before.dropped.get(reason, 0)
        }
        level, message = OK, f"{published / elapsed:.1f} answers/s"
        if unexpected:
            level, message = WARN, _dropped(unexpected)
            if Drop.MALFORMED_ANSWER in unexpected and snapshot.success_age_s is None:
                level, message = ERROR, f"no answer could be read so far: is the model a TAIHRI checkpoint? {message}"
        elif command is None:
            message = "waiting for a command"
        late_s = self._scheduler.silence_s - (snapshot.usual_s or HANG_S)
        if level is not ERROR and late_s > _LATE_S:
            cause = message if unexpected else self._silence(snapshot.frames_in - before.frames_in)
            level = ERROR if late_s > _FAILED_S and not self._engine_loads() else WARN
            message = f"the command gets no answer ({_answered(snapshot.success_age_s)}): {cause}"
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

    def _silence(self, frames: int) -> str:
        """Return why there is no answer where no frame was dropped for a reason that is not usual, and what to do."""
        if not frames:
            return _NO_IMAGES
        if self._engine_loads():
            return "the engine is not ready yet: wait, and see the status engine"
        return "the engine works on an image: see the status engine, and the load of its machine"

    def _engine_loads(self) -> bool:
        engine = self._scheduler.engine
        return isinstance(engine, SupervisedEngine) and engine.health.state is EngineState.STARTING


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
        return Report(*_engine_summary(health), values)


def _engine_summary(health: EngineHealth) -> tuple[int, str]:
    """Return the level and the line about an engine: its state, since when it has not answered, and what to do."""
    level, message = _ENGINE_LEVELS[health.state], health.message or health.state.value
    if level is OK and health.silent_s > 0:
        return WARN, (
            f"the engine gives no sign of life for {health.silent_s:.1f} s: if that lasts, it is started again; look "
            "at the load of its machine"
        )
    if level is OK:
        return level, message
    if level is ERROR:
        message = f"{message}; {_answered(health.last_success_age_s)}"
    return level, f"{message}; {_ENGINE_ADVICE[health.state]}"


def _answered(age_s: float | None) -> str:
    return "no answer yet" if age_s is None else f"last answer {age_s:.1f} s ago"


def _dropped(counts: dict[Drop, int]) -> str:
    listed = ", ".join(f"{reason.value} {count}" for reason, count in counts.items())
    return f"frames dropped: {listed}; " + "; ".join(dict.fromkeys(_ADVICE.get(reason, _LOG) for reason in counts))


def engine_tasks(engine: Engine) -> list[Task]:
    """Return the tasks for an engine: one if it is supervised, as an engine process and a remote server are."""
    return [EngineTask(lambda: engine.health)] if isinstance(engine, SupervisedEngine) else []


def scheduler_tasks(
    scheduler: Scheduler,
    image_publishers: Callable[[], int],
    lost_images: Callable[[], int] | None = None,
    mismatch: Callable[[], str | None] | None = None,
) -> list[Task]:
    """Return the tasks for a scheduler and its images; the arguments are those of `InputTask`."""
    return [InputTask(scheduler, image_publishers, lost_images, mismatch), SchedulerTask(scheduler)]
