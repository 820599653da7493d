"""Tree packing: the sampled answers to a question share the tokens of the image and of the question in one row.

Each answer is a branch. It attends to the context (the image and the question) and to itself but to no other answer,
and has the positions that it would have in a separate sequence, as in `network/packing.py`. The context is encoded once
for the whole group.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

CONTEXT, PADDING = 0, -1
"""Branch numbers of the tokens that all answers share, and of the tokens that pad a row; answers have 1, 2, ..."""

_MAX_TOKENS = 4096
"""Largest number of tokens of the rows that are encoded together; rows of very different lengths are not padded."""


@dataclass(frozen=True, eq=False)
class Question:
    """A question about a view, without an answer.

    Attributes:
        view: Index of the view in the batch.
        grid: Rows and columns of visual tokens of the view.
        prefix: Ids of the tokens before the image.
        prompt: Ids of the tokens between the image and the answer.
        joints: The joints of the right answer, in its order.
        free: Whether the model chooses the joints.
    """

    view: int
    grid: tuple[int, int]
    prefix: tuple[int, ...]
    prompt: tuple[int, ...]
    joints: tuple[str, ...]
    free: bool

    @property
    def context_length(self) -> int:
        """Number of tokens before the answer."""
        return len(self.prefix) + self.grid[0] * self.grid[1] + len(self.prompt)

    @property
    def answer_position(self) -> int:
        """Position of the first token of an answer; the image counts as its longer side, as in Qwen3-VL."""
        return len(self.prefix) + max(self.grid) + len(self.prompt)


@dataclass(frozen=True, eq=False)
class TreeRows:
    """Rows of tokens, one for each question.

    Attributes:
        ids: (N, L) int64.
        positions: (3, N, L) int64, multimodal positions of Qwen3-VL.
        branches: (N, L) int64, branch of each token.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    branches: torch.Tensor

    @classmethod
    def pack(
        cls,
        questions: Sequence[Question],
        answers: Sequence[Sequence[Sequence[int]]],
        *,
        image_id: int,
        padding_id: int,
    ) -> TreeRows:
        """Arrange questions, each with its answers one after another.

        Args:
            questions: The questions.
            answers: The ids of each answer to each question; none for the context alone.
            image_id: Id of the placeholder of a visual token.
            padding_id: Id that pads shorter rows.

        Returns:
            The rows.
        """
        rows = [_lay_out(question, each, image_id) for question, each in zip(questions, answers, strict=True)]
        longest = max(len(ids) for ids, _, _ in rows)
        ids = np.full((len(rows), longest), padding_id, np.int64)
        positions = np.zeros((3, len(rows), longest), np.int64)
        branches = np.full((len(rows), longest), PADDING, np.int64)
        for index, (row, places, numbers) in enumerate(rows):
            ids[index, : len(row)], positions[:, index, : len(row)], branches[index, : len(row)] = row, places, numbers
        return cls(*map(torch.from_numpy, (ids, positions, branches)))

    def to(self, device: torch.device) -> TreeRows:
        """Return the rows on a device."""
        return TreeRows(self.ids.to(device), self.positions.to(device), self.branches.to(device))


def visible_keys(queries: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
    """Return which keys each query attends to.

    Args:
        queries: (N, Q) branches of the queries, which are the last Q keys.
        keys: (N, K) branches of the keys.

    Returns:
        bool (N, 1, Q, K): the context and the earlier tokens of the same branch.
    """
    place = torch.arange(keys.shape[1], device=keys.device)
    earlier = place <= place[keys.shape[1] - queries.shape[1] :, None]
    same = (keys[:, None] == CONTEXT) | (keys[:, None] == queries[:, :, None])
    return (same & earlier)[:, None]


def encode(
    model: Any,
    rows: TreeRows,
    *,
    features: Any = None,
    cache: Any = None,
    earlier: torch.Tensor | None = None,
) -> torch.Tensor:
    """Run the language model on rows.

    Args:
        model: transformers' Qwen3VLForConditionalGeneration.
        rows: The rows, or the next tokens of each row.
        features: Features of the image of each row, from `features_of`; None where the tokens have no image.
        cache: transformers' Cache with the keys and values of the earlier tokens, which is extended; None for none.
        earlier: (N, K) branches of the earlier tokens; None for none.

    Returns:
        Hidden states (N, L, width).
    """
    keys = rows.branches if earlier is None else torch.cat([earlier, rows.branches], dim=1)
    hidden: torch.Tensor = model.model(
        input_ids=rows.ids,
        position_ids=rows.positions,
        attention_mask=visible_keys(rows.branches, keys),
        mm_encoder_outputs={"image": features},
        past_key_values=cache,
        use_cache=cache is not None,
    ).last_hidden_state
    return hidden


def features_of(features: Any, views: Sequence[int]) -> Any:
    """Return the features of the image of each row.

    Args:
        features: Features of all views, from `get_image_features` of transformers' Qwen3VLModel.
        views: Index of the view of each row.

    Returns:
        Features of the same type.
    """
    return type(features)(
        pooler_output=tuple(features.pooler_output[view] for view in views),
        deepstack_features=[tuple(layer[view] for view in views) for layer in features.deepstack_features],
    )


def batches_of_similar_length(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Generate groups of rows to encode together, so that little of them is padding.

    Args:
        lengths: Number of tokens of each row.

    Yields:
        Indices of rows; each occurs once.
    """
    group: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda index: lengths[index]):
        longer = group and 3 * lengths[index] > 4 * lengths[group[0]]
        if longer or (group and (len(group) + 1) * lengths[index] > _MAX_TOKENS):
            yield group
            group = []
        group.append(index)
    yield group


def _lay_out(
    question: Question, answers: Sequence[Sequence[int]], image_id: int
) -> tuple[list[int], NDArray[np.int64], NDArray[np.int64]]:
    """Return the ids, the positions (3, L) and the branches (L,) of a row."""
    start, (rows, columns) = len(question.prefix), question.grid
    after = start + max(question.grid)
    image = np.stack([np.zeros(rows * columns, np.int64), *np.indices(question.grid).reshape(2, -1)]) + start
    ids = [*question.prefix, *([image_id] * (rows * columns)), *question.prompt]
    positions = [_text(0, start), image, _text(after, len(question.prompt))]
    branches = [np.full(len(ids), CONTEXT)]
    for number, answer in enumerate(answers, CONTEXT + 1):
        ids += answer
        positions.append(_text(question.answer_position, len(answer)))
        branches.append(np.full(len(answer), number))
    return ids, np.concatenate(positions, axis=1), np.concatenate(branches)


def _text(start: int, length: int) -> NDArray[np.int64]:
    return np.tile(np.arange(start, start + length), (3, 1))
