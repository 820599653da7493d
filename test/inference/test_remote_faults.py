"""What networks and servers do to a remote engine: it is noticed, it comes back, and its texts have bounds."""

from __future__ import annotations

import json
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import numpy as np
import pytest
from false_servers import FalseServer
from quick_server import MODEL, QuickServer
from reliability import Figure, size
from support import eventually

from taihri_ros.commands.command import joint_command
from taihri_ros.inference.engine import EngineError, EngineUnavailableError, GenerationRequest, Question
from taihri_ros.inference.engine_health import EngineState
from taihri_ros.inference.openai.http_connection import HttpConnection
from taihri_ros.inference.openai.remote_engine import RemoteEngine
from taihri_ros.inference.process.fields import ProtocolError
from taihri_ros.model.grammar import named_grammar
from taihri_ros.model.prompts import make_prompt
from taihri_ros.node.diagnostics import OK, engine_tasks

pytestmark = pytest.mark.timeout(size(300, 7200))

ROUNDS = size(1, 20)
NOTICED_S = 15.0
"""Limit on a busy machine for what takes 2 s on an idle one."""


def request_to(engine: RemoteEngine) -> GenerationRequest:
    spec, joints = engine.info.spec, ("left_wrist",)
    assert spec.answer is not None
    question = Question(make_prompt(joint_command(joints), spec), named_grammar(joints, spec.answer))
    return GenerationRequest(image=np.zeros((224, 224, 3), np.uint8), questions=(question,))


@pytest.mark.fault("Engine faults", "remote server stopped, then continued", "noticed in 2 s, recovered")
@pytest.mark.parametrize("busy", [False, True], ids=["idle", "in an inference"])
def test_a_server_that_becomes_mute(figure: Figure, busy: bool) -> None:
    with QuickServer() as server, RemoteEngine(server.url, MODEL) as engine, ThreadPoolExecutor(1) as pool:
        (task,) = engine_tasks(engine)
        engine.wait_ready(60)
        request = request_to(engine)
        for _ in range(ROUNDS):
            engine.generate(request)
            server.send_signal(signal.SIGSTOP)
            running = pool.submit(engine.generate, request) if busy else None
            began = time.monotonic()
            assert eventually(lambda: task.report().level != OK, NOTICED_S)
            noticed_s = time.monotonic() - began
            assert eventually(lambda: engine.health.state is EngineState.RESTARTING, NOTICED_S)
            if running is not None:
                with pytest.raises(EngineUnavailableError):
                    running.result(NOTICED_S)
            server.send_signal(signal.SIGCONT)
            engine.wait_ready(60) if eventually(lambda: engine.health.state is EngineState.READY, 60) else None
            assert engine.generate(request).answers
            assert task.report().level == OK
    figure(f"noticed after {noticed_s:.1f} s, {ROUNDS} times")


@pytest.mark.fault("Engine faults", "end of the node while the remote server is mute", "at most 5 s")
def test_closing_while_the_server_is_mute(figure: Figure) -> None:
    slowest = 0.0
    for _ in range(ROUNDS):
        with QuickServer() as server, ThreadPoolExecutor(1) as pool:
            engine = RemoteEngine(server.url, MODEL)
            engine.wait_ready(60)
            request = request_to(engine)
            server.send_signal(signal.SIGSTOP)
            running = pool.submit(engine.generate, request)
            time.sleep(0.2)
            began = time.monotonic()
            engine.close()
            with pytest.raises(EngineError):
                running.result(NOTICED_S)
            slowest = max(slowest, time.monotonic() - began)
    assert slowest < NOTICED_S
    figure(f"{slowest:.1f} s, {ROUNDS} times")


@contextmanager
def dripping_server(data: bytes, period_s: float) -> Iterator[int]:
    """Return the port of a server that sends data byte by byte to each peer, whatever it is asked."""
    done = threading.Event()

    def serve() -> None:
        with suppress(OSError):
            while not done.is_set():
                peer, _ = listener.accept()
                with peer, suppress(OSError):
                    for byte in data:
                        if done.wait(period_s):
                            return
                        peer.sendall(bytes([byte]))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            done.set()
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.mark.fault("Engine faults", "remote server that sends a byte at a time", "a request has a total deadline")
@pytest.mark.parametrize(
    ("scheme", "data"),
    [("http", b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 10_000), ("https", b"\x16\x03\x03\x40\x00\x02" + bytes(10_000))],
    ids=["http", "https"],
)
def test_a_drip(figure: Figure, scheme: str, data: bytes) -> None:
    with dripping_server(data, 0.05) as port:
        connection = HttpConnection(f"{scheme}://127.0.0.1:{port}", None, 1.0)
        began = time.monotonic()
        with pytest.raises(EngineUnavailableError, match="has not answered for 1 s"):
            connection.get("/v1/models")
        elapsed_s = time.monotonic() - began
        connection.close()
    assert elapsed_s < NOTICED_S
    figure(f"{elapsed_s:.1f} s, deadline 1 s")


@pytest.mark.fault(
    "Engine faults", "remote server with endless answers, 100,000 models or ESC in its texts", "bounded, escaped"
)
@pytest.mark.parametrize("with_length", [True, False])
def test_texts_of_a_server_have_bounds(figure: Figure, with_length: bool) -> None:
    models = json.dumps({"data": [{"id": f"model{number}"} for number in range(20_000)]}).encode()
    with FalseServer(models[:-2] + b" " * (2 << 20) + models[-2:], with_length=with_length) as server:
        connection = HttpConnection(server.url, None, 10.0)
        with pytest.raises(ProtocolError, match="answered more than 1048576 bytes"):
            connection.get("/v1/models")
        connection.close()
    with FalseServer(models) as server, RemoteEngine(server.url, "mine") as engine:
        assert eventually(lambda: engine.health.state is EngineState.FAILED)
        many = engine.health.last_error
    assert many.endswith("model9 and 19990 others: correct engine.model")
    with FalseServer(b"\x1b[2J\x1b]0;owned\x07" + b"x" * 10_000, status=404) as server:
        connection = HttpConnection(server.url, None, 10.0)
        with pytest.raises(EngineError) as raised:
            connection.get("/v1/models")
        connection.close()
    assert "\x1b" not in str(raised.value)
    assert "\\x1b[2J" in str(raised.value)
    assert len(str(raised.value)) < 500
    figure(f"refused after 1 MB; messages of {len(many)} and {len(str(raised.value))} characters")
