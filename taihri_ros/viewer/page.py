"""The web page of Rerun's viewer, which may connect to the machine that serves it and to no other."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Protocol
from urllib.error import URLError
from urllib.parse import quote
from urllib.request import urlopen

from taihri_ros.errors import TaihriError

RECORDING = "/recording.rrd"
"""Path of what the viewer shows."""

PERMISSIONS = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'wasm-unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; connect-src 'self' data: blob:"
)
"""Content-Security-Policy of the page. Rerun's viewer would ask other hosts for fonts and for newer versions, and send
statistics; no browser lets it."""

_FILES = ("/", "/re_viewer.js", "/re_viewer_bg.wasm", "/favicon.ico", "/apple-touch-icon.png", "/sw.js")
_FONTS = re.compile(rb"<link[^>]*fonts\.g[^>]*>")
_START_S = 60.0
_MAGIC = b"RRF2"
"""What a recording of the supported versions of Rerun begins with."""

_SERVER = "import rerun, sys; rerun.serve_web_viewer(web_port=int(sys.argv[1]), open_browser=False); sys.stdin.read()"
"""Rerun gives the files of its viewer only through a server of its own, which every host in the network can reach."""

Asset = tuple[str, bytes]
"""Media type and content of a file."""


class Source(Protocol):
    """A recording that can be read while it grows."""

    def chunks(self) -> Iterator[bytes]:
        """Yield the recording from its beginning, as it comes, until it ends."""


class FileSource:
    """A recording in a file."""

    def __init__(self, path: Path) -> None:
        """Create the source for an .rrd file.

        Raises:
            TaihriError: The file is not readable, or not a recording of Rerun.
        """
        self._path = path
        try:
            with path.open("rb") as file:
                begins = file.read(len(_MAGIC))
        except OSError as error:
            raise TaihriError(f"{path} cannot be read: {error.strerror}") from error
        if begins != _MAGIC:
            raise TaihriError(f"{path} is not a recording of Rerun: make one with taihri view BAG --save {path.name}")

    def chunks(self) -> Iterator[bytes]:
        """Yield the content of the file."""
        with self._path.open("rb") as file:
            while data := file.read(1 << 20):
                yield data


def read_assets() -> dict[str, Asset]:
    """Return the files of Rerun's viewer by path.

    Raises:
        TaihriError: Rerun does not serve them.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-c", _SERVER, str(port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, cwd="/") as server:  # `-c` imports from the working directory
        try:
            deadline = time.monotonic() + _START_S
            while True:
                try:
                    assets = {path: _download(f"http://127.0.0.1:{port}{path}") for path in _FILES}
                    break
                except URLError as error:
                    if server.poll() is not None or time.monotonic() > deadline:
                        raise TaihriError(f"rerun does not serve its viewer: {error}; reinstall rerun-sdk") from error
                    time.sleep(0.05)
        finally:
            server.kill()
    media_type, page = assets["/"]
    return {**assets, "/": (media_type, _FONTS.sub(b"", page))}


class Page:
    """The server of the page. Use it as a context manager, or call `close`.

    Attributes:
        url: Where the page is.
    """

    def __init__(self, source: Source, *, host: str = "127.0.0.1", port: int = 0) -> None:
        """Start the server.

        Args:
            source: The recording that the page shows.
            host: Address to listen on: by default, only browsers on this machine reach it.
            port: TCP port; 0 for any.

        Raises:
            TaihriError: The address is in use or not this machine's, or Rerun does not give its viewer.
        """
        self._server = _listen(host, port, _handler(source.chunks, read_assets()))
        self._server.daemon_threads = True
        shown = "127.0.0.1" if host in ("", "0.0.0.0") else host
        self.url = f"http://{shown}:{self._server.server_port}/"
        self._thread = Thread(target=self._server.serve_forever, name="viewer page", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop the server."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Page:
        """Return the page itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the server."""
        self.close()


def check_address(host: str, port: int) -> None:
    """Check that a page can be served at an address, before the work that it will show.

    Raises:
        TaihriError: The address is in use or not this machine's.
    """
    _listen(host, port, BaseHTTPRequestHandler).server_close()


def _listen(host: str, port: int, handler: type[BaseHTTPRequestHandler]) -> ThreadingHTTPServer:
    try:
        return ThreadingHTTPServer((host, port), handler)
    except (OSError, OverflowError) as error:
        raise TaihriError(
            f"the viewer cannot listen on {host}:{port}: {error}; choose another --host or --port"
        ) from error


def _download(url: str) -> Asset:
    with urlopen(url) as answer:
        return answer.headers.get("Content-Type", "application/octet-stream"), answer.read()


def _handler(chunks: Callable[[], Iterator[bytes]], assets: Mapping[str, Asset]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            with suppress(ConnectionError):  # the browser has left
                if path == RECORDING:
                    self._send_recording()
                elif path == "/" and not query:
                    self._redirect("/?url=" + quote(f"http://{self.headers['Host']}{RECORDING}", safe=":/"))
                elif path in assets:
                    self._send_file(*assets[path])
                else:
                    self.send_error(HTTPStatus.NOT_FOUND)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Log nothing: the standard library would print every request."""

        def _redirect(self, target: str) -> None:
            self.send_response(HTTPStatus.FOUND)
            self.send_header("Location", target)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _send_file(self, media_type: str, content: bytes) -> None:
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Content-Security-Policy", PERMISSIONS)
            self.send_header("Referrer-Policy", "no-referrer")
            self.end_headers()
            self.wfile.write(content)

        def _send_recording(self) -> None:
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for chunk in chunks():
                self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            self.wfile.write(b"0\r\n\r\n")

    return Handler
