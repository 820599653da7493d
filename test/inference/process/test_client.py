from __future__ import annotations

import socket as sockets
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import msgpack
import numpy as np
import pytest
from support import INFO, NullEngine, RawConnection, ServerThread, answer_texts, eventually, make_request, wire_bytes

from taihri_ros.inference.engine import (
    Engine,
    EngineUnavailableError,
    Generation,
    GenerationAbortedError,
    GenerationFailedError,
    RawAnswer,
)
from taihri_ros.inference.process import protocol
from taihri_ros.inference.process.client import EngineClient
from taihri_ros.inference.process.fields import ProtocolError
from taihri_ros.inference.process.protocol import EngineStatus, State


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "engine.sock"


@pytest.fixture
def served(path: Path) -> Iterator[ServerThread]:
    with ServerThread(path) as running:
        assert eventually(path.exists)
        time.sleep(0.1)
        yield running


def test_a_client_implements_the_engine_interface(served: ServerThread) -> None:
    client: Engine
    with EngineClient(served.socket) as client:
        assert client.info == INFO
        assert answer_texts(client.generate(make_request("hello"))) == ("hello",)


def test_the_image_arrives(served: ServerThread) -> None:
    image = np.arange(96 * 64 * 3, dtype=np.uint8).reshape(96, 64, 3)
    with EngineClient(served.socket) as client:
        (answer,) = client.generate(replace(make_request(), image=image)).answers
    (found,) = answer.top_k
    assert found is not None
    assert found.bins == (int(image.sum()) % 1000,)


def test_questions_are_answered_in_their_order(served: ServerThread) -> None:
    texts = tuple(f"question {number}" for number in range(22))
    with EngineClient(served.socket) as client:
        assert answer_texts(client.generate(make_request(*texts))) == texts


def test_failures_are_raised_as_by_an_engine_in_this_process(served: ServerThread) -> None:
    with EngineClient(served.socket) as client:
        with pytest.raises(GenerationFailedError, match="no such joint"):
            client.generate(make_request("fail no such joint"))
        assert answer_texts(client.generate(make_request("hello"))) == ("hello",)


def test_abort_ends_the_request_in_flight(served: ServerThread) -> None:
    with EngineClient(served.socket) as client, ThreadPoolExecutor(1) as pool:
        running = pool.submit(client.generate, make_request("wait 20"))
        assert eventually(lambda: client.status().state is State.BUSY)
        started = time.monotonic()
        client.abort()
        with pytest.raises(GenerationAbortedError):
            running.result(5)
        assert time.monotonic() - started < 10
        assert answer_texts(client.generate(make_request("hello"))) == ("hello",)


def test_two_requests_are_answered_at_the_same_time(served: ServerThread) -> None:
    with EngineClient(served.socket) as client, ThreadPoolExecutor(1) as pool:
        slow = pool.submit(client.generate, make_request("wait 20"))
        assert eventually(lambda: client.status().state is State.BUSY)
        for number in range(20):
            assert answer_texts(client.generate(make_request(f"question {number}"))) == (f"question {number}",)
        assert not slow.done()
        client.abort()
        with pytest.raises(GenerationAbortedError):
            slow.result(5)


def test_requests_beyond_the_limit_wait(served: ServerThread) -> None:
    with EngineClient(served.socket) as client, ThreadPoolExecutor(8) as pool:
        texts = [f"sleep 0.0{number % 4}" for number in range(40)]
        assert [answer_texts(one) for one in pool.map(lambda text: client.generate(make_request(text)), texts)] == [
            (text,) for text in texts
        ]
        assert client.status().refused == 0


def test_abort_ends_all_requests_in_flight(served: ServerThread) -> None:
    with EngineClient(served.socket) as client, ThreadPoolExecutor(2) as pool:
        running = [pool.submit(client.generate, make_request("wait 20")) for _ in range(2)]
        time.sleep(0.5)
        started = time.monotonic()
        client.abort()
        for one in running:
            with pytest.raises(GenerationAbortedError):
                one.result(5)
        assert time.monotonic() - started < 10
        assert answer_texts(client.generate(make_request("hello"))) == ("hello",)


def test_a_timeout_of_one_request_does_not_end_the_other(served: ServerThread) -> None:
    with EngineClient(served.socket, request_timeout_s=0.5) as client, ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(client.generate, make_request("wait 20"))
        for _ in range(4):
            assert answer_texts(client.generate(make_request("sleep 0.2"))) == ("sleep 0.2",)
        with pytest.raises(EngineUnavailableError, match=r"not answered for 0\.5 s"):
            hanging.result(5)
        assert eventually(lambda: client.status().state is State.READY), "the server aborts it"


