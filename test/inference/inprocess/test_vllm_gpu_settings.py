"""What vLLM does on a GPU and not on a CPU, switched on here: the answers stay those of transformers.

With a GPU vLLM schedules a step while the previous one runs, splits long prompts where many robots share the engine,
and preempts requests where the cache is small.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from engine_requests import ANSWER_FORMATS, BOTH_WRISTS, assert_all_close, joint_questions, make_request

from taihri_ros.inference.engine import Engine, Generation, RawAnswer
from taihri_ros.inference.factory import open_engine
from taihri_ros.inference.in_process_engine import MAX_QUESTIONS
from taihri_ros.inference.process.protocol import MAX_IN_FLIGHT
from taihri_ros.inference.vllm.vllm_engine import VllmEngine
from taihri_ros.skeleton import JOINTS

IMAGE_TOKENS = 221
SMALLER_THAN_AN_IMAGE = 128
SMALLER_THAN_A_PROMPT = IMAGE_TOKENS + 3
LONGEST = 576
LONG_ANSWER = 150
SMALL_CACHE = 20
"""Blocks of 32 tokens: enough for one long answer, too few for two, or for the 22 questions of one picture."""

SETTINGS: dict[str, dict[str, Any]] = {
    "async scheduling": {"async_scheduling": True},
    "images in parts": {"max_num_batched_tokens": SMALLER_THAN_AN_IMAGE},
    "fewer requests at a time than questions": {"max_num_seqs": 5},
    "a small cache": {"num_gpu_blocks_override": SMALL_CACHE},
    "all of it": {
        "async_scheduling": True,
        "max_num_batched_tokens": SMALLER_THAN_A_PROMPT,
        "max_num_seqs": 5,
        "num_gpu_blocks_override": SMALL_CACHE,
    },
}
REQUESTS = (
    make_request(seed=30, questions=joint_questions(JOINTS)),
    make_request(seed=30, questions=joint_questions(BOTH_WRISTS, ANSWER_FORMATS["no box"])),
    make_request(seed=31, questions=joint_questions(JOINTS[:6], ANSWER_FORMATS["separated"]), repetition_penalty=1.5),
    make_request(seed=32, jump_forward=False),
    make_request(seed=33, grammar=None, max_tokens=LONG_ANSWER),
    make_request(seed=34, grammar=None, max_tokens=LONG_ANSWER),
)


@pytest.fixture(scope="module")
def wanted(transformers_engine: Engine) -> list[list[RawAnswer]]:
    return [list(transformers_engine.generate(request).answers) for request in REQUESTS]


CASES = [*((name, "internal") for name in SETTINGS), ("a small cache", "public"), ("all of it", "public")]


@pytest.fixture(params=CASES, ids=" ".join)
def engine_as_on_a_gpu(request: pytest.FixtureRequest, checkpoint: Path) -> Iterator[VllmEngine]:
    name, api = request.param
    options = {"dtype": "float32", "max_model_len": LONGEST, "api": api, "further": SETTINGS[name]}
    with open_engine("vllm", str(checkpoint), options=options) as engine:
        assert isinstance(engine, VllmEngine)
        yield engine


def test_answers_are_those_of_transformers(
    wanted: list[list[RawAnswer]],
    engine_as_on_a_gpu: VllmEngine,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Streaming sessions are never preempted, as they reserve their blocks; ordinary requests are, and start again."""
    engine = engine_as_on_a_gpu
    scheduler = engine.llm_engine.engine_core.engine_core.scheduler
    preempt, preempted = scheduler._preempt_request, []

    def count(one: Any, *arguments: Any, **named: Any) -> None:
        preempted.append(one.request_id)
        preempt(one, *arguments, **named)

    monkeypatch.setattr(scheduler, "_preempt_request", count)
    assert len(JOINTS) == MAX_QUESTIONS
    for each, answers in zip(REQUESTS, wanted, strict=True):
        assert_all_close(engine.generate(each), answers)
    with ThreadPoolExecutor(MAX_IN_FLIGHT) as pool:
        order = [4, 5, 0, 2, 1, 3]

        def answer(index: int) -> Generation:
            return engine.generate(REQUESTS[index])

        for index, found in zip(order, pool.map(answer, order), strict=True):
            assert_all_close(found, wanted[index])
    name, api = request.node.callspec.params["engine_as_on_a_gpu"]
    assert bool(preempted) == (api == "public" and "num_gpu_blocks_override" in SETTINGS[name])
