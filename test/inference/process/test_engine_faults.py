"""What robots do to an engine process: each fault is noticed, the engine comes back, and no process is left."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import support
from reliability import Figure, size
from required import ROOT
from support import RawConnection, answer_texts, eventually, make_request, null_python

from taihri_ros.inference.engine import EngineError, EngineUnavailableError
from taihri_ros.inference.engine_health import EngineState
from taihri_ros.inference.process import guard
from taihri_ros.inference.process.message_stream import _PREFIX
from taihri_ros.inference.process.supervisor import EngineProcess
from taihri_ros.node.diagnostics import ERROR, OK, WARN, engine_tasks

pytestmark = pytest.mark.timeout(size(300, 7200))

ROUNDS = size(1, 20)
NOTICED_S = 10.0
"""Limit for what takes 2 s on an idle machine."""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The directory for the engines' private directories, which must be empty at the end."""
    directory = tmp_path / "tmp"
    directory.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(directory))
    yield directory
    assert eventually(lambda: not list(directory.iterdir()))


@pytest.fixture
def engine(temporary: Path, tmp_path: Path) -> Iterator[EngineProcess]:
    with start(tmp_path) as running:
        yield running


def start(tmp_path: Path, model: str = "null", **settings: Any) -> EngineProcess:
    return EngineProcess(
        python=null_python(tmp_path), kind="transformers", model=model, backoff_s=0.05, max_restarts=1000, **settings
    )


