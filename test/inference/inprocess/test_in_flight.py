"""Tests of concurrent requests: each gets its own answer, can be aborted separately, and frees its memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from engine_requests import (
    ANSWER_FORMATS,
    BOTH_WRISTS,
    answer_separately,
    assert_all_close,
    generate_one,
    joint_questions,
    make_request,
    noise,
)

from taihri_ros.inference.checkpoint.tiny_checkpoint import SPEC
from taihri_ros.inference.engine import GenerationAbortedError, GenerationRequest, Question
from taihri_ros.inference.local_engine import LocalEngine
from taihri_ros.inference.vllm.vllm_engine import VllmEngine
from taihri_ros.model.answer_format import AnswerFormat
from taihri_ros.model.grammar import Coordinate, Text, named_grammar
from taihri_ros.model.prompts import Prompt
from taihri_ros.skeleton import JOINTS

ABORTED_WITHIN_S = 5.0
"""Limit for an abort, which takes milliseconds on an idle machine; complete answers take longer than this."""

LONGEST_S = 120.0
"""Limit for what a busy machine does."""


def long_request(count: int = 3000, *, template: bool) -> GenerationRequest:
    """Return a request for `count` tokens; 3000 take several seconds."""
    grammar = (Text("<|kpt2d_start|>"), *[Coordinate()] * count) if template else None
    return make_request(grammar=grammar, max_tokens=count + 2 if template else count, top_k=0)


@pytest.mark.parametrize("template", [True, False])
def test_abort_ends_the_request_in_flight(engine: LocalEngine, template: bool) -> None:
    timer = threading.Timer(0.15, engine.abort)
    started = time.perf_counter()
    timer.start()
    with pytest.raises(GenerationAbortedError):
        engine.generate(long_request(template=template))
    assert 0.14 < time.perf_counter() - started < ABORTED_WITHIN_S
    timer.join()
    assert generate_one(engine, make_request()).finish_reason == "stop"


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(6) as threads:
        yield threads


@pytest.mark.parametrize("first", ["aborted", "kept"])
@pytest.mark.parametrize("template", [True, False])
def test_aborting_one_request_does_not_affect_another(
    engine: LocalEngine, pool: ThreadPoolExecutor, template: bool, first: str
) -> None:
    stop = threading.Event()
    kept = long_request(400, template=template)
    running = {}
    for name in ("aborted", "kept") if first == "aborted" else ("kept", "aborted"):
        arguments = (kept,) if name == "kept" else (long_request(template=template), stop)
        running[name] = pool.submit(engine.generate, *arguments)
        time.sleep(0.05)
    stop.set()
    with pytest.raises(GenerationAbortedError):
        running["aborted"].result(LONGEST_S)
    if engine.info.kind == "vllm" or first == "aborted":  # with transformers the second request waits for the first
        assert not running["kept"].done(), "the other request was not delayed and is still running"
    assert_all_close(running["kept"].result(LONGEST_S), [generate_one(engine, kept)])


def test_abort_ends_all_requests_in_flight(engine: LocalEngine, pool: ThreadPoolExecutor) -> None:
    running = [pool.submit(engine.generate, long_request(template=template)) for template in (True, False)]
    time.sleep(0.3)
    engine.abort()
    started = time.perf_counter()
    for one in running:
        with pytest.raises(GenerationAbortedError):
            one.result(LONGEST_S)
    assert time.perf_counter() - started < ABORTED_WITHIN_S
    assert generate_one(engine, make_request()).finish_reason == "stop"


def test_a_request_that_is_aborted_before_it_starts_ends_immediately(engine: LocalEngine) -> None:
    stop = threading.Event()
    stop.set()
    started = time.perf_counter()
    with pytest.raises(GenerationAbortedError):
        engine.generate(long_request(template=True), stop)
    assert time.perf_counter() - started < ABORTED_WITHIN_S
    assert generate_one(engine, make_request()).finish_reason == "stop"


def test_each_of_several_threads_gets_its_own_answers(engine: LocalEngine, pool: ThreadPoolExecutor) -> None:
    """More threads than `MAX_IN_FLIGHT`, with every kind of request."""
    requests = [
        make_request(seed=20, questions=joint_questions(JOINTS)),
        make_request(seed=21, questions=joint_questions(JOINTS, ANSWER_FORMATS["separated"]), repetition_penalty=1.5),
        make_request(JOINTS, seed=22, grammar=named_grammar(JOINTS, AnswerFormat())),
        make_request(seed=23, jump_forward=False),
        make_request(seed=24, grammar=None, max_tokens=60),
        make_request(
            seed=25, image=noise(25, 128, 160), questions=joint_questions(BOTH_WRISTS, ANSWER_FORMATS["no box"])
        ),
    ]
    wanted = [list(engine.generate(request).answers) for request in requests]
    for _ in range(3):
        for running, answers in zip([pool.submit(engine.generate, one) for one in requests], wanted, strict=True):
            assert_all_close(running.result(LONGEST_S), answers)


def test_vllm_batches_concurrent_requests(vllm_engine: LocalEngine, pool: ThreadPoolExecutor) -> None:
    stop = threading.Event()
    long = pool.submit(vllm_engine.generate, long_request(template=False), stop)
    time.sleep(0.2)
    try:
        for seed in range(3):
            short = vllm_engine.generate(make_request(seed=seed, questions=joint_questions(BOTH_WRISTS)))
            assert short.steps == 9
        assert not long.done(), "the short requests must not wait for the long one"
    finally:
        stop.set()
    with pytest.raises(GenerationAbortedError):
        long.result(LONGEST_S)


class SchedulerState:
    """The requests and free cache blocks of vLLM's scheduler."""

    def __init__(self, engine: LocalEngine) -> None:
        assert isinstance(engine, VllmEngine)
        self._scheduler = engine._engine.engine_core.engine_core.scheduler

    @property
    def requests(self) -> int:
        return len(self._scheduler.requests)

    @property
    def free_blocks(self) -> int:
        return int(self._scheduler.kv_cache_manager.block_pool.get_num_free_blocks())


