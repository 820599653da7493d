"""Packed questions and patches are equivalent to separate questions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from taihri_ros.commands.tasks import Tasks
from taihri_ros.inference.checkpoint.vocabulary import Vocabulary
from taihri_ros.model.spec import ModelSpec
from taihri_ros.training.data.pictures import Picture
from taihri_ros.training.data.question_sampler import QuestionSampler, QuestionSettings
from taihri_ros.training.data.viewpoints import Viewpoint
from taihri_ros.training.network.packing import NO_TARGET, PackedSample, collate
from taihri_ros.training.network.patch_batch import embed_still_patches, to_patches

SETTINGS = QuestionSettings(named=((1, 2), (2, 3)))


def load(nano: Path) -> Any:
    return transformers.Qwen3VLForConditionalGeneration.from_pretrained(nano, dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def vocabulary(nano: Path) -> Vocabulary:
    return Vocabulary(nano)


@pytest.fixture(scope="module")
def packed(nano: Path, vocabulary: Vocabulary, pictures: list[Picture]) -> list[PackedSample]:
    sampler = QuestionSampler(vocabulary, ModelSpec.load(nano), Tasks.load(), SETTINGS)
    views = [Viewpoint(104.0, (128, 96)).render(pictures[0]), Viewpoint(104.0, (64, 128)).render(pictures[1])]
    return [sampler.sample(view, np.random.default_rng(0)) for view in views]


@pytest.fixture(scope="module")
def batch(packed: list[PackedSample], vocabulary: Vocabulary) -> dict[str, torch.Tensor]:
    return collate(packed, vocabulary.image_id, vocabulary.end_ids[0])


def spans(sample: PackedSample, columns: int) -> list[tuple[int, int]]:
    """Return start and end of each branch in its row."""
    start = len(sample.prefix) + columns
    found = []
    for branch in sample.branches:
        found.append((start, start + len(branch.prompt) + len(branch.answer)))
        start = found[-1][1]
    return found


def test_each_branch_is_equivalent_to_a_separate_question(
    nano: Path, vocabulary: Vocabulary, packed: list[PackedSample], batch: dict[str, torch.Tensor]
) -> None:
    model, still = load(nano), load(nano)
    embed_still_patches(still.model.visual)
    processor = transformers.AutoImageProcessor.from_pretrained(nano, backend="pil", local_files_only=True)
    with torch.no_grad():
        hidden = still.model(
            input_ids=batch["input_ids"],
            pixel_values=batch["patches"],
            image_grid_thw=batch["grids"],
            position_ids=batch["position_ids"],
            attention_mask=batch["visible"],
            use_cache=False,
        ).last_hidden_state
        together = still.lm_head(hidden)
    for row, sample in enumerate(packed):
        pixels = processor(images=[sample.image], return_tensors="pt")
        tokens = sample.image.shape[0] // 32 * (sample.image.shape[1] // 32)
        shared = len(sample.prefix) + tokens
        for branch, (first, end) in zip(sample.branches, spans(sample, tokens), strict=True):
            ids = [*sample.prefix, *([vocabulary.image_id] * tokens), *branch.prompt, *branch.answer]
            separate = torch.tensor([ids])
            kinds = (separate == vocabulary.image_id).int()
            positions, _ = model.model.get_rope_index(separate, kinds, image_grid_thw=pixels["image_grid_thw"])
            branch_positions = torch.cat(
                [batch["position_ids"][:, row, :shared], batch["position_ids"][:, row, first:end]], dim=1
            )
            assert torch.equal(branch_positions, positions[:, 0])
            with torch.no_grad():
                logits = model(
                    input_ids=separate, attention_mask=torch.ones_like(separate), mm_token_type_ids=kinds, **pixels
                ).logits[0]
            assert torch.allclose(together[row, first:end], logits[shared:], atol=2e-4)


def test_targets_are_one_position_before_their_tokens(
    packed: list[PackedSample], batch: dict[str, torch.Tensor]
) -> None:
    tokens = 12
    for branch, (first, end) in zip(packed[0].branches, spans(packed[0], tokens), strict=True):
        targets, weights = batch["targets"][0, first:end], batch["weights"][0, first:end]
        begin = len(branch.prompt) - 1
        assert targets[begin:-1].tolist() == list(branch.targets)
        assert weights[begin:-1].tolist() == pytest.approx(branch.weights)
        assert (targets[:begin] == NO_TARGET).all()
        assert targets[-1] == NO_TARGET
    assert batch["weights"][0, : spans(packed[0], tokens)[0][0]].sum() == 0


def test_patches_equal_those_of_the_image_processor(nano: Path) -> None:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (*size, 3), np.uint8) for size in ((96, 128), (64, 64))]
    processor = transformers.AutoImageProcessor.from_pretrained(nano, backend="pil", local_files_only=True)
    theirs = processor(images=images, return_tensors="pt")
    patches, grids = to_patches(images)
    assert torch.equal(grids, theirs["image_grid_thw"])
    first_frame = theirs["pixel_values"].view(len(patches), 3, 2, 256)[:, :, 0].flatten(1)
    assert torch.allclose(patches, first_frame, atol=1e-5)


def test_still_patches_are_embedded_like_two_frames(nano: Path) -> None:
    image = np.random.default_rng(1).integers(0, 256, (64, 96, 3), np.uint8)
    patches, grids = to_patches([image])
    tower = load(nano).model.visual
    twice = patches.view(-1, 3, 1, 256).expand(-1, -1, 2, -1).flatten(1)
    with torch.no_grad():
        original = tower(twice, grids).pooler_output
        embed_still_patches(tower)
        assert torch.allclose(tower(patches, grids).pooler_output, original, atol=1e-5)