def test_abort_without_a_request_does_nothing(served: ServerThread) -> None:
    with EngineClient(served.socket) as client:
        client.abort()
        assert answer_texts(client.generate(make_request("wait 0.1"))) == ("wait 0.1",)


def test_the_status_is_reported_during_a_request(served: ServerThread) -> None:
    with EngineClient(served.socket) as client, ThreadPoolExecutor(1) as pool:
        running = pool.submit(client.generate, make_request("wait 0.5"))
        assert eventually(lambda: client.status().state is State.BUSY)
        running.result(5)
        assert client.status().completed == 1


def test_a_timeout_reports_the_age_of_the_last_answer(served: ServerThread) -> None:
    with EngineClient(served.socket, request_timeout_s=0.3) as client:
        with pytest.raises(
            EngineUnavailableError, match=r"not answered for 0.3 s; it has not answered any request yet"
        ):
            client.generate(make_request("sleep 0.6"))
        assert eventually(lambda: client.status().state is State.READY)
        client.generate(make_request("hello"))
        with pytest.raises(EngineUnavailableError, match=r"its last answer came 0\.\d s ago"):
            client.generate(make_request("sleep 0.6"))


def test_a_late_answer_is_not_returned_for_the_next_request(served: ServerThread) -> None:
    with EngineClient(served.socket, request_timeout_s=0.3) as client:
        with pytest.raises(EngineUnavailableError):
            client.generate(make_request("sleep 0.4"))
        assert answer_texts(client.generate(make_request("sleep 0.1"))) == ("sleep 0.1",)


