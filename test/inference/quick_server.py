"""A server with the part of vLLM's API that the node uses, whose answers are those of an oracle: run it as a script."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

MODEL = "quick"
JOINTS = ("left_wrist", "right_wrist")


class QuickServer:
    """The server as a process of its own, which signals can stop and continue.

    Attributes:
        url: Address of the server.
    """

    def __init__(self) -> None:
        self._process = subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}"

    def send_signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def __enter__(self) -> QuickServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()


def main() -> None:
    """Serve until the process is killed."""
    root = Path(__file__).resolve().parents[2]
    sys.path[:0] = [str(root), str(root / "test")]
    from oracle import Oracle

    from taihri_ros.inference.engine import Question
    from taihri_ros.model.lexer import END_OF_ANSWER
    from taihri_ros.model.prompts import Prompt
    from taihri_ros.model.quantization import coordinate_token

    oracle = Oracle({joint: np.array([0.1, 0.1, 1.5]) for joint in JOINTS})
    ids: dict[str, int] = {}

    def id_of(token: str) -> int:
        return ids.setdefault(token, len(ids) + 1)

    def tokenize(text: str) -> list[int]:
        return [id_of(part + ">") for part in text.split(">") if part]

    def answer(text: str) -> list[dict[str, Any]]:
        raw = oracle._answer(Question(Prompt("", text)), (448, 448))
        steps = []
        for token, top_k in zip(raw.tokens, raw.top_k, strict=True):
            pairs = [] if top_k is None else zip(top_k.bins, top_k.logprobs, strict=True)
            top = [{"token": coordinate_token(index), "logprob": logprob} for index, logprob in pairs]
            own = next((each["logprob"] for each in top if each["token"] == token), -0.1)
            steps.append({"token": token, "logprob": own, "top_logprobs": top})
        return [*steps, {"token": END_OF_ANSWER[0], "logprob": 0.0, "top_logprobs": []}]

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._send({"data": [{"id": MODEL}], "version": "0"})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path == "/tokenize":
                self._send({"tokens": tokenize(body["prompt"])})
                return
            content = answer(body["messages"][1]["content"][1]["text"])
            self._send({"choices": [{"finish_reason": "stop", "logprobs": {"content": content}}]})

        def _send(self, content: dict[str, Any]) -> None:
            data = json.dumps(content).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
