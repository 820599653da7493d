"""A tiny model and a few pictures; these tests run in an engine environment with torch and transformers."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if importlib.util.find_spec("torch") is None:
    collect_ignore_glob = ["test_*.py", "*/test_*.py"]

if TYPE_CHECKING:
    from taihri_ros.training.data.pictures import Picture


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    if importlib.util.find_spec("torch") is not None:
        import torch

        torch.set_num_threads(1)


@pytest.fixture(scope="session")
def samples() -> list[Any]:
    from people import make_sample

    return [make_sample(index) for index in range(12)]


@pytest.fixture(scope="session")
def pictures(samples: list[Any]) -> list[Picture]:
    from taihri_ros.training.data.pictures import Picture

    return [Picture.make(sample, focal_px=130.0, max_side=320) for sample in samples]


@pytest.fixture(scope="session")
def data(samples: list[Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two shards, as `taihri synth` writes them."""
    from taihri_ros.synthetic.dataset import shard_path, write_shard

    directory = tmp_path_factory.mktemp("data")
    write_shard(shard_path(directory, 0), samples[:8])
    write_shard(shard_path(directory, 1), samples[8:])
    return directory


@pytest.fixture(scope="session")
def recipe_file(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configuration of taihri-nano with a tiny model and three steps a stage."""
    import yaml
    from required import ROOT

    directory = tmp_path_factory.mktemp("run")
    content = yaml.safe_load((ROOT / "config" / "training" / "nano.yaml").read_text())
    content["out"] = str(directory / "out")
    content["pictures"] |= {"directory": str(directory / "pictures"), "data": str(data), "workers": 1}
    content["checkpoint"]["merges"] = 300
    content["checkpoint"]["text"] |= {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2}
    content["checkpoint"]["text"] |= {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 32}
    content["checkpoint"]["vision"] |= {"depth": 2, "hidden_size": 64, "intermediate_size": 96, "num_heads": 2}
    content["checkpoint"]["vision"] |= {"out_hidden_size": 64, "deepstack_visual_indexes": [0]}
    for stage in ("vision", "alignment", "sft"):
        content[stage]["schedule"] |= {"steps": 3, "batch": 2, "warmup": 1, "decay": 1, "evaluate_every": 2}
        content[stage]["schedule"] |= {"log_every": 1, "validation": 3, "average": 0.6}
    content["machine"] |= {"processes": 1}
    file = directory / "recipe.yaml"
    file.write_text(yaml.safe_dump(content))
    return file


@pytest.fixture(scope="session")
def nano(recipe_file: Path) -> Path:
    """The untrained checkpoint of this configuration."""
    from taihri_ros.training.initial_model import prepare_initial_model
    from taihri_ros.training.recipe import Recipe

    return prepare_initial_model(Recipe.read(recipe_file))


@pytest.fixture(scope="session")
def trained(recipe_file: Path) -> Path:
    """The checkpoint of a run that a time limit ended at its first step, and that was then resumed."""
    from click.testing import CliRunner

    from taihri_ros.cli.train import command

    run = ["nano", "--config", str(recipe_file)]
    ended = CliRunner().invoke(command, [*run, "--limit-minutes", "0.0001"], catch_exceptions=False)
    assert "--resume" in ended.output
    finished = CliRunner().invoke(command, [*run, "--resume"], catch_exceptions=False)
    assert "model" in finished.output
    return recipe_file.parent / "out" / "model"