def test_a_missing_server_is_reported_after_the_timeout(path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(EngineUnavailableError, match=r"no engine listens on .*engine\.sock"):
        EngineClient(path, connect_timeout_s=0.2)
    assert time.monotonic() - started < 10


def test_an_engine_that_still_loads_is_reported(path: Path) -> None:
    loaded = threading.Event()

    def load() -> NullEngine:
        loaded.wait(10)
        return NullEngine()

    with ServerThread(path, load):
        with pytest.raises(EngineUnavailableError, match="is loading: loading the engine"):
            EngineClient(path)
        loaded.set()


def test_a_server_that_ends_is_reported_without_waiting(served: ServerThread) -> None:
    with EngineClient(served.socket, connect_timeout_s=0.2) as client:
        served.stop()
        started = time.monotonic()
        with pytest.raises(EngineUnavailableError):
            client.generate(make_request("hello"))
        assert time.monotonic() - started < 10


def test_a_server_that_is_restarted_is_used_again(served: ServerThread) -> None:
    class Other(NullEngine):
        info = type(INFO)(kind="null", version="2", model="none", device="cpu", dtype="none", spec=INFO.spec)

    with EngineClient(served.socket) as client:
        served.stop()
        with ServerThread(served.socket, Other):
            assert eventually(served.socket.exists)
            time.sleep(0.2)
            assert answer_texts(client.generate(make_request("hello"))) == ("hello",)
            assert client.info.version == "2"


def test_close_ends_the_requests_in_flight_and_those_that_wait(served: ServerThread) -> None:
    client = EngineClient(served.socket)
    with ThreadPoolExecutor(3) as pool:
        running = [pool.submit(client.generate, make_request("sleep 15")) for _ in range(3)]
        assert eventually(lambda: client.status().state is State.BUSY)
        started = time.monotonic()
        client.close()
        client.close()
        assert time.monotonic() - started < 10
        for one in running:
            with pytest.raises(EngineUnavailableError):
                one.result(10)
    with pytest.raises(EngineUnavailableError, match="closed"):
        client.generate(make_request())
    with pytest.raises(EngineUnavailableError, match="closed"):
        client.status()


@contextmanager
def false_server(path: Path, *serves: Callable[[RawConnection], object]) -> Iterator[None]:
    """Serve the first, second, ... connection with the first, second, ... of `serves`."""

    def serve(connected: sockets.socket, one: Callable[[RawConnection], object]) -> None:
        with connected:
            one(RawConnection(connected=connected))

    with sockets.socket(sockets.AF_UNIX) as listener, ThreadPoolExecutor(len(serves)) as pool:
        listener.settimeout(5.0)
        listener.bind(str(path))
        listener.listen()
        accepting = threading.Thread(
            target=lambda: [running.append(pool.submit(serve, listener.accept()[0], one)) for one in serves]
        )
        running: list[Future[None]] = []
        accepting.start()
        yield
        accepting.join()
        for one in running:
            one.result(5)


def test_a_server_with_another_protocol_version_is_reported(path: Path) -> None:
    def serve(line: RawConnection) -> None:
        line.receive()
        line.send([msgpack.packb({"version": 7})])

    with (
        false_server(path, serve),
        pytest.raises(ProtocolError, match="version 7 of the engine protocol, this side version 4: install the same"),
    ):
        EngineClient(path)


@pytest.mark.parametrize(
    ("nonsense", "complaint"),
    [
        (wire_bytes([b"\xc1\xc1"]), "not msgpack"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not use the engine protocol, its first bytes are b'HTTP'"),
    ],
)
def test_invalid_data_from_the_server_is_an_error(path: Path, nonsense: bytes, complaint: str) -> None:
    def serve(line: RawConnection) -> None:
        line.receive()
        line.socket.sendall(nonsense)

    with false_server(path, serve), pytest.raises(ProtocolError, match=complaint):
        EngineClient(path)


def ready(line: RawConnection) -> None:
    """Answer every status request with READY."""
    status = EngineStatus(state=State.READY, info=INFO)
    with suppress(EOFError):
        while True:
            line.send(protocol.pack(protocol.encode_status(status, line.receive().id)))


def answer_bytes(text: str, identifier: int) -> bytes:
    """Return the bytes of an answer."""
    answer = RawAnswer(tokens=(text,), top_k=(None,), finish_reason="stop")
    return wire_bytes(protocol.pack(protocol.encode_generation(Generation(answers=(answer,)), identifier)))


def test_answers_with_other_request_numbers_are_ignored(path: Path) -> None:
    """The server of this test sends an old answer before the right one."""

    def serve(line: RawConnection) -> None:
        identifier = line.receive().id
        line.socket.sendall(answer_bytes("old", identifier - 1) + answer_bytes("new", identifier))

    with false_server(path, ready, serve, ready), EngineClient(path) as client:
        assert answer_texts(client.generate(make_request("hello"))) == ("new",)


@pytest.mark.handles(
    "Engine", "engine that answers other requests than the one in flight, without end", "no answer within the time"
)
def test_answers_with_other_request_numbers_do_not_extend_the_time(path: Path) -> None:
    def serve(line: RawConnection) -> None:
        old = answer_bytes("old", line.receive().id - 1)
        with suppress(OSError):
            while True:
                line.socket.sendall(old)

    with (
        false_server(path, ready, serve, ready),
        EngineClient(path, request_timeout_s=0.3) as client,
        pytest.raises(EngineUnavailableError, match=r"the engine has not answered for 0\.3 s"),
    ):
        client.generate(make_request("hello"))


def test_data_after_an_answer_is_not_read_as_the_next_answer(path: Path) -> None:
    def serve(line: RawConnection) -> None:
        identifier = line.receive().id
        line.socket.sendall(answer_bytes("right", identifier) + answer_bytes("wrong", identifier + 1))
        line.ended()

    def again(line: RawConnection) -> None:
        line.socket.sendall(answer_bytes("right again", line.receive().id))

    with false_server(path, ready, serve, ready, again), EngineClient(path) as client:
        assert answer_texts(client.generate(make_request("hello"))) == ("right",)
        assert answer_texts(client.generate(make_request("hello"))) == ("right again",)


@pytest.mark.parametrize("begun", [b"", wire_bytes([b"a header of an answer"])[:25]])
def test_a_server_that_ends_within_an_answer_is_reported(path: Path, begun: bytes) -> None:
    def serve(line: RawConnection) -> None:
        line.receive()
        line.socket.sendall(begun)

    with (
        false_server(path, ready, serve, ready),
        EngineClient(path) as client,
        pytest.raises(EngineUnavailableError, match="the engine process ended during a request"),
    ):
        client.generate(make_request("hello"))


@pytest.mark.handles(
    "Engine", "answer of an engine process with more parts than the protocol allows", "refused before it is read"
)
def test_an_answer_with_a_second_frame_is_refused(path: Path) -> None:
    def serve(line: RawConnection) -> None:
        line.receive()
        line.socket.sendall(wire_bytes([b"a header", b"a blob"]))

    with (
        false_server(path, ready, serve, ready),
        EngineClient(path) as client,
        pytest.raises(ProtocolError, match="a second frame has at most 0 bytes, not 6"),
    ):
        client.generate(make_request("hello"))


def test_a_server_that_does_not_read_is_reported_after_the_timeout(path: Path) -> None:
    big = replace(make_request(), image=np.zeros((1024, 1024, 3), np.uint8))
    done = threading.Event()

    with (
        false_server(path, ready, lambda _: done.wait(30), ready),
        EngineClient(path, request_timeout_s=0.3) as client,
    ):
        started = time.monotonic()
        with pytest.raises(EngineUnavailableError, match=r"has not accepted a message for 0\.3 s"):
            client.generate(big)
        assert time.monotonic() - started < 10
        done.set()
