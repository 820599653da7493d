"""Robots keep working while one of two vLLM servers behind nginx is killed, and use it again when it is back."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Event

import cv2
import numpy as np
import pytest
from false_servers import free_port
from required import ROOT
from served_model import ServedModel
from support import eventually

from taihri_ros.commands.command import joint_command
from taihri_ros.inference.engine import EngineUnavailableError, GenerationRequest
from taihri_ros.inference.openai.remote_engine import RemoteEngine
from taihri_ros.model.spec import ModelSpec
from taihri_ros.pipeline.prompt_batch import make_prompt_batch
from taihri_ros.resources import NANO, PERSON

ROBOTS = 4
START_S = 300.0
ANSWER_S = 60.0
"""Limit for an answer on a busy machine; nginx waits for half of it."""

MAIN = """
daemon off;
pid {directory}/pid;
error_log {directory}/error.log warn;
events {{}}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    include {directory}/taihri.conf;
}}
"""
pytestmark = [pytest.mark.soak, pytest.mark.timeout(1200)]


class Robot:
    """A client that asks for both wrists of a person, again and again.

    Attributes:
        answered: Number of requests that were answered.
        failed: Messages of those that were not.
    """

    def __init__(self, engine: RemoteEngine) -> None:
        self._engine = engine
        info = engine.wait_ready(START_S)
        batch = make_prompt_batch(joint_command(("left_wrist", "right_wrist")), info, "per_joint")
        picture = np.asarray(cv2.resize(cv2.cvtColor(cv2.imread(str(PERSON)), cv2.COLOR_BGR2RGB), (256, 192)), np.uint8)
        self._request = GenerationRequest(image=picture, questions=batch.questions, max_tokens=batch.max_tokens)
        self.answered = 0
        self.failed: list[str] = []

    def work(self, stopped: Event) -> None:
        """Send requests until `stopped` is set; after a failure wait as long as a camera at 10 Hz."""
        while not stopped.is_set():
            try:
                answers = self._engine.generate(self._request).answers
            except EngineUnavailableError as error:
                self.failed.append(str(error))
                stopped.wait(0.1)
            else:
                assert all(answer.finish_reason == "stop" for answer in answers)
                self.answered += 1


@pytest.fixture
def ports() -> tuple[int, int, int]:
    return free_port(), free_port(), free_port()


@pytest.fixture
def servers(ports: tuple[int, int, int], tmp_path: Path) -> Iterator[list[ServedModel]]:
    running = [ServedModel(NANO, tmp_path / f"server-{port}.log", port=port) for port in ports[1:]]
    try:
        for server in running:
            await_server(server)
        yield running
    finally:
        for server in running:
            server.end()


@pytest.fixture
def balancer(ports: tuple[int, int, int], tmp_path: Path) -> Iterator[str]:
    """The shipped configuration with the ports of this test, and with time for a busy machine."""
    nginx = os.environ.get("TAIHRI_NGINX") or shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    assert nginx, "nginx is missing: apt-get install nginx, or set TAIHRI_NGINX to its program"
    shipped = (ROOT / "config" / "fleet" / "nginx.conf").read_text()
    for written, used in (
        ("listen 8000", f"listen 127.0.0.1:{ports[0]}"),
        ("127.0.0.1:8001", f"127.0.0.1:{ports[1]}"),
        ("127.0.0.1:8002", f"127.0.0.1:{ports[2]}"),
        ("proxy_read_timeout 2s", f"proxy_read_timeout {ANSWER_S / 2:.0f}s"),
    ):
        assert shipped.count(written) == 1
        shipped = shipped.replace(written, used)
    (tmp_path / "taihri.conf").write_text(shipped)
    main = tmp_path / "main.conf"
    main.write_text(MAIN.format(directory=tmp_path))
    with subprocess.Popen(
        [nginx, "-p", tmp_path, "-c", main, "-g", "user root;" if os.getuid() == 0 else ""]
    ) as process:
        try:
            yield f"http://127.0.0.1:{ports[0]}"
        finally:
            process.terminate()


def await_server(server: ServedModel) -> None:
    """Wait until a server answers on its own port."""

    def is_up() -> bool:
        assert server.process.poll() is None, "the server has ended: see its log"
        try:
            with urllib.request.urlopen(f"{server.url}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    assert eventually(is_up, START_S)


def answers_of(server: ServedModel) -> float:
    """Return how many requests a server has completed."""
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("vllm:request_success_total{"))


def test_robots_keep_working_when_a_server_is_killed(
    servers: list[ServedModel], balancer: str, ports: tuple[int, int, int], tmp_path: Path
) -> None:
    stopped = Event()
    with ExitStack() as stack:
        spec = ModelSpec.load(NANO)
        robots = [
            Robot(stack.enter_context(RemoteEngine(balancer, "tiny", spec, api_key="secret", timeout_s=ANSWER_S)))
            for _ in range(ROBOTS)
        ]
        pool = stack.enter_context(ThreadPoolExecutor(ROBOTS))
        stack.callback(stopped.set)
        running = [pool.submit(robot.work, stopped) for robot in robots]

        def all_work() -> bool:
            """Return whether each robot soon gets five more answers."""
            before = [robot.answered for robot in robots]
            return eventually(
                lambda: all(robot.answered >= count + 5 for robot, count in zip(robots, before, strict=True)), 200
            )

        assert all_work()
        assert all(answers_of(server) > 0 for server in servers), "both are used"

        servers[0].end()
        killed = time.monotonic()
        assert all_work(), [robot.failed for robot in robots]
        print(f"each robot had 5 more answers {time.monotonic() - killed:.1f} s after the kill")
        assert [len(robot.failed) for robot in robots] == [0] * ROBOTS, [robot.failed for robot in robots]

        servers[0] = ServedModel(NANO, tmp_path / "server-again.log", port=ports[1])
        await_server(servers[0])
        assert eventually(lambda: answers_of(servers[0]) > 5, 100), "it is used again"
        assert all_work()
        stopped.set()
        for one in running:
            one.result(ANSWER_S)
        assert [len(robot.failed) for robot in robots] == [0] * ROBOTS, [robot.failed for robot in robots]
        print(f"answers: {[robot.answered for robot in robots]}")
