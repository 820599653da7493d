"""Rollouts: groups of answers sampled from the policy within the grammar of the answer.

All answers of a batch are sampled at the same time. Each pass encodes, for every answer, the last decision and the
tokens that the grammar determines after it, and ends at the next decision; so an answer to named joints takes as many
passes as it has coordinates. A row of the batch holds a question with its whole group (`tree_packing.py`), so the
cached keys and values of the image and the question are stored and read once a group.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from taihri_ros.inference.checkpoint.vocabulary import Vocabulary
from taihri_ros.training.reinforcement.answer_steps import AnswerSteps, Step
from taihri_ros.training.reinforcement.tree_packing import (
    CONTEXT,
    PADDING,
    Question,
    TreeRows,
    batches_of_similar_length,
    encode,
    features_of,
)


@dataclass(frozen=True, eq=False)
class Decisions:
    """The decisions of the sampled answers, one row each; those of an answer are in their order.

    Attributes:
        question: (D,) int64, index of the question.
        sample: (D,) int64, index of the answer in its group.
        place: (D,) int64, index of the decided token in its answer; it is at least 1.
        joint: (D,) int64, joint of the coordinate; -1 for another token.
        column: (D,) int64, which of u, v, x, y, z; -1 for another token.
        chosen: (D,) int64, index of the decided token in the options: for a coordinate its bin or `ABSENT`.
        options: (D, K) int64, ids that were allowed, padded with -1; for a coordinate all -1.
        logprob: (D,) float32, log-probability of the decided token among the options, as it was sampled.
    """

    question: torch.Tensor
    sample: torch.Tensor
    place: torch.Tensor
    joint: torch.Tensor
    column: torch.Tensor
    chosen: torch.Tensor
    options: torch.Tensor
    logprob: torch.Tensor

    @property
    def is_coordinate(self) -> torch.Tensor:
        """(D,) bool, whether the decision is a coordinate."""
        return self.joint >= 0

    def select(self, which: torch.Tensor) -> Decisions:
        """Return some of the decisions.

        Args:
            which: (D,) bool, or indices.

        Returns:
            The decisions.
        """
        return Decisions(**{name: values[which] for name, values in vars(self).items()})


@dataclass(frozen=True, eq=False)
class Rollout:
    """A group of sampled answers to each question.

    Attributes:
        answers: Ids of each answer to each question, without the end token.
        decisions: Their decisions.
    """

    answers: tuple[tuple[tuple[int, ...], ...], ...]
    decisions: Decisions


class _Answer:
    """An answer that is being sampled."""

    def __init__(self, question: int, sample: int, steps: AnswerSteps) -> None:
        self.question, self.sample, self._steps = question, sample, steps
        self.step: Step = steps.start
        self.ids: list[int] = list(self.step.forced)
        self.encoded = 0

    @property
    def unread(self) -> list[int]:
        """Tokens that the model has not read yet."""
        return self.ids[self.encoded :]

    def decide(self, token: int) -> None:
        self.encoded = len(self.ids)
        self.step = self._steps.after(self.step, token)
        self.ids += [token, *self.step.forced]


class Sampler:
    """Sampler of answers within the grammar."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        """Create a sampler.

        Args:
            vocabulary: Tokens of the checkpoint; the ids of its coordinates follow each other.
        """
        self._image, self._padding = vocabulary.image_id, vocabulary.end_ids[0]
        self._first, self._count = vocabulary.coordinates[0], len(vocabulary.coordinates)

    @torch.no_grad()
    def sample(
        self,
        model: Any,
        features: Any,
        questions: Sequence[Question],
        steps: Sequence[AnswerSteps],
        *,
        group: int,
        generator: torch.Generator,
        greedy_first: bool = False,
    ) -> Rollout:
        """Sample a group of answers to each question, at temperature 1.

        Args:
            model: transformers' Qwen3VLForConditionalGeneration.
            features: Features of all views, from `get_image_features`.
            questions: The questions.
            steps: The steps of the answers to each question.
            group: Number of answers to each question.
            generator: Random generator, on the CPU.
            greedy_first: Whether the first answer of each group takes the most likely token at each decision.

        Returns:
            The answers.
        """
        answers = [
            [_Answer(row, sample, each) for sample in range(group)] for row, each in enumerate(steps)
        ]  # fmt: skip
        found: list[_Sampled] = []
        was_training = model.training
        model.eval()  # a cache is only used outside of training
        for rows in batches_of_similar_length([question.context_length for question in questions]):
            batch = [answers[row] for row in rows]
            found += self._sample_rows(
                model, features, [questions[row] for row in rows], batch, generator, greedy_first=greedy_first
            )
        model.train(was_training)
        return Rollout(tuple(tuple(tuple(each.ids) for each in row) for row in answers), _join(found))

    def _sample_rows(
        self,
        model: Any,
        features: Any,
        questions: list[Question],
        answers: list[list[_Answer]],
        generator: torch.Generator,
        *,
        greedy_first: bool,
    ) -> list[_Sampled]:
        """Sample the answers to questions with contexts of similar length."""
        from transformers import DynamicCache

        device = model.lm_head.weight.device
        context = TreeRows.pack(questions, [()] * len(questions), image_id=self._image, padding_id=self._padding)
        context = context.to(device)
        cache = DynamicCache(config=model.config.text_config)
        encode(model, context, features=features_of(features, [each.view for each in questions]), cache=cache)
        keys, active = context.branches, list(range(len(questions)))
        found: list[_Sampled] = []
        while active:
            rows = [answers[row] for row in active]
            chunk, deciding = self._next_tokens([questions[row] for row in active], rows)
            chunk = chunk.to(device)
            hidden = encode(model, chunk, cache=cache, earlier=keys)
            keys = torch.cat([keys, chunk.branches], dim=1)
            waiting = [each for row in rows for each in row if not each.step.ended]
            places = torch.tensor(deciding, device=device)
            logits = model.lm_head(hidden[places[:, 0], places[:, 1]]).float()
            found += self._decide(waiting, logits, generator, greedy_first=greedy_first)
            left = [index for index, row in enumerate(active) if any(not each.step.ended for each in answers[row])]
            if len(left) < len(active):
                active = [active[index] for index in left]
                chosen = torch.tensor(left, dtype=torch.int64, device=device)
                cache.batch_select_indices(chosen)
                keys = keys[chosen]
        return found

    def _next_tokens(
        self, questions: list[Question], rows: list[list[_Answer]]
    ) -> tuple[TreeRows, list[tuple[int, int]]]:
        """Return the unread tokens of each row, and the row and place of the last one of each answer that goes on."""
        width = max(len(each.unread) for row in rows for each in row if not each.step.ended)
        shape = len(rows), len(rows[0]) * width
        ids = torch.full(shape, self._padding)
        positions = torch.zeros(shape, dtype=torch.int64)
        branches = torch.full(shape, PADDING)
        deciding = []
        for index, (question, row) in enumerate(zip(questions, rows, strict=True)):
            for each in row:
                if each.step.ended:
                    continue
                unread = each.unread
                span = slice(each.sample * width, each.sample * width + len(unread))
                ids[index, span] = torch.tensor(unread)
                positions[index, span] = question.answer_position + each.encoded + torch.arange(len(unread))
                branches[index, span] = CONTEXT + 1 + each.sample
                deciding.append((index, span.stop - 1))
        return TreeRows(ids, positions.expand(3, -1, -1), branches), deciding

    def _decide(
        self, answers: list[_Answer], logits: torch.Tensor, generator: torch.Generator, *, greedy_first: bool
    ) -> list[_Sampled]:
        """Decide the next token of each answer by its logits (N, vocabulary)."""
        numeric = torch.tensor([not each.step.options for each in answers])
        width = max(self._count, *(len(each.step.options) for each in answers))
        options = torch.full((len(answers), width), -1)
        options[numeric, : self._count] = torch.arange(self._first, self._first + self._count)
        for index in (~numeric).nonzero()[:, 0].tolist():
            options[index, : len(answers[index].step.options)] = torch.tensor(answers[index].step.options)
        options = options.to(logits.device)
        logprobs = logits.gather(1, options.clamp(min=0)).masked_fill(options < 0, float("-inf")).log_softmax(dim=1)
        chosen = torch.multinomial(logprobs.exp().cpu(), 1, generator=generator)[:, 0].to(logits.device)
        if greedy_first:
            first = torch.tensor([each.sample == 0 for each in answers], device=logits.device)
            chosen = torch.where(first, logprobs.argmax(dim=1), chosen)
        tokens, likely = options.gather(1, chosen[:, None]), logprobs.gather(1, chosen[:, None])
        found = []
        rows = zip(answers, chosen.tolist(), tokens[:, 0].tolist(), likely[:, 0].tolist(), strict=True)
        for each, index, token, logprob in rows:
            step = each.step
            identity = (each.question, each.sample, len(each.ids), step.joint, step.column, index)
            found.append(_Sampled(identity, step.options, logprob))
            each.decide(token)
        return found


@dataclass(frozen=True)
class _Sampled:
    """A decision: question, sample, place, joint, column and chosen option; the options; and the log-probability."""

    identity: tuple[int, int, int, int, int, int]
    options: tuple[int, ...]
    logprob: float


def _join(found: list[_Sampled]) -> Decisions:
    found = sorted(found, key=lambda each: each.identity[:3])
    question, sample, place, joint, column, chosen = torch.tensor([each.identity for each in found]).unbind(dim=1)
    options = torch.full((len(found), max(1, *(len(each.options) for each in found))), -1)
    for index, each in enumerate(found):
        options[index, : len(each.options)] = torch.tensor(each.options, dtype=torch.int64)
    logprob = torch.tensor([each.logprob for each in found])
    return Decisions(question, sample, place, joint, column, chosen, options, logprob)
