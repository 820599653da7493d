"""Diagnostics report rates, unexpected drops and the health of the engine."""

from __future__ import annotations

from pathlib import Path
from time import monotonic

import numpy as np
import pytest

from taihri_ros.commands.command import joint_command
from taihri_ros.inference.engine import Engine, EngineInfo
from taihri_ros.inference.engine_health import EngineHealth, EngineState
from taihri_ros.inference.process.supervisor import EngineProcess
from taihri_ros.model.spec import ModelSpec
from taihri_ros.node.diagnostics import ERROR, OK, WARN, EngineTask, engine_tasks, scheduler_tasks
from taihri_ros.pipeline.counters import Drop
from taihri_ros.pipeline.estimator import Estimator
from taihri_ros.pipeline.frames import Frame
from taihri_ros.pipeline.scheduler import Scheduler


class IdleScheduler(Scheduler):
    """A scheduler that is not started, so that its counters do not change; it has one image publisher."""

    def __init__(self) -> None:
        super().__init__(Estimator(None), lambda result: lambda: None)  # type: ignore[arg-type]
        self.publishers = 1
        self.mismatch: str | None = None
        self.input, self.scheduler = scheduler_tasks(self, lambda: self.publishers, mismatch=lambda: self.mismatch)


@pytest.fixture
def idle() -> IdleScheduler:
    return IdleScheduler()


def submit(idle: IdleScheduler, count: int = 1) -> None:
    for _ in range(count):
        idle.submit(Frame(0, "", lambda _: np.zeros((1, 1, 3), np.uint8)))


def test_input_reports_the_images_since_the_last_report(idle: IdleScheduler) -> None:
    submit(idle, 3)
    report = idle.input.report()
    assert report.level == OK
    assert report.message.endswith("images/s")
    assert float(report.values["rate_hz"]) > 0
    assert idle.input.report().message.startswith("no image arrives: ")


