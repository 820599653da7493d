from __future__ import annotations

import dataclasses
import errno
import itertools
import logging
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import support
from required import ENGINE_PYTHON, ROOT
from support import INFO, answer_texts, eventually, make_request, null_python

from taihri_ros.commands.command import joint_command
from taihri_ros.inference import supervised_engine
from taihri_ros.inference.engine import (
    Engine,
    EngineUnavailableError,
    GenerationAbortedError,
    GenerationFailedError,
    GenerationRequest,
    Question,
)
from taihri_ros.inference.engine_health import EngineState
from taihri_ros.inference.process import supervisor
from taihri_ros.inference.process.supervisor import EngineProcess
from taihri_ros.model.grammar import named_grammar
from taihri_ros.model.parser import Outcome, parse
from taihri_ros.model.prompts import make_prompt
from taihri_ros.skeleton import JOINTS

QUICK_S = 10.0
"""Limit for what takes milliseconds on an idle machine; what it must not wait for takes longer."""


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., EngineProcess]]:
    """Start engine processes with the null engine; all of them are closed at the end and must leave no file."""
    started: list[EngineProcess] = []
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    python = null_python(tmp_path)

    def begin(model: str = "null", **settings: Any) -> EngineProcess:
        settings.setdefault("backoff_s", 0.05)
        engine = EngineProcess(python=python, kind="transformers", model=model, **settings)
        started.append(engine)
        return engine

    yield begin
    for engine in started:
        began = time.monotonic()
        engine.close()
        assert time.monotonic() - began < QUICK_S
        assert engine.health.state in (EngineState.STOPPED, EngineState.FAILED)
    assert list(temporary.iterdir()) == []


def has_ended(pid: int) -> bool:
    """Return whether a process has ended; a zombie counts as ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def group(leader: int) -> list[int]:
    """Return the processes of a process group."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[2]) == leader and fields[0] != "Z":
            found.append(int(entry.name))
    return found


def stop(pid: int) -> None:
    """Stop a process as a debugger does, and wait until it has stopped."""
    os.kill(pid, signal.SIGSTOP)
    assert eventually(lambda: Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T")


def ready_pid(engine: EngineProcess) -> int:
    engine.wait_ready(20)
    pid = engine.health.pid
    assert pid is not None
    return pid


def test_an_engine_process_implements_the_engine_interface(start: Callable[..., EngineProcess]) -> None:
    process = start()
    assert process.wait_ready(20) == INFO
    engine: Engine = process
    assert engine.info == INFO
    assert answer_texts(engine.generate(make_request("hello"))) == ("hello",)
    with pytest.raises(GenerationFailedError, match="no such joint"):
        engine.generate(make_request("fail no such joint"))
    assert process.health.state is EngineState.READY
    assert process.health.restarts == 0


def test_nothing_blocks_while_the_engine_starts(start: Callable[..., EngineProcess]) -> None:
    engine = start(options={"load_s": 1.0})
    with pytest.raises(EngineUnavailableError, match="the engine is starting"):
        engine.generate(make_request())
    with pytest.raises(EngineUnavailableError, match="the engine is starting"):
        _ = engine.info
    engine.abort()
    with pytest.raises(EngineUnavailableError, match="the engine is starting"):
        engine.wait_ready(0.05)
    engine.wait_ready(20)


def test_close_during_the_start_is_quick(start: Callable[..., EngineProcess]) -> None:
    engine = start(options={"load_s": 30})
    assert eventually(lambda: engine.health.pid is not None)
    pid = engine.health.pid
    time.sleep(1.0)
    began = time.monotonic()
    engine.close()
    assert time.monotonic() - began < QUICK_S
    assert pid is not None
    assert eventually(lambda: not group(pid))


def test_abort_ends_the_request_in_flight(start: Callable[..., EngineProcess]) -> None:
    engine = start()
    engine.wait_ready(20)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(engine.generate, make_request("wait 20"))
        assert eventually(lambda: engine.health.state is EngineState.BUSY)
        time.sleep(0.1)
        engine.abort()
        with pytest.raises(GenerationAbortedError):
            running.result(QUICK_S)


def test_two_requests_are_answered_at_the_same_time(start: Callable[..., EngineProcess]) -> None:
    engine = start()
    engine.wait_ready(20)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(engine.generate, make_request("wait 20"))
        assert eventually(lambda: engine.health.state is EngineState.BUSY)
        for number in range(5):
            assert answer_texts(engine.generate(make_request(f"question {number}"))) == (f"question {number}",)
        assert engine.health.state is EngineState.BUSY, "the other request is still in flight"
        engine.abort()
        with pytest.raises(GenerationAbortedError):
            slow.result(QUICK_S)
    assert engine.health.state is EngineState.READY


def test_an_engine_that_dies_fails_all_requests_in_flight_and_restarts_once(
    start: Callable[..., EngineProcess],
) -> None:
    engine = start()
    pid = ready_pid(engine)
    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(engine.generate, make_request("wait 20")) for _ in range(2)]
        time.sleep(0.3)
        os.kill(pid, signal.SIGKILL)
        for one in running:
            with pytest.raises(EngineUnavailableError, match="ended during a request"):
                one.result(QUICK_S)
    assert eventually(lambda: engine.health.state is not EngineState.READY)
    assert ready_pid(engine) != pid
    assert answer_texts(engine.generate(make_request("hello"))) == ("hello",)
    assert engine.health.restarts == 1


