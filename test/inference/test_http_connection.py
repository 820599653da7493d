"""A request whose answer is lost is sent once more, as behind a load balancer one of whose servers has ended."""

from __future__ import annotations

import pytest
from false_servers import ScriptedServer

from taihri_ros.inference.engine import EngineUnavailableError
from taihri_ros.inference.openai.http_connection import HttpConnection

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
