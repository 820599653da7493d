"""Turns a command into a batch of prompts about one image, and parses the answers.

Named joints can share one prompt, or have one prompt each. The official recipe uses one prompt. Since the position of a
joint does not depend on the answers for other joints, per-joint prompts can be decoded as a batch; the batch takes as
many passes through the model as the prompt for a single joint.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from taihri_ros.commands.command import Command, joint_command
from taihri_ros.inference.engine import EngineInfo, Question, RawAnswer
from taihri_ros.model.answer_format import AnswerFormat
from taihri_ros.model.grammar import free_grammar, max_length, named_grammar
from taihri_ros.model.parser import Answer, MalformedAnswerError, merge_answers, parse
from taihri_ros.model.prompts import make_prompt
from taihri_ros.model.spec import ModelSpec

Decoding = Literal["per_joint", "jump_forward", "plain"]
"""`per_joint`: one prompt per joint, decoded as a batch. `jump_forward`: one prompt; tokens that the template fixes are
inserted without decoding. `plain`: one prompt, every token decoded."""

_TOKENS_PER_TEXT = 8
"""Upper bound of the tokens in a piece of text (joint name or separator) that is not a special token."""


@dataclass(frozen=True)
class PromptBatch:
    """The prompts for one command.

    Attributes:
        questions: The prompts with their grammars.
        joints: The joints that each prompt names; empty for a prompt in which the model selects the joints.
        max_tokens: Length of the longest answer that the grammars allow, tokens.
        jump_forward: Whether fixed tokens are inserted without decoding, as in `GenerationRequest`.
    """

    questions: tuple[Question, ...]
    joints: tuple[tuple[str, ...], ...]
    max_tokens: int
    jump_forward: bool

    def parse(self, answers: Sequence[RawAnswer]) -> Answer:
        """Parse the answers to all prompts into one.

        Args:
            answers: One answer per prompt.

        Returns:
            The joints of all answers; token indices count through the concatenated answers.

        Raises:
            MalformedAnswerError: An answer was cut off or is not in the answer format; all answers are then rejected.
        """
        if any(answer.finish_reason != "stop" for answer in answers):
            raise MalformedAnswerError("it was cut off before its end", raw_text(answers))
        parsed: list[Answer] = []
        first_token = 0
        for answer, joints in zip(answers, self.joints, strict=True):
            parsed.append(parse(answer.tokens, joints or None, first_token=first_token))
            first_token += len(answer.tokens)
        return merge_answers(parsed)


def raw_text(answers: Sequence[RawAnswer]) -> str:
    """Return the answers as the model wrote them, one per line."""
    return "\n".join(answer.text for answer in answers)


def make_prompt_batch(command: Command, info: EngineInfo, decoding: Decoding) -> PromptBatch:
    """Return the prompts for a command; they do not depend on the image.

    Args:
        command: Named joints, or free text.
        info: The engine's description. An engine that does not batch prompts gets one prompt for all joints.
        decoding: How the model is prompted for named joints.

    Returns:
        The prompts.
    """
    return _make_prompt_batch(command, info.spec, decoding if info.batched or decoding == "plain" else "jump_forward")


@lru_cache(maxsize=64)
def _make_prompt_batch(command: Command, spec: ModelSpec, decoding: Decoding) -> PromptBatch:
    answer_format = spec.answer or AnswerFormat()
    if decoding == "per_joint" and command.joints:
        groups: tuple[tuple[str, ...], ...] = tuple((joint,) for joint in command.joints)
    else:
        groups = (command.joints,)
    questions = tuple(
        Question(make_prompt(joint_command(joints), spec), named_grammar(joints, answer_format))
        if joints
        else Question(make_prompt(command, spec), free_grammar(answer_format))
        for joints in groups
    )
    in_tokens = answer_format == AnswerFormat(box=answer_format.box, absent=answer_format.absent)
    tokens_per_text = 1 if in_tokens else _TOKENS_PER_TEXT
    max_texts = max(max_length(question.grammar) for question in questions if question.grammar is not None)
    return PromptBatch(questions, groups, max_texts * tokens_per_text + 1, decoding != "plain")
