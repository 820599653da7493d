"""Fine-tuning of a published checkpoint without TAIHRI's tokens, in full and with LoRA."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import transformers
from people import CAMERA, make_sample

from taihri_ros.commands.command import joint_command
from taihri_ros.errors import TaihriError
from taihri_ros.inference.checkpoint import layout
from taihri_ros.inference.factory import open_engine
from taihri_ros.model.quantization import ABSENT_TOKEN
from taihri_ros.model.spec import ModelSpec
from taihri_ros.pipeline.estimator import Estimator
from taihri_ros.training.data.backgrounds import BackgroundSettings
from taihri_ros.training.data.picture_shards import PictureJob
from taihri_ros.training.initial_model import load_initial_model, prepare_initial_model
from taihri_ros.training.recipe import Lora, PictureSettings, Recipe, Schedule, SftStage
from taihri_ros.training.sft_stage import train_sft
from taihri_ros.training.stage import RunOptions

SIZES = ModelSpec(focal_px=104.0, max_image_size=(96, 96), min_pixels=1024, max_pixels=96 * 96)
SPEC = {"name": "tuned", "focal_px": 104.0, "max_image_size": [96, 96], "min_pixels": 1024, "max_pixels": 96 * 96}
TEXT = {
    "hidden_size": 64,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 32,
    "rope_parameters": layout.rope_parameters(5e6, 32),
}
VISION = {
    "depth": 1,
    "hidden_size": 32,
    "intermediate_size": 32,
    "num_heads": 2,
    "out_hidden_size": 64,
    "num_position_embeddings": 144,
    "deepstack_visual_indexes": [0],
}


def write_qwen(directory: Path, *, tied: bool, tokens: tuple[str, ...] = ()) -> Path:
    """Write a Qwen3-VL as it is published: without TAIHRI's tokens, or only with these, and without taihri.json."""
    directory.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layout, "TAIHRI_TOKENS", tokens)
        tokenizer = layout.make_tokenizer(["Can you provide the coordinates of left wrist and head?"] * 3, 60)
    tokenizer.save_pretrained(directory)
    layout.write_image_processor(directory, SIZES)
    torch.manual_seed(0)
    config = layout.make_config(tokenizer, text=TEXT, vision=VISION, tied=tied)
    model = transformers.Qwen3VLForConditionalGeneration(config)
    model.generation_config = layout.make_generation_config(tokenizer)
    model.save_pretrained(directory)
    return directory


@pytest.fixture(scope="module")
def settings(data: Path, tmp_path_factory: pytest.TempPathFactory) -> PictureSettings:
    settings = PictureSettings(tmp_path_factory.mktemp("pictures"), data)
    list(PictureJob.plan(settings).run())
    return settings


