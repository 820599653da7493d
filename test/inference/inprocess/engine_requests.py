"""Images, questions and requests for the tests of engines, and comparisons of their answers."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from taihri_ros.commands.command import joint_command
from taihri_ros.inference.checkpoint.tiny_checkpoint import SPEC
from taihri_ros.inference.engine import Engine, Generation, GenerationRequest, Question, RawAnswer
from taihri_ros.model.answer_format import AnswerFormat
from taihri_ros.model.grammar import Grammar, named_grammar
from taihri_ros.model.prompts import Prompt, make_prompt

BOTH_WRISTS = ("left_wrist", "right_wrist")
MAX_TOKENS = 512
WRIST_GRAMMAR = named_grammar(BOTH_WRISTS, AnswerFormat())
ANSWER_FORMATS = {
    "official": AnswerFormat(),
    "no box": AnswerFormat(box=False),
    "separated": AnswerFormat(
        joint="text", after_joint=" ", between_coordinates=", ", between_joints=", ", between_blocks="\n"
    ),
    "texts without box": AnswerFormat(box=False, joint="text", between_joints="\n"),
}


def noise(seed: int, height: int = 416, width: int = 544) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def make_request(
    joints: tuple[str, ...] = BOTH_WRISTS,
    *,
    seed: int = 0,
    grammar: Grammar | None = WRIST_GRAMMAR,
    prompt: Prompt | None = None,
    questions: tuple[Question, ...] = (),
    max_tokens: int = MAX_TOKENS,
    top_k: int = 20,
    repetition_penalty: float = 1.05,
    jump_forward: bool = True,
    image: np.ndarray | None = None,
) -> GenerationRequest:
    return GenerationRequest(
        image=noise(seed) if image is None else image,
        questions=questions or (Question(prompt or make_prompt(joint_command(joints), SPEC), grammar),),
        max_tokens=max_tokens,
        top_k=top_k,
        repetition_penalty=repetition_penalty,
        jump_forward=jump_forward,
    )


def generate_one(engine: Engine, request: GenerationRequest) -> RawAnswer:
    """Return the answer to a request with one question."""
    (only,) = engine.generate(request).answers
    return only


def assert_close(one: RawAnswer, other: RawAnswer) -> None:
    """Check that two answers are equal up to floating-point error."""
    assert one.tokens == other.tokens
    assert one.finish_reason == other.finish_reason
    for left, right in zip(one.top_k, other.top_k, strict=True):
        assert (left is None) == (right is None)
        if left is None or right is None:
            continue
        np.testing.assert_allclose(left.logprobs, right.logprobs, atol=1e-3)
        theirs = dict(zip(right.bins, right.logprobs, strict=True))
        for index, logprob in zip(left.bins[:-1], left.logprobs[:-1], strict=True):
            assert theirs.get(index, right.logprobs[-1]) == pytest.approx(logprob, abs=1e-3)


def joint_question(
    joint: str, answer_format: AnswerFormat = ANSWER_FORMATS["official"], system: str | None = None
) -> Question:
    prompt = make_prompt(joint_command((joint,)), SPEC)
    return Question(prompt if system is None else Prompt(system, prompt.user), named_grammar((joint,), answer_format))


def joint_questions(
    joints: tuple[str, ...], answer_format: AnswerFormat = ANSWER_FORMATS["official"]
) -> tuple[Question, ...]:
    return tuple(joint_question(joint, answer_format) for joint in joints)


def answer_separately(engine: Engine, request: GenerationRequest) -> list[RawAnswer]:
    """Answer each question of a request in a request of its own, decoded token by token."""
    plain = dataclasses.replace(request, jump_forward=False)
    return [generate_one(engine, dataclasses.replace(plain, questions=(question,))) for question in request.questions]


def assert_all_close(found: Generation, wanted: list[RawAnswer]) -> None:
    for one, other in zip(found.answers, wanted, strict=True):
        assert_close(one, other)
