r"""Client of a remote `vllm serve` over its OpenAI-compatible API, with the standard library only.

The server is vLLM 0.32.0 with the checkpoint, its own chat template, and the options that constrained answers need:

    VLLM_XGRAMMAR_CACHE_MB=0 vllm serve CHECKPOINT --max-logprobs 20 --logprobs-mode processed_logprobs \
        --generation-config vllm --structured-outputs-config '{"backend": "xgrammar"}' \
        --limit-mm-per-prompt '{"image": 1, "video": 0}' --mm-processor-cache-gb 0 --max-model-len 4096 \
        --mm-processor-kwargs '{"min_pixels": 12544, "max_pixels": 2007040}'

The server needs no code of this package, so several robots can share one server or a cluster behind one address.
"""

from __future__ import annotations

import base64
import dataclasses
import re
import time
from functools import lru_cache
from queue import LifoQueue
from threading import Lock
from typing import Any

import cv2

from taihri_ros.inference.constrained.lark import to_lark
from taihri_ros.inference.coordinate_ids import CoordinateIds
from taihri_ros.inference.engine import (
    Engine,
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
from taihri_ros.inference.local_engine import sorted_top_k
from taihri_ros.inference.openai.http_connection import HttpConnection
from taihri_ros.inference.printable import printable
from taihri_ros.inference.process.fields import Fields, ProtocolError
from taihri_ros.inference.process.protocol import MAX_IN_FLIGHT
from taihri_ros.inference.warmup import check_warmup_answer, learn_answer_format
from taihri_ros.model.answer_format import AnswerFormat
from taihri_ros.model.grammar import Grammar
from taihri_ros.model.lexer import END_OF_ANSWER
from taihri_ros.model.quantization import ABSENT_TOKEN, BINS, INDEX_OF_TOKEN, coordinate_token
from taihri_ros.model.spec import ModelSpec

_ZERO_LOGPROB = -9000.0
"""Log-probabilities below this are zero probabilities: JSON has no infinity, so vLLM writes -9999."""

_NO_TEXT = "\ufffd"
"""Replacement for the empty text that vLLM returns for a token that is only a part of a character."""

_FACTS_TIMEOUT_S = 10.0
"""Longest time in s for a question to the server that needs no GPU, such as which models it serves."""

_SHORT_BYTES = 1 << 16
_TOKEN_BYTES = 400
"""Largest size of one token with its log-probability in an answer; vLLM's have some 100 bytes."""

_MOST_NAMES = 10
"""Number of served models that an error names."""

_CONTROL = re.compile(r"<(?=\|?[\w/]+\|?>)")


class OpenAiEngine(Engine):
    """A checkpoint on a remote vLLM server.

    >>> with OpenAiEngine("http://gpu-box:8000", "taihri") as engine:  # doctest: +SKIP
    ...     generation = engine.generate(request)
    """

    def __init__(
        self,
        url: str,
        model: str,
        spec: ModelSpec | None = None,
        *,
        api_key: str | None = None,
        timeout_s: float = 30.0,
        connect: bool = True,
    ) -> None:
        """Create the client, and connect it.

        Args:
            url: Base address of the server, such as `http://gpu-box:8000`, with or without `/v1` at its end.
            model: Name of the served model.
            spec: Contents of the checkpoint's `taihri.json`, which the server does not provide; by default the official
                values.
            api_key: Key of the server, if it needs one.
            timeout_s: Longest time for an answer, in s.
            connect: Whether to call `connect`.

        Raises:
            EngineError: The address is invalid, or an error of `connect`.
        """
        self._http = HttpConnection(url, api_key, min(timeout_s, _FACTS_TIMEOUT_S))
        self._pulse = HttpConnection(url, api_key, timeout_s)
        self._tokenizing = Lock()
        self._connections = [HttpConnection(url, api_key, timeout_s) for _ in range(MAX_IN_FLIGHT)]
        self._free: LifoQueue[HttpConnection] = LifoQueue()
        for connection in self._connections:
            self._free.put(connection)
        self._model = model
        self._lark_grammar = lru_cache(64)(self._to_lark)
        self._token_ids = lru_cache(4096)(self._tokenize)
        self._spec = spec or ModelSpec(name=model)
        self._info: EngineInfo | None = None
        self._coordinates = CoordinateIds()
        self._end_ids: list[int] = []
        if connect:
            self.connect()

    def connect(self) -> None:
        """Connect, look up the checkpoint's token ids, and send a warm-up request; close the client if this fails.

        Raises:
            EngineUnavailableError: The server cannot be reached, or cannot answer now.
            EngineError: The server is not a vLLM server or does not serve the model, or the model is not a TAIHRI
                checkpoint.
        """
        try:
            self._check_model()
            self._coordinates = self._find_coordinates()
            self._end_ids = [self._token_id(token) for token in END_OF_ANSWER]
            self._info = EngineInfo(
                kind="openai",
                version=printable(self._http.get("/version").get("version", str, length=100)),
                model=self._model,
                device=self.address,
                dtype="as served",
                spec=self._spec,
            )
            if not self._coordinates:
                reason = f"{coordinate_token(0)} to {coordinate_token(BINS - 1)} are no tokens of {self._model}"
                self._info = self._info.as_unconstrained(reason, has_probabilities=False)
            if self._info.spec.answer is None:
                learn_answer_format(self)  # type: ignore[arg-type]
            check_warmup_answer(self)
        except BaseException:
            self.close()
            raise

    @property
    def address(self) -> str:
        """Address of the server, without its key."""
        return self._http.address

    @property
    def info(self) -> EngineInfo:
        """Description of the engine.

        Raises:
            EngineUnavailableError: The client was not connected yet.
        """
        if self._info is None:
            raise EngineUnavailableError(f"{self.address} has not been connected yet")
        return self._info

    def generate(self, request: GenerationRequest) -> Generation:
        """Answer the questions of one request one after the other; see `Engine.generate`."""
        started = time.perf_counter()
        if self._info and self._info.unconstrained:
            request = request.without_grammars()
        image = _png_url(request)
        http = self._free.get()
        try:
            http.resume()
            answers = tuple(self._answer_question(http, request, question, image) for question in request.questions)
        finally:
            self._free.put(http)
        return Generation(answers=answers, timings_ms={"total": 1e3 * (time.perf_counter() - started)})

    def adopt_answer_format(self, answer_format: AnswerFormat) -> None:
        """Store an answer format that was inferred from an answer in `info.spec`."""
        info = self.info
        self._info = dataclasses.replace(info, spec=dataclasses.replace(info.spec, answer=answer_format))

    def give_up_constraints(self, reason: str) -> None:
        """Answer without constraints from now on; coordinates keep their top-k log-probabilities."""
        self._info = self.info.as_unconstrained(reason, has_probabilities=True)

    def check_alive(self, timeout_s: float) -> None:
        """Check that the server answers, without its model.

        Args:
            timeout_s: Longest time until it answers, in s.

        Raises:
            EngineError: It does not answer, or reports that it is not healthy.
        """
        self._pulse.check("/health", timeout_s)

    def abort(self) -> None:
        """Abort the requests in flight by closing their connections, and return without waiting for that."""
        for connection in self._connections:
            connection.interrupt()

    def close(self) -> None:
        """Disconnect. The server continues to run; a second call does nothing."""
        for connection in (self._http, self._pulse, *self._connections):
            connection.close()

    def _answer_question(
        self, http: HttpConnection, request: GenerationRequest, question: Question, image: str
    ) -> RawAnswer:
        try:
            answer = http.post(
                "/v1/chat/completions",
                self._body(request, question, image),
                _SHORT_BYTES + request.max_tokens * (request.top_k + 1) * _TOKEN_BYTES,
            )
        except EngineError:
            if http.interrupted and not http.closed:
                raise GenerationAbortedError("the request was aborted") from None
            raise
        try:
            return _decode_answer(answer, request.top_k > 0, len(self._coordinates))
        except ProtocolError as error:
            raise GenerationFailedError(f"{self.address} did not answer in the format of vLLM: {error}") from error

    def _body(self, request: GenerationRequest, question: Question, image: str) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self._model,
            "messages": [
                {"role": "system", "content": _escape_control_tokens(question.prompt.system)},
                {
                    "role": "user",
                    "content": [
                        {"type": "image_url", "image_url": {"url": image}},
                        {"type": "text", "text": _escape_control_tokens(question.prompt.user)},
                    ],
                },
            ],
            "max_completion_tokens": request.max_tokens,
            "temperature": 0.0,
            "repetition_penalty": request.repetition_penalty,
            "logprobs": True,
            "top_logprobs": request.top_k,
            "skip_special_tokens": False,
            "spaces_between_special_tokens": False,
            "stop_token_ids": self._end_ids,
        }
        if question.grammar is not None:
            body["structured_outputs"] = {"grammar": self._lark_grammar(question.grammar)}
        return body

    def _to_lark(self, grammar: Grammar) -> str:
        return to_lark(grammar, self._token_ids, self._coordinates)

    def _check_model(self) -> None:
        served = [
            Fields(card, "model").get("id", str, length=1000) for card in self._http.get("/v1/models").get("data", list)
        ]
        if self._model not in served:
            names = ", ".join(printable(name, 100) for name in served[:_MOST_NAMES]) or "nothing"
            others = f" and {len(served) - _MOST_NAMES} others" if len(served) > _MOST_NAMES else ""
            raise EngineError(
                f"{self.address} does not serve {self._model!r}; it serves {names}{others}: correct engine.model"
            )

    def _tokenize(self, text: str) -> tuple[int, ...]:
        question = {"model": self._model, "prompt": text, "add_special_tokens": False}
        with self._tokenizing:
            answer = self._http.post("/tokenize", question)
        tokens = answer.get("tokens", list)
        if not all(type(token) is int for token in tokens):
            raise ProtocolError("tokenize: tokens must be integers")
        return tuple(tokens)

    def _token_id(self, token: str) -> int:
        ids = self._token_ids(token)
        if len(ids) != 1:
            raise EngineError(f"{self._model} on {self.address} has no token {token}: it is not a TAIHRI checkpoint")
        return ids[0]

    def _find_coordinates(self) -> CoordinateIds:
        ids = self._tokenize("".join(map(coordinate_token, range(BINS))))
        if len(set(ids)) != BINS or len(ids) != BINS:
            return CoordinateIds()
        absent = self._token_ids(ABSENT_TOKEN) if self._spec.has_absent else ()
        if len(absent) > 1:
            raise EngineError(
                f"{self._model} on {self.address} has no token {ABSENT_TOKEN}, but answer.absent in engine.spec is "
                "true: set it to false"
            )
        return CoordinateIds((*ids, *absent))


