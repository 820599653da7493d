from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import string
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taihri_ros.inference.engine import (
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
from taihri_ros.inference.process import protocol
from taihri_ros.inference.process.fields import ProtocolError
from taihri_ros.inference.process.protocol import EngineStatus, Kind, Message, State
from taihri_ros.model.answer_format import AnswerFormat
from taihri_ros.model.grammar import Choice, Coordinate, Grammar, Text, free_grammar, named_grammar
from taihri_ros.model.prompts import Prompt
from taihri_ros.model.quantization import ABSENT, ABSENT_TOKEN, coordinate_token
from taihri_ros.model.spec import ModelSpec
from taihri_ros.skeleton import JOINTS

texts = st.text(string.printable + "ä<|>\u2603", min_size=1, max_size=12)
elements = st.recursive(
    st.one_of(texts.map(Text), st.just(Coordinate())),
    lambda inner: st.lists(st.lists(inner, max_size=3).map(tuple), min_size=1, max_size=3).map(
        lambda branches: Choice(tuple(branches))
    ),
    max_leaves=12,
)
grammars = st.lists(elements, max_size=5).map(tuple)
not_coordinates = texts.filter(lambda text: re.fullmatch(r"<\d+>", text) is None)
top_k = st.lists(st.tuples(st.integers(0, 999), st.floats(-1e3, 0)), max_size=20).map(
    lambda pairs: TopK(tuple(b for b, _ in pairs), tuple(p for _, p in pairs))
)


def coordinate(data: st.DataObject) -> tuple[str, TopK]:
    """Sample a coordinate token with a valid top-k entry."""
    bins = data.draw(st.lists(st.integers(0, 999), min_size=1, max_size=20, unique=True))
    weights = sorted((data.draw(st.floats(1e-6, 1.0)) for _ in bins), reverse=True)
    logprobs = np.log(np.array(weights) / max(sum(weights), 1.0))
    return coordinate_token(data.draw(st.sampled_from(bins))), TopK(tuple(bins), tuple(logprobs.tolist()))


prompts = st.builds(Prompt, texts, texts)
questions = st.builds(Question, prompts, grammars | st.none())
answers = st.builds(
    lambda tokens, reason: RawAnswer(
        tokens=tuple(token for token, _ in tokens),
        top_k=tuple(found for _, found in tokens),
        finish_reason=reason,
    ),
    st.lists(st.tuples(not_coordinates, st.none() | top_k) | st.builds(coordinate, st.data()), max_size=8),
    st.sampled_from(["stop", "length"]),
)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=5)
    | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=8,
)

SPEC = ModelSpec(name="tiny", answer=AnswerFormat(box=False, between_coordinates=", "), max_image_size=(640, 480))
INFO = EngineInfo(kind="vllm", version="0.32.0", model="/m", device="cpu", dtype="float32", spec=SPEC, batched=True)
ONE = RawAnswer(tokens=("<1>",), top_k=(TopK((1, 2), (-0.1, -3.0)),), finish_reason="stop")
OTHER = RawAnswer(tokens=("a", "<2>"), top_k=(None, TopK((2,), (0.0,))), finish_reason="stop")


def request(grammar: Grammar | None = None, **changes: Any) -> GenerationRequest:
    image = np.arange(32 * 64 * 3, dtype=np.uint8).reshape(32, 64, 3)
    return GenerationRequest(image=image, questions=(Question(Prompt("system", "user"), grammar),), **changes)


def across(message: Message) -> Message:
    return protocol.unpack([bytes(frame) for frame in protocol.pack(message)])


@given(
    st.lists(questions, max_size=4).map(tuple),
    st.integers(1, 1000),
    st.integers(0, 20),
    st.floats(0.5, 2.0),
    st.booleans(),
)
def test_a_decoded_request_equals_the_encoded_one(
    sent_questions: tuple[Question, ...], max_tokens: int, count: int, penalty: float, jump_forward: bool
) -> None:
    sent = dataclasses.replace(
        request(max_tokens=max_tokens, top_k=count, repetition_penalty=penalty, jump_forward=jump_forward),
        questions=sent_questions,
    )
    message = across(protocol.encode_request(sent, 7))
    received = protocol.decode_request(message)
    assert (message.kind, message.id) == (Kind.GENERATE, 7)
    np.testing.assert_array_equal(received.image, sent.image)
    assert dataclasses.replace(received, image=sent.image) == sent


