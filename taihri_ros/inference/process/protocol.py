"""The messages between the node and the engine process.

A message has one or two frames: a header in msgpack and, for a request, the raw bytes of its image. Nothing is pickled.
Every header contains the version of the protocol, so a peer of another release is recognised by its first message.
Every field is checked before it is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from math import inf
from typing import Any, NoReturn

import msgpack
import numpy as np

from taihri_ros.errors import TaihriError
from taihri_ros.inference.engine import (
    EngineError,
    EngineInfo,
    EngineUnavailableError,
    FinishReason,
    Generation,
    GenerationAbortedError,
    GenerationFailedError,
    GenerationRequest,
    Question,
    RawAnswer,
    TopK,
)
from taihri_ros.inference.printable import printable
from taihri_ros.inference.process.fields import Fields, ProtocolError
from taihri_ros.inference.process.message_stream import Frame
from taihri_ros.inference.process.serialization import ANY_TEXT, deserialize_grammar, read_msgpack, serialize_grammar
from taihri_ros.inference.top_k import (
    as_arrays,
    concatenate,
    counts_of,
    find_fault,
    find_unsorted,
    flatten,
    unflatten,
)
from taihri_ros.model.prompts import Prompt
from taihri_ros.model.quantization import ABSENT, BINS, INDEX_OF_TOKEN
from taihri_ros.model.spec import ModelSpec

VERSION = 4
"""Version of the protocol, which must be equal on both sides."""

MAX_IN_FLIGHT = 2
"""Number of requests in flight: an engine encodes the image of one while it decodes the answer to the other."""

NO_ID = 0
"""Request number of an error that answers an invalid message."""

_BINS_DTYPE = "<u2"
_LOGPROBS_DTYPE = "<f8"
_MAX_SIDE = 16384
_MAX_TEXT = 100_000
_MAX_TOKENS = 100_000
"""Largest accepted side of an image (px), length of a text (characters), and number of tokens."""

_ERRORS: dict[str, type[EngineError]] = {
    "aborted": GenerationAbortedError,
    "failed": GenerationFailedError,
    "unavailable": EngineUnavailableError,
    "protocol": ProtocolError,
}


class Kind(str, Enum):
    """Kind of a message. The node sends the first three, the engine process the others."""

    STATUS = "status"
    GENERATE = "generate"
    ABORT = "abort"
    STATE = "state"
    GENERATION = "generation"
    ERROR = "error"


class State(str, Enum):
    """State of an engine process."""

    LOADING = "loading"
    READY = "ready"
    BUSY = "busy"
    FAILED = "failed"


@dataclass(frozen=True)
class Message:
    """One message.

    Attributes:
        kind: Kind of the message.
        id: Number of the request: this message itself, or the request that it answers or aborts.
        body: Fields, of the types of msgpack.
        blob: Raw bytes that follow the header, if any.
    """

    kind: Kind
    id: int
    body: dict[str, Any] = field(default_factory=dict)
    blob: Frame | None = None


@dataclass(frozen=True, kw_only=True)
class EngineStatus:
    """Status that an engine process reports.

    Attributes:
        state: State of the engine process.
        message: Why the engine failed, or what it is loading.
        permanent: Whether a restart would fail in the same way, as with a bad checkpoint.
        last_success_age_s: Time since the last answer or the warm-up request, in s; None before.
        completed, failed, aborted, refused: Number of requests that ended in each way.
        pid: Process id.
        info: Description of the engine, once it is loaded.
    """

    state: State
    message: str = ""
    permanent: bool = False
    last_success_age_s: float | None = None
    completed: int = 0
    failed: int = 0
    aborted: int = 0
    refused: int = 0
    pid: int = 0
    info: EngineInfo | None = None


def pack(message: Message) -> list[Frame]:
    """Serialize a message.

    Args:
        message: The message.

    Returns:
        One frame, or two with a blob. The blob is not copied.
    """
    header: bytes = msgpack.packb(
        {"version": VERSION, "kind": message.kind.value, "id": message.id, "body": message.body},
        unicode_errors=ANY_TEXT,
    )
    return [header] if message.blob is None else [header, message.blob]


def unpack(frames: Sequence[Frame]) -> Message:
    """Deserialize a message.

    Args:
        frames: The received frames.

    Returns:
        The message. Its body is not checked yet.

    Raises:
        ProtocolError: The frames are not a message, or have another version of the protocol.
    """
    if not 1 <= len(frames) <= 2:
        raise ProtocolError(f"a message has one or two frames, not {len(frames)}")
    header = Fields(read_msgpack(frames[0], "the header"), "header")
    version = header.get("version", int, limits=(0, 2**32))
    if version != VERSION:
        raise ProtocolError(
            f"the peer uses version {version} of the engine protocol, this side version {VERSION}: "
            "install the same release of taihri_ros for the node and the engine"
        )
    return Message(
        Kind(header.choice("kind", [kind.value for kind in Kind])),
        header.get("id", int, limits=(0, 2**64 - 1)),
        header.get("body", dict),
        frames[1] if len(frames) == 2 else None,
    )


def encode_request(request: GenerationRequest, identifier: int) -> Message:
    """Convert a request to a message. The image is copied only if its rows are not contiguous.

    Each grammar is serialized separately. The same grammar is sent with every camera frame, so the receiver can cache
    it by its bytes.
    """
    image = np.ascontiguousarray(request.image)
    body = {
        "shape": list(image.shape),
        "dtype": image.dtype.str,
        "questions": [_encode_question(question) for question in request.questions],
        "max_tokens": request.max_tokens,
        "top_k": request.top_k,
        "repetition_penalty": request.repetition_penalty,
        "jump_forward": request.jump_forward,
    }
    return Message(Kind.GENERATE, identifier, body, image.data.cast("B"))


def decode_request(message: Message) -> GenerationRequest:
    """Convert a message to a request. The image is a view of the message's bytes.

    Raises:
        ProtocolError: A field is missing or invalid, or the number of bytes does not match the image's shape.
    """
    fields = Fields(message.body, "request")
    shape = fields.get("shape", list, length=3)
    height, width, channels = (side if type(side) is int and 0 < side <= _MAX_SIDE else 0 for side in shape)
    if fields.get("dtype", str, length=8) != "|u1" or channels != 3 or not height or not width:
        raise ProtocolError(f"request: the image must be (height, width, 3) uint8, not {shape}")
    size = 0 if message.blob is None else len(message.blob)
    if message.blob is None or size != height * width * 3:
        raise ProtocolError(f"request: an image of {width}x{height} has {height * width * 3} bytes, not {size}")
    return GenerationRequest(
        image=np.frombuffer(message.blob, np.uint8).reshape(height, width, 3),
        questions=tuple(_decode_question(Fields(one, "question")) for one in fields.get("questions", list)),
        max_tokens=fields.get("max_tokens", int, limits=(1, _MAX_TOKENS)),
        top_k=fields.get("top_k", int, limits=(0, 20)),
        repetition_penalty=fields.get("repetition_penalty", float, limits=(1e-3, 1e3)),
        jump_forward=fields.get("jump_forward", bool),
    )


def encode_generation(generation: Generation, identifier: int) -> Message:
    """Convert a generation to a message. Two arrays hold the top-k of all answers; `counts` has the length of each."""
    bins, logprobs = flatten(concatenate([answer.top_k for answer in generation.answers]))
    body = {
        "answers": [
            {
                "tokens": list(answer.tokens),
                "counts": counts_of(answer.top_k),
                "finish_reason": answer.finish_reason,
            }
            for answer in generation.answers
        ],
        "bins": bins.astype(_BINS_DTYPE).tobytes(),
        "logprobs": logprobs.astype(_LOGPROBS_DTYPE).tobytes(),
        "steps": generation.steps,
        "timings_ms": generation.timings_ms,
    }
    return Message(Kind.GENERATION, identifier, body)


def decode_generation(message: Message) -> Generation:
    """Convert a message to a generation.

    Raises:
        ProtocolError: A field is missing or invalid, or the log-probabilities of a coordinate contradict its token.
    """
    fields = Fields(message.body, "generation")
    bins, logprobs = fields.array("bins", _BINS_DTYPE), fields.array("logprobs", _LOGPROBS_DTYPE)
    if (bins > ABSENT).any() or not (logprobs < np.inf).all():
        raise ProtocolError("generation: a bin or a log-probability is out of range")
    answers = [Fields(one, "answer") for one in fields.get("answers", list)]
    tokens = [_tokens(answer) for answer in answers]
    counts = [_counts(answer, len(texts)) for answer, texts in zip(answers, tokens, strict=True)]
    announced = sum(count for listed in counts for count in listed if count > 0)
    if not len(bins) == len(logprobs) == announced:
        raise ProtocolError(
            f"generation: the counts announce {announced} bins, but there are {len(bins)} bins and "
            f"{len(logprobs)} log-probabilities"
        )
    entries = unflatten(counts, bins, logprobs)
    _check_top_k([text for texts in tokens for text in texts], concatenate(entries))
    return Generation(
        answers=tuple(
            RawAnswer(tokens=texts, top_k=top_k, finish_reason=_finish_reason(answer))
            for answer, texts, top_k in zip(answers, tokens, entries, strict=True)
        ),
        steps=fields.get("steps", int, limits=(0, _MAX_TOKENS)),
        timings_ms=fields.numbers("timings_ms"),
    )


def encode_status(status: EngineStatus, identifier: int) -> Message:
    """Convert a status to a message."""
    body = {name: value for name, value in vars(status).items() if name not in ("state", "info")}
    body["state"] = status.state.value
    body["info"] = None if status.info is None else {**vars(status.info), "spec": status.info.spec.to_dict()}
    return Message(Kind.STATE, identifier, body)


def decode_status(message: Message) -> EngineStatus:
    """Convert a message to a status.

    Raises:
        ProtocolError: A field is missing or invalid.
    """
    fields = Fields(message.body, "status")
    info = fields.optional("info", dict)
    return EngineStatus(
        state=State(fields.choice("state", [state.value for state in State])),
        message=printable(fields.get("message", str, length=_MAX_TEXT)),
        permanent=fields.get("permanent", bool),
        last_success_age_s=fields.optional("last_success_age_s", float, limits=(0.0, inf)),
        **{
            name: fields.get(name, int, limits=(0, 2**63))
            for name in ("completed", "failed", "aborted", "refused", "pid")
        },
        info=None if info is None else _decode_info(Fields(info, "info")),
    )


def encode_error(error: EngineError, identifier: int) -> Message:
    """Convert an error to a message."""
    name = next((name for name, kind in _ERRORS.items() if isinstance(error, kind)), "failed")
    return Message(Kind.ERROR, identifier, {"error": name, "message": str(error)[:_MAX_TEXT]})


def raise_error(message: Message) -> NoReturn:
    """Raise the error that a message contains.

    Raises:
        EngineError: Always: one of the errors of the engine interface, or a ProtocolError.
    """
    fields = Fields(message.body, "error")
    raise _ERRORS[fields.choice("error", list(_ERRORS))](printable(fields.get("message", str, length=_MAX_TEXT)))


def _encode_question(question: Question) -> dict[str, Any]:
    grammar = None if question.grammar is None else serialize_grammar(question.grammar)
    return {"system": question.prompt.system, "user": question.prompt.user, "grammar": grammar}


def _decode_question(fields: Fields) -> Question:
    grammar = fields.optional("grammar", bytes)
    prompt = Prompt(fields.get("system", str, length=_MAX_TEXT), fields.get("user", str, length=_MAX_TEXT))
    return Question(prompt, None if grammar is None else deserialize_grammar(grammar))


def _tokens(answer: Fields) -> tuple[str, ...]:
    tokens = answer.get("tokens", list)
    if not all(type(token) is str for token in tokens):
        raise ProtocolError("answer: tokens must be strings")
    return tuple(tokens)


def _counts(answer: Fields, length: int) -> list[int]:
    counts = answer.get("counts", list, length=length)
    if not all(type(count) is int and -1 <= count <= BINS for count in counts):
        raise ProtocolError(f"answer: counts must be integers from -1 to {BINS}")
    return counts


def _check_top_k(tokens: list[str], top_k: Sequence[TopK | None]) -> None:
    """Check the top-k log-probabilities of the coordinates: what the decoder checks, and that they are sorted."""
    rows = [row for row, token in enumerate(tokens) if token in INDEX_OF_TOKEN]
    if not rows:
        return
    bins, logprobs = as_arrays(top_k, rows)
    chosen = np.array([INDEX_OF_TOKEN[tokens[row]] for row in rows])
    fault = find_fault(chosen, bins, logprobs, len(INDEX_OF_TOKEN)) or find_unsorted(logprobs)
    if fault is not None:
        raise ProtocolError(f"generation: token {rows[fault.row]}, {tokens[rows[fault.row]]}: {fault.reason}")


def _finish_reason(fields: Fields) -> FinishReason:
    return "stop" if fields.choice("finish_reason", ["stop", "length"]) == "stop" else "length"


def _decode_info(fields: Fields) -> EngineInfo:
    try:
        spec = ModelSpec.from_dict(fields.get("spec", dict), "info of the engine")
    except TaihriError as error:
        raise ProtocolError(str(error)) from error
    if spec.answer is None:
        raise ProtocolError("info of the engine: the answer format is missing")
    names = ("kind", "version", "model", "device", "dtype", "unconstrained")
    texts = {name: fields.get(name, str, length=_MAX_TEXT) for name in names}
    return EngineInfo(**texts, spec=spec, batched=fields.get("batched", bool))