def _decode_answer(answer: Fields, with_top_k: bool, coordinates: int) -> RawAnswer:
    """Convert a chat completion to an answer. The end token, which vLLM includes, is removed."""
    choice = Fields(answer.get("choices", list, length=1)[0], "choice")
    reason = choice.get("finish_reason", str, length=100)
    if reason not in ("stop", "length"):
        raise GenerationFailedError(f"the server ended the request with {reason!r}")
    steps = [Fields(step, "token") for step in Fields(choice.get("logprobs", dict), "logprobs").get("content", list)]
    tokens = [step.get("token", str, length=1000) or _NO_TEXT for step in steps]
    stopped = bool(tokens) and tokens[-1] in END_OF_ANSWER
    count = len(tokens) - stopped
    return RawAnswer(
        tokens=tuple(tokens[:count]),
        top_k=tuple(_top_k(step, coordinates) if with_top_k else None for step in steps[:count]),
        finish_reason="stop" if stopped else "length",
    )


def _top_k(step: Fields, coordinates: int) -> TopK | None:
    """Return the coordinates among the most probable tokens of a step; None if its token is not a coordinate."""
    if _coordinate(step, coordinates) is None:
        return None
    candidates = [Fields(one, "top_logprobs") for one in step.get("top_logprobs", list)]
    logprobs = {
        _coordinate(one, coordinates): one.get("logprob", float, limits=(-1e4, 1.0)) for one in (*candidates, step)
    }
    return sorted_top_k(
        (index, logprob) for index, logprob in logprobs.items() if index is not None and logprob > _ZERO_LOGPROB
    )


def _coordinate(token: Fields, coordinates: int) -> int | None:
    """Return the index of a coordinate token among the first `coordinates` ones, else None."""
    index = INDEX_OF_TOKEN.get(token.get("token", str, length=1000))
    return index if index is not None and index < coordinates else None


def _png_url(request: GenerationRequest) -> str:
    """Encode the image as PNG with the fastest compression."""
    image = cv2.cvtColor(request.image, cv2.COLOR_RGB2BGR)
    _, png = cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    return "data:image/png;base64," + base64.b64encode(png.tobytes()).decode()


def _escape_control_tokens(text: str) -> str:
    """Insert a space into each part of the text that the server's tokenizer would read as a control token."""
    return _CONTROL.sub("< ", text)