@pytest.mark.parametrize(("images", "level"), [(1, WARN), (5, OK)])
def test_a_rate_below_that_of_any_camera_is_a_warning(
    idle: IdleScheduler, images: int, level: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = monotonic() + 1.0
    submit(idle, images)
    monkeypatch.setattr("taihri_ros.node.diagnostics.monotonic", lambda: end)
    report = idle.input.report()
    assert report.level == level
    assert ("they are lost on their way: use compressed images" in report.message) == (level == WARN)


@pytest.mark.parametrize(("publishers", "message"), [(0, "no publisher on the image topic"), (1, "no image arrives")])
def test_input_warns_without_images_and_reports_the_reason(idle: IdleScheduler, publishers: int, message: str) -> None:
    idle.publishers = publishers
    report = idle.input.report()
    assert report.level == WARN
    assert report.message.startswith(f"{message}: ")
    assert report.values == {"image publishers": str(publishers), "rate_hz": "0.00"}


@pytest.mark.handles(
    "Settings and DDS", "publisher of another type on the image topic", "log and diagnostics name the type"
)
def test_input_names_what_does_not_fit(idle: IdleScheduler) -> None:
    idle.publishers, idle.mismatch = 0, "type"
    message = idle.input.report().message
    assert message.startswith("no publisher on the image topic that fits: the last one had another type: ")
    assert "image_transport" in message


def test_scheduler_waits_for_a_command(idle: IdleScheduler) -> None:
    submit(idle, 2)
    report = idle.scheduler.report()
    assert (report.level, report.message) == (OK, "waiting for a command")
    assert report.values["command"] == ""
    assert report.values["frames_in"] == "2"
    assert report.values["dropped.no_command"] == "2"
    assert "last_answer_age_s" not in report.values


def test_scheduler_warns_of_new_drops_only(idle: IdleScheduler) -> None:
    idle.set_command(joint_command(["head"]))
    submit(idle, 2)
    report = idle.scheduler.report()
    assert (report.level, report.message) == (
        WARN,
        "frames dropped: no_camera_info 2; publish camera_info beside the image, or remap it",
    )
    assert report.values["command"] == "head"
    report = idle.scheduler.report()
    assert (report.level, report.message) == (OK, "0.0 answers/s")
    assert report.values["dropped.no_camera_info"] == "2"


@pytest.mark.handles("Engine", "a model whose answers are all malformed", "an error in the diagnostics")
def test_malformed_answers_alone_are_an_error_and_between_others_a_warning(idle: IdleScheduler) -> None:
    idle.set_command(joint_command(["head"]))
    idle.counters.count_dropped(Drop.MALFORMED_ANSWER)
    report = idle.scheduler.report()
    assert report.level == ERROR
    assert report.message.startswith("no answer could be read so far: is the model a TAIHRI checkpoint?")
    assert "frames dropped: malformed_answer 1; " in report.message
    idle.counters.count_published({})
    idle.counters.count_dropped(Drop.MALFORMED_ANSWER)
    report = idle.scheduler.report()
    assert report.level == WARN
    assert report.message.startswith("frames dropped: malformed_answer 1; ")


@pytest.mark.parametrize("reason", [Drop.NEWER_FRAME, Drop.COMMAND_CHANGED, Drop.NO_COMMAND, Drop.STOPPED])
def test_expected_drops_are_not_a_warning(idle: IdleScheduler, reason: Drop) -> None:
    idle.counters.count_received()
    idle.counters.count_dropped(reason)
    report = idle.scheduler.report()
    assert report.level == OK
    assert report.values[f"dropped.{reason.value}"] == "1"


def test_scheduler_reports_stage_times_and_the_age_of_the_last_answer(idle: IdleScheduler) -> None:
    idle.set_command(joint_command(["head"]))
    for duration in (10.0, 20.0, 90.0):
        idle.counters.count_received()
        idle.counters.count_published({"engine": duration})
    report = idle.scheduler.report()
    assert report.level == OK
    assert float(report.values["rate_hz"]) > 0
    assert report.values["engine_ms.p50"] == "20.00"
    assert report.values["engine_ms.p95"] == "83.00"
    assert float(report.values["last_answer_age_s"]) < 5
    assert (report.values["frames_in"], report.values["published"], report.values["pending"]) == ("3", "3", "0")


INFO = EngineInfo(
    kind="vllm", version="0.32.0", model="/m", device="cpu", dtype="float32", spec=ModelSpec(name="t", trained=False)
)


@pytest.mark.parametrize(
    ("state", "level"),
    [
        (EngineState.STARTING, WARN),
        (EngineState.READY, OK),
        (EngineState.BUSY, OK),
        (EngineState.RESTARTING, ERROR),
        (EngineState.FAILED, ERROR),
        (EngineState.STOPPED, ERROR),
    ],
)
def test_engine_reports_state_and_description(state: EngineState, level: int) -> None:
    health = EngineHealth(state=state, message="", restarts=2, last_success_age_s=1.25, pid=7, info=INFO)
    report = EngineTask(lambda: health).report()
    assert report.level == level
    assert report.message.startswith(state.value)
    assert (level == OK) == (report.message == state.value), "every other level says what to do"
    assert report.values == {
        "state": state.value,
        "restarts": "2",
        "last_success_age_s": "1.25",
        "pid": "7",
        "kind": "vllm 0.32.0",
        "model": "t",
        "trained": "False",
        "device": "cpu",
        "dtype": "float32",
        "answers": "constrained",
    }


def test_engine_says_why_answers_are_not_constrained() -> None:
    info = INFO.as_unconstrained("no such tokens", has_probabilities=False)
    health = EngineHealth(state=EngineState.READY, message="", restarts=0, last_success_age_s=0.0, info=info)
    report = EngineTask(lambda: health).report()
    assert (report.level, report.values["answers"]) == (OK, "unconstrained: no such tokens")


def test_engine_reports_the_address_latency_and_last_error_of_a_remote_server() -> None:
    health = EngineHealth(
        state=EngineState.READY,
        message="",
        restarts=1,
        last_success_age_s=0.0,
        info=None,
        url="http://gpu-box:8000",
        last_error="http://gpu-box:8000 cannot be reached: Connection refused",
        latency_ms=41.26,
    )
    report = EngineTask(lambda: health).report()
    assert (report.level, report.message) == (OK, "ready")
    assert report.values == {
        "state": "ready",
        "restarts": "1",
        "last_success_age_s": "0.00",
        "latency_ms": "41.3",
        "last_error": "http://gpu-box:8000 cannot be reached: Connection refused",
        "url": "http://gpu-box:8000",
    }


def test_an_engine_that_was_never_ready_reports_its_state_only() -> None:
    health = EngineHealth(
        state=EngineState.FAILED, message="no weights", restarts=0, last_success_age_s=None, pid=None, info=None
    )
    report = EngineTask(lambda: health).report()
    assert (report.level, report.message) == (
        ERROR,
        "no weights; no answer yet; correct that, and start the node again",
    )
    assert report.values == {"state": "failed", "restarts": "0"}


def test_only_a_supervised_engine_has_a_task() -> None:
    class InProcess:
        """An engine in this process."""

    engine_here: Engine = InProcess()  # type: ignore[assignment]
    assert engine_tasks(engine_here) == []
    with EngineProcess(python="/nonexistent/python", kind="vllm", model="none") as engine:
        (task,) = engine_tasks(engine)
        assert task.name == "engine"
        assert task.report().values["restarts"] == "0"


def late(idle: IdleScheduler, seconds: float) -> None:
    """Make the command of a scheduler older, and its last answer."""
    idle._command_since -= seconds
    if idle.counters._last_success is not None:
        idle.counters._last_success -= seconds


def test_a_command_without_an_answer_is_a_warning_after_a_second_and_an_error_after_three(idle: IdleScheduler) -> None:
    idle.set_command(joint_command(["head"]))
    idle.counters.count_received()
    idle.counters.count_published({"total": 200.0})
    late(idle, 1.0)
    assert idle.scheduler.report().level == OK
    late(idle, 0.5)
    report = idle.scheduler.report()
    assert report.level == WARN
    assert report.message.startswith("the command gets no answer (last answer 1.5 s ago): no image arrives: ")
    late(idle, 2.5)
    report = idle.scheduler.report()
    assert report.level == ERROR
    assert report.message.startswith("the command gets no answer (last answer 4.0 s ago): ")
    idle.counters.count_published({"total": 200.0})
    assert idle.scheduler.report().level == OK


def test_what_drops_the_images_is_said_where_a_command_gets_no_answer(idle: IdleScheduler) -> None:
    idle.set_command(joint_command(["head"]))
    submit(idle, 2)
    late(idle, 10.0)
    report = idle.scheduler.report()
    assert report.level == ERROR
    assert report.message.startswith("the command gets no answer (no answer yet): frames dropped: no_camera_info 2; ")


def test_no_answer_is_expected_without_a_command(idle: IdleScheduler) -> None:
    late(idle, 100.0)
    assert idle.scheduler.report().message == "waiting for a command"


def test_while_the_engine_is_loaded_a_missing_answer_is_no_error(tmp_path: Path) -> None:
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\nsleep 60\n")
    program.chmod(0o755)
    with EngineProcess(python=str(program), kind="vllm", model="none") as engine:
        scheduler = Scheduler(Estimator(engine), lambda result: lambda: None)  # type: ignore[arg-type]
        scheduler.set_command(joint_command(["head"]))
        scheduler.counters.count_received()
        scheduler._command_since -= 60.0
        _, task = scheduler_tasks(scheduler, lambda: 1)
        scheduler.counters.count_received()
        report = task.report()
        assert report.level == WARN
        assert "the engine is not ready yet: wait" in report.message


def test_a_silent_engine_is_a_warning() -> None:
    health = EngineHealth(
        state=EngineState.BUSY, message="", restarts=0, last_success_age_s=1.5, info=INFO, silent_s=1.25
    )
    report = EngineTask(lambda: health).report()
    assert report.level == WARN
    assert report.message.startswith("the engine gives no sign of life for 1.2 s: ")
