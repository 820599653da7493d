"""Test doubles of the engine process: a null engine that fails on request, its server, and a raw connection."""

from __future__ import annotations

import os
import re
import resource
import socket as sockets
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

import numpy as np

from taihri_ros.inference.engine import (
    CheckpointError,
    EngineError,
    EngineInfo,
    EngineUnavailableError,
    Generation,
    GenerationAbortedError,
    GenerationFailedError,
    GenerationRequest,
    Question,
    RawAnswer,
    TopK,
)
from taihri_ros.inference.process import protocol, server
from taihri_ros.inference.process.message_stream import Frame, MessageStream
from taihri_ros.inference.process.protocol import Message
from taihri_ros.model.answer_format import AnswerFormat
from taihri_ros.model.prompts import Prompt
from taihri_ros.model.spec import ModelSpec

SPEC = ModelSpec(name="null", trained=False, answer=AnswerFormat())
INFO = EngineInfo(kind="null", version="1", model="none", device="cpu", dtype="none", spec=SPEC)


def make_request(*texts: str) -> GenerationRequest:
    """Return a request for the null engine with one question for each text; the first text may be a fault to inject."""
    questions = tuple(Question(Prompt("", text)) for text in texts or ("hello",))
    return GenerationRequest(image=np.zeros((32, 64, 3), np.uint8), questions=questions)


def answer_texts(generation: Generation) -> tuple[str, ...]:
    """Return the text of each answer."""
    return tuple(answer.text for answer in generation.answers)


class NullEngine:
    """Engine without a model that echoes every prompt; some prompts inject a fault, such as `fail` or `sleep 2`."""

    info = INFO

    def __init__(self) -> None:
        self.closed = False
        self._in_flight: list[threading.Event] = []

    def generate(self, request: GenerationRequest, aborted: threading.Event | None = None) -> Generation:
        aborted = aborted or threading.Event()
        self._in_flight.append(aborted)
        try:
            return self._answer(request, aborted)
        finally:
            self._in_flight.remove(aborted)

    def _answer(self, request: GenerationRequest, aborted: threading.Event) -> Generation:
        started = time.perf_counter()
        word, _, argument = request.questions[0].prompt.user.partition(" ")
        if word == "wait" and aborted.wait(float(argument)):
            raise GenerationAbortedError("aborted")
        if word == "sleep":
            time.sleep(float(argument))
        if word == "fail":
            raise GenerationFailedError(argument)
        if word == "raise":
            raise ValueError(argument)
        if word == "break":
            raise EngineUnavailableError(argument)
        if word == "exit":
            os._exit(int(argument))
        if word == "hang" and Path(argument).exists():
            time.sleep(60)
        if word == "garbage":
            protocol.pack = lambda _: [b"\xc1" * 100]  # from now on every message is this
        if word == "hold":
            re.match(r"(a+)+$", "a" * 64 + "b")  # never ends, and holds the interpreter's lock
        seen = TopK((int(request.image.sum()) % 1000,), (0.0,))
        return Generation(
            answers=tuple(
                RawAnswer(tokens=(question.prompt.user,), top_k=(seen,), finish_reason="stop")
                for question in request.questions
            ),
            steps=1,
            timings_ms={"total": 1e3 * (time.perf_counter() - started)},
        )

    def abort(self) -> None:
        for aborted in self._in_flight.copy():
            aborted.set()

    def close(self) -> None:
        self.closed = True

    def __enter__(self) -> NullEngine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_null(kind: str, model: str, *, options: dict[str, object]) -> NullEngine:
    """Open the null engine, or fail in the way that the model's name selects."""
    time.sleep(float(str(options.get("load_s", 0))))
    if model == "bad":
        raise CheckpointError("the checkpoint bad has no weights")
    if model == "full":
        raise EngineError("vLLM cannot load it") from RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
    if model == "flaky":
        raise RuntimeError("out of memory")
    if model == "dying":
        print("the last output before the exit", file=sys.stderr)
        os._exit(9)
    if model == "first":
        fail_at_the_first_start(str(options["fault"]), Path(str(options["marker"])))
    if model == "once":
        once = Path(str(options["marker"]))
        if not once.exists():
            once.touch()
            raise RuntimeError("not yet")
    return NullEngine()


def fail_at_the_first_start(fault: str, marker: Path) -> None:
    """Provoke a fault in this process, unless the marker exists, which it creates."""
    if marker.exists():
        return
    marker.write_text(fault)
    if fault == "exit":
        os._exit(7)
    if fault == "memory":
        resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
        np.ones(1 << 30, np.uint8)
    if fault == "disk":
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        Path("cache").write_text("the kernels that were compiled")
    if fault == "sleep":
        time.sleep(60)


def null_python(directory: Path) -> str:
    """Create a Python interpreter script whose engine processes use the null engine instead of a real one."""
    script = directory / "python"
    script.write_text(
        f"#!{sys.executable}\n"
        "import sys\n"
        f"sys.path.append({str(Path(__file__).parent)!r})\n"
        "import support\n"
        "from taihri_ros.inference.process import entry, program\n"
        "program.open_engine = support.open_null\n"
        "sys.argv[1:4] = []\n"
        "entry.main()\n"
    )
    script.chmod(0o755)
    return str(script)


class ServerThread:
    """Engine server on a thread of this process; `stop` or leaving the `with` block ends it."""

    def __init__(self, socket: Path, factory: Callable[[], NullEngine] = NullEngine) -> None:
        self.socket = socket
        self.status: int | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(factory,))
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def join(self, timeout_s: float) -> bool:
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def __enter__(self) -> ServerThread:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _serve(self, factory: Callable[[], NullEngine]) -> None:
        self.status = server.serve(self.socket, factory, self._stop)


class RawConnection:
    """Socket connection that sends and receives single messages."""

    def __init__(self, path: Path | None = None, connected: sockets.socket | None = None) -> None:
        self.socket = connected or sockets.socket(sockets.AF_UNIX)
        self.socket.settimeout(5.0)
        if path is not None:
            assert eventually(lambda: self.socket.connect_ex(str(path)) == 0)
        self._stream = MessageStream(self.socket)

    def fileno(self) -> int:
        return self.socket.fileno()

    def send(self, frames: Sequence[Frame]) -> None:
        self._stream.send(frames, 5.0)

    def receive(self) -> Message:
        return protocol.unpack(self._stream.receive(5.0))

    def ended(self) -> bool:
        """Return whether the peer closes the connection within 5 s."""
        self.socket.settimeout(5.0)
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def close(self) -> None:
        self.socket.close()


def wire_bytes(frames: Sequence[Frame]) -> bytes:
    """Return the bytes of a message on the socket."""
    one, other = sockets.socketpair()
    with one, other:
        MessageStream(one).send(frames, 5.0)
        one.shutdown(sockets.SHUT_WR)
        with other.makefile("rb") as reader:
            return reader.read()


def eventually(condition: Callable[[], bool], timeout_s: float = 20.0) -> bool:
    """Wait until a condition holds; return False after the timeout."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
