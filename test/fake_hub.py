"""A model hub on this machine, with the few addresses of the Hugging Face hub that fetching a checkpoint uses."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPOSITORY = "robots/points"


@dataclass
class FakeHub:
    """A hub with one repository.

    Attributes:
        files: Content of the repository's files by name.
        card: Entries of its model card.
        refuses: Status of the answers for the repository in place of content, or 0.
        error: Name of the fault in these answers.
        broken: Name of a file that cannot be downloaded; empty for none.
        cut_after: Number of bytes after which the next download of weights breaks off, once; or 0.
        sent: Names of the files that were downloaded, each with the first byte that was asked for.
        url: Its address.
    """

    files: dict[str, bytes]
    card: Mapping[str, Any] = field(default_factory=lambda: {"license": "mit"})
    refuses: int = 0
    error: str = ""
    broken: str = ""
    cut_after: int = 0
    sent: list[tuple[str, int]] = field(default_factory=list)
    url: str = ""

    def describe(self) -> dict[str, Any]:
        """Return what the hub says of the repository."""
        siblings = [
            {"rfilename": name, "size": len(content), "blobId": hashlib.sha1(content).hexdigest()}
            | ({"lfs": self._lfs(content)} if name.endswith(".safetensors") else {})
            for name, content in self.files.items()
        ]
        return {"_id": "1", "id": REPOSITORY, "sha": COMMIT, "siblings": siblings, "cardData": dict(self.card)}

    @staticmethod
    def _lfs(content: bytes) -> dict[str, Any]:
        return {"size": len(content), "sha256": hashlib.sha256(content).hexdigest(), "pointerSize": 1}


@contextmanager
def serve(hub: FakeHub) -> Iterator[FakeHub]:
    """Serve a hub on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            path = unquote(urlsplit(self.path).path)
            if not path.startswith((f"/api/models/{REPOSITORY}", f"/{REPOSITORY}/")):
                self._answer(404, b"", {"X-Error-Code": "RepoNotFound"})
            elif hub.refuses:
                self._answer(hub.refuses, b"", {"X-Error-Code": hub.error} if hub.error else {})
            elif path in (f"/api/models/{REPOSITORY}/revision/{each}" for each in (COMMIT, "main")):
                self._answer(200, json.dumps(hub.describe()).encode(), {"Content-Type": "application/json"})
            elif path.startswith(f"/{REPOSITORY}/resolve/{COMMIT}/"):
                self._send_file(path.rpartition("/")[2])
            else:
                self._answer(404, b"", {"X-Error-Code": "RevisionNotFound"})

        def _send_file(self, name: str) -> None:
            content = hub.files[name]
            headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{hashlib.sha256(content).hexdigest()}"'}
            first = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
            if self.command == "GET":
                hub.sent.append((name, first))
            if first:
                headers["Content-Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
            if name == hub.broken:
                self._answer(400, b"", {})
                return
            cut = hub.cut_after if self.command == "GET" and name.endswith(".safetensors") else 0
            self._answer(206 if first else 200, content[first:], headers, cut)
            if cut:
                hub.cut_after, self.close_connection = 0, True

        def _answer(self, status: int, body: bytes, headers: Mapping[str, str], cut: int = 0) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body[:cut] if cut else body)

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the name of the base class
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hub.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()