def test_an_engine_that_is_killed_is_restarted(start: Callable[..., EngineProcess]) -> None:
    engine = start()
    pid = ready_pid(engine)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(engine.generate, make_request("wait 20"))
        assert eventually(lambda: engine.health.state is EngineState.BUSY)
        time.sleep(0.1)
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(EngineUnavailableError, match="ended during a request"):
            running.result(QUICK_S)
    assert eventually(lambda: engine.health.state is not EngineState.READY)
    assert ready_pid(engine) != pid
    assert answer_texts(engine.generate(make_request("hello"))) == ("hello",)
    assert engine.health.restarts == 1
    assert eventually(lambda: not group(pid))


def test_an_engine_that_hangs_is_killed_and_restarted(start: Callable[..., EngineProcess]) -> None:
    engine = start(request_timeout_s=0.5)
    pid = ready_pid(engine)
    stop(pid)
    with pytest.raises(EngineUnavailableError, match=r"not answered for 0.5 s"):
        engine.generate(make_request())
    with pytest.raises(EngineUnavailableError, match="restarting: the engine does not respond"):
        engine.generate(make_request())
    assert ready_pid(engine) != pid
    assert has_ended(pid)
    assert answer_texts(engine.generate(make_request("hello"))) == ("hello",)


def test_a_failed_engine_is_restarted(start: Callable[..., EngineProcess]) -> None:
    engine = start()
    pid = ready_pid(engine)
    with pytest.raises(EngineUnavailableError, match="cuda is gone"):
        engine.generate(make_request("break cuda is gone"))
    assert eventually(lambda: engine.health.last_error == "cuda is gone")
    assert eventually(lambda: engine.health.restarts == 1)
    assert ready_pid(engine) != pid


def test_the_health_probe_finds_an_idle_engine_that_hangs(start: Callable[..., EngineProcess]) -> None:
    engine = start(request_timeout_s=0.5, probe_period_s=0.2)
    pid = ready_pid(engine)
    stop(pid)
    assert eventually(lambda: engine.health.restarts == 1)
    assert ready_pid(engine) != pid


def test_the_health_probe_keeps_the_age_of_the_last_success_low(start: Callable[..., EngineProcess]) -> None:
    engine = start(probe_period_s=0.2)
    pid = ready_pid(engine)
    for _ in range(3):
        assert eventually(lambda: (engine.health.last_success_age_s or 0.0) > 0.1)
        assert eventually(lambda: (engine.health.last_success_age_s or 1.0) < 0.1)
    assert engine.health.pid == pid


def test_without_health_probe_the_age_of_the_last_success_grows(start: Callable[..., EngineProcess]) -> None:
    engine = start(probe_period_s=0)
    engine.wait_ready(20)
    time.sleep(0.5)
    assert (engine.health.last_success_age_s or 0.0) >= 0.5


def test_a_bad_checkpoint_is_not_tried_again(start: Callable[..., EngineProcess]) -> None:
    engine = start("bad")
    with pytest.raises(EngineUnavailableError, match="the engine is failed: the checkpoint bad has no weights"):
        engine.wait_ready(20)
    assert engine.health.state is EngineState.FAILED
    assert engine.health.restarts == 0
    with pytest.raises(EngineUnavailableError, match="no weights"):
        engine.generate(make_request())


