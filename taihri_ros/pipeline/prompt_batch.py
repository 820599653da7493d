"""Turns a command into a batch of prompts about one image, and parses the answers.

Named joints can share one prompt, or have one prompt each. The official recipe uses one prompt. Since the position of a
joint does not depend on the answers for other joints, per-joint prompts can be decoded as a batch; the batch takes as
many passes through the model as the prompt for a single joint.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from taihri_ros.commands.command import Command, joint_command
from taihri_ros.inference.engine import EngineInfo, Question, RawAnswer
from taihri_ros.model.answer_format import AnswerFormat
from taihri_ros.model.grammar import Choice, Grammar, Text, free_grammar, named_grammar
from taihri_ros.model.parser import Answer, MalformedAnswerError, merge_answers, parse
from taihri_ros.model.prompts import make_prompt
from taihri_ros.model.spec import ModelSpec
from taihri_ros.model.zoom import ROOT
from taihri_ros.skeleton import in_order

Decoding = Literal["per_joint", "jump_forward", "plain"]
"""`per_joint`: one prompt per joint, decoded as a batch. `jump_forward`: one prompt; tokens that the template fixes are
inserted without decoding. `plain`: one prompt, every token decoded."""

_UNCONSTRAINED = 3
"""Length of the longest unconstrained answer, whose coordinates are several tokens, in lengths of a constrained one."""


@dataclass(frozen=True)
class PromptBatch:
    """The prompts for one command.

    Attributes:
        questions: The prompts with their grammars.
        joints: The joints that each prompt names; empty for a prompt in which the model selects the joints.
        max_tokens: Upper bound of the tokens of an answer that the grammars allow, however the tokenizer cuts its text.
        jump_forward: Whether fixed tokens are inserted without decoding, as in `GenerationRequest`.
        adds_root: Whether the last prompt asks for the root although the command does not.
    """

    questions: tuple[Question, ...]
    joints: tuple[tuple[str, ...], ...]
    max_tokens: int
    jump_forward: bool
    adds_root: bool = False

    def parse(self, answers: Sequence[RawAnswer]) -> Answer:
        """Parse the answers to all prompts into one.

        Args:
            answers: One answer per prompt.

        Returns:
            The joints of all answers; token indices count through the concatenated answers. A root that was added is
            not among them, but in `Answer.root`.

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
        root = None
        if self.adds_root:
            last = parsed[-1]
            root = next(joint for joint in last.joints if joint.joint == ROOT)
            parsed[-1] = replace(last, joints=tuple(joint for joint in last.joints if joint is not root))
        return replace(merge_answers(parsed), root=root)


def raw_text(answers: Sequence[RawAnswer]) -> str:
    """Return the answers as the model wrote them, one per line."""
    return "\n".join(answer.text for answer in answers)


def make_prompt_batch(command: Command, info: EngineInfo, decoding: Decoding, *, root: bool = False) -> PromptBatch:
    """Return the prompts for a command; they do not depend on the image.

    One answer in which the model chooses the joints has the root only if the words ask for it. So the root has a prompt
    of its own beside free words, and it is one of the named joints otherwise.

    Args:
        command: Named joints, or free text.
        info: The engine's description. An engine that does not batch prompts gets one prompt for all joints.
        decoding: How the model is prompted for named joints.
        root: Whether to ask for the root, too, as a zoomed view needs it.

    Returns:
        The prompts.
    """
    decoding = decoding if info.batched or decoding == "plain" else "jump_forward"
    batch = _make_prompt_batch(command, info.spec, decoding, root and ROOT not in command.joints)
    return replace(batch, max_tokens=batch.max_tokens * _UNCONSTRAINED) if info.unconstrained else batch


@lru_cache(maxsize=64)
def _make_prompt_batch(command: Command, spec: ModelSpec, decoding: Decoding, adds_root: bool) -> PromptBatch:
    answer_format = spec.answer or AnswerFormat()
    added = (ROOT,) if adds_root else ()
    groups: tuple[tuple[str, ...], ...]
    if not command.joints:
        groups = ((), added) if added else ((),)
    elif decoding == "per_joint":
        groups = tuple((joint,) for joint in (*command.joints, *added))
    else:
        groups = (in_order({*command.joints, *added}),)
    questions = tuple(
        Question(make_prompt(joint_command(joints), spec), named_grammar(joints, answer_format))
        if joints
        else Question(make_prompt(command, spec), free_grammar(answer_format))
        for joints in groups
    )
    longest = max(_most_tokens(question.grammar) for question in questions if question.grammar is not None)
    return PromptBatch(questions, groups, longest + 1, decoding != "plain", adds_root)


def _most_tokens(grammar: Grammar) -> int:
    """Return the number of tokens of the longest answer where each character of a text is a token of its own."""
    return sum(
        max(map(_most_tokens, element.branches))
        if isinstance(element, Choice)
        else len(element.text)
        if isinstance(element, Text)
        else 1
        for element in grammar
    )
