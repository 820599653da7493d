from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from required import ROOT

from taihri_ros.cli.train import command
from taihri_ros.resources import NANO
from taihri_ros.training.data.question_sampler import QuestionSettings
from taihri_ros.training.recipe import ConfigError, Lora, Recipe, Schedule

SHIPPED = sorted((ROOT / "config" / "training").glob("*.yaml"))
MINIMAL = {
    "out": "out/run",
    "model": "~/base",
    "pictures": {"directory": "pictures"},
    "sft": {"schedule": {"steps": 1000, "batch": 2, "rate": 1e-4}},
}


def write(path: Path, **changes: object) -> Path:
    path.write_text(yaml.safe_dump(MINIMAL | changes))
    return path


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_shipped_configurations_are_read(file: Path) -> None:
    recipe = Recipe.read(file)
    assert recipe.out.parts[0] == "out"
    assert recipe.absent or recipe.model == NANO, "the shipped model keeps its format"


def test_there_are_shipped_configurations() -> None:
    supervised, reinforced = {"nano", "nano-gpu", "lora", "full", "own-pictures"}, {"rft-nano", "rft-lora", "rft-full"}
    assert supervised | reinforced <= {file.stem for file in SHIPPED}


def test_omitted_settings_keep_their_default(tmp_path: Path) -> None:
    questions = {"named": [[1, 2], [3, 4]], "tasks": 2}
    sft = {**MINIMAL["sft"], "questions": questions, "soft_targets": None, "lora": {"rank": 4}}  # type: ignore[dict-item]
    recipe = Recipe.read(write(tmp_path / "recipe.yaml", sft=sft))
    assert recipe.model == Path.home() / "base"
    assert recipe.sft.questions == QuestionSettings(named=((1, 2), (3, 4)), tasks=2)
    assert recipe.sft.soft_targets is None
    assert recipe.sft.lora == Lora(rank=4)
    assert recipe.sft.schedule.rate == 1e-4
    assert recipe.vision is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stpes": 3}, "unknown entry 'stpes'"),
        ({"sft": {"schedule": {"steps": 1000, "batch": 2}}}, "sft.schedule.rate is missing"),
        (
            {"sft": {"schedule": {"steps": "many", "batch": 2, "rate": 1e-4}}},
            "sft.schedule.steps must be an integer",
        ),
        (
            {"sft": {"schedule": {"steps": 1000, "batch": True, "rate": 1e-4}}},
            "sft.schedule.batch must be an integer",
        ),
        ({"sft": {"schedule": {"steps": 1000, "batch": 0, "rate": 1e-4}}}, "sft.schedule: batch must be more than 0"),
        ({"sft": {"schedule": {"steps": 500, "batch": 1, "rate": 1e-4}}}, "warmup and decay do not fit into 500 steps"),
        ({"degrees": [1.0, 2.0]}, "degrees must be a list of 3"),
        ({"backgrounds": {"share": 2.0}}, "backgrounds.share must be from 0 to 1"),
        ({"backgrounds": {"photo": "x"}}, "unknown entry 'photo'"),
        ({"degrees": [1.0, 2.0, "x"]}, r"degrees\[2\] must be a number"),
        ({"machine": {"device": "tpu"}}, "machine.device must be one of auto, cpu"),
        ({"machine": {"bf16": 1}}, "machine.bf16 must be true or false"),
        (
            {"sft": {"schedule": {"steps": 1000, "batch": 2, "rate": 1e-4}, "person_crops": 1.5}},
            "sft: person_crops must be from 0 to 1",
        ),
        ({"spec": [1]}, "spec must be a mapping"),
        ({"absent": 1}, "absent must be true or false"),
        ({"absent": True}, "absent is learned from views without a person: set backgrounds.nobody above 0"),
        ({"model": None}, r"set either model \(a checkpoint to start from\) or checkpoint"),
    ],
)
def test_a_wrong_setting_is_one_clear_error(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    file = write(tmp_path / "recipe.yaml", **changes)
    with pytest.raises(ConfigError, match=message) as caught:
        Recipe.read(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_are_not_a_configuration_are_refused(tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("a: [")
    with pytest.raises(ConfigError, match="is not YAML"):
        Recipe.read(tmp_path / "broken.yaml")
    (tmp_path / "list.yaml").write_text("- 1")
    with pytest.raises(ConfigError, match="must be a mapping with strings as keys"):
        Recipe.read(tmp_path / "list.yaml")
    with pytest.raises(ConfigError, match="is not readable"):
        Recipe.read(tmp_path / "none.yaml")


def test_another_number_of_steps_scales_the_schedule() -> None:
    schedule = Schedule(steps=1000, batch=1, rate=1.0, warmup=100, decay=500)
    assert schedule.with_steps(20) == Schedule(steps=20, batch=1, rate=1.0, warmup=2, decay=10)


def test_the_commands_report_missing_data_and_stages(tmp_path: Path) -> None:
    assert "no synthetic" in str(
        CliRunner().invoke(command, ["pictures", "--data", str(tmp_path), "--out", str(tmp_path)]).exception
    )
    file = write(tmp_path / "recipe.yaml")
    assert "no vision stage" in str(CliRunner().invoke(command, ["vision", "--config", str(file)]).exception)
