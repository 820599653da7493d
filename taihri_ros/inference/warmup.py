"""The warm-up request that every engine must answer before it serves, and inference of the answer format from it."""

from __future__ import annotations

import logging

import cv2
import numpy as np
from numpy.typing import NDArray

from taihri_ros.commands.command import joint_command
from taihri_ros.inference.engine import Engine, EngineError, GenerationRequest, Question, RawAnswer
from taihri_ros.inference.local_engine import LocalEngine
from taihri_ros.model.answer_format import AnswerFormat, infer_answer_format
from taihri_ros.model.grammar import named_grammar
from taihri_ros.model.lexer import LexemeKind, lex
from taihri_ros.model.parser import MalformedAnswerError, parse
from taihri_ros.model.prompts import make_prompt
from taihri_ros.model.spec import ModelSpec
from taihri_ros.resources import PERSON

_JOINTS = ("left_wrist", "right_wrist")
_SHORT_SIDE_PX = 320
_MAX_TOKENS = 256
"""Longest answer to the warm-up request, tokens."""

_log = logging.getLogger(__name__)


def warmup_image(spec: ModelSpec) -> NDArray[np.uint8]:
    """Return the image of the warm-up request: a rendered person, whose hands can be seen.

    Args:
        spec: The checkpoint's specification.

    Returns:
        (height, width, 3) uint8 RGB, square, of a size that the model accepts.
    """
    multiple = spec.image_multiple
    smallest, largest = np.ceil(np.sqrt(spec.min_pixels) / multiple), np.floor(np.sqrt(spec.max_pixels) / multiple)
    side = int(np.clip(np.ceil(_SHORT_SIDE_PX / multiple), smallest, largest)) * multiple
    picture = cv2.cvtColor(cv2.imread(str(PERSON)), cv2.COLOR_BGR2RGB)
    height, width, _ = picture.shape
    left = (width - height) // 2
    return np.asarray(cv2.resize(picture[:, left : left + height], (side, side)), np.uint8)


def learn_answer_format(engine: LocalEngine) -> None:
    """Infer the answer format of a checkpoint without `taihri.json` from one unconstrained answer, and set it.

    If the answer is JSON, which no grammar here describes, answers remain unconstrained. If it is malformed, the
    default format is set, with a warning.

    Args:
        engine: The engine whose answer format is set.

    Raises:
        EngineError: The engine does not answer the request.
    """
    (answer,) = engine.generate(_request(engine.info.spec, constrained=False)).answers
    complete = _is_complete(answer)
    answer_format = infer_answer_format(answer.tokens) if complete else None
    if complete and answer_format is None and "{" in answer.text:
        engine.give_up_constraints("the checkpoint answers in JSON, for which there is no grammar")
        return
    if answer_format is None:
        answer_format = AnswerFormat()
        _log.warning(
            "cannot infer the answer format of %s from its unconstrained answer, using the default %s (answer: %.200r)",
            engine.info.model,
            answer_format,
            answer.text,
        )
    else:
        _log.info("the answer format of %s, inferred from its answer, is %s", engine.info.model, answer_format)
    engine.adopt_answer_format(answer_format)


def check_warmup_answer(engine: Engine) -> None:
    """Check that an engine answers a constrained warm-up request completely and in the answer format.

    An unconstrained answer may be malformed, which is a warning only: the next picture may be answered well. Without a
    single coordinate it is the answer of another model.

    Args:
        engine: The engine.

    Raises:
        EngineError: The answer is truncated or malformed, or not one of TAIHRI, or the engine does not answer.
    """
    (answer,) = engine.generate(_request(engine.info.spec, constrained=True)).answers
    if engine.info.unconstrained:
        _check_unconstrained_answer(engine.info.model, answer)
        return
    if answer.finish_reason != "stop":
        raise EngineError(f"the warm-up answer of {engine.info.model} was truncated after {len(answer.tokens)} tokens")
    try:
        parse(answer.tokens, _JOINTS)
    except MalformedAnswerError as error:
        raise EngineError(f"the warm-up answer of {engine.info.model} is malformed: {error}") from error


def _check_unconstrained_answer(model: str, answer: RawAnswer) -> None:
    if _is_complete(answer):
        return
    if not any(lexeme.kind is LexemeKind.COORDINATE for lexeme in lex(answer.tokens)):
        raise EngineError(
            f"{model} is not a TAIHRI checkpoint: its answer about a person, {answer.text[:100]!r}, has no coordinate "
            "such as <261>: use a TAIHRI checkpoint"
        )
    _log.warning("the warm-up answer of %s is malformed: %.200r", model, answer.text)


def _is_complete(answer: RawAnswer) -> bool:
    try:
        parse(answer.tokens, None)
    except MalformedAnswerError:
        return False
    return answer.finish_reason == "stop"


def _request(spec: ModelSpec, *, constrained: bool) -> GenerationRequest:
    grammar = named_grammar(_JOINTS, spec.answer or AnswerFormat()) if constrained else None
    return GenerationRequest(
        image=warmup_image(spec),
        questions=(Question(make_prompt(joint_command(_JOINTS), spec), grammar),),
        max_tokens=_MAX_TOKENS,
        repetition_penalty=spec.repetition_penalty,
    )