def test_a_load_that_fails_once_is_tried_again(start: Callable[..., EngineProcess], tmp_path: Path) -> None:
    engine = start("once", options={"marker": str(tmp_path / "marker")})
    engine.wait_ready(20)
    assert engine.health.restarts == 1


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("flaky", "RuntimeError: out of memory"),
        ("dying", r"ended with exit status 9; its last output: .*the last output before the exit"),
    ],
)
def test_repeated_failures_end_with_a_diagnostic(start: Callable[..., EngineProcess], model: str, reason: str) -> None:
    engine = start(model, max_restarts=2)
    with pytest.raises(EngineUnavailableError, match=f"gave up after 3 consecutive failures; the last one: .*{reason}"):
        engine.wait_ready(30)
    assert engine.health.restarts == 2


def test_the_pause_before_a_restart_doubles(start: Callable[..., EngineProcess]) -> None:
    began = time.monotonic()
    engine = start("dying", max_restarts=3, backoff_s=0.4)
    with pytest.raises(EngineUnavailableError, match="gave up after 4 consecutive failures"):
        engine.wait_ready(30)
    assert time.monotonic() - began > 0.4 + 0.8 + 1.6


def test_a_start_that_takes_too_long_fails(start: Callable[..., EngineProcess]) -> None:
    engine = start(options={"load_s": 30}, start_timeout_s=1.0, max_restarts=0)
    with pytest.raises(EngineUnavailableError, match="not ready within 1 s"):
        engine.wait_ready(20)


