"""Several requests under way in one engine: each gets its own answer, is ended alone, and leaves nothing behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from asking import ANSWER_FORMATS, BOTH_WRISTS, alone, answer, ask, assert_same, each, noise

from taihri_ros.inference.checkpoint.tiny import SPEC
from taihri_ros.inference.engine import GenerationAbortedError, GenerationRequest, Question
from taihri_ros.inference.local_engine import LocalEngine
from taihri_ros.inference.vllm.vllm_engine import VllmEngine
from taihri_ros.model.answer_format import AnswerFormat
from taihri_ros.model.grammar import Coordinate, Text, named_grammar
from taihri_ros.model.prompts import Prompt
from taihri_ros.skeleton import JOINTS


def long_request(count: int = 3000, *, template: bool) -> GenerationRequest:
    """Ask for so many tokens; 3000 take several seconds."""
    grammar = (Text("<|kpt2d_start|>"), *[Coordinate()] * count) if template else None
    return ask(grammar=grammar, max_tokens=count + 2 if template else count, top_k=0)


@pytest.mark.parametrize("template", [True, False])
def test_abort_ends_the_request_under_way(engine: LocalEngine, template: bool) -> None:
    timer = threading.Timer(0.15, engine.abort)
    started = time.perf_counter()
    timer.start()
    with pytest.raises(GenerationAbortedError):
        engine.generate(long_request(template=template))
    assert 0.14 < time.perf_counter() - started < 1.5
    timer.join()
    assert answer(engine, ask()).finish_reason == "stop"


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(6) as threads:
        yield threads


@pytest.mark.parametrize("first", ["aborted", "kept"])
@pytest.mark.parametrize("template", [True, False])
def test_an_abort_of_one_request_leaves_another_alone(
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
        running["aborted"].result(5)
    if engine.info.kind == "vllm" or first == "aborted":  # transformers' second one waits for its turn
        assert not running["kept"].done(), "the other has waited for nothing and goes on"
    assert_same(running["kept"].result(20), [answer(engine, kept)])


def test_an_abort_of_all_ends_all(engine: LocalEngine, pool: ThreadPoolExecutor) -> None:
    running = [pool.submit(engine.generate, long_request(template=template)) for template in (True, False)]
    time.sleep(0.3)
    engine.abort()
    started = time.perf_counter()
    for one in running:
        with pytest.raises(GenerationAbortedError):
            one.result(5)
    assert time.perf_counter() - started < 1.5
    assert answer(engine, ask()).finish_reason == "stop"


def test_an_abort_from_before_the_request_ends_it_at_once(engine: LocalEngine) -> None:
    stop = threading.Event()
    stop.set()
    started = time.perf_counter()
    with pytest.raises(GenerationAbortedError):
        engine.generate(long_request(template=True), stop)
    assert time.perf_counter() - started < 1.5
    assert answer(engine, ask()).finish_reason == "stop"


def test_several_threads_get_their_own_answers(engine: LocalEngine, pool: ThreadPoolExecutor) -> None:
    """More of them than the engine is made for, and in every way of asking."""
    requests = [
        ask(seed=20, questions=each(JOINTS)),
        ask(seed=21, questions=each(JOINTS, ANSWER_FORMATS["separated"]), repetition_penalty=1.5),
        ask(JOINTS, seed=22, grammar=named_grammar(JOINTS, AnswerFormat())),
        ask(seed=23, jump_forward=False),
        ask(seed=24, grammar=None, max_tokens=60),
        ask(seed=25, image=noise(25, 128, 160), questions=each(BOTH_WRISTS, ANSWER_FORMATS["no box"])),
    ]
    wanted = [list(engine.generate(request).answers) for request in requests]
    for _ in range(3):
        for running, answers in zip([pool.submit(engine.generate, one) for one in requests], wanted, strict=True):
            assert_same(running.result(60), answers)


def test_two_requests_under_way_share_the_passes_of_vllm(vllm_engine: LocalEngine, pool: ThreadPoolExecutor) -> None:
    stop = threading.Event()
    long = pool.submit(vllm_engine.generate, long_request(template=False), stop)
    time.sleep(0.2)
    try:
        for seed in range(3):
            short = vllm_engine.generate(ask(seed=seed, questions=each(BOTH_WRISTS)))
            assert short.steps == 9
        assert not long.done(), "they must not have waited for it"
    finally:
        stop.set()
    with pytest.raises(GenerationAbortedError):
        long.result(5)


class Holdings:
    """What vLLM's scheduler keeps."""

    def __init__(self, engine: LocalEngine) -> None:
        assert isinstance(engine, VllmEngine)
        self._scheduler = engine._engine.engine_core.engine_core.scheduler

    @property
    def requests(self) -> int:
        return len(self._scheduler.requests)

    @property
    def free_blocks(self) -> int:
        return int(self._scheduler.kv_cache_manager.block_pool.get_num_free_blocks())


def test_vllm_keeps_nothing_of_a_request_that_has_ended(vllm_engine: LocalEngine, pool: ThreadPoolExecutor) -> None:
    """A session waits for more until somebody ends it, and holds its memory meanwhile."""
    holdings = Holdings(vllm_engine)
    before = holdings.free_blocks
    assert holdings.requests == 0
    vllm_engine.generate(ask(questions=each(JOINTS)))
    assert (holdings.requests, holdings.free_blocks) == (0, before)
    for delay_s in (0.0, 0.01, 0.03, 0.05):
        stop = threading.Event()
        running = [
            pool.submit(vllm_engine.generate, ask(seed=seed, questions=each(JOINTS, ANSWER_FORMATS["separated"])), stop)
            for seed in range(2)
        ]
        time.sleep(delay_s)
        stop.set()
        for one in running:
            with pytest.raises(GenerationAbortedError):
                one.result(5)
        assert (holdings.requests, holdings.free_blocks) == (0, before)


def test_questions_that_do_not_fit_into_memory_together_are_answered_one_after_the_other(
    vllm_engine: LocalEngine,
) -> None:
    """Sessions that are complete make room for those that wait."""
    holdings = Holdings(vllm_engine)
    before = holdings.free_blocks
    questions = tuple(
        Question(Prompt(SPEC.system_prompt, f"{joint} " + "!" * 1200), named_grammar((joint,), AnswerFormat()))
        for joint in JOINTS
    )
    request = ask(questions=questions)
    tokens = sum(len(vllm_engine.vocabulary.prompt_ids(question.prompt)) for question in questions)
    assert tokens > 1.5 * 32 * before, "else this shows nothing"
    assert_same(vllm_engine.generate(request), alone(vllm_engine, request))
    assert (holdings.requests, holdings.free_blocks) == (0, before)