@pytest.mark.parametrize(
    ("lora", "tied"), [(Lora(rank=2, alpha=4), True), (Lora(rank=2, alpha=4), False), (None, True)]
)
def test_a_published_model_learns_the_tokens_and_answers_in_the_right_format(
    lora: Lora | None, tied: bool, settings: PictureSettings, tmp_path: Path
) -> None:
    base = write_qwen(tmp_path / "base", tied=tied)
    schedule = Schedule(steps=2, batch=2, rate=1e-2, warmup=0, decay=1, evaluate_every=2, validation=2)
    recipe = Recipe(
        out=tmp_path / "out",
        pictures=settings,
        sft=SftStage(schedule=schedule, lora=lora, train_vision=lora is None),
        model=base,
        spec=SPEC,
    )
    prepare_initial_model(recipe)
    start = load_initial_model(recipe, schedule.seed)
    assert len(start.new_tokens) == len(layout.TAIHRI_TOKENS)
    before = start.model.get_input_embeddings().weight.detach().clone()
    known = before[: start.new_tokens[0]]
    numbers = before[list(start.vocabulary.coordinates)]
    assert float(numbers.std()) == pytest.approx(float(known.std()), rel=0.2)
    assert (numbers[500] - numbers[501]).norm() < 0.5 * (numbers[500] - numbers[600]).norm()
    (wrist,) = start.vocabulary.ids("<|left_wrist|>")
    assert torch.allclose(before[wrist], before[list(start.vocabulary.plain_ids("left wrist"))].mean(dim=0))

    written = train_sft(recipe, RunOptions())
    spec = ModelSpec.load(written)
    assert (spec.name, spec.trained, spec.person_crops, spec.focal_px) == ("tuned", True, False, 104.0)
    after = transformers.Qwen3VLForConditionalGeneration.from_pretrained(written, dtype=torch.float32)
    learned = after.get_input_embeddings().weight.detach()
    assert not torch.allclose(learned[wrist], before[wrist], atol=1e-3)
    before_out = start.model.get_output_embeddings().weight.detach()
    assert not torch.allclose(after.get_output_embeddings().weight[wrist], before_out[wrist], atol=1e-3)
    if lora:
        assert torch.equal(learned[: start.new_tokens[0]], known.bfloat16().float())
    layers = [name for name, _ in after.named_parameters() if "q_proj.weight" in name]
    weights = dict(start.model.named_parameters())
    assert all((after.get_parameter(name) - weights[name]).abs().max() > 1e-3 for name in layers)
    assert not [name for name, _ in after.named_parameters() if "lora" in name]
    with open_engine("transformers", str(written)) as engine:
        estimate = Estimator(engine).estimate(make_sample(0).image, CAMERA, joint_command(["left_wrist", "head"]))
    assert len([keypoint for keypoint in estimate.person.keypoints if keypoint.position is not None]) == 2


def test_an_unusable_initial_model_is_refused(settings: PictureSettings, tmp_path: Path) -> None:
    schedule = Schedule(steps=1, batch=1, rate=1e-3, warmup=0, decay=0)
    base = write_qwen(tmp_path / "base", tied=True)
    recipe = Recipe(out=tmp_path / "out", pictures=settings, sft=SftStage(schedule=schedule), model=base, spec=SPEC)
    prepare_initial_model(recipe)
    prepare_initial_model(recipe)
    with pytest.raises(TaihriError, match="other settings"):
        prepare_initial_model(replace(recipe, spec={**SPEC, "name": "other"}))
    with pytest.raises(TaihriError, match="qwen3_vl"):
        prepare_initial_model(replace(recipe, model=tmp_path, out=tmp_path / "elsewhere"))


def test_a_published_model_gets_the_token_for_absent_joints(settings: PictureSettings, tmp_path: Path) -> None:
    schedule = Schedule(steps=1, batch=1, rate=1e-3, warmup=0, decay=0)
    recipe = Recipe(
        out=tmp_path / "out",
        pictures=settings,
        sft=SftStage(schedule=schedule),
        model=write_qwen(tmp_path / "qwen", tied=True),
        spec=SPEC,
        absent=True,
        backgrounds=BackgroundSettings(nobody=0.1),
    )
    for base in (None, layout.TAIHRI_TOKENS, (*layout.TAIHRI_TOKENS, ABSENT_TOKEN)):
        if base is not None:
            recipe = replace(recipe, model=write_qwen(tmp_path / f"{len(base)}", tied=True, tokens=base))
        recipe = replace(recipe, out=tmp_path / f"out-{recipe.model.name}")  # type: ignore[union-attr]
        prepare_initial_model(recipe)
        start = load_initial_model(recipe, 0)
        assert start.spec.has_absent
        assert len(start.vocabulary.coordinates) == 1001
        assert len(start.new_tokens) == len(layout.TAIHRI_TOKENS) + 1 - len(base or ())
    other = write_qwen(tmp_path / "other", tied=True, tokens=(*layout.TAIHRI_TOKENS, "<|another|>"))
    recipe = replace(recipe, model=other, out=tmp_path / "out-other")
    with pytest.raises(TaihriError, match="the ids of its coordinate tokens do not follow each other"):
        load_initial_model(replace(recipe, out=prepare_initial_model(recipe).parent), 0)
