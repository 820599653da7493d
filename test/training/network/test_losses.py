"""Soft targets, the dense head, and Muon."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from taihri_ros.model.quantization import ABSENT, BINS
from taihri_ros.model.spec import ModelSpec
from taihri_ros.training.callbacks import SoftTargetAnnealing
from taihri_ros.training.data.pictures import Picture
from taihri_ros.training.data.viewpoints import Viewpoint
from taihri_ros.training.network.answer_loss import AnswerLoss
from taihri_ros.training.network.dense import DensePretraining, collate
from taihri_ros.training.network.patch_batch import embed_still_patches
from taihri_ros.training.optimizer import Muon, make_optimizer
from taihri_ros.training.recipe import SoftTargets


class _Inputs(torch.nn.Module):
    """A backbone that records its input ids."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[torch.Tensor] = []

    def get_image_features(self, *_: Any, **__: Any) -> None:
        return None

    def forward(self, *, input_ids: torch.Tensor, **_: Any) -> Any:
        self.read.append(input_ids)
        return transformers.modeling_outputs.BaseModelOutput(torch.zeros(*input_ids.shape, 1))


class _Fixed(torch.nn.Module):
    """A model that returns the same logits at every position."""

    def __init__(self, logits: torch.Tensor) -> None:
        super().__init__()
        self.model = _Inputs()
        self.logits = torch.nn.Parameter(logits)

    def lm_head(self, hidden: torch.Tensor) -> torch.Tensor:
        return self.logits.expand(len(hidden), -1)


FIRST = 10


def loss_of(logits: torch.Tensor, target: int, sigma: float) -> dict[str, torch.Tensor]:
    module = AnswerLoss(_Fixed(logits), first_coordinate=FIRST, sigma_bins=sigma)
    ids = torch.tensor([[target, 3, -100]])
    weights = torch.tensor([[1.0, 0.5, 0.0]])
    empty: Any = None
    return module(empty, empty, ids.clamp_min(0), empty, empty, ids, weights)


def test_soft_targets_give_a_near_bin_a_lower_loss() -> None:
    bins = torch.arange(BINS)

    def peak(at: int) -> torch.Tensor:
        numbers = -((bins - at).float() ** 2) / (2 * 5.0**2)
        return torch.cat([torch.full((FIRST,), -20.0), numbers])

    hard = [float(loss_of(peak(at), FIRST + 500, 0.0)["number_loss"]) for at in (500, 503, 520)]
    soft = [float(loss_of(peak(at), FIRST + 500, 5.0)["number_loss"]) for at in (500, 503, 520)]
    assert hard[0] < hard[1] < hard[2]
    assert soft[0] < soft[1] < soft[2]
    entropy = np.log(5.0 * np.sqrt(2 * np.pi * np.e))
    assert soft[0] == pytest.approx(entropy, abs=0.01)  # where the prediction equals the target
    assert float(loss_of(peak(503), FIRST + 500, 5.0)["bin_error"]) == pytest.approx(3.0, abs=0.01)


def test_words_have_their_weight_and_hard_targets() -> None:
    logits = torch.randn(FIRST + BINS, generator=torch.Generator().manual_seed(0))
    logprobs = logits.log_softmax(dim=0)
    hard = loss_of(logits, FIRST + 7, 0.0)["loss"]
    assert hard.item() == pytest.approx(-(logprobs[FIRST + 7] + 0.5 * logprobs[3]).item() / 1.5, rel=1e-5)
    target = torch.softmax(-((torch.arange(BINS) - 7.0) ** 2) / (2 * 4.0**2), dim=0)
    number = -(target * logprobs[FIRST:]).sum()
    soft = loss_of(logits, FIRST + 7, 4.0)["loss"]
    assert soft.item() == pytest.approx((number - 0.5 * logprobs[3]).item() / 1.5, rel=1e-5)


