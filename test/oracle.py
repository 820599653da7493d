"""An oracle engine: it answers with the bins of known 3D joints in the view of each request."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Mapping
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from taihri_ros.inference.engine import (
    EngineInfo,
    FinishReason,
    Generation,
    GenerationRequest,
    Question,
    RawAnswer,
    TopK,
)
from taihri_ros.model.answer_format import AnswerFormat
from taihri_ros.model.lexer import BLOCKS
from taihri_ros.model.quantization import InteractionSpace, coordinate_token, encode_pixels
from taihri_ros.model.spec import Belief, ModelSpec
from taihri_ros.skeleton import JOINTS, joint_token

SPEC = ModelSpec(name="oracle", answer=AnswerFormat(), belief=Belief(0.0, 0.0))
"""Specification of the oracle; it has no thresholds, so that also its wide distributions pass."""

_KEPT = 32
"""Number of requests that an oracle remembers; each holds an image, and a long run has a hundred thousand."""


def info(spec: ModelSpec = SPEC) -> EngineInfo:
    return EngineInfo(kind="oracle", version="1", model="none", device="cpu", dtype="none", spec=spec, batched=True)


def answer_tokens(
    pixels: Mapping[str, Iterable[int]], points: Mapping[str, Iterable[int]], box: Iterable[int] | None = None
) -> tuple[str, ...]:
    """Return an answer in the official tokens, without the end token."""
    tokens: list[str] = []
    if box is not None:
        tokens += [BLOCKS["box"][0], *map(coordinate_token, box), BLOCKS["box"][1]]
    for block, joints in (("2d", pixels), ("3d", points)):
        tokens.append(BLOCKS[block][0])
        for joint, bins in joints.items():
            tokens += [joint_token(joint), *map(coordinate_token, bins)]
        tokens.append(BLOCKS[block][1])
    return tuple(tokens)


class Oracle:
    """An engine that answers each prompt with those joints of the prompt that it knows.

    The box of every answer spans the view from 10 % to 90 % of both sides. `requests` are the latest it was asked.
    """

    def __init__(
        self, joints: Mapping[str, NDArray[np.float64]], *, spread: tuple[float, ...] | None = (0.25, 0.5, 0.25)
    ) -> None:
        """Create the oracle.

        Args:
            joints: (3,) metres in the frame of the view, by joint name.
            spread: Probabilities of consecutive bins, centred on the true bin; None for no top-k log-probabilities.
        """
        self.info = info()
        self.joints = joints
        self.spread = spread
        self.finish_reason: FinishReason = "stop"
        self.failure: Exception | None = None
        self.requests: deque[GenerationRequest] = deque(maxlen=_KEPT)

    def generate(self, request: GenerationRequest) -> Generation:
        self.requests.append(request)
        if self.failure:
            raise self.failure
        size = (request.image.shape[1], request.image.shape[0])
        answers = tuple(self._answer(question, size) for question in request.questions)
        return Generation(answers=answers, steps=1, timings_ms={"total": 1.0})

    def _answer(self, question: Question, size: tuple[int, int]) -> RawAnswer:
        names = [name for name in JOINTS if re.search(rf"\b{name}\b", question.prompt.user) and name in self.joints]
        tokens = answer_tokens(
            {name: encode_pixels(self.pixel(name, size), size).tolist() for name in names},
            {name: InteractionSpace().encode(self.joints[name]).tolist() for name in names},
            (100, 100, 899, 899),
        )
        return RawAnswer(tokens=tokens, top_k=tuple(map(self._top_k, tokens)), finish_reason=self.finish_reason)

    def pixel(self, name: str, size: tuple[int, int]) -> NDArray[np.float64]:
        """Return the pixel of a joint in a view of a width and a height, (2,) px."""
        centre = (np.array(size) - 1) / 2
        return np.asarray(self.joints[name][:2] / self.joints[name][2] * self.info.spec.focal_px + centre)

    def _top_k(self, token: str) -> TopK | None:
        number = re.fullmatch(r"<(\d+)>", token)
        if not number or self.spread is None:
            return None
        first = int(number[1]) - len(self.spread) // 2
        return TopK(tuple(range(first, first + len(self.spread))), tuple(np.log(np.array(self.spread)).tolist()))

    def abort(self) -> None:
        """Do nothing: every request is answered at once."""

    def close(self) -> None:
        """Do nothing: there are no resources to release."""

    def __enter__(self) -> Oracle:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Do nothing: there are no resources to release."""
