"""A persistent connection to an HTTP server that answers in JSON; another thread can interrupt a request."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import threading
from typing import Any
from urllib.parse import urlsplit

from taihri_ros.inference.engine import EngineError, EngineUnavailableError, GenerationFailedError
from taihri_ros.inference.printable import printable
from taihri_ros.inference.process.fields import Fields, ProtocolError

_MAX_ANSWER_BYTES = 1 << 20
"""Largest accepted answer, unless a request allows a larger one. JSON takes up to 20 times its size in memory."""

_CONNECT_TIMEOUT_S = 5.0
_MESSAGE_CHARACTERS = 200
_REFUSED = (http.HTTPStatus.BAD_REQUEST, http.HTTPStatus.REQUEST_ENTITY_TOO_LARGE, http.HTTPStatus.UNPROCESSABLE_ENTITY)
_PASSING = (http.HTTPStatus.REQUEST_TIMEOUT, http.HTTPStatus.TOO_EARLY, http.HTTPStatus.TOO_MANY_REQUESTS)
"""Besides these, all errors of the server itself (500 and above) may pass."""

_KEY = "set the environment variable VLLM_API_KEY to the server's key"
_SHORTEST_KEY = 6
"""Number of characters from which on a key is a secret, and not a word for a server that needs none."""

_ADVICE: dict[int, str] = {
    http.HTTPStatus.UNAUTHORIZED: _KEY,
    http.HTTPStatus.FORBIDDEN: "set the environment variable VLLM_API_KEY to a key that may use the server",
    http.HTTPStatus.NOT_FOUND: "correct engine.url and engine.model, and serve the model with vllm serve",
}
_PIECE_BYTES = 1 << 16
_FORM = "write it as http://HOST:PORT"
_CORRECT_URL = "correct engine.url"
_OTHER = "write the address of vllm serve itself in engine.url; redirections are not followed"
_NOT_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE")
"""Reasons of OpenSSL for an answer in plain text."""

_LOST = (http.client.RemoteDisconnected, http.client.IncompleteRead, BrokenPipeError, ConnectionResetError)
"""Errors of a server that has closed the connection, or has ended, before its answer was complete."""


class HttpConnection:
    """A connection for one request at a time. Any thread may call `interrupt` and `close`."""

    def __init__(self, url: str, api_key: str | None, timeout_s: float) -> None:
        """Parse the address; the first request connects.

        Args:
            url: Base address of the server; a `/v1` at its end is removed.
            api_key: Bearer token, if the server needs one.
            timeout_s: Longest time until the whole answer has arrived, in s.

        Raises:
            EngineError: The address or the key is invalid.
        """
        if "@" in url or "?" in url:
            raise EngineError(
                f"engine.url has @ or ?, but a password or a key in it could be read by every node: {_FORM}; if the "
                f"server has a key, {_KEY}"
            )
        try:
            parts = urlsplit(url if "//" in url else f"http://{url}")
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise EngineError(f"{url!r} is not the address of a server ({error}): {_FORM}") from error
        if parts.scheme not in ("http", "https") or not host:
            raise EngineError(f"{url!r} is not the address of a server: {_FORM}")
        self._key = "" if api_key is None else api_key.strip()
        if not (self._key.isascii() and self._key.isprintable()):
            raise EngineError(f"VLLM_API_KEY has a character that no key can have, such as a line break: {_KEY}")
        self._secure = parts.scheme == "https"
        self._host, self._port = host, port
        self._prefix = parts.path.rstrip("/").removesuffix("/v1")
        self._timeout_s = timeout_s
        self._headers = {"Content-Type": "application/json"}
        if self._key:
            self._headers["Authorization"] = f"Bearer {self._key}"
        self.address = f"{parts.scheme}://{parts.netloc}{self._prefix}"
        self._connection: http.client.HTTPConnection | None = None
        self._socket: socket.socket | None = None
        self._interrupted = threading.Event()
        self._overdue = threading.Event()
        self._closed = False

    @property
    def interrupted(self) -> bool:
        """Whether `interrupt` was called since `resume`."""
        return self._interrupted.is_set()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def resume(self) -> None:
        """Allow requests again after `interrupt`."""
        self._interrupted.clear()

    def interrupt(self) -> None:
        """Shut the connection down, which ends a request that waits for its answer."""
        self._interrupted.set()
        self._shut_down()

    def get(self, path: str) -> Fields:
        """Return the JSON object at a path. Raises the errors of `post`."""
        return self._fields(path, self._exchange("GET", path, None, self._timeout_s, _MAX_ANSWER_BYTES))

    def check(self, path: str, timeout_s: float) -> None:
        """Check that the server answers at a path; what it answers does not matter.

        Args:
            path: Path on the server.
            timeout_s: Longest time until the whole answer has arrived, in s.

        Raises:
            EngineUnavailableError: The server cannot be reached, does not answer in time, or reports an error of its
                own.
            EngineError: The address is not that of an HTTP server.
        """
        status, text = self._exchange("GET", path, None, timeout_s, _MAX_ANSWER_BYTES)
        if status >= http.HTTPStatus.INTERNAL_SERVER_ERROR:
            raise EngineUnavailableError(f"{self.address}{path} answered {status} ({self._said(text)})")

    def post(self, path: str, body: dict[str, Any], max_bytes: int = _MAX_ANSWER_BYTES) -> Fields:
        """Send a JSON object and return the answer.

        Args:
            path: Path on the server.
            body: The object.
            max_bytes: Largest accepted answer.

        Returns:
            The JSON object of the answer.

        Raises:
            EngineUnavailableError: The server cannot be reached, does not answer in time, or reports an error of its
                own.
            GenerationFailedError: The server rejects this request.
            ProtocolError: The answer is not a JSON object.
            EngineError: The server does not know the path or the model, or does not accept the key, or the address is
                not that of an HTTP server.
        """
        return self._fields(path, self._exchange("POST", path, json.dumps(body).encode(), self._timeout_s, max_bytes))

    def close(self) -> None:
        """Disconnect permanently; a second call does nothing."""
        self._closed = True
        self.interrupt()
        if self._connection is not None:
            self._connection.close()

    def _exchange(
        self, method: str, path: str, body: bytes | None, timeout_s: float, max_bytes: int
    ) -> tuple[int, bytes]:
        """Return the status and the text of an answer, which has arrived as a whole before the time is up."""
        self._overdue.clear()
        deadline = threading.Timer(timeout_s, self._expire)  # the socket's own timeout is for each piece of data
        deadline.daemon = True
        deadline.start()
        try:
            return self._send(method, path, body, timeout_s, max_bytes)
        except (EngineError, OSError, http.client.HTTPException, ValueError, AttributeError) as error:
            self._drop()
            raise self._explained(error, timeout_s) from error
        finally:
            deadline.cancel()

    def _fields(self, path: str, answer: tuple[int, bytes]) -> Fields:
        """Return the JSON object of an answer."""
        status, text = answer
        if status != http.HTTPStatus.OK:
            kind = _kind_of(status)
            advice = _ADVICE.get(status, _OTHER if kind is EngineError else "")
            raise kind(f"{self.address}{path} answered {status} ({self._said(text)}){advice and f': {advice}'}")
        try:
            return Fields(json.loads(text), path)
        except (ValueError, RecursionError) as error:
            raise ProtocolError(f"{self.address}{path} did not answer in JSON ({error}): {_CORRECT_URL}") from error

    def _explained(self, error: Exception, timeout_s: float) -> EngineError:
        """Return the engine error for an error of a request."""
        if isinstance(error, EngineError):
            return error
        if self._overdue.is_set() or isinstance(error, TimeoutError):
            return EngineUnavailableError(f"{self.address} has not answered for {timeout_s:.3g} s")
        text = getattr(error, "strerror", None) or str(error) or type(error).__name__
        reason = printable(self._without_key(text), _MESSAGE_CHARACTERS)
        if isinstance(error, ssl.SSLCertVerificationError):
            return EngineError(
                f"the certificate of {self.address} is not valid ({error.verify_message}): {_CORRECT_URL}, or set "
                "SSL_CERT_FILE to the certificate of its authority"
            )
        if isinstance(error, ssl.SSLError) and error.reason in _NOT_TLS:
            return EngineError(f"{self.address} does not encrypt its connections: write http:// in engine.url")
        if isinstance(error, OSError | http.client.IncompleteRead):
            return EngineUnavailableError(f"{self.address} cannot be reached: {reason}")
        if isinstance(error, http.client.HTTPException):
            return EngineError(f"{self.address} is not an HTTP server ({reason}): {_CORRECT_URL}")
        if isinstance(error, ValueError):  # a host with characters that cannot be sent
            return EngineError(f"no request can be sent to {self.address} ({reason}): {_CORRECT_URL}")
        return EngineUnavailableError(f"the connection to {self.address} was closed by another thread")

    def _said(self, text: bytes) -> str:
        """Return the message of an error in OpenAI's format, or the start of any other text."""
        try:
            said = str(json.loads(text)["error"]["message"])
        except (ValueError, LookupError, TypeError, RecursionError):
            said = b" ".join(text.split()).decode("utf-8", "replace")
        return printable(self._without_key(said), _MESSAGE_CHARACTERS)

    def _without_key(self, text: str) -> str:
        """Return a text of a server, which may repeat what it was sent, without the key."""
        return text.replace(self._key, "(the key)") if len(self._key) >= _SHORTEST_KEY else text

    def _expire(self) -> None:
        self._overdue.set()
        self._shut_down()

    def _shut_down(self) -> None:
        """Shut the connection down, which ends a call that waits on it in another thread."""
        sock = self._socket
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _send(self, method: str, path: str, body: bytes | None, timeout_s: float, max_bytes: int) -> tuple[int, bytes]:
        """Send a request, and once more over a new connection if its answer was lost.

        The server may have closed an idle connection, or one of several servers behind a load balancer has ended, which
        the balancer reports as 502. No request changes anything on a server, so answering one twice does no harm.
        """
        try:
            status, text = self._attempt(method, path, body, timeout_s, max_bytes)
            if status != http.HTTPStatus.BAD_GATEWAY:
                return status, text
        except _LOST:
            if self.interrupted or self._overdue.is_set():
                raise
        self._drop()
        return self._attempt(method, path, body, timeout_s, max_bytes)

    def _attempt(
        self, method: str, path: str, body: bytes | None, timeout_s: float, max_bytes: int
    ) -> tuple[int, bytes]:
        connection = self._connect(timeout_s)
        self._check_uncut()  # from here on `interrupt` finds the socket
        connection.request(method, self._prefix + path, body, self._headers)
        with connection.getresponse() as answer:
            if (answer.length or 0) > max_bytes:
                raise self._too_long(path, max_bytes)
            text = bytearray()  # `read` trusts the sizes of chunks: with a negative one it reads without end
            while len(text) <= max_bytes and (piece := answer.read1(_PIECE_BYTES)):
                text += piece
            self._check_uncut()  # an answer without a length looks complete when its connection was shut down
            if len(text) > max_bytes:
                raise self._too_long(path, max_bytes)
            if answer.length:  # a read of limited size does not report a missing rest
                raise http.client.IncompleteRead(bytes(text), answer.length)
            return answer.status, bytes(text)

    def _too_long(self, path: str, max_bytes: int) -> ProtocolError:
        return ProtocolError(f"{self.address}{path} answered more than {max_bytes} bytes: {_CORRECT_URL}")

    def _check_uncut(self) -> None:
        if self.interrupted:
            raise EngineUnavailableError(f"the connection to {self.address} was interrupted")
        if self._overdue.is_set():
            raise TimeoutError

    def _connect(self, timeout_s: float) -> http.client.HTTPConnection:
        if self._closed:
            raise EngineUnavailableError(f"the connection to {self.address} is closed")
        if self._connection is not None and self._connection.sock is None:
            self._drop()  # the server has closed it after its last answer
        if self._connection is None:
            kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
            self._connection = kind(self._host, self._port)
            self._connection.sock = self._connected(self._connection.port, min(timeout_s, _CONNECT_TIMEOUT_S))
        self._connection.sock.settimeout(timeout_s)
        return self._connection

    def _connected(self, port: int, timeout_s: float) -> socket.socket:
        """Return a connected socket, which `interrupt` finds before it is encrypted."""
        try:
            connected = socket.create_connection((self._host, port), timeout_s)
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._secure:
                context = ssl.create_default_context()
                connected = context.wrap_socket(connected, server_hostname=self._host, do_handshake_on_connect=False)
            self._socket = connected
            self._check_uncut()
            if isinstance(connected, ssl.SSLSocket):
                connected.do_handshake()
        except TimeoutError as error:
            if self._overdue.is_set():
                raise
            raise EngineUnavailableError(
                f"{self.address} cannot be reached: no connection within {timeout_s:.3g} s"
            ) from error
        return connected

    def _drop(self) -> None:
        if self._socket is not None:
            self._socket.close()
        if self._connection is not None:
            self._connection.close()
        self._connection = self._socket = None


def _kind_of(status: int) -> type[EngineError]:
    """Return the class of the error for an answer that is not OK."""
    if status in _REFUSED:
        return GenerationFailedError
    return (
        EngineUnavailableError if status in _PASSING or status >= http.HTTPStatus.INTERNAL_SERVER_ERROR else EngineError
    )