@pytest.mark.parametrize(
    "answer_format", [AnswerFormat(), AnswerFormat(box=False, between_joints=", ", after_joint=" ")]
)
def test_decoded_grammars_equal_the_encoded_ones(answer_format: AnswerFormat) -> None:
    for grammar in (free_grammar(answer_format), named_grammar(["left_wrist", "head"], answer_format)):
        (question,) = protocol.decode_request(across(protocol.encode_request(request(grammar), 1))).questions
        assert question.grammar == grammar


def test_the_image_is_not_copied() -> None:
    sent = request()
    message = protocol.encode_request(sent, 1)
    assert np.shares_memory(np.frombuffer(protocol.pack(message)[1], np.uint8), sent.image)
    received = protocol.decode_request(message)
    assert np.shares_memory(received.image, sent.image)


def test_an_image_with_gaps_between_its_rows_is_copied() -> None:
    sent = dataclasses.replace(request(), image=request().image[:, ::2])
    received = protocol.decode_request(across(protocol.encode_request(sent, 1)))
    np.testing.assert_array_equal(received.image, sent.image)


@given(
    st.lists(answers, max_size=4).map(tuple),
    st.integers(0, 1000),
    st.dictionaries(texts, st.floats(0, 1e6), max_size=3),
)
def test_a_decoded_generation_equals_the_encoded_one(
    given_answers: tuple[RawAnswer, ...], steps: int, timings: dict[str, float]
) -> None:
    sent = Generation(answers=given_answers, steps=steps, timings_ms=timings)
    assert protocol.decode_generation(across(protocol.encode_generation(sent, 1))) == sent


def test_the_questions_of_all_joints_and_their_answers_keep_their_order() -> None:
    sent_questions = tuple(Question(Prompt("system", name), named_grammar([name], AnswerFormat())) for name in JOINTS)
    sent = dataclasses.replace(request(), questions=sent_questions)
    assert protocol.decode_request(across(protocol.encode_request(sent, 1))).questions == sent_questions
    sent_answers = Generation(answers=tuple(dataclasses.replace(ONE, tokens=(name,)) for name in JOINTS))
    received = protocol.decode_generation(across(protocol.encode_generation(sent_answers, 1)))
    assert [answer.text for answer in received.answers] == list(JOINTS)


def test_coordinates_with_zero_probability_are_kept() -> None:
    found = TopK((1, 2), (0.0, -float("inf")))
    sent = Generation(answers=(dataclasses.replace(ONE, top_k=(found,)), OTHER))
    assert protocol.decode_generation(across(protocol.encode_generation(sent, 1))) == sent


@pytest.mark.parametrize("info", [None, INFO, dataclasses.replace(INFO, batched=False)])
@pytest.mark.parametrize("state", list(State))
def test_a_decoded_status_equals_the_encoded_one(state: State, info: EngineInfo | None) -> None:
    sent = EngineStatus(
        state=state, message="why", permanent=True, last_success_age_s=1.5, completed=3, pid=42, info=info
    )
    assert protocol.decode_status(across(protocol.encode_status(sent, 1))) == sent


@pytest.mark.handles("Engine", "path of a checkpoint that is not UTF-8", "used; shown with question marks or escaped")
def test_a_path_that_is_not_utf8_arrives() -> None:
    sent = EngineStatus(state=State.READY, info=dataclasses.replace(INFO, model=os.fsdecode(b"/caf\xe9")))
    assert protocol.decode_status(across(protocol.encode_status(sent, 1))) == sent
    with pytest.raises(EngineError, match=r"/caf\\udce9"):
        protocol.raise_error(across(protocol.encode_error(EngineError(os.fsdecode(b"/caf\xe9")), 1)))