def test_vllm_frees_the_memory_of_a_finished_request(vllm_engine: LocalEngine, pool: ThreadPoolExecutor) -> None:
    """A streaming session keeps its memory until it is aborted."""
    scheduler = SchedulerState(vllm_engine)
    before = scheduler.free_blocks
    assert scheduler.requests == 0
    vllm_engine.generate(make_request(questions=joint_questions(JOINTS)))
    assert (scheduler.requests, scheduler.free_blocks) == (0, before)
    for delay_s in (0.0, 0.01, 0.03, 0.05):
        stop = threading.Event()
        running = [
            pool.submit(
                vllm_engine.generate,
                make_request(seed=seed, questions=joint_questions(JOINTS, ANSWER_FORMATS["separated"])),
                stop,
            )
            for seed in range(2)
        ]
        time.sleep(delay_s)
        stop.set()
        for one in running:
            with pytest.raises(GenerationAbortedError):
                one.result(LONGEST_S)
        assert (scheduler.requests, scheduler.free_blocks) == (0, before)


def test_questions_that_do_not_fit_into_the_cache_together_are_answered_sequentially(
    vllm_engine: LocalEngine,
) -> None:
    """As one batch, their sessions could deadlock."""
    scheduler = SchedulerState(vllm_engine)
    before = scheduler.free_blocks
    questions = tuple(
        Question(Prompt(SPEC.system_prompt, f"{joint} " + "!" * 1200), named_grammar((joint,), AnswerFormat()))
        for joint in JOINTS
    )
    request = make_request(questions=questions)
    tokens = sum(len(vllm_engine.vocabulary.prompt_ids(question.prompt)) for question in questions)
    assert tokens > 1.5 * 32 * before, "the questions must not fit into the cache together"
    assert_all_close(vllm_engine.generate(request), answer_separately(vllm_engine, request))
    assert (scheduler.requests, scheduler.free_blocks) == (0, before)
