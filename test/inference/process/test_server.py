from __future__ import annotations

import itertools
import os
import select
import socket as sockets
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgpack
import pytest
import support
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from required import ROOT
from support import INFO, NullEngine, RawConnection, ServerThread, answer_texts, eventually, make_request, wire_bytes

from taihri_ros.inference.engine import (
    CheckpointError,
    EngineError,
    EngineUnavailableError,
    GenerationAbortedError,
    GenerationFailedError,
)
from taihri_ros.inference.process import protocol, server
from taihri_ros.inference.process.exit_status import EXIT_FAILED, EXIT_PERMANENT
from taihri_ros.inference.process.fields import ProtocolError
from taihri_ros.inference.process.protocol import (
    MAX_IN_FLIGHT,
    EngineStatus,
    Kind,
    Message,
    State,
)


class Peer:
    """A client at the level of frames, with a separate connection for each request."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._control: RawConnection | None = None
        self._lines: list[RawConnection] = []
        self._ids = itertools.count(1)

    @property
    def control(self) -> RawConnection:
        self._control = self._control or RawConnection(self._path)
        return self._control

    def send(self, kind: Kind, identifier: int | None = None) -> int:
        identifier = next(self._ids) if identifier is None else identifier
        self.control.send(protocol.pack(Message(kind, identifier)))
        return identifier

    def send_request(self, text: str) -> int:
        identifier = next(self._ids)
        self._lines.append(RawConnection(self._path))
        self._lines[-1].send(protocol.pack(protocol.encode_request(make_request(text), identifier)))
        return identifier

    def receive(self) -> Message:
        """Return the first answer to any of the requests."""
        ready, _, _ = select.select(self._lines, [], [], 5.0)
        assert ready, "there is no answer"
        self._lines.remove(ready[0])
        answer = ready[0].receive()
        ready[0].close()
        return answer

    def status(self) -> EngineStatus:
        self.send(Kind.STATUS)
        return protocol.decode_status(self.control.receive())

    def wait_for(self, state: State) -> None:
        assert eventually(lambda: self.status().state is state)

    def close(self) -> None:
        for line in (*self._lines, *filter(None, [self._control])):
            line.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "engine.sock"


@pytest.fixture
def served(path: Path) -> Iterator[ServerThread]:
    with ServerThread(path) as running:
        yield running


@pytest.fixture
def peer(path: Path) -> Iterator[Peer]:
    one = Peer(path)
    yield one
    one.close()


def test_a_request_is_answered(served: ServerThread, peer: Peer) -> None:
    peer.wait_for(State.READY)
    identifier = peer.send_request("hello")
    answer = peer.receive()
    assert answer.id == identifier
    assert answer_texts(protocol.decode_generation(answer)) == ("hello",)


def test_the_status_has_the_description_and_the_counters(served: ServerThread, peer: Peer) -> None:
    peer.wait_for(State.READY)
    for text in ("hello", "fail no"):
        peer.send_request(text)
        peer.receive()
    status = peer.status()
    assert (status.completed, status.failed, status.aborted, status.refused) == (1, 1, 0, 0)
    assert status.info == INFO
    assert status.pid == os.getpid()
    assert status.last_success_age_s is not None
    assert 0 <= status.last_success_age_s < 5


def test_the_state_is_reported_while_the_engine_loads_and_generates(path: Path, peer: Peer) -> None:
    loaded = threading.Event()

    def load() -> NullEngine:
        loaded.wait(10)
        return NullEngine()

    with ServerThread(path, load):
        status = peer.status()
        assert (status.state, status.info, status.last_success_age_s) == (State.LOADING, None, None)
        peer.send_request("hello")
        with pytest.raises(EngineUnavailableError, match="the engine is loading"):
            protocol.raise_error(peer.receive())
        loaded.set()
        peer.wait_for(State.READY)
        identifier = peer.send_request("wait 10")
        peer.wait_for(State.BUSY)
        peer.send(Kind.ABORT, identifier)
        peer.receive()


def test_a_request_is_aborted(served: ServerThread, peer: Peer) -> None:
    peer.wait_for(State.READY)
    identifier = peer.send_request("wait 10")
    peer.wait_for(State.BUSY)
    peer.send(Kind.ABORT, identifier)
    with pytest.raises(GenerationAbortedError):
        protocol.raise_error(peer.receive())
    assert peer.status().aborted == 1


def test_an_abort_right_after_the_request_is_applied(served: ServerThread, peer: Peer) -> None:
    peer.wait_for(State.READY)
    for _ in range(30):
        peer.send(Kind.ABORT, peer.send_request("wait 10"))
        with pytest.raises(GenerationAbortedError):
            protocol.raise_error(peer.receive())


def test_an_abort_of_another_request_does_nothing(served: ServerThread, peer: Peer) -> None:
    peer.wait_for(State.READY)
    identifier = peer.send_request("wait 0.3")
    peer.send(Kind.ABORT, identifier - 1)
    assert answer_texts(protocol.decode_generation(peer.receive())) == ("wait 0.3",)


def occupy(peer: Peer) -> list[int]:
    """Send as many requests as the engine answers at the same time."""
    peer.wait_for(State.READY)
    identifiers = []
    for _ in range(MAX_IN_FLIGHT):
        identifiers.append(peer.send_request("wait 10"))
        peer.wait_for(State.BUSY)
        time.sleep(0.2)
    return identifiers


def test_requests_are_answered_while_another_is_in_flight(served: ServerThread, peer: Peer) -> None:
    peer.wait_for(State.READY)
    slow = peer.send_request("wait 10")
    for text in ("one", "two", "three"):
        identifier = peer.send_request(text)
        answer = peer.receive()
        assert answer.id == identifier
        assert answer_texts(protocol.decode_generation(answer)) == (text,)
    assert peer.status().state is State.BUSY
    peer.send(Kind.ABORT, slow)
    assert peer.receive().id == slow
    assert peer.status().state is State.READY


def test_an_abort_ends_its_own_request_and_no_other(served: ServerThread, peer: Peer) -> None:
    first, second = occupy(peer)
    peer.send(Kind.ABORT, second)
    ended = peer.receive()
    assert ended.id == second
    with pytest.raises(GenerationAbortedError):
        protocol.raise_error(ended)
    assert peer.status().state is State.BUSY
    peer.send(Kind.ABORT, first)
    assert peer.receive().id == first
    assert peer.status().aborted == 2


def test_requests_up_to_the_limit_may_arrive_together(served: ServerThread, peer: Peer) -> None:
    peer.wait_for(State.READY)
    for _ in range(50):
        identifiers = {peer.send_request("hello") for _ in range(MAX_IN_FLIGHT + 1)}
        answers = [peer.receive() for _ in identifiers]
        assert {answer.id for answer in answers} == identifiers
        assert {answer.kind for answer in answers} == {Kind.GENERATION}
    assert peer.status().refused == 0


def test_one_request_waits_and_the_next_is_refused(served: ServerThread, peer: Peer) -> None:
    first, other = occupy(peer)
    rivals = {peer.send_request("second"), peer.send_request("third")}
    refusal = peer.receive()
    (waiting,) = rivals - {refusal.id}
    with pytest.raises(EngineUnavailableError, match="busy"):
        protocol.raise_error(refusal)
    peer.send(Kind.ABORT, first)
    answers = {answer.id: answer.kind for answer in (peer.receive(), peer.receive())}
    assert answers == {first: Kind.ERROR, waiting: Kind.GENERATION}
    peer.send(Kind.ABORT, other)
    assert peer.receive().id == other
    assert peer.status().refused == 1


def test_a_waiting_request_can_be_aborted(served: ServerThread, peer: Peer) -> None:
    in_flight = occupy(peer)
    waiting = peer.send_request("never started")
    peer.send(Kind.ABORT, waiting)
    for identifier in in_flight:
        peer.send(Kind.ABORT, identifier)
    answers = [peer.receive() for _ in range(MAX_IN_FLIGHT + 1)]
    assert {answer.kind for answer in answers} == {Kind.ERROR}
    assert {answer.id for answer in answers} == {*in_flight, waiting}
    assert peer.status().completed == 0


@pytest.mark.parametrize(
    ("text", "reason"), [("fail no such joint", "no such joint"), ("raise odd", "ValueError: odd")]
)
def test_an_error_in_the_engine_ends_one_request_only(served: ServerThread, peer: Peer, text: str, reason: str) -> None:
    peer.wait_for(State.READY)
    peer.send_request(text)
    with pytest.raises(GenerationFailedError, match=reason):
        protocol.raise_error(peer.receive())
    peer.send_request("hello")
    assert answer_texts(protocol.decode_generation(peer.receive())) == ("hello",)


def test_a_failed_engine_ends_the_server(served: ServerThread, peer: Peer) -> None:
    peer.wait_for(State.READY)
    peer.send_request("break cuda is gone")
    with pytest.raises(EngineUnavailableError, match="cuda is gone"):
        protocol.raise_error(peer.receive())
    assert peer.status().message == "cuda is gone"
    assert served.join(20)
    assert served.status == EXIT_FAILED


def test_an_engine_has_failed_after_three_unexpected_errors(served: ServerThread, peer: Peer) -> None:
    peer.wait_for(State.READY)
    for _ in range(3):
        peer.send_request("raise illegal memory access")
        peer.receive()
    assert served.join(20)
    assert served.status == EXIT_FAILED


@pytest.mark.parametrize(
    ("error", "message", "permanent", "exit_status"),
    [
        (CheckpointError("no weights"), "no weights", True, EXIT_PERMANENT),
        (EngineError("vllm is not installed"), "vllm is not installed", True, EXIT_PERMANENT),
        (MemoryError("full"), "MemoryError: full", False, EXIT_FAILED),
    ],
)
def test_a_failed_load_is_reported_before_the_server_ends(
    path: Path,
    peer: Peer,
    error: Exception,
    message: str,
    permanent: bool,
    exit_status: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server, "_FAILURE_REPORT_S", 60.0)

    def load() -> NullEngine:
        raise error

    with ServerThread(path, load) as served:
        status = peer.status()
        while status.state is State.LOADING:
            status = peer.status()
        assert (status.state, status.message, status.permanent) == (State.FAILED, message, permanent)
        assert served.join(20)
    assert served.status == exit_status


def test_a_failed_load_ends_the_server_without_a_status_request(path: Path) -> None:
    def load() -> NullEngine:
        raise CheckpointError("no weights")

    with ServerThread(path, load) as served:
        assert served.join(20)
    assert served.status == EXIT_PERMANENT


def test_the_engine_is_closed_and_the_socket_removed_at_the_end(path: Path) -> None:
    engine = NullEngine()
    with ServerThread(path, lambda: engine) as served:
        assert eventually(path.exists)
    assert served.status == 0
    assert engine.closed
    assert not path.exists()


def test_the_socket_is_for_this_user_only(served: ServerThread, path: Path, peer: Peer) -> None:
    peer.wait_for(State.READY)
    assert stat.S_ISSOCK(path.stat().st_mode)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_files_that_the_loader_makes_have_the_usual_permissions(path: Path, tmp_path: Path) -> None:
    """The socket is private, but not by a umask, which would be that of the whole process."""
    masks: list[int] = []

    def load() -> NullEngine:
        for number in range(100):
            made = tmp_path / f"cache {number}"
            made.mkdir()
            masks.append(stat.S_IMODE(made.stat().st_mode))
        return NullEngine()

    with ServerThread(path, load):
        assert eventually(lambda: len(masks) == 100)
    assert all(mask & 0o700 == 0o700 for mask in masks)


def test_the_socket_is_private_whatever_the_umask_is(path: Path, peer: Peer) -> None:
    before = os.umask(0)
    try:
        with ServerThread(path):
            peer.wait_for(State.READY)
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
    finally:
        os.umask(before)


def test_a_missing_directory_is_made_private(tmp_path: Path) -> None:
    path = tmp_path / "new" / "engine.sock"
    with ServerThread(path):
        assert eventually(path.exists)
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o1777])
def test_a_directory_that_others_can_write_to_is_refused(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    with pytest.raises(EngineError, match="others can write"):
        server.serve(tmp_path / "engine.sock", NullEngine)


def test_a_path_that_is_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="107 bytes"):
        server.serve(tmp_path / ("x" * 100), NullEngine)


def test_a_socket_in_use_is_not_taken_over(served: ServerThread, path: Path, peer: Peer) -> None:
    peer.wait_for(State.READY)
    with pytest.raises(EngineError, match="another engine process uses"):
        server.serve(path, NullEngine)
    assert peer.status().state is State.READY


def test_a_socket_that_was_left_behind_is_replaced(path: Path, peer: Peer) -> None:
    with sockets.socket(sockets.AF_UNIX) as old:
        old.bind(str(path))
    with ServerThread(path):
        peer.wait_for(State.READY)


def test_a_peer_with_another_protocol_version_gets_an_error(served: ServerThread, peer: Peer) -> None:
    peer.control.send([msgpack.packb({"version": 1, "kind": "hello", "id": 1})])
    with pytest.raises(ProtocolError, match="version 1 of the engine protocol, this side version 4"):
        protocol.raise_error(peer.control.receive())


@pytest.mark.parametrize(
    "garbage", [b"\x00" * 1000, b"GET / HTTP/1.1\r\n\r\n", b"\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f"]
)
def test_a_peer_with_another_protocol_gets_an_error_and_is_disconnected(
    served: ServerThread, peer: Peer, path: Path, garbage: bytes
) -> None:
    peer.wait_for(State.READY)
    line = RawConnection(path)
    with suppress(OSError):
        line.socket.sendall(garbage + bytes(100_000))
    with pytest.raises(ProtocolError, match="does not use the engine protocol, its first bytes are"):
        protocol.raise_error(line.receive())
    assert line.ended()
    line.close()
    assert peer.status().state is State.READY


@pytest.mark.parametrize("sent", [1, 10, 20, 60])
def test_a_peer_that_disconnects_within_a_message_does_not_affect_others(
    served: ServerThread, peer: Peer, path: Path, sent: int
) -> None:
    peer.wait_for(State.READY)
    line = RawConnection(path)
    line.socket.sendall(wire_bytes(protocol.pack(protocol.encode_request(make_request(), 1)))[:sent])
    line.close()
    assert peer.status().state is State.READY


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(frames=st.lists(st.binary(max_size=80), min_size=1, max_size=2))
def test_garbage_in_messages_is_answered_with_an_error(served: ServerThread, peer: Peer, frames: list[bytes]) -> None:
    peer.control.send(frames)
    with pytest.raises(ProtocolError):
        protocol.raise_error(peer.control.receive())


def test_a_wrong_request_is_answered_with_an_error(served: ServerThread, peer: Peer) -> None:
    peer.wait_for(State.READY)
    message = protocol.encode_request(make_request(), 5)
    peer.control.send(protocol.pack(Message(Kind.GENERATE, 5, message.body, b"too short")))
    answer = peer.control.receive()
    assert answer.id == 5
    with pytest.raises(ProtocolError, match="has 6144 bytes, not 9"):
        protocol.raise_error(answer)


def test_an_answer_is_refused_as_a_request(served: ServerThread, peer: Peer) -> None:
    peer.send(Kind.GENERATION)
    with pytest.raises(ProtocolError, match="does not accept a message of kind generation"):
        protocol.raise_error(peer.control.receive())


def test_an_abort_that_arrives_before_its_request_is_applied(served: ServerThread, peer: Peer) -> None:
    peer.wait_for(State.READY)
    peer.send(Kind.ABORT, 1000)
    peer.status()
    peer.control.send(protocol.pack(protocol.encode_request(make_request("wait 10"), 1000)))
    with pytest.raises(GenerationAbortedError):
        protocol.raise_error(peer.control.receive())


def test_a_peer_that_disconnects_before_its_answer_does_not_affect_others(
    served: ServerThread, peer: Peer, path: Path
) -> None:
    peer.wait_for(State.READY)
    line = RawConnection(path)
    line.send(protocol.pack(protocol.encode_request(make_request("wait 20"), 7)))
    peer.wait_for(State.BUSY)
    line.close()
    peer.wait_for(State.READY)
    assert (peer.status().completed, peer.status().aborted) == (0, 1)


@pytest.mark.handles("Engine", "client that disconnects or is killed during its request", "the request is aborted")
def test_the_requests_of_clients_that_have_gone_are_aborted_for_the_next_client(
    served: ServerThread, peer: Peer, path: Path
) -> None:
    peer.wait_for(State.READY)
    script = (
        "import sys, time; sys.path[:0] = [sys.argv[1], sys.argv[2]]; from pathlib import Path; import support\n"
        "from taihri_ros.inference.process import protocol\n"
        "line = support.RawConnection(Path(sys.argv[3]))\n"
        "line.send(protocol.pack(protocol.encode_request(support.make_request('wait 60'), int(sys.argv[4]))))\n"
        "print(flush=True); time.sleep(60)\n"
    )
    arguments = [str(Path(support.__file__).parent), str(ROOT), str(path)]
    clients = [
        subprocess.Popen([sys.executable, "-c", script, *arguments, str(number)], stdout=subprocess.PIPE)
        for number in range(1001, 1002 + MAX_IN_FLIGHT)
    ]
    for client in clients:
        with client:
            assert client.stdout is not None
            assert client.stdout.readline() == b"\n"
            client.kill()
    peer.send_request("hello")
    assert answer_texts(protocol.decode_generation(peer.receive())) == ("hello",)
    assert eventually(lambda: peer.status().aborted == len(clients))
    assert peer.status().completed == 1


def test_a_client_that_only_stops_to_send_gets_its_answer(served: ServerThread, peer: Peer, path: Path) -> None:
    peer.wait_for(State.READY)
    line = RawConnection(path)
    line.send(protocol.pack(protocol.encode_request(make_request("wait 0.3"), 7)))
    line.socket.shutdown(sockets.SHUT_WR)
    assert answer_texts(protocol.decode_generation(line.receive())) == ("wait 0.3",)
    line.close()


def test_a_waiting_request_of_a_client_that_has_gone_leaves_its_place(
    served: ServerThread, peer: Peer, path: Path
) -> None:
    in_flight = occupy(peer)
    line = RawConnection(path)
    line.send(protocol.pack(protocol.encode_request(make_request("hello"), 1000)))
    assert eventually(lambda: refused(peer))
    line.close()
    assert eventually(lambda: peer.status().aborted == 1)
    waiting = peer.send_request("next")
    for identifier in in_flight:
        peer.send(Kind.ABORT, identifier)
    answers = {answer.id: answer.kind for answer in (peer.receive() for _ in range(MAX_IN_FLIGHT + 1))}
    assert answers == {**dict.fromkeys(in_flight, Kind.ERROR), waiting: Kind.GENERATION}


def refused(peer: Peer) -> bool:
    """Send a request that is refused if another one waits already, else aborted; return whether it was refused."""
    before = peer.status().refused
    identifier = peer.send_request("wait 10")
    peer.send(Kind.ABORT, identifier)
    peer.receive()
    return peer.status().refused > before


def test_connections_beyond_the_limit_are_refused_until_one_is_free(
    served: ServerThread, peer: Peer, path: Path
) -> None:
    peer.wait_for(State.READY)
    lines = [RawConnection(path) for _ in range(63)]
    assert peer.status().state is State.READY
    refused = RawConnection(path)
    assert refused.ended()
    for line in (*lines, refused):
        line.close()

    def is_accepted() -> bool:
        late = RawConnection(path)
        try:
            late.send(protocol.pack(Message(Kind.STATUS, 1)))
            return protocol.decode_status(late.receive()).state is State.READY
        except (EOFError, OSError):
            return False
        finally:
            late.close()

    assert eventually(is_accepted)


def test_a_file_that_is_not_a_socket_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "engine.sock"
    path.write_text("somebody's file")
    with pytest.raises(EngineError, match="cannot be created"):
        server.serve(path, NullEngine)
    assert path.read_text() == "somebody's file"