@pytest.mark.parametrize(("part", "training"), [(0.0, True), (0.5, True), (0.5, False), (1.0, True)])
def test_scheduled_sampling_puts_own_predictions_into_the_context(part: float, training: bool) -> None:
    rows, own = 400, FIRST + 123
    model = _Fixed(torch.nn.functional.one_hot(torch.tensor(own), FIRST + BINS).float())
    module = AnswerLoss(model, first_coordinate=FIRST, sigma_bins=4.0, scheduled_sampling=part).train(training)
    ids = torch.tensor([[5, 3, FIRST + 400, FIRST + 500, 4, 7]]).repeat(rows, 1)
    targets = torch.tensor([[-100, FIRST + 401, FIRST + 501, 4, 7, -100]]).repeat(rows, 1)
    empty: Any = None
    torch.manual_seed(0)
    module(empty, empty, ids, empty, empty, targets, (targets >= 0).float())
    last = model.model.read[-1]
    mixed = (last == torch.tensor([5, 3, own, own, 4, 7])).all(dim=1)
    assert ((last == ids).all(dim=1) | mixed).all()
    assert mixed.float().mean() == pytest.approx(part if training or part == 0.0 else 1.0, abs=0.1)
    assert len(model.model.read) == (1 if part == 0.0 else 2)


ABSENT_ID = FIRST + ABSENT


def absent_loss(
    logits: torch.Tensor, *targets: int, weights: tuple[float, ...] | None = None, margin: float = 0.0
) -> dict[str, Any]:
    """Return the loss of these targets, and the metrics, with soft targets and `<absent>`."""
    module = AnswerLoss(_Fixed(logits), first_coordinate=FIRST, sigma_bins=4.0, absent=True, absent_margin=margin)
    ids = torch.tensor([targets])
    empty: Any = None
    weight = torch.tensor([weights or (1.0,) * len(targets)])
    return module(empty, empty, ids, empty, empty, ids, weight)


def test_absent_has_plain_cross_entropy_and_competes_with_the_bins() -> None:
    logits = torch.randn(FIRST + BINS + 1, generator=torch.Generator().manual_seed(0))
    logprobs = logits.log_softmax(dim=0)
    assert absent_loss(logits, ABSENT_ID)["loss"].item() == pytest.approx(-logprobs[ABSENT_ID].item(), rel=1e-5)
    target = torch.softmax(-((torch.arange(BINS) - 7.0) ** 2) / (2 * 4.0**2), dim=0)
    number = -(target * logprobs[FIRST:ABSENT_ID]).sum()
    found = absent_loss(logits, FIRST + 7, ABSENT_ID, weights=(1.0, 0.5))
    wanted = (number - 0.5 * logprobs[ABSENT_ID]) / 1.5
    assert found["loss"].item() == pytest.approx(wanted.item(), rel=1e-5)
    assert found["number_loss"].item() == pytest.approx(number.item(), rel=1e-5)
    higher = logits.clone()
    higher[ABSENT_ID] += 5.0
    assert absent_loss(higher, FIRST + 7)["loss"] > absent_loss(logits, FIRST + 7)["loss"]
    assert absent_loss(higher, ABSENT_ID)["loss"] < absent_loss(logits, ABSENT_ID)["loss"]


def test_what_learns_with_a_margin_calls_nothing_absent_that_is_more_likely_there() -> None:
    """`<absent>` is said where its logit is the highest of all, of which the bins share the joint's place."""
    place = -((torch.arange(BINS) - 500.0) ** 2) / (2 * 16.0**2)
    for margin, share, said in [(0.0, 0.1, True), (3.0, 0.1, False), (3.0, 0.25, False), (3.0, 0.6, True)]:
        losses = {}
        for logit in np.linspace(-6.0, 6.0, 121):
            logits = torch.full((FIRST + BINS + 1,), -30.0)
            logits[FIRST:ABSENT_ID], logits[ABSENT_ID] = place, logit
            found = absent_loss(logits, FIRST + 500, ABSENT_ID, weights=(1.0 - share, share), margin=margin)
            losses[logit] = found["loss"].item()
        assert bool(min(losses, key=losses.__getitem__) > place.max()) is said, (margin, share)


