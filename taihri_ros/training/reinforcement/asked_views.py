"""Training views with questions: what the policy is asked, and what the right answers are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from taihri_ros.inference.checkpoint.layout import TOKEN_PX
from taihri_ros.inference.checkpoint.vocabulary import Vocabulary
from taihri_ros.model.lexer import LexemeKind, lex
from taihri_ros.model.spec import ModelSpec
from taihri_ros.training.data.question_sampler import QuestionSampler
from taihri_ros.training.data.viewpoints import View
from taihri_ros.training.data.views import RandomViews
from taihri_ros.training.network import packing
from taihri_ros.training.network.packing import Branch, PackedSample
from taihri_ros.training.reinforcement.tree_packing import Question
from taihri_ros.training.rewards.targets import Target


@dataclass(frozen=True, eq=False)
class AskedView:
    """A view with questions.

    Attributes:
        index: Index of the view in its data set.
        image: (height, width, 3) uint8 RGB.
        questions: The questions; their `view` is 0.
        targets: Their targets.
        sample: The same with the right answers, for the supervised loss.
    """

    index: int
    image: NDArray[np.uint8]
    questions: tuple[Question, ...]
    targets: tuple[Target, ...]
    sample: PackedSample


@dataclass(frozen=True, eq=False)
class Asked:
    """The questions of a batch.

    Attributes:
        index: Index of the first view; it identifies the batch.
        questions: The questions about all views.
        targets: Their targets.
    """

    index: int
    questions: tuple[Question, ...]
    targets: tuple[Target, ...]


class AskedViews(Dataset[AskedView]):
    """Views with sampled questions.

    Item i depends only on the seed and on i, so that a resumed run continues with the same data.
    """

    def __init__(
        self,
        views: Sequence[View] | RandomViews,
        sampler: QuestionSampler,
        vocabulary: Vocabulary,
        spec: ModelSpec,
        *,
        seed: int,
        epochs: int = 1,
        views_per_step: int = 1,
    ) -> None:
        """Create the data set.

        Args:
            views: The views.
            sampler: Samples the questions.
            vocabulary: Tokens of the checkpoint.
            spec: Spec of the checkpoint.
            seed: Seed of the questions.
            epochs: Number of steps in succession that see the same views.
            views_per_step: Number of views of each step.
        """
        self._views, self._sampler, self._vocabulary, self._spec, self._seed = views, sampler, vocabulary, spec, seed
        self._epochs, self._each = epochs, views_per_step

    def __len__(self) -> int:
        """Return the number of views, each time that a step sees one."""
        return len(self._views)

    def __getitem__(self, item: int) -> AskedView:
        """Return a view with its questions."""
        step, place = divmod(item, self._each)
        index = step // self._epochs * self._each + place
        view = self._views[index]
        sample = self._sampler.sample(view, np.random.default_rng((self._seed, index)))
        questions = tuple(
            as_question(branch, sample.prefix, view.image.shape, self._vocabulary) for branch in sample.branches
        )
        targets = tuple(Target.of(view, each.joints, each.free, self._spec) for each in questions)
        return AskedView(index, view.image, questions, targets, sample)


def as_question(branch: Branch, prefix: tuple[int, ...], shape: tuple[int, ...], vocabulary: Vocabulary) -> Question:
    """Return a question of supervised fine-tuning without its answer.

    Args:
        branch: The question with its answer.
        prefix: Ids of the tokens before the image.
        shape: Height and width of the image in px.
        vocabulary: Tokens of the checkpoint.

    Returns:
        The question, about view 0.
    """
    lexemes = lex(vocabulary.texts(branch.targets))
    joints = dict.fromkeys(lexeme.joint for lexeme in lexemes if lexeme.kind is LexemeKind.JOINT)
    return Question(
        view=0,
        grid=(shape[0] // TOKEN_PX, shape[1] // TOKEN_PX),
        prefix=prefix,
        prompt=branch.prompt,
        joints=tuple(joints),
        free=branch.free,
    )


def collate(samples: Sequence[AskedView], image_id: int, padding_id: int) -> dict[str, Any]:
    """Build a batch, sorted by image size for `attend_by_size`.

    Args:
        samples: The views.
        image_id: Id of the placeholder of a visual token.
        padding_id: Id that pads shorter rows.

    Returns:
        The tensors of `packing.collate` with the right answers, and `asked`, the questions about these views.
    """
    index = samples[0].index
    samples = sorted(samples, key=lambda sample: sample.image.shape)
    packed = packing.collate([sample.sample for sample in samples], image_id, padding_id)
    questions = tuple(
        replace(question, view=view) for view, sample in enumerate(samples) for question in sample.questions
    )
    targets = tuple(target for sample in samples for target in sample.targets)
    return packed | {"asked": Asked(index, questions, targets)}
