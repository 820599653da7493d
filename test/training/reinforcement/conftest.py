"""A small random model, questions about two views, and sampled answers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from taihri_ros.inference.checkpoint.vocabulary import Vocabulary
    from taihri_ros.training.reinforcement.answer_steps import AnswerSteps
    from taihri_ros.training.reinforcement.rollout import Rollout
    from taihri_ros.training.reinforcement.tree_packing import Question


@pytest.fixture(scope="session")
def vocabulary(nano: Path) -> Vocabulary:
    from taihri_ros.inference.checkpoint.vocabulary import Vocabulary

    return Vocabulary(nano, absent=True)


@pytest.fixture(scope="session")
def model(nano: Path) -> Any:
    import torch
    import transformers

    from taihri_ros.training.network.patch_batch import embed_still_patches

    torch.manual_seed(0)
    model = transformers.Qwen3VLForConditionalGeneration.from_pretrained(nano, dtype=torch.float32).eval()
    with torch.no_grad():
        for weight in model.model.language_model.parameters():
            weight.add_(0.05 * torch.randn_like(weight))
    embed_still_patches(model.model.visual)
    return model


@pytest.fixture(scope="session")
def features(model: Any) -> Any:
    import numpy as np
    import torch

    from taihri_ros.training.network.patch_batch import to_patches

    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, shape, np.uint8) for shape in ((64, 96, 3), (96, 64, 3))]
    patches, grids = to_patches(images)
    with torch.no_grad():
        return model.model.get_image_features(patches, grids, return_dict=True)


@pytest.fixture(scope="session")
def questions(vocabulary: Vocabulary) -> list[Question]:
    from asked import NAMED

    from taihri_ros.training.reinforcement.tree_packing import Question

    prefix, words = vocabulary.ids("<|im_start|>user\n<|vision_start|>"), vocabulary.ids("<|vision_end|> reach for it")
    return [
        Question(0, (2, 3), prefix, words, NAMED[0], free=False),
        Question(1, (3, 2), prefix, words * 3, NAMED[1], free=False),
        Question(0, (2, 3), prefix, words * 2, (), free=True),
    ]


@pytest.fixture(scope="session")
def steps(vocabulary: Vocabulary) -> list[AnswerSteps]:
    from asked import FORMAT, NAMED

    from taihri_ros.model.grammar import free_grammar, named_grammar
    from taihri_ros.training.reinforcement.answer_steps import AnswerSteps

    grammars = [*(named_grammar(names, FORMAT) for names in NAMED), free_grammar(FORMAT)]
    return [AnswerSteps(grammar, vocabulary, FORMAT) for grammar in grammars]


@pytest.fixture(scope="session")
def rollout(
    model: Any, features: Any, questions: list[Question], steps: list[AnswerSteps], vocabulary: Vocabulary
) -> Rollout:
    import torch
    from asked import GROUP

    from taihri_ros.training.reinforcement.rollout import Sampler

    return Sampler(vocabulary).sample(
        model, features, questions, steps, group=GROUP, generator=torch.Generator().manual_seed(1)
    )
