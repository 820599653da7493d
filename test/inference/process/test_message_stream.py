"""Messages over a real pair of sockets."""

from __future__ import annotations

import os
import socket as sockets
import struct
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taihri_ros.inference.process.fields import ProtocolError
from taihri_ros.inference.process.message_stream import MessageStream, StreamCancelledError

Pair = tuple[MessageStream, MessageStream]


@pytest.fixture
def ends() -> Iterator[tuple[sockets.socket, sockets.socket]]:
    one, other = sockets.socketpair()
    with one, other:
        yield one, other


@pytest.fixture
def pair(ends: tuple[sockets.socket, sockets.socket]) -> Pair:
    return MessageStream(ends[0]), MessageStream(ends[1])


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(frames=st.lists(st.binary(max_size=300), min_size=1, max_size=2))
def test_received_frames_equal_the_sent_ones(pair: Pair, frames: list[bytes]) -> None:
    one, other = pair
    one.send(frames, 1.0)
    assert other.receive(1.0) == frames


def test_a_frame_larger_than_the_socket_buffer_arrives_whole(pair: Pair) -> None:
    one, other = pair
    image = os.urandom(6 << 20)
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(one.send, [b"header", memoryview(image)], 5.0)
        header, blob = other.receive(5.0)
        sending.result(10)
    assert (header, blob) == (b"header", image)


def test_messages_keep_their_order_and_their_boundaries(pair: Pair) -> None:
    one, other = pair
    for number in range(50):
        one.send([b"%d" % number] * (1 + number % 2), 1.0)
    assert [other.receive(1.0) for _ in range(50)] == [[b"%d" % number] * (1 + number % 2) for number in range(50)]


def test_receiving_ends_after_the_timeout(pair: Pair) -> None:
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        pair[0].receive(0.2)
    assert 0.2 <= time.monotonic() - started < 10


def test_sending_ends_after_the_timeout(pair: Pair) -> None:
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        pair[0].send([b"header", bytes(6 << 20)], 0.2)
    assert time.monotonic() - started < 10


def test_waiting_can_be_cancelled(pair: Pair) -> None:
    cancelled = threading.Event()
    threading.Timer(0.1, cancelled.set).start()
    started = time.monotonic()
    with pytest.raises(StreamCancelledError):
        pair[0].receive(30.0, cancelled.is_set)
    assert time.monotonic() - started < 10


@contextmanager
def pouring(stream: MessageStream) -> Iterator[None]:
    """Send messages without a pause, so that the other end never waits for one."""

    def pour() -> None:
        with suppress(OSError):
            while True:
                stream.send([b"unrequested"], 60.0)

    with ThreadPoolExecutor(1) as pool:
        poured = pool.submit(pour)
        yield
        stream.shut_down()
        poured.result(10)


def test_messages_that_pour_in_do_not_extend_a_deadline(pair: Pair) -> None:
    one, other = pair
    with pouring(other):
        assert one.receive(10.0) == [b"unrequested"]
        with pytest.raises(TimeoutError):
            one.receive(-1.0)


def test_messages_that_pour_in_do_not_prevent_a_cancellation(pair: Pair) -> None:
    one, other = pair
    with pouring(other):
        assert one.receive(10.0) == [b"unrequested"]
        with pytest.raises(StreamCancelledError):
            one.receive(10.0, lambda: True)


@pytest.mark.parametrize("sent", [0, 3, 16, 20])
def test_a_closed_connection_ends_sending_and_receiving(ends: tuple[sockets.socket, sockets.socket], sent: int) -> None:
    one, other = MessageStream(ends[0]), ends[1]
    writer, reader = sockets.socketpair()
    with writer, reader:
        MessageStream(writer).send([b"12345", b"67890"], 1.0)
        other.sendall(reader.recv(sent) if sent else b"")
    other.close()
    with pytest.raises(EOFError):
        one.receive(1.0)
    with pytest.raises(BrokenPipeError):
        one.send([b"header"], 1.0)


def test_shutting_down_ends_a_wait_without_timeout(pair: Pair) -> None:
    one, other = pair
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(one.receive)
        time.sleep(0.1)
        assert not waiting.done()
        one.shut_down()
        with pytest.raises(EOFError):
            waiting.result(10)
    with pytest.raises(EOFError):
        other.receive(1.0)


def test_a_stream_is_finished_when_the_peer_has_closed_it_or_has_sent_unrequested_data(pair: Pair) -> None:
    one, other = pair
    assert not one.is_finished()
    other.send([b"unrequested"], 1.0)
    assert one.is_finished()
    assert not other.is_finished()
    one.close()
    assert other.is_finished()


@pytest.mark.parametrize(
    ("sent", "complaint"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "does not use the engine protocol, its first bytes are"),
        (struct.pack("<4sIQ", b"TAIH", 2 << 20, 0), "a header has at most 1048576 bytes, not 2097152"),
        (struct.pack("<4sIQ", b"TAIH", 10, 65 << 20), "a second frame has at most 67108864 bytes"),
        (struct.pack("<4sIQ", b"TAIH", 10, 2**63), "a second frame has at most 67108864 bytes"),
    ],
)
def test_invalid_data_is_refused_before_it_is_read(
    ends: tuple[sockets.socket, sockets.socket], sent: bytes, complaint: str
) -> None:
    ends[1].sendall(sent)
    with pytest.raises(ProtocolError, match=complaint):
        MessageStream(ends[0]).receive(1.0)