def test_an_engine_that_never_becomes_ready_is_given_up_however_long_it_loads(
    start: Callable[..., EngineProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervised_engine, "_STABLE_S", 0.05)
    engine = start("dying", max_restarts=2, options={"load_s": 0.3})
    with pytest.raises(EngineUnavailableError, match="gave up after 3 consecutive failures"):
        engine.wait_ready(120)
    assert engine.health.restarts == 2


def test_an_engine_that_ends_at_its_first_request_is_given_up_however_long_it_was_ready(
    start: Callable[..., EngineProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervised_engine, "_STABLE_S", 0.05)
    engine = start(max_restarts=1, probe_period_s=0)
    for _ in range(2):
        engine.wait_ready(20)
        time.sleep(0.2)
        with pytest.raises(EngineUnavailableError):
            engine.generate(make_request("exit 9"))
        assert eventually(lambda: engine.health.state is not EngineState.READY)
    with pytest.raises(EngineUnavailableError, match="gave up after 2 consecutive failures"):
        engine.wait_ready(20)


def test_failures_of_an_engine_that_answered_for_long_do_not_count(
    start: Callable[..., EngineProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervised_engine, "_STABLE_S", 0.05)
    engine = start(max_restarts=1, probe_period_s=0)
    for _ in range(3):
        engine.wait_ready(20)
        time.sleep(0.2)
        engine.generate(make_request("hello"))
        with pytest.raises(EngineUnavailableError):
            engine.generate(make_request("exit 9"))
        assert eventually(lambda: engine.health.state is not EngineState.READY)
    engine.wait_ready(20)
    assert engine.health.restarts == 3


@pytest.mark.handles(
    "Engine", "GPU memory that is full while the engine loads", "tried again with longer and longer pauses"
)
def test_a_lack_of_memory_is_tried_again(start: Callable[..., EngineProcess]) -> None:
    engine = start("full", max_restarts=1)
    with pytest.raises(EngineUnavailableError, match=r"gave up after 2 consecutive failures; .* vLLM cannot load it"):
        engine.wait_ready(30)


@pytest.mark.handles(
    "Engine", "machine that cannot start another process for a while", "tried again with longer and longer pauses"
)
def test_a_machine_that_cannot_start_a_process_now_is_tried_again(
    start: Callable[..., EngineProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = subprocess.Popen, itertools.count()

    def fail_once(*arguments: Any, **options: Any) -> Any:
        if next(calls) == 0:
            raise OSError(errno.EAGAIN, "Resource temporarily unavailable")
        return real(*arguments, **options)

    monkeypatch.setattr(subprocess, "Popen", fail_once)
    engine = start()
    engine.wait_ready(20)
    assert engine.health.restarts == 1
    assert engine.health.last_error == "the engine process cannot be started now: Resource temporarily unavailable"


def test_an_unexpected_error_of_the_supervisor_is_a_failure_too(
    start: Callable[..., EngineProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise ValueError("odd")

    monkeypatch.setattr(supervisor, "EngineSubprocess", fail)
    engine = start(max_restarts=1)
    with pytest.raises(
        EngineUnavailableError, match=r"gave up after 2 .*; the last one: internal error: ValueError: odd"
    ):
        engine.wait_ready(20)
    assert engine.health.state is EngineState.FAILED


def test_a_log_that_fails_does_not_end_the_supervisor(start: Callable[..., EngineProcess]) -> None:
    """A handler raises as one of a middleware that was shut down."""

    class Broken(logging.Handler):
        def handle(self, record: logging.LogRecord) -> bool:
            raise OSError("the middleware is gone")

    logger, handler = logging.getLogger("taihri_ros.inference.supervised_engine"), Broken()
    logger.addHandler(handler)
    try:
        engine = start("dying", max_restarts=1)
        with pytest.raises(EngineUnavailableError, match="gave up after 2 consecutive failures"):
            engine.wait_ready(30)
    finally:
        logger.removeHandler(handler)


def test_the_engine_does_not_use_the_import_path_of_the_node(
    start: Callable[..., EngineProcess], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "leak").mkdir()
    (tmp_path / "leak" / "msgpack.py").write_text("raise SystemError('of the node')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "leak"))
    start().wait_ready(20)


def test_a_second_close_does_nothing(start: Callable[..., EngineProcess]) -> None:
    engine = start()
    pid = ready_pid(engine)
    engine.close()
    engine.close()
    assert eventually(lambda: not group(pid))
    with pytest.raises(EngineUnavailableError, match="the engine is stopped"):
        engine.generate(make_request())


def test_close_ends_a_request_in_flight(start: Callable[..., EngineProcess]) -> None:
    engine = start()
    engine.wait_ready(20)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(engine.generate, make_request("sleep 20"))
        assert eventually(lambda: engine.health.state is EngineState.BUSY)
        time.sleep(0.1)
        began = time.monotonic()
        engine.close()
        assert time.monotonic() - began < QUICK_S
        with pytest.raises(EngineUnavailableError):
            running.result(QUICK_S)


def real_request(engine: EngineProcess) -> GenerationRequest:
    """Return a request for both wrists in a noisy image."""
    spec = engine.info.spec
    assert spec.answer is not None
    joints = ("left_wrist", "right_wrist")
    return GenerationRequest(
        image=np.random.default_rng(0).integers(0, 256, (416, 544, 3), np.uint8),
        questions=(Question(make_prompt(joint_command(joints), spec), named_grammar(joints, spec.answer)),),
    )


def endless(engine: EngineProcess) -> GenerationRequest:
    """Return a request for both wrists without a grammar, whose answer takes long."""
    request = real_request(engine)
    return dataclasses.replace(request, questions=(Question(request.questions[0].prompt),), max_tokens=3000)


def test_a_real_engine_that_is_killed_answers_the_same_after_its_restart(checkpoint: Path) -> None:
    with EngineProcess(python=str(ENGINE_PYTHON), kind="vllm", model=str(checkpoint), backoff_s=0.1) as engine:
        info = engine.wait_ready(240)
        assert (info.kind, info.device, info.dtype) == ("vllm", "cpu", "float32")
        request = real_request(engine)
        (first,) = engine.generate(request).answers
        assert first.finish_reason == "stop"
        answer = parse(first.tokens, ("left_wrist", "right_wrist"))
        assert [joint.joint for joint in answer.joints] == ["left_wrist", "right_wrist"]
        pid = engine.health.pid
        assert pid is not None
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(engine.generate, endless(engine))
            time.sleep(0.3)
            os.kill(pid, signal.SIGKILL)
            with pytest.raises(EngineUnavailableError):
                running.result(QUICK_S)
        with pytest.raises(EngineUnavailableError):
            engine.generate(request)
        engine.wait_ready(240)
        (again,) = engine.generate(request).answers
        assert (again.tokens, again.top_k) == (first.tokens, first.top_k)


def test_a_real_engine_answers_two_requests_and_their_questions_at_the_same_time(vllm_process: EngineProcess) -> None:
    engine, info = vllm_process, vllm_process.info
    assert info.batched
    assert info.spec.answer is not None
    questions = tuple(
        Question(make_prompt(joint_command((joint,)), info.spec), named_grammar((joint,), info.spec.answer))
        for joint in JOINTS
    )
    one = dataclasses.replace(real_request(engine), questions=questions)
    other = dataclasses.replace(one, image=one.image[::-1])
    wanted = [engine.generate(request) for request in (one, other)]
    assert [generation.steps for generation in wanted] == [9, 9]
    for joint, answer in zip(JOINTS, wanted[0].answers, strict=True):
        assert parse(answer.tokens, (joint,)).joints[0].outcome is Outcome.ANSWERED
    assert wanted[0].answers != wanted[1].answers
    with ThreadPoolExecutor(2) as pool:
        for _ in range(5):
            for generation, before in zip(pool.map(engine.generate, (one, other)), wanted, strict=True):
                assert [answer.tokens for answer in generation.answers] == [answer.tokens for answer in before.answers]


def test_a_real_engine_is_aborted_and_ends(checkpoint: Path) -> None:
    with EngineProcess(
        python=str(ENGINE_PYTHON), kind="transformers", model=str(checkpoint), probe_period_s=0.5
    ) as engine:
        engine.wait_ready(240)
        pid = ready_pid(engine)
        time.sleep(2.5)
        assert (engine.health.last_success_age_s or 0.0) < 2
        assert engine.health.restarts == 0
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(engine.generate, endless(engine))
            time.sleep(0.3)
            engine.abort()
            with pytest.raises(GenerationAbortedError):
                running.result(QUICK_S)
        assert engine.generate(real_request(engine)).answers[0].finish_reason == "stop"
        began = time.monotonic()
    assert time.monotonic() - began < QUICK_S
    assert eventually(lambda: not group(pid))


@pytest.mark.parametrize(
    ("options", "model", "complaint"),
    [
        ({}, "missing", "there is no checkpoint directory"),
        ({"no_such": 1}, "", "has no option 'no_such'"),
    ],
)
def test_a_real_engine_that_cannot_be_loaded_is_not_tried_again(
    checkpoint: Path, options: dict[str, object], model: str, complaint: str
) -> None:
    with EngineProcess(
        python=str(ENGINE_PYTHON), kind="transformers", model=str(checkpoint / model), options=options
    ) as engine:
        with pytest.raises(EngineUnavailableError, match=complaint):
            engine.wait_ready(60)
        assert engine.health.state is EngineState.FAILED
        assert engine.health.restarts == 0


PARENT = """
import sys, threading
sys.path[:0] = [{tests!r}, {root!r}]
from support import make_request
from taihri_ros.inference.process.supervisor import EngineProcess
engine = EngineProcess(python={python!r}, kind="transformers", model="null")
engine.wait_ready(20)
print(engine.health.pid, flush=True)
engine.generate(make_request({text!r}))
"""


@pytest.mark.parametrize("text", ["sleep 30", "hold"])
def test_the_engine_ends_with_its_parent(tmp_path: Path, text: str) -> None:
    script = textwrap.dedent(PARENT).format(
        tests=str(Path(support.__file__).parent), root=str(ROOT), python=null_python(tmp_path), text=text
    )
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, env={**os.environ, "TMPDIR": str(temporary)}
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        time.sleep(0.5)
        assert len(group(pid)) == 2
        parent.kill()
        assert eventually(lambda: not group(pid))
    assert list(temporary.iterdir()) == []


def test_a_parent_that_does_not_close_its_engine_leaves_no_process_and_no_file(tmp_path: Path) -> None:
    script = textwrap.dedent(PARENT).format(
        tests=str(Path(support.__file__).parent), root=str(ROOT), python=null_python(tmp_path), text="hello"
    )
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    ended = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, "TMPDIR": str(temporary)},
    )
    assert ended.returncode == 0, ended.stderr
    assert eventually(lambda: not group(int(ended.stdout)))
    assert list(temporary.iterdir()) == []
