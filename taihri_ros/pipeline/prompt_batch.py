"""How a command is put to the model: the questions about one image, and what their answers may be.

Joints that are named can be asked for in one question, or each in a question of its own. The official recipe does the
first; a model that measures one joint does not need the others' numbers for it, so that the questions can be answered
side by side, and the answer takes as many passes through the model as that of a single joint.
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
"""`per_joint`: one question for each joint, answered together. `jump_forward`: one question, its answer's forced tokens
written without being decoded. `plain`: one question, every token decoded."""

_TOKENS_PER_TEXT = 8


@dataclass(frozen=True)
class PromptBatch:
    """What is asked for one command.

    Attributes:
        questions: The questions.
        joints: For each question the joints that it names; empty where the model is to choose.
        max_tokens: The longest answer that the grammars allow, in tokens.
        jump_forward: As in `GenerationRequest`.
    """

    questions: tuple[Question, ...]
    joints: tuple[tuple[str, ...], ...]
    max_tokens: int
    jump_forward: bool

    def read(self, answers: Sequence[RawAnswer]) -> Answer:
        """Read the answers.

        Args:
            answers: One for each question.

        Returns:
            What they say of all joints; its tokens are counted through all answers.

        Raises:
            MalformedAnswerError: An answer was cut off or is not in the format, so that none can be trusted.
        """
        if any(answer.finish_reason != "stop" for answer in answers):
            raise MalformedAnswerError("it was cut off before its end", raw_text(answers))
        read: list[Answer] = []
        first_token = 0
        for answer, joints in zip(answers, self.joints, strict=True):
            read.append(parse(answer.tokens, joints or None, first_token=first_token))
            first_token += len(answer.tokens)
        return merge_answers(read)


def raw_text(answers: Sequence[RawAnswer]) -> str:
    """Give answers as the model wrote them, one a line."""
    return "\n".join(answer.text for answer in answers)


def ask(command: Command, info: EngineInfo, decoding: Decoding) -> PromptBatch:
    """Put a command into questions; the same for every image.

    Args:
        command: Named joints, or free words.
        info: The engine; where it does not answer side by side, one question names all joints.
        decoding: How to ask for named joints.

    Returns:
        The questions.
    """
    return _ask(command, info.spec, decoding if info.batched or decoding == "plain" else "jump_forward")


@lru_cache(maxsize=64)
def _ask(command: Command, spec: ModelSpec, decoding: Decoding) -> PromptBatch:
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
    tokens_per_text = 1 if answer_format == AnswerFormat(box=answer_format.box) else _TOKENS_PER_TEXT
    most = max(max_length(question.grammar) for question in questions if question.grammar is not None)
    return PromptBatch(questions, groups, most * tokens_per_text + 1, decoding != "plain")
