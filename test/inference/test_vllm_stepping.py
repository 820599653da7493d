"""Tests of the stepper with a fake core that answers each request with the tokens 1, 2, 3 and so on."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import pytest
from support import eventually

from taihri_ros.inference.constrained.answer_template import Segment, Template, TemplateState
from taihri_ros.inference.engine import EngineUnavailableError, GenerationFailedError
from taihri_ros.inference.vllm.logprobs import LogprobRow
from taihri_ros.inference.vllm.stepping import RequestState, StepOutput, Stepper, TemplateRequestState

NEVER = threading.Event()
LONG = 2000
"""Number of steps of a request that outlasts the others."""


@dataclass
class Request:
    """A request for `count` tokens, one in each step; `reason` is its finish reason."""

    request_id: str
    count: int
    reason: str = "stop"
    pending: tuple[int, ...] = ()


@dataclass
class Core:
    """Fake of vLLM's core: each step gives every request its next token.

    Attributes:
        pause_s: Duration of a step, s; like a GPU step, it releases the interpreter's lock.
        fault: Exception that a step raises.
        added: All requests that were added.
        live: The current requests by name.
        remaining: Number of tokens that each request still gets, by name.
        steps: Number of steps.
        aborted: Names of the requests that were aborted.
    """

    pause_s: float = 0.001
    fault: Exception | None = None
    added: list[Request] = field(default_factory=list)
    live: dict[str, Request] = field(default_factory=dict)
    remaining: dict[str, int] = field(default_factory=dict)
    steps: int = 0
    aborted: list[str] = field(default_factory=list)
    _busy: threading.Lock = field(default_factory=threading.Lock)

    def add_request(self, request: Request) -> None:
        with self._exclusive():
            if request.count < 1:
                raise ValueError("no tokens requested")
            self.added.append(request)
            self.live[request.request_id] = request
            self.remaining[request.request_id] = request.count

    def abort_requests(self, names: Sequence[str]) -> None:
        with self._exclusive():
            self.aborted += names
            for name in names:
                self.live.pop(name, None)

    def step(self) -> list[StepOutput]:
        with self._exclusive():
            self.steps += 1
            time.sleep(self.pause_s)
            if self.fault:
                raise self.fault
            return [self._output(request) for request in list(self.live.values())]

    def _output(self, request: Request) -> StepOutput:
        name = request.request_id
        self.remaining[name] -= 1
        ended = not self.remaining[name]
        if ended:
            del self.live[name]
        token = request.count - self.remaining[name]
        return StepOutput(name, [token], [row(token)], request.reason if ended else "")

    def _exclusive(self) -> threading.Lock:
        assert not self._busy.locked(), "two threads use the core at the same time"
        return self._busy


def row(token: int) -> LogprobRow:
    return np.array([token, token], np.int32), np.zeros(2, np.float32)


def request_state(name: str, count: int, reason: str = "stop") -> RequestState:
    return RequestState(Request(name, count, reason))


@pytest.fixture
def core() -> Core:
    return Core()


@pytest.fixture
def stepper(core: Core) -> Stepper:
    return Stepper(core)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as threads:
        yield threads


def test_a_request_gets_its_tokens(core: Core, stepper: Stepper) -> None:
    one = request_state("one", 3)
    stepper.run([one], NEVER)
    assert one.tokens == [1, 2, 3]
    assert [found and found[0].tolist() for found in one.rows] == [[number, number] for number in (1, 2, 3)]
    assert (one.done, one.error, one.passes, core.steps) == (True, "", 3, 3)
    assert one.first_token > 0


def test_requests_of_one_caller_advance_together(core: Core, stepper: Stepper) -> None:
    request_states = [request_state(f"{count}", count) for count in (5, 3, 9)]
    stepper.run(request_states, NEVER)
    assert [one.tokens for one in request_states] == [list(range(1, count + 1)) for count in (5, 3, 9)]
    assert core.steps == 9
    assert not core.live


def test_a_short_request_completes_while_a_long_one_is_in_flight(
    core: Core, stepper: Stepper, pool: ThreadPoolExecutor
) -> None:
    stop = threading.Event()
    long = pool.submit(stepper.run, [request_state("long", LONG)], stop)
    assert eventually(lambda: core.steps > 5)
    for number in range(5):
        short = request_state(f"short {number}", 9)
        before = core.steps
        stepper.run([short], NEVER)
        assert short.tokens == list(range(1, 10))
        assert core.steps - before < 100, "the short request must not wait for the long one"
    assert not long.done()
    stop.set()
    long.result(1)
    assert not core.live


def test_an_abort_ends_only_its_own_request(core: Core, stepper: Stepper, pool: ThreadPoolExecutor) -> None:
    """The thread of the first request steps the core for both; each order is tested."""
    for first in ("aborted", "other"):
        stop, end = threading.Event(), threading.Event()
        order = ["aborted", "other"] if first == "aborted" else ["other", "aborted"]
        running = {}
        for name in order:
            event = stop if name == "aborted" else end
            running[name] = pool.submit(stepper.run, [request_state(name, LONG)], event)
            assert eventually(lambda name=name: name in core.live)
        stop.set()
        running["aborted"].result(0.5)
        assert eventually(lambda: "aborted" not in core.live, 0.5), "the core still has the aborted request"
        before = core.remaining["other"]
        assert eventually(lambda before=before: core.remaining["other"] < before - 5)
        assert not running["other"].done()
        end.set()
        running["other"].result(0.5)
        assert not core.live


def test_many_threads_get_their_own_tokens(core: Core, stepper: Stepper, pool: ThreadPoolExecutor) -> None:
    core.pause_s = 0.0
    request_states = [
        [request_state(f"{thread}/{number}", 1 + (7 * thread + number) % 5) for number in range(40)]
        for thread in range(8)
    ]

    def run_sequentially(mine: list[RequestState]) -> None:
        for one in mine:
            stepper.run([one], NEVER)

    for running in [pool.submit(run_sequentially, mine) for mine in request_states]:
        running.result(20)
    for one in (one for mine in request_states for one in mine):
        assert one.tokens == list(range(1, one.request.count + 1))
    assert not core.live
    assert len(core.added) == 8 * 40


def test_requests_of_two_threads_share_steps(core: Core, stepper: Stepper, pool: ThreadPoolExecutor) -> None:
    core.pause_s = 0.02
    running = [pool.submit(stepper.run, [request_state(name, 40)], NEVER) for name in ("one", "other")]
    for one in running:
        one.result(10)
    assert core.steps < 60


def test_an_abort_before_the_first_step_ends_immediately(core: Core, stepper: Stepper) -> None:
    stop = threading.Event()
    stop.set()
    stepper.run([request_state("one", 5)], stop)
    assert (core.steps, core.live) == (0, {})


def test_a_rejected_request_does_not_affect_others(core: Core, stepper: Stepper, pool: ThreadPoolExecutor) -> None:
    stop = threading.Event()
    running = pool.submit(stepper.run, [request_state("good", LONG)], stop)
    assert eventually(lambda: "good" in core.live)
    with pytest.raises(GenerationFailedError, match="vLLM rejected the request: no tokens requested"):
        stepper.run([request_state("bad", 0)], NEVER)
    assert not running.done()
    stop.set()
    running.result(1)


def test_after_a_request_that_ends_with_an_error_the_next_succeeds(stepper: Stepper) -> None:
    with pytest.raises(GenerationFailedError, match="vLLM ended the request with 'abort'"):
        stepper.run([request_state("one", 5), request_state("bad", 2, "abort")], NEVER)
    one = request_state("next", 2)
    stepper.run([one], NEVER)
    assert one.tokens == [1, 2]


def test_a_core_failure_ends_all_requests(core: Core, stepper: Stepper, pool: ThreadPoolExecutor) -> None:
    running = [pool.submit(stepper.run, [request_state(name, LONG)], NEVER) for name in ("one", "other")]
    assert eventually(lambda: len(core.live) == 2)
    core.fault = RuntimeError("device-side assert")
    for one in running:
        with pytest.raises(EngineUnavailableError, match=r"RuntimeError: device-side assert.*open the engine again"):
            one.result(1)
    core.fault = None
    steps = core.steps
    with pytest.raises(EngineUnavailableError, match=r"failed earlier .*device-side assert.*open the engine again"):
        stepper.run([request_state("late", 2)], NEVER)
    assert core.steps == steps, "a core that has failed must not be stepped"


def test_a_template_is_decoded_chunk_by_chunk(core: Core, stepper: Stepper) -> None:
    template_state = TemplateState[LogprobRow](
        Template((Segment((50, 51), 2), Segment((60,), 1), Segment((70,), 3)), (80, 81))
    )

    def make_chunk(state: TemplateState[LogprobRow]) -> Request:
        return Request("session", state.remaining, "length", state.pending)

    one = TemplateRequestState(Request("session", 2, "length", template_state.pending), template_state, make_chunk)
    stepper.run([one], NEVER)
    assert one.tokens == [50, 51, 1, 2, 60, 1, 70, 1, 2, 3, 80, 81]
    assert [row is not None for row in one.rows] == [token < 10 for token in one.tokens]
    assert [(request.request_id, request.count) for request in core.added] == [
        ("session", count) for count in (2, 1, 3)
    ]
    assert [request.pending for request in core.added] == [(50, 51), (2, 60), (1, 70)]
    assert (core.steps, one.passes) == (6, 6)


def sessions(**chunks: int) -> list[TemplateRequestState]:
    """Return sessions by name, each with the given number of chunks of one coordinate."""
    return [
        TemplateRequestState(
            Request(name, 1, "length"),
            TemplateState[LogprobRow](Template(tuple(Segment((50,), 1) for _ in range(count)), ())),
            lambda state, name=name: Request(name, state.remaining, "length", state.pending),  # type: ignore[misc]
        )
        for name, count in chunks.items()
    ]


def test_a_complete_session_is_removed_while_others_of_its_caller_continue(
    core: Core, stepper: Stepper, pool: ThreadPoolExecutor
) -> None:
    """Otherwise its KV cache would stay allocated, and sessions that wait for memory could deadlock."""
    stop = threading.Event()
    running = pool.submit(stepper.run, sessions(short=3, long=LONG), stop)
    assert eventually(lambda: "short" in core.aborted, 0.5)
    assert "long" not in core.aborted
    assert not running.done()
    stop.set()
    running.result(0.5)
    assert "long" in core.aborted


def test_an_abort_between_chunks_removes_the_session_from_the_core(
    core: Core, stepper: Stepper, pool: ThreadPoolExecutor
) -> None:
    stop = threading.Event()
    (one,) = sessions(session=LONG)
    running = pool.submit(stepper.run, [one], stop)
    assert eventually(lambda: core.steps > 10)
    stop.set()
    running.result(0.5)
    assert not core.live
    assert not one.done