def test_the_metrics_count_absent_joints_at_their_first_coordinate() -> None:
    said = torch.zeros(FIRST + BINS + 1)
    said[ABSENT_ID] = 9.0
    targets, weights = (ABSENT_ID, ABSENT_ID, FIRST + 7, FIRST + 8, 3), (1.0, 0.05, 1.0, 0.3, 0.05)
    found = absent_loss(said, *targets, weights=weights)
    assert (found["absent_accuracy"].item(), found["false_absent"].item()) == (1.0, 1.0)
    said[3] = 99.0  # no coordinate: the grammar does not allow it
    assert absent_loss(said, *targets, weights=weights)["absent_accuracy"].item() == 1.0
    said[FIRST + 7] = 10.0
    found = absent_loss(said, *targets, weights=weights)
    assert (found["absent_accuracy"].item(), found["false_absent"].item()) == (0.0, 0.0)
    assert "token_accuracy" not in found, "absent is no name of a joint"
    assert torch.isnan(absent_loss(said, FIRST + 7)["absent_accuracy"])
    nobody = absent_loss(said, ABSENT_ID, 3)
    assert torch.isnan(torch.stack([nobody["false_absent"], nobody["number_loss"], nobody["bin_error"]])).all()
    assert nobody["loss"].isfinite()


@pytest.mark.parametrize("own", [FIRST + 123, ABSENT_ID])
def test_scheduled_sampling_includes_absent(own: int) -> None:
    model = _Fixed(torch.nn.functional.one_hot(torch.tensor(own), FIRST + BINS + 1).float())
    module = AnswerLoss(model, first_coordinate=FIRST, sigma_bins=4.0, scheduled_sampling=1.0, absent=True)
    ids = torch.tensor([[5, 3, ABSENT_ID, ABSENT_ID, 4, FIRST + 400, 7]])
    targets = torch.tensor([[-100, ABSENT_ID, ABSENT_ID, 4, FIRST + 401, 7, -100]])
    empty: Any = None
    module(empty, empty, ids, empty, empty, targets, (targets >= 0).float())
    assert model.model.read[-1].tolist() == [[5, 3, own, own, 4, own, 7]]


def test_soft_targets_narrow_until_the_decay() -> None:
    module = AnswerLoss(_Fixed(torch.zeros(1)), first_coordinate=0, sigma_bins=0.0)
    callback = SoftTargetAnnealing(module, SoftTargets(20.0, 5.0), decay=100)
    widths = []
    for step in (0, 50, 100, 200):
        state = transformers.TrainerState(global_step=step)
        callback.on_step_begin(transformers.TrainingArguments(max_steps=200), state, None)
        widths.append(module.sigma_bins)
    assert widths == pytest.approx([20.0, 10.0, 5.0, 5.0])


def test_the_dense_head_handles_views_of_different_sizes(nano: Path, pictures: list[Picture]) -> None:
    model = transformers.Qwen3VLForConditionalGeneration.from_pretrained(nano, dtype=torch.float32)
    spec = ModelSpec.load(nano)
    embed_still_patches(model.model.visual)
    module = DensePretraining(model.model.visual, width=64, focal_px=spec.focal_px)
    views = [Viewpoint(spec.focal_px, size).render(pictures[0]) for size in ((128, 96), (96, 160))]
    batch = collate(views)
    heat, centres, depth, _ = module.head(
        model.model.visual(batch["patches"], batch["grids"]).pooler_output, batch["grids"]
    )
    for index, (width, height) in enumerate(((128, 96), (96, 160))):
        real = torch.isfinite(heat[index, 0])
        assert int(real.sum()) == width * height // 64
        assert centres[index][real].min(dim=0).values.tolist() == [3.5, 3.5]
        assert centres[index][real].max(dim=0).values.tolist() == [width - 4.5, height - 4.5]
    single = collate(views[:1])
    heat_single, _, depth_single, _ = module.head(
        model.model.visual(single["patches"], single["grids"]).pooler_output, single["grids"]
    )
    assert torch.allclose(heat[0, :, : heat_single.shape[2]], heat_single[0], atol=1e-5)
    assert torch.allclose(depth[0], depth_single[0], atol=1e-5)
    assert module(**batch)["loss"].isfinite()