@pytest.mark.parametrize(
    "error", [GenerationAbortedError, GenerationFailedError, EngineUnavailableError, ProtocolError]
)
def test_an_error_is_raised_on_the_other_side(error: type[EngineError]) -> None:
    with pytest.raises(error, match="because of this"):
        protocol.raise_error(across(protocol.encode_error(error("because of this"), 1)))


def test_another_protocol_version_is_reported() -> None:
    header = msgpack.packb({"version": 99, "kind": "a kind of the future"})
    with pytest.raises(ProtocolError, match=r"version 99 .* this side version 4: install the same release"):
        protocol.unpack([header])


@pytest.mark.parametrize(
    ("frames", "complaint"),
    [
        ([], "one or two frames"),
        ([b"", b"", b""], "one or two frames"),
        ([b""], "not msgpack"),
        ([b"\xc1"], "not msgpack"),
        ([b"\xdd\xff\xff\xff\xff"], "not msgpack"),
        ([b"\x91" * 100_000], "not msgpack"),
        ([msgpack.packb([1])], "must be a mapping"),
        ([msgpack.packb({1: 2})], "not msgpack"),
        ([msgpack.packb({"version": True})], "version must be an integer"),
        ([msgpack.packb({"version": 4})], "kind is missing"),
        ([msgpack.packb({"version": 4, "kind": "pickle"})], "kind must be one of"),
        ([msgpack.packb({"version": 4, "kind": ["status"]})], "kind must be one of"),
        ([msgpack.packb({"version": 4, "kind": "status", "id": -1})], "id must be"),
        ([msgpack.packb({"version": 4, "kind": "status", "id": 1, "body": []})], "body must be a mapping"),
    ],
)
def test_frames_that_are_no_message_are_refused(frames: list[bytes], complaint: str) -> None:
    with pytest.raises(ProtocolError, match=complaint):
        protocol.unpack(frames)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"shape": [32, 64]}, "shape must be a list of 3"),
        ({"shape": [32, 64, 1]}, "uint8"),
        ({"shape": [32, -64, 3]}, "uint8"),
        ({"shape": [32, 64.0, 3]}, "uint8"),
        ({"shape": [0, 64, 3]}, "uint8"),
        ({"shape": [2**40, 2**40, 3]}, "uint8"),
        ({"shape": [64, 64, 3]}, "has 12288 bytes, not 6144"),
        ({"dtype": "<f4"}, "uint8"),
        ({"dtype": "O"}, "uint8"),
        ({"max_tokens": 0}, "max_tokens must be"),
        ({"max_tokens": 10**9}, "max_tokens must be"),
        ({"top_k": 21}, "top_k must be"),
        ({"repetition_penalty": float("nan")}, "repetition_penalty must be"),
        ({"jump_forward": 1}, "jump_forward must be true or false"),
        ({"questions": None}, "questions must be a list"),
        ({"questions": {}}, "questions must be a list"),
        ({"questions": ["where?"]}, "question: must be a mapping"),
        ({"questions": [{}]}, "question: grammar is missing"),
    ],
)
def test_an_invalid_request_is_refused(changes: dict[str, Any], complaint: str) -> None:
    good = protocol.encode_request(request(), 1)
    with pytest.raises(ProtocolError, match=complaint):
        protocol.decode_request(across(dataclasses.replace(good, body={**good.body, **changes})))


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"system": 1}, "system must be a string"),
        ({"user": None}, "user must be a string"),
        ({"user": "x" * 200_000}, "user must be a string"),
        ({"grammar": "start"}, "grammar must be bytes"),
        ({"grammar": b"\xc1"}, "the grammar is not msgpack"),
        ({"grammar": msgpack.packb("start")}, "list of elements"),
        ({"grammar": msgpack.packb([7])}, "element of a grammar"),
        ({"grammar": msgpack.packb([""])}, "element of a grammar"),
        ({"grammar": msgpack.packb([[]])}, "element of a grammar"),
        ({"grammar": msgpack.packb([["no list"]])}, "list of elements"),
        ({"grammar": b"\x91" * 30 + b"\xc0"}, "at most 8 deep"),
    ],
)
def test_an_invalid_question_is_refused(changes: dict[str, Any], complaint: str, place: int) -> None:
    good = protocol.encode_request(dataclasses.replace(request(), questions=request().questions * 2), 1)
    protocol.decode_request(across(good))
    good.body["questions"][place].update(changes)
    with pytest.raises(ProtocolError, match=complaint):
        protocol.decode_request(across(good))


