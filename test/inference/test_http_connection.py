"""Answers of servers: one that is lost is asked for once more; others are refused with what to do about them."""

from __future__ import annotations

import pytest
from false_servers import ScriptedServer

from taihri_ros.inference.engine import EngineError, EngineUnavailableError
from taihri_ros.inference.openai.http_connection import HttpConnection
from taihri_ros.inference.process.fields import ProtocolError

GOOD = b'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"n": 42}'
CLOSED = b""
CUT = GOOD[:-4]
CUT_CHUNK = b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{"n":'
BAD_GATEWAY = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 5\r\n\r\nlater"
UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 5\r\n\r\nlater"

LOST = [
    pytest.param(CLOSED, "Remote end closed", id="closed"),
    pytest.param(CUT, "4 more expected", id="cut"),
    pytest.param(CUT_CHUNK, "IncompleteRead", id="cut chunk"),
    pytest.param(BAD_GATEWAY, "answered 502", id="502"),
]


@pytest.mark.handles(
    "Engine", "remote server behind a load balancer that ends during its answer", "sent again: another server answers"
)
@pytest.mark.parametrize(("fault", "_"), LOST)
def test_a_request_whose_answer_is_lost_is_sent_once_more(fault: bytes, _: str) -> None:
    with ScriptedServer(fault, GOOD) as server:
        connection = HttpConnection(server.url, None, 30.0)
        assert connection.post("/v1", {"question": 1}).get("n", int) == 42
        assert server.requests == 2
        connection.close()


@pytest.mark.parametrize(("fault", "message"), LOST)
def test_an_answer_that_is_lost_twice_is_reported(fault: bytes, message: str) -> None:
    with ScriptedServer(fault) as server:
        connection = HttpConnection(server.url, None, 30.0)
        with pytest.raises(EngineUnavailableError, match=message):
            connection.post("/v1", {})
        assert server.requests == 2, "it is not sent a third time"
        connection.close()


def test_a_request_that_the_server_answers_with_a_fault_is_not_repeated() -> None:
    with ScriptedServer(UNAVAILABLE, GOOD) as server:
        connection = HttpConnection(server.url, None, 30.0)
        with pytest.raises(EngineUnavailableError, match="answered 503"):
            connection.post("/v1", {})
        assert server.requests == 1
        connection.close()


@pytest.mark.parametrize("size", [b"-1", b"-5", b"fffffff", b"200000"])
def test_an_answer_in_chunks_has_a_bound_whatever_size_they_claim(size: bytes) -> None:
    endless = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + size + b"\r\n" + b"x" * (8 << 20)
    with ScriptedServer(endless) as server:
        connection = HttpConnection(server.url, None, 30.0)
        with pytest.raises(ProtocolError, match="answered more than 1048576 bytes"):
            connection.get("/v1/models")
        connection.close()


@pytest.mark.handles(
    "Engine", "remote server that redirects elsewhere (301, 307)", "FAILED at once: correct engine.url"
)
@pytest.mark.parametrize("status", [b"204 No Content", b"301 Moved Permanently", b"307 Temporary Redirect"])
def test_an_answer_that_is_none_is_refused_with_what_to_do(status: bytes) -> None:
    with ScriptedServer(b"HTTP/1.1 " + status + b"\r\nLocation: https://elsewhere/\r\n\r\n") as server:
        connection = HttpConnection(server.url, None, 30.0)
        with pytest.raises(EngineError, match=r"write the address of vllm serve itself in engine\.url"):
            connection.get("/v1/models")
        connection.close()


KEY = "sk-of-the-server"
UNAUTHORIZED = (
    b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 46\r\n\r\n" + b'{"error": {"message": "bad sk-of-the-server"}}'
)
NO_HTTP = b"sk-of-the-server\r\n\r\n"


@pytest.mark.handles("Engine", "remote server that repeats its key in an error", "no message or log shows the key")
@pytest.mark.parametrize(
    ("answer", "message"), [(UNAUTHORIZED, r"401 \(bad \(the key\)\): set"), (NO_HTTP, r"server \(\(the key\)\)")]
)
def test_a_key_that_the_server_repeats_is_not_shown(answer: bytes, message: str) -> None:
    with ScriptedServer(answer) as server:
        connection = HttpConnection(server.url, KEY, 30.0)
        with pytest.raises(EngineError, match=message):
            connection.get("/v1/models")
        connection.close()


@pytest.mark.handles(
    "Engine", "engine.url with a password or a query, or a VLLM_API_KEY with a line break", "FAILED: neither is shown"
)
@pytest.mark.parametrize(
    ("url", "key", "message"),
    [
        ("http://user:hidden@robot:8000", None, "engine.url has @"),
        ("htps://user:hidden@robot", None, "engine.url has @"),
        ("http://user:8/hidden@robot", None, "engine.url has @"),
        ("http://robot/v1?key=hidden", None, "engine.url has @"),
        ("http://robot", "hidden\nrest", "VLLM_API_KEY has a character that no key can have"),
        ("http://robot", "hidden\u2026", "VLLM_API_KEY has a character that no key can have"),
    ],
)
def test_a_secret_that_cannot_be_used_is_refused_without_showing_it(url: str, key: str | None, message: str) -> None:
    with pytest.raises(EngineError, match=message) as caught:
        HttpConnection(url, key, 1.0)
    assert "hidden" not in str(caught.value)
