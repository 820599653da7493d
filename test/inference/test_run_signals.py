"""Signals end `taihri run` in every phase of its life, with exit code 0 and without leaving anything."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from domains import new_domain
from false_servers import ListeningServer
from reliability import Figure, size
from support import eventually, null_python

from taihri_ros.node.unread_log import write_unless_full

ROUNDS = size(1, 20)
CHANCE = random.Random(7)
STOP_S = 30.0
"""Limit on a busy machine for what takes less than 5 s on an idle one."""

pytestmark = [pytest.mark.usefixtures("default_signals"), pytest.mark.timeout(size(300, 7200))]


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    variables = {"TMPDIR": str(temporary), "ROS_DOMAIN_ID": str(new_domain())}
    yield variables | {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
    assert eventually(lambda: not list(temporary.iterdir())), "a file is left"


def run(environment: dict[str, str], log: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Start the command, and wait until it handles signals: before, the interpreter itself is being started."""
    with log.open("wb") as stream:
        node = subprocess.Popen(
            [sys.executable, "-m", "taihri_ros.cli", "run", "--command", "left_wrist", *arguments],
            env=os.environ | environment,
            stderr=stream,
        )
    assert eventually(lambda: handles(node.pid, signal.SIGTERM))
    return node


def handles(pid: int, number: signal.Signals) -> bool:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (caught,) = (line.split()[1] for line in lines if line.startswith("SigCgt"))
    return bool(int(caught, 16) >> (number - 1) & 1)


def stop(node: subprocess.Popen[bytes], number: signal.Signals, times: int) -> float:
    """Send a signal, again and again until the process has ended; check its exit code, and return the time, in s."""
    began = time.monotonic()
    for _ in range(times):
        if node.poll() is None:
            node.send_signal(number)
            time.sleep(CHANCE.uniform(0.0, 0.3))
    assert node.wait(STOP_S) == 0
    return time.monotonic() - began


def wait_for_log(log: Path, text: str) -> None:
    assert eventually(lambda: text in log.read_text(errors="replace"), 60)


@pytest.mark.fault(
    "Signals",
    "SIGINT or SIGTERM, one to three times, within the first 1.5 s and with a ready engine",
    "5 s, exit code 0",
)
@pytest.mark.parametrize("phase", ["first 1.5 s", "ready"])
def test_a_signal_ends_the_node(environment: dict[str, str], tmp_path: Path, figure: Figure, phase: str) -> None:
    log, slowest, count = tmp_path / "log", 0.0, ROUNDS * (2 if phase == "first 1.5 s" else 1)
    python = ("--engine", "transformers", "--engine-python", null_python(tmp_path))
    for number in range(count):
        node = run(environment, log, *python)
        if phase == "ready":
            wait_for_log(log, "the engine is ready")
        else:
            time.sleep(CHANCE.uniform(0.0, 1.5) if number else 0.0)
        slowest = max(slowest, stop(node, CHANCE.choice([signal.SIGINT, signal.SIGTERM]), CHANCE.randint(1, 3)))
        assert "Traceback" not in log.read_text()
    figure(f"{slowest:.1f} s at most, exit code 0, {count} times")


def stop_engine(log: Path, pid: int) -> None:
    """Wait until the engine of a node is ready, and stop its process."""
    wait_for_log(log, "the engine is ready")
    (engine,) = engine_of(pid)
    os.kill(int(engine), signal.SIGSTOP)


def engine_of(pid: int) -> list[str]:
    """Return the subprocesses of all threads of a process."""
    return [each for file in Path(f"/proc/{pid}/task").glob("*/children") for each in file.read_text().split()]


@pytest.mark.fault("Signals", "a signal while the engine or the remote server does not respond", "5 s, exit code 0")
@pytest.mark.parametrize("engine", ["stopped engine", "mute server"])
def test_a_signal_ends_a_node_whose_engine_hangs(
    environment: dict[str, str], tmp_path: Path, figure: Figure, engine: str
) -> None:
    log, slowest = tmp_path / "log", 0.0
    for _ in range(ROUNDS):
        with ListeningServer() as server:
            local = ("--engine", "transformers", "--engine-python", null_python(tmp_path))
            remote = ("-p", "engine.kind:=openai", "-p", "engine.model:=T", "-p", f"engine.url:={server.url}")
            node = run(environment, log, *(local if engine == "stopped engine" else remote))
            if engine == "stopped engine":
                stop_engine(log, node.pid)
            else:
                assert eventually(lambda: server.accepted > 0, 60)
            slowest = max(slowest, stop(node, signal.SIGTERM, 1))
    figure(f"{slowest:.1f} s at most, exit code 0, {ROUNDS} times")


@pytest.mark.fault("Signals", "a signal while nobody reads the log, whose pipe is full", "5 s, exit code 0")
def test_a_signal_ends_a_node_whose_log_is_not_read(
    environment: dict[str, str], tmp_path: Path, figure: Figure
) -> None:
    reading, writing = os.pipe()
    while write_unless_full(writing, b"x" * 4096):
        pass
    engine = ("--engine", "transformers", "--engine-python", null_python(tmp_path))
    node = run(environment, Path(f"/dev/fd/{writing}"), *engine)
    assert eventually(lambda: engine_of(node.pid), 60), "it does not start"
    assert eventually(lambda: list(Path(environment["TMPDIR"]).glob("*/engine.sock")), 60)
    figure(f"{stop(node, signal.SIGTERM, 1):.1f} s, exit code 0")
    os.close(writing)
    os.close(reading)
