"""Servers for tests of the remote engine that are not vLLM, or fail in the way that a test needs."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class FalseServer:
    """A server that answers every request with the same data.

    Attributes:
        url: Address of the server.
        headers: Headers of the last request.
        requests: Number of requests.
    """

    def __init__(
        self,
        answer: bytes,
        *,
        status: int = 200,
        delay_s: float = 0.0,
        drip_s: float = 0.0,
        with_length: bool = False,
        port: int = 0,
    ) -> None:
        """Start the server.

        Args:
            answer: The data.
            status: Status of every answer.
            delay_s: Time before an answer, s.
            drip_s: Time before each byte of an answer, s.
            with_length: Whether the answer has a length in its header.
            port: Port to listen on; 0 for a free one.
        """
        server = self
        self.headers: dict[str, str] = {}
        self.requests = 0

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.headers = dict(self.headers)
                server.requests += 1
                time.sleep(delay_s)
                with suppress(OSError):
                    self.send_response(status)
                    if with_length:
                        self.send_header("Content-Length", str(len(answer)))
                    self.end_headers()
                    for begin in range(0, len(answer), 1 if drip_s else len(answer)):
                        time.sleep(drip_s)
                        self.wfile.write(answer[begin : begin + 1] if drip_s else answer)

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.do_GET()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def __enter__(self) -> FalseServer:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.socket.close()


class ListeningServer:
    """A server that accepts connections, sends a greeting if it has one, and never answers.

    Attributes:
        accepted: Number of connections so far.
    """

    def __init__(self, greeting: bytes = b"") -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._greeting = greeting
        self._connections: list[socket.socket] = []
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def accepted(self) -> int:
        return len(self._connections)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                self._connections.append(self._socket.accept()[0])
                self._connections[-1].sendall(self._greeting)

    def __enter__(self) -> ListeningServer:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        for one in (self._socket, *self._connections):
            one.close()


class ScriptedServer:
    """A server that answers each request with the next of some answers and closes the connection.

    Attributes:
        url: Address of the server.
        requests: Number of requests.
    """

    def __init__(self, *answers: bytes) -> None:
        """Start the server.

        Args:
            answers: What is sent for each request, with the HTTP header; the last one is repeated.
        """
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._answers = answers
        self.requests = 0
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                with connection, connection.makefile("rb") as lines:
                    header = list(iter(lines.readline, b"\r\n"))
                    lines.read(sum(int(line[15:]) for line in header if line.lower().startswith(b"content-length:")))
                    answer = self._answers[min(self.requests, len(self._answers) - 1)]
                    self.requests += 1  # before the client has the answer and counts
                    connection.sendall(answer)

    def __enter__(self) -> ScriptedServer:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()


def free_port() -> int:
    """Return a port of this machine on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
