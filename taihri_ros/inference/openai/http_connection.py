"""A persistent connection to an HTTP server that answers in JSON; another thread can interrupt a request."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import threading
import time
from typing import Any
from urllib.parse import urlsplit

from taihri_ros.inference.engine import EngineError, EngineUnavailableError, GenerationFailedError
from taihri_ros.inference.process.fields import Fields, ProtocolError

_MAX_ANSWER_BYTES = 16 << 20
_REFUSED = (http.HTTPStatus.BAD_REQUEST, http.HTTPStatus.REQUEST_ENTITY_TOO_LARGE, http.HTTPStatus.UNPROCESSABLE_ENTITY)
_CLOSED_BY_SERVER = (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError)


class HttpConnection:
    """A connection for one request at a time. Any thread may call `interrupt` and `close`."""

    def __init__(self, url: str, api_key: str | None, timeout_s: float) -> None:
        """Parse the address; the first request connects.

        Args:
            url: Base address of the server; a `/v1` at its end is removed.
            api_key: Bearer token, if the server needs one.
            timeout_s: Longest time for an answer, in s.

        Raises:
            EngineError: The address is invalid.
        """
        parts = urlsplit(url if "//" in url else f"http://{url}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise EngineError(f"{url!r} is not the address of a server: write it as http://HOST:PORT")
        self._secure = parts.scheme == "https"
        self._host, self._port = parts.hostname, parts.port
        self._prefix = parts.path.rstrip("/").removesuffix("/v1")
        self._timeout_s = timeout_s
        self._headers = {"Content-Type": "application/json"}
        if api_key is not None:
            self._headers["Authorization"] = f"Bearer {api_key}"
        self.address = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{self._prefix}"
        self._connection: http.client.HTTPConnection | None = None
        self._interrupted = threading.Event()
        self._closed = False

    @property
    def interrupted(self) -> bool:
        """Whether `interrupt` was called since `resume`."""
        return self._interrupted.is_set()

    def resume(self) -> None:
        """Allow requests again after `interrupt`."""
        self._interrupted.clear()

    def interrupt(self) -> None:
        """Shut the connection down, which ends a request that waits for its answer."""
        self._interrupted.set()
        connection = self._connection
        sock = None if connection is None else connection.sock
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def get(self, path: str) -> Fields:
        """Return the JSON object at a path. Raises the errors of `post`."""
        return self._exchange("GET", path, None)

    def post(self, path: str, body: dict[str, Any]) -> Fields:
        """Send a JSON object and return the answer.

        Args:
            path: Path on the server.
            body: The object.

        Returns:
            The JSON object of the answer.

        Raises:
            EngineUnavailableError: The server cannot be reached, does not answer in time, or reports an error.
            GenerationFailedError: The server rejects the request.
            ProtocolError: The answer is not a JSON object.
        """
        return self._exchange("POST", path, json.dumps(body).encode())

    def close(self) -> None:
        """Disconnect permanently; a second call does nothing."""
        self._closed = True
        self.interrupt()
        if self._connection is not None:
            self._connection.close()

    def _exchange(self, method: str, path: str, body: bytes | None) -> Fields:
        started = time.monotonic()
        try:
            status, text = self._send(method, path, body)
        except TimeoutError as error:
            self._drop()
            age = time.monotonic() - started
            raise EngineUnavailableError(f"{self.address} has not answered for {age:.1f} s") from error
        except (OSError, http.client.HTTPException) as error:
            self._drop()
            raise EngineUnavailableError(
                f"{self.address} cannot be reached: {error or type(error).__name__}"
            ) from error
        if status != http.HTTPStatus.OK:
            kind = GenerationFailedError if status in _REFUSED else EngineUnavailableError
            raise kind(f"{self.address}{path} answered {status}: {_message(text)}")
        try:
            return Fields(json.loads(text), path)
        except (ValueError, RecursionError) as error:
            raise ProtocolError(f"{self.address}{path} did not answer in JSON: {error}") from error

    def _send(self, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        """Send over the existing connection; reconnect once if the server has closed it in the meantime."""
        was_connected = self._connection is not None
        try:
            return self._attempt(method, path, body)
        except _CLOSED_BY_SERVER:
            self._drop()
            if not was_connected or self.interrupted:
                raise
        return self._attempt(method, path, body)

    def _attempt(self, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        connection = self._connect()
        if self.interrupted:  # from here on `interrupt` finds the socket
            raise EngineUnavailableError(f"the connection to {self.address} was interrupted")
        connection.request(method, self._prefix + path, body, self._headers)
        answer = connection.getresponse()
        return answer.status, answer.read(_MAX_ANSWER_BYTES)

    def _connect(self) -> http.client.HTTPConnection:
        if self._closed:
            raise EngineUnavailableError(f"the connection to {self.address} is closed")
        if self._connection is None:
            if self._secure:
                context = ssl.create_default_context()
                connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                    self._host, self._port, timeout=self._timeout_s, context=context
                )
            else:
                connection = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)
            connection.connect()
            self._connection = connection
        return self._connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _message(text: bytes) -> str:
    """Return the message of an error in OpenAI's format, or the start of any other text."""
    try:
        return str(json.loads(text)["error"]["message"])
    except (ValueError, LookupError, TypeError, RecursionError):
        return text[:200].decode("utf-8", "replace")
