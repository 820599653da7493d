"""The problem log reports at once, then at a limited rate."""

from __future__ import annotations

import logging

import pytest

from taihri_ros.pipeline import problem_log
from taihri_ros.pipeline.problem_log import ProblemLog


class Clock:
    now = 0.5

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(problem_log, "monotonic", clock)
    return clock


@pytest.fixture
def log() -> ProblemLog:
    return ProblemLog(logging.getLogger("test.problem_log"))


def test_a_problem_is_logged_at_once_and_again_every_ten_seconds(
    clock: Clock, log: ProblemLog, caplog: pytest.LogCaptureFixture
) -> None:
    logged_at = []
    for tenth in range(250):
        clock.now = 0.5 + tenth / 10
        log.report("image", "no image")
        logged_at += [clock.now] * len(caplog.records)
        caplog.clear()
    assert logged_at == pytest.approx([0.5, 10.5, 20.5])


def test_a_changing_problem_is_logged_at_most_once_a_second(
    clock: Clock, log: ProblemLog, caplog: pytest.LogCaptureFixture
) -> None:
    for tenth in range(30):
        clock.now = tenth / 10
        log.report("answer", f"malformed {tenth}")
    assert [record.getMessage() for record in caplog.records] == ["malformed 0", "malformed 10", "malformed 20"]


def test_kinds_are_rate_limited_independently(clock: Clock, log: ProblemLog, caplog: pytest.LogCaptureFixture) -> None:
    log.report("a", "same")
    log.report("b", "same")
    assert len(caplog.records) == 2
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


def test_a_returning_problem_is_logged_again_but_rate_limited(
    clock: Clock, log: ProblemLog, caplog: pytest.LogCaptureFixture
) -> None:
    log.report("a", "gone")
    clock.now += 2.0
    log.report("a", "gone")
    assert len(caplog.records) == 1
    log.clear()
    log.report("a", "gone")
    assert len(caplog.records) == 2
    for _ in range(5):
        log.clear()
        log.report("a", "gone")
    assert len(caplog.records) == 2


def test_a_percent_sign_is_not_interpreted(log: ProblemLog, caplog: pytest.LogCaptureFixture) -> None:
    log.report("a", "100 %s")
    assert caplog.records[0].getMessage() == "100 %s"


def test_a_message_about_a_field_of_any_length_is_one_line_with_a_bound(caplog: pytest.LogCaptureFixture) -> None:
    ProblemLog(logging.getLogger("test")).report("encoding", "unknown encoding \x1b[2J\n" + "x" * 1_000_000)
    (record,) = caplog.records
    assert record.getMessage().startswith("unknown encoding \\x1b[2J\\nxxx")
    assert len(record.getMessage()) < 2100


def test_a_fault_of_the_program_is_an_error_with_its_traceback_as_rarely_as_a_problem(
    clock: Clock, log: ProblemLog, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(100):
        log.report("internal", "broken", ValueError("odd"))
    assert [(record.levelname, record.exc_info is not None) for record in caplog.records] == [("ERROR", True)]
