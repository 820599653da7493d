"""Tests of the two ways to use vLLM: what its core must have, and equal answers through the public API alone."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from engine_requests import ANSWER_FORMATS, BOTH_WRISTS, assert_close, joint_questions, make_request

from taihri_ros.inference.checkpoint.tiny_checkpoint import SPEC
from taihri_ros.inference.engine import EngineError, GenerationAbortedError, GenerationFailedError, GenerationRequest
from taihri_ros.inference.local_engine import LocalEngine
from taihri_ros.inference.vllm import private_api
from taihri_ros.inference.vllm.public_requests import PublicRequests
from taihri_ros.inference.vllm.session_requests import SessionRequests
from taihri_ros.inference.vllm.settings import add_arguments, engine_arguments
from taihri_ros.inference.vllm.stepping import Stepper
from taihri_ros.inference.vllm.vllm_engine import VllmEngine, _needs_public_api
from taihri_ros.model.answer_format import AnswerFormat
from taihri_ros.model.grammar import named_grammar
from taihri_ros.skeleton import JOINTS

OTHER_CORE = "vllm.v1.engine.core_client:InprocClient.poll()"


def test_the_installed_vllm_has_what_the_fast_way_needs() -> None:
    """If this fails, vLLM has moved what the message names: read its new place, and mend `private_api`."""
    assert private_api.mismatch() is None


@pytest.mark.parametrize(
    ("needed", "missing"),
    [
        ("vllm.v1.no_module:LLMEngine.step()", "module vllm.v1.no_module"),
        ("vllm.v1.engine:NoClass.outputs", "class NoClass in vllm.v1.engine"),
        ("vllm.v1.engine:EngineCoreOutput.words", "attribute words of EngineCoreOutput in vllm.v1.engine"),
        (OTHER_CORE, "attribute poll of InprocClient in vllm.v1.engine.core_client"),
        (
            "vllm.v1.engine.core_client:InprocClient.add_request(request, soon)",
            "parameter soon of InprocClient.add_request in vllm.v1.engine.core_client",
        ),
    ],
)
def test_what_has_moved_is_named_with_module_and_version(needed: str, missing: str) -> None:
    import vllm

    assert private_api.mismatch([*private_api.NEEDED, needed]) == f"vLLM {vllm.__version__} has no {missing}"


@pytest.mark.handles("Engine", "a vLLM whose core has changed", "its public API is used, with a warning")
def test_a_changed_core_is_not_used(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    assert not _needs_public_api("auto")
    assert not _needs_public_api("internal")
    assert _needs_public_api("public")
    difference = private_api.mismatch([OTHER_CORE])
    monkeypatch.setattr(private_api, "mismatch", lambda: difference)
    assert _needs_public_api("auto")
    assert f"{difference}: using vLLM's public API" in caplog.text
    with pytest.raises(EngineError, match=r"has no attribute poll .*: set engine\.vllm_api to auto or public"):
        _needs_public_api("internal")
    with pytest.raises(EngineError, match="no API 'fast': choose one of auto, internal, public"):
        _needs_public_api("fast")  # type: ignore[arg-type]


REQUESTS = {
    "two joints": make_request(),
    "all joints": make_request(JOINTS, seed=2, grammar=named_grammar(JOINTS, AnswerFormat())),
    "a question for each joint": make_request(seed=20, questions=joint_questions(JOINTS[::4])),
    "separators and a penalty": make_request(
        seed=21, questions=joint_questions(BOTH_WRISTS, ANSWER_FORMATS["separated"]), repetition_penalty=1.5
    ),
    "token by token": make_request(seed=3, jump_forward=False),
    "unconstrained": make_request(seed=4, grammar=None, max_tokens=24),
    "few entries": make_request(seed=5, top_k=3),
    "no entries": make_request(seed=6, top_k=0, questions=joint_questions(BOTH_WRISTS)),
}


@pytest.fixture(scope="module")
def internal_answers(vllm_engine: LocalEngine) -> dict[str, list]:
    assert isinstance(vllm_engine, VllmEngine)
    assert isinstance(vllm_engine._requests, SessionRequests), "auto chooses the core"
    return {name: list(vllm_engine.generate(request).answers) for name, request in REQUESTS.items()}


@pytest.fixture
def public_engine(vllm_engine: LocalEngine, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalEngine]:
    """The engine with the same `LLMEngine`, used through its public API."""
    requests = PublicRequests(vllm_engine.llm_engine)  # type: ignore[attr-defined]
    monkeypatch.setattr(vllm_engine, "_requests", requests)
    monkeypatch.setattr(vllm_engine, "_stepper", Stepper(requests.core))
    yield vllm_engine
    assert not vllm_engine.llm_engine.has_unfinished_requests()  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", REQUESTS)
def test_the_public_api_gives_the_same_answers(
    internal_answers: dict[str, list], public_engine: LocalEngine, name: str
) -> None:
    found = public_engine.generate(REQUESTS[name]).answers
    for one, other in zip(found, internal_answers[name], strict=True):
        assert_close(one, other)


def test_requests_through_the_public_api_are_aborted_and_refused_one_by_one(
    internal_answers: dict[str, list], public_engine: LocalEngine
) -> None:
    stop = threading.Event()
    long = make_request(grammar=None, max_tokens=3000, top_k=0)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(public_engine.generate, long, stop)
        answer = public_engine.generate(REQUESTS["two joints"]).answers[0]
        stop.set()
        with pytest.raises(GenerationAbortedError):
            running.result(60)
    assert_close(answer, internal_answers["two joints"][0])
    refused: GenerationRequest = dataclasses.replace(REQUESTS["token by token"], repetition_penalty=1e9)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(public_engine, "_lark", lambda _: "start: %%%\n")
        with pytest.raises(GenerationFailedError, match="vLLM rejected the request"):
            public_engine.generate(refused)


def made(checkpoint: Path, **further: object) -> object:
    """Return the `EngineArgs` of the tiny checkpoint with further arguments."""
    arguments = engine_arguments(
        checkpoint,
        SPEC,
        on_cpu=True,
        dtype="float32",
        gpu_memory_utilization=0.5,
        max_model_len=2048,
        kv_cache_memory_bytes=None,
        enforce_eager=None,
        seed=0,
    )
    return add_arguments(arguments, further)


def test_further_arguments_reach_vllm(checkpoint: Path) -> None:
    chosen = made(
        checkpoint,
        performance_mode="interactivity",
        max_num_seqs=8,
        compilation_config={"cudagraph_capture_sizes": [1, 2, 4]},
    )
    assert (chosen.performance_mode, chosen.max_num_seqs) == ("interactivity", 8)  # type: ignore[attr-defined]
    assert chosen.compilation_config.cudagraph_capture_sizes == [1, 2, 4]  # type: ignore[attr-defined]


@pytest.mark.handles(
    "Engine", "an argument in engine.vllm that vLLM refuses", "refused in one line before anything loads"
)
@pytest.mark.parametrize(
    ("further", "message"),
    [
        (
            {"perfomance_mode": "x"},
            r"engine\.vllm: unknown argument 'perfomance_mode': did you mean 'performance_mode'\?",
        ),
        ({"max_model_len": 100}, r"engine\.vllm cannot set max_model_len: set engine\.max_model_len instead"),
        ({"logprobs_mode": "raw_logits"}, r"engine\.vllm cannot set logprobs_mode: the node needs its own value"),
        ({"trust_remote_code": True}, r"engine\.vllm cannot set trust_remote_code: the node needs"),
        ({"performance_mode": "fastest"}, r"vLLM refuses engine\.vllm \(performance_mode\): .*fastest"),
        ({"max_num_seqs": "many"}, r"vLLM refuses engine\.vllm \(max_num_seqs\): .*many"),
        ({"compilation_config": {"no_such_field": 1}}, r"vLLM refuses engine\.vllm \(compilation_config\): .*no_such"),
        ({"quantization": "fp3"}, r"vLLM refuses engine\.vllm \(quantization\): .*fp3"),
    ],
)
def test_arguments_that_cannot_be_used_are_refused_in_one_line(
    checkpoint: Path, further: dict[str, object], message: str
) -> None:
    with pytest.raises(EngineError, match=message) as caught:
        made(checkpoint, **further)
    assert "\n" not in str(caught.value)