def test_padding_does_not_change_the_loss_of_a_smaller_view(nano: Path, pictures: list[Picture]) -> None:
    model = transformers.Qwen3VLForConditionalGeneration.from_pretrained(nano, dtype=torch.float32)
    spec = ModelSpec.load(nano)
    embed_still_patches(model.model.visual)
    module = DensePretraining(model.model.visual, width=64, focal_px=spec.focal_px)
    small, large = (Viewpoint(spec.focal_px, size).render(pictures[0]) for size in ((64, 64), (128, 128)))
    corner = replace(small, pixels=np.zeros_like(small.pixels), visibility=np.zeros_like(small.visibility))
    beyond = replace(large, visibility=np.full_like(large.visibility, 2))
    single, padded = (module(**collate(views))["heat_loss"] for views in ([corner], [corner, beyond]))
    torch.testing.assert_close(padded, single)


def test_the_step_of_muon_is_nearly_orthogonal() -> None:
    generator = torch.Generator().manual_seed(0)
    for shape in ((24, 64), (64, 24)):
        matrix = torch.nn.Parameter(torch.zeros(shape))
        optimizer = Muon([matrix], lr=1.0, weight_decay=0.0)
        matrix.grad = torch.randn(shape, generator=generator) * torch.logspace(0, -1.5, shape[1])
        optimizer.step()
        values = torch.linalg.svdvals(matrix.detach()) / (0.2 * max(shape) ** 0.5)
        assert values.min() > 0.5
        assert values.max() < 1.3
        assert (matrix.detach() * matrix.grad).sum() < 0


@pytest.mark.parametrize("shape", [(24, 64), (64, 24)])
def test_muon_takes_the_steps_of_torch(shape: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(1)
    ours, theirs = (torch.nn.Parameter(torch.ones(shape)) for _ in range(2))
    steps = [
        Muon([ours], lr=0.1, weight_decay=0.2, dtype=torch.bfloat16),
        torch.optim.Muon([theirs], lr=0.1, weight_decay=0.2, adjust_lr_fn="match_rms_adamw"),
    ]
    for _ in range(3):
        gradient = torch.randn(shape, generator=generator)
        for matrix, optimizer in zip((ours, theirs), steps, strict=True):
            matrix.grad = gradient.clone()
            optimizer.step()
    torch.testing.assert_close(ours, theirs, atol=5e-3, rtol=0.0)


def test_parameters_are_assigned_to_muon_and_adamw_and_matrices_decay() -> None:
    model = torch.nn.ModuleDict(
        {"layer": torch.nn.Linear(4, 4), "embed": torch.nn.Embedding(5, 4), "frozen": torch.nn.Linear(2, 2)}
    )
    model["frozen"].requires_grad_(False)
    optimizer = make_optimizer(model, muon_rate=0.1, adam_rate=0.2, weight_decay=0.5)
    matrices, others = (group["params"] for group in optimizer.param_groups)
    assert [id(p) for p in matrices] == [id(model["layer"].weight)]
    assert {id(p) for p in others} == {id(model["layer"].bias), id(model["embed"].weight)}
    before = model["layer"].weight.detach().clone()
    model["layer"].weight.grad = torch.zeros(4, 4)
    optimizer.step()
    assert torch.allclose(model["layer"].weight.detach(), before * (1 - 0.1 * 0.5))