def test_a_request_without_image_is_refused() -> None:
    with pytest.raises(ProtocolError, match="has 6144 bytes, not 0"):
        protocol.decode_request(dataclasses.replace(protocol.encode_request(request(), 1), blob=None))


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"tokens": [1]}, "tokens must be strings"),
        ({"counts": []}, "counts must be a list of 1"),
        ({"counts": [-2]}, "counts must be integers"),
        ({"counts": [True]}, "counts must be integers"),
        ({"counts": [1]}, "announce 3 bins, but there are 4 bins and 4 log-probabilities"),
        ({"counts": [3]}, "announce 5 bins, but there are 4 bins"),
        ({"finish_reason": "error"}, "finish_reason must be one of"),
    ],
)
def test_an_invalid_answer_is_refused(changes: dict[str, Any], complaint: str, place: int) -> None:
    good = protocol.encode_generation(Generation(answers=(ONE, ONE)), 1)
    protocol.decode_generation(good)
    good.body["answers"][place].update(changes)
    with pytest.raises(ProtocolError, match=complaint):
        protocol.decode_generation(good)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"answers": None}, "answers must be a list"),
        ({"answers": ["<1>"]}, "answer: must be a mapping"),
        ({"answers": []}, "announce 0 bins, but there are 2 bins"),
        ({"bins": b"\x00"}, "bytes of an array"),
        ({"logprobs": b"\x00"}, "bytes of an array"),
        ({"logprobs": b""}, "2 bins and 0 log-probabilities"),
        ({"bins": b"\xff" * 4}, "out of range"),
        ({"logprobs": np.array([np.nan, 0.0]).tobytes()}, "out of range"),
        ({"steps": -1}, "steps must be"),
        ({"steps": 1.5}, "steps must be"),
        ({"timings_ms": {"total": "1"}}, "finite numbers"),
        ({"timings_ms": {"total": float("inf")}}, "finite numbers"),
    ],
)
def test_an_invalid_generation_is_refused(changes: dict[str, Any], complaint: str) -> None:
    good = protocol.encode_generation(Generation(answers=(ONE,)), 1)
    protocol.decode_generation(good)
    with pytest.raises(ProtocolError, match=complaint):
        protocol.decode_generation(dataclasses.replace(good, body={**good.body, **changes}))


@pytest.mark.parametrize(
    ("bins", "logprobs", "complaint"),
    [
        ((3, 2), (-0.1, -3.0), "the chosen bin <1> is not among its top-k"),
        ((1, 2), (-np.inf, -0.1), "the chosen bin <1> is not among its top-k"),
        ((1, 2), (0.5, -3.0), "a log-probability is positive"),
        ((1, 2), (-0.1, -0.1), "the probabilities sum to more than 1"),
        ((1, 1), (-1.0, -3.0), "a bin is listed twice"),
        ((1, 2), (-3.0, -0.1), "the log-probabilities are not sorted"),
    ],
)
@pytest.mark.handles(
    "Engine",
    "an engine process whose log-probabilities contradict its answer",
    "refused: the message names the token and the contradiction",
)
def test_log_probabilities_that_contradict_the_answer_are_refused(
    bins: tuple[int, ...], logprobs: tuple[float, ...], complaint: str
) -> None:
    wrong = dataclasses.replace(ONE, tokens=("a", "<1>"), top_k=(None, TopK(bins, logprobs)))
    for answers_sent, token in (((wrong,), 1), ((ONE, OTHER, wrong), 4)):
        message = across(protocol.encode_generation(Generation(answers=answers_sent), 1))
        with pytest.raises(ProtocolError, match=f"^generation: token {token}, <1>: {complaint}$"):
            protocol.decode_generation(message)