def group(leader: int) -> list[int]:
    """Return the processes of a process group that have not ended."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            if int(fields[2]) == leader and fields[0] != "Z":
                found.append(int(entry.name))
    return found


def guard_of(pid: int) -> int | None:
    return next((one for one in group(pid) if one != pid), None)


def is_on_guard(pid: int) -> bool:
    return Path(f"/proc/{pid}/comm").read_bytes().strip() == guard.NAME


def ready_pid(engine: EngineProcess) -> int:
    engine.wait_ready(60)
    pid = engine.health.pid
    assert pid is not None
    return pid


def noticed_after(engine: EngineProcess, provoke: Callable[[int], object]) -> float:
    """Provoke a fault of a ready engine, check that it comes back, and return the time until it was reported, in s."""
    (task,) = engine_tasks(engine)
    pid, restarts = ready_pid(engine), engine.health.restarts
    assert eventually(lambda: guard_of(pid) is not None)
    began = time.monotonic()
    provoke(pid)
    assert eventually(lambda: task.report().level != OK, NOTICED_S), "it is not noticed"
    noticed_s = time.monotonic() - began
    assert eventually(lambda: engine.health.restarts == restarts + 1, 30)
    assert ready_pid(engine) != pid
    assert answer_texts(engine.generate(make_request("hello"))) == ("hello",)
    assert eventually(lambda: not group(pid)), "a process is left"
    assert task.report().level == OK
    return noticed_s


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def stop(pid: int) -> None:
    os.kill(pid, signal.SIGSTOP)


@pytest.mark.fault(
    "Engine faults", "SIGKILL, SIGSTOP while idle and during an inference", "noticed in 2 s, recovered, no orphan"
)
@pytest.mark.parametrize(
    ("name", "signal_it", "text"),
    [("killed", kill, ""), ("stopped while idle", stop, ""), ("stopped in an inference", stop, "wait 60")],
    ids=["killed", "stopped while idle", "stopped in an inference"],
)
def test_a_signal(
    engine: EngineProcess, figure: Figure, name: str, signal_it: Callable[[int], None], text: str
) -> None:
    def ask() -> None:
        with suppress(EngineUnavailableError):
            engine.generate(make_request(text))

    def provoke(pid: int) -> None:
        if text:
            pool.submit(ask)
            assert eventually(lambda: engine.health.state is EngineState.BUSY)
        signal_it(pid)

    with ThreadPoolExecutor(1) as pool:
        slowest = max(noticed_after(engine, provoke) for _ in range(ROUNDS))
    figure(f"noticed after {slowest:.1f} s, {ROUNDS} times")


@pytest.mark.fault(
    "Engine faults", "a model that hangs while its process answers", "noticed in twice the usual time, at least 2 s"
)
def test_a_model_that_hangs(engine: EngineProcess, figure: Figure, tmp_path: Path) -> None:
    switch = tmp_path / "switch"
    request = make_request(f"hang {switch}")
    engine.wait_ready(60)
    with ThreadPoolExecutor(1) as pool:
        for _ in range(ROUNDS):
            for _ in range(20):
                engine.generate(request)
            switch.touch()
            running = pool.submit(engine.generate, request)
            slowest = noticed_after(engine, lambda _: None)
            with pytest.raises(EngineUnavailableError):
                running.result(30)
            switch.unlink()
    assert "is not answered for" in engine.health.last_error
    assert "which usually takes" in engine.health.last_error
    figure(f"noticed after {slowest:.1f} s, {ROUNDS} times")


@pytest.mark.fault("Engine faults", "garbage instead of messages", "noticed in 2 s, recovered, no orphan")
def test_garbage(engine: EngineProcess, figure: Figure) -> None:
    def provoke(_: int) -> None:
        with pytest.raises(EngineError):
            engine.generate(make_request("garbage"))

    slowest = max(noticed_after(engine, provoke) for _ in range(ROUNDS))
    assert "the engine sends garbage" in engine.health.last_error
    figure(f"noticed after {slowest:.1f} s, {ROUNDS} times")


@pytest.mark.fault("Engine faults", "socket or its directory removed", "noticed in 2 s, recovered, no orphan")
@pytest.mark.parametrize("what", ["socket", "directory"])
def test_a_removed_socket(engine: EngineProcess, figure: Figure, temporary: Path, what: str) -> None:
    def provoke(_: int) -> None:
        (directory,) = temporary.iterdir()
        if what == "socket":
            (directory / "engine.sock").unlink()
        else:
            shutil.rmtree(directory)

    slowest = max(noticed_after(engine, provoke) for _ in range(ROUNDS))
    figure(f"noticed after {slowest:.1f} s, {ROUNDS} times")


@pytest.mark.fault(
    "Engine faults", "exit at the start, no memory, disk full, SIGSTOP while it loads", "noticed, recovered, no orphan"
)
@pytest.mark.parametrize(
    "fault", ["exit", "memory", "disk", "sleep"], ids=["exit", "no memory", "disk full", "stopped"]
)
def test_a_fault_at_the_start(temporary: Path, tmp_path: Path, figure: Figure, fault: str) -> None:
    for number in range(ROUNDS):
        marker = tmp_path / f"marker{number}"
        with start(tmp_path, "first", options={"fault": fault, "marker": str(marker)}) as engine:
            assert eventually(marker.exists, 60)
            first, began = engine.health.pid, time.monotonic()
            if fault == "sleep":
                assert first is not None
                stop(first)
            (task,) = engine_tasks(engine)
            assert eventually(lambda: task.report().level == ERROR or engine.health.restarts == 1, NOTICED_S)  # noqa: B023
            noticed_s = time.monotonic() - began
            second = ready_pid(engine)
            assert engine.health.restarts == 1
            assert engine.health.last_error
            assert first is None or not group(first)
        assert eventually(lambda: not group(second))  # noqa: B023
    figure(f"noticed after {noticed_s:.1f} s, {ROUNDS} times")


@pytest.mark.fault("Engine faults", "an engine that loads for longer than the hang limit", "awaited, with a warning")
def test_a_slow_start(temporary: Path, tmp_path: Path, figure: Figure) -> None:
    load_s = size(3, 60)
    with start(tmp_path, options={"load_s": load_s}) as engine:
        (task,) = engine_tasks(engine)
        levels = set()
        while engine.health.state is not EngineState.READY:
            levels.add(task.report().level)
            time.sleep(0.05)
        assert levels <= {OK, WARN}
        assert engine.health.restarts == 0
    figure(f"{load_s} s to load, no restart")


PARENT = """
import sys
sys.path[:0] = [{tests!r}, {root!r}]
from support import make_request
from taihri_ros.inference.process.supervisor import EngineProcess
engine = EngineProcess(python={python!r}, kind="transformers", model="null")
engine.wait_ready(60)
print(engine.health.pid, flush=True)
engine.generate(make_request("sleep 60"))
"""


@pytest.mark.fault("Engine faults", "guard killed or stopped, then the node killed", "no orphan, no file")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["guard killed", "guard stopped"])
def test_the_engine_ends_with_the_node_also_without_its_guard(
    temporary: Path, tmp_path: Path, figure: Figure, number: signal.Signals
) -> None:
    script = textwrap.dedent(PARENT).format(
        tests=str(Path(support.__file__).parent), root=str(ROOT), python=null_python(tmp_path)
    )
    for _ in range(ROUNDS):
        with subprocess.Popen(
            [sys.executable, "-c", script], stdout=subprocess.PIPE, env=os.environ | {"TMPDIR": str(temporary)}
        ) as node:
            assert node.stdout is not None
            pid = int(node.stdout.readline())
            first = guard_of(pid)
            assert first is not None
            assert eventually(lambda: is_on_guard(first))  # noqa: B023
            os.kill(first, number)
            if number is signal.SIGKILL:
                assert eventually(lambda: guard_of(pid) not in (None, first)), "there is another guard"  # noqa: B023
            node.kill()
            began = time.monotonic()
            assert eventually(lambda: not group(pid)), "a process is left"  # noqa: B023
            ended_s = time.monotonic() - began
            assert eventually(lambda: not list(temporary.iterdir())), "a file is left"
    figure(f"ended {ended_s:.1f} s after the node, {ROUNDS} times")


@pytest.mark.fault("Engine faults", "end of the node while the engine is stopped", "at most 5 s, no orphan")
def test_closing_while_the_engine_hangs(temporary: Path, tmp_path: Path, figure: Figure) -> None:
    slowest = 0.0
    for _ in range(ROUNDS):
        with ThreadPoolExecutor(1) as pool:
            engine = start(tmp_path)
            pid = ready_pid(engine)
            stop(pid)
            running = pool.submit(engine.generate, make_request("hello"))
            time.sleep(0.2)
            began = time.monotonic()
            engine.close()
            slowest = max(slowest, time.monotonic() - began)
            assert eventually(lambda: not group(pid))  # noqa: B023
            with pytest.raises(EngineUnavailableError):
                running.result(10)
    assert slowest < NOTICED_S
    figure(f"{slowest:.1f} s, {ROUNDS} times")


@pytest.mark.fault("Engine faults", "26 idle peers that announce images", "memory is not taken before data arrive")
def test_announcements_on_the_socket(engine: EngineProcess, temporary: Path, figure: Figure) -> None:
    pid = ready_pid(engine)
    (directory,) = temporary.iterdir()
    before = memory_mb(pid)
    peers = [RawConnection(directory / "engine.sock") for _ in range(26)]
    for peer in peers:
        peer.socket.sendall(_PREFIX.pack(b"TAIH", 1 << 20, 64 << 20))
        peer.socket.sendall(bytes((1 << 20) + 100))
    time.sleep(0.3)
    assert answer_texts(engine.generate(make_request("hello"))) == ("hello",), "the node is served meanwhile"
    grown = memory_mb(pid) - before
    for peer in peers:
        peer.close()
    assert grown < 300
    figure(f"{grown:.0f} MB more, 26 MB of them were sent")


def memory_mb(pid: int) -> float:
    """Return the resident memory of a process, MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