def test_absent_is_a_coordinate_with_log_probabilities_that_must_fit() -> None:
    entry = TopK((ABSENT, 7), (-0.1, -3.0))
    sent = Generation(answers=(dataclasses.replace(ONE, tokens=("a", ABSENT_TOKEN), top_k=(None, entry)),))
    assert protocol.decode_generation(across(protocol.encode_generation(sent, 1))) == sent
    for top_k, complaint in (
        (TopK((7,), (-0.1,)), "token 1, <absent>: the chosen bin <absent> is not among its top-k"),
        (TopK((ABSENT, ABSENT + 1), (-0.1, -3.0)), "a bin or a log-probability is out of range"),
    ):
        wrong = dataclasses.replace(sent.answers[0], top_k=(None, top_k))
        message = across(protocol.encode_generation(Generation(answers=(wrong,)), 1))
        with pytest.raises(ProtocolError, match=complaint):
            protocol.decode_generation(message)


@pytest.mark.parametrize("text", ["<01>", "<1000>", "a"])
def test_only_coordinates_have_log_probabilities_that_must_fit(text: str) -> None:
    sent = Generation(answers=(dataclasses.replace(ONE, tokens=(text,)),))
    assert protocol.decode_generation(across(protocol.encode_generation(sent, 1))) == sent


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"spec": {"nme": "x"}}, "unknown entry 'nme': did you mean 'name'"),
        ({"spec": {"focal_px": -1}}, "must be from 1 to"),
        ({"spec": {}}, "answer format is missing"),
        ({"kind": 3}, "kind must be a string"),
        ({"batched": 1}, "batched must be true or false"),
    ],
)
def test_an_invalid_description_of_the_engine_is_refused(changes: dict[str, Any], complaint: str) -> None:
    message = protocol.encode_status(EngineStatus(state=State.READY, info=INFO), 1)
    message.body["info"] = {**message.body["info"], **changes}
    with pytest.raises(ProtocolError, match=complaint):
        protocol.decode_status(message)


@given(st.lists(st.binary(max_size=60), max_size=3))
def test_garbage_raises_only_protocol_errors(frames: list[bytes]) -> None:
    with pytest.raises(ProtocolError):
        protocol.unpack(frames)


@given(st.sampled_from(["request", "question", "generation", "answer", "status", "info", "error"]), st.data())
def test_garbage_in_any_field_raises_only_protocol_errors(what: str, data: st.DataObject) -> None:
    sent, answered = request((Coordinate(),)), Generation(answers=(ONE, OTHER), timings_ms={"total": 1.0})
    requested = protocol.encode_request(sent, 1), protocol.decode_request
    generated = protocol.encode_generation(answered, 1), protocol.decode_generation
    reported = protocol.encode_status(EngineStatus(state=State.READY, info=INFO), 1), protocol.decode_status
    refused = protocol.encode_error(GenerationFailedError("no"), 1), protocol.raise_error
    (message, decode), body = {
        "request": (requested, requested[0].body),
        "question": (requested, requested[0].body["questions"][0]),
        "generation": (generated, generated[0].body),
        "answer": (generated, generated[0].body["answers"][1]),
        "status": (reported, reported[0].body),
        "info": (reported, reported[0].body["info"]),
        "error": (refused, refused[0].body),
    }[what]
    body[data.draw(st.sampled_from(sorted(body)))] = data.draw(json_values)
    with contextlib.suppress(EngineError):
        decode(across(message))


@given(st.binary(max_size=40) | json_values.map(msgpack.packb))
def test_garbage_for_a_grammar_raises_only_protocol_errors(grammar: bytes) -> None:
    message = protocol.encode_request(request(), 1)
    message.body["questions"][0]["grammar"] = grammar
    with contextlib.suppress(EngineError):
        protocol.decode_request(message)
