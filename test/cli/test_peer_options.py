from __future__ import annotations

import importlib.util
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from evaluated_people import STANDING, write_manifest
from required import require

from taihri_ros.cli.eval import command as evaluation
from taihri_ros.cli.peer_options import Peer, peer_options
from taihri_ros.inference.engine import EngineError


@click.command()
@peer_options
def show(*, peers: tuple[Peer, ...]) -> None:
    for peer in peers:
        click.echo(f"{peer.kind} {peer.model or '-'} {peer.python or '-'}")


def test_peers_with_checkpoints_and_interpreters_in_their_order() -> None:
    arguments = ["--peer", "transformers:/models/old:1", "--peer-python", "/envs/a/bin/python", "--peer", "vllm"]
    assert CliRunner().invoke(show, arguments).output.splitlines() == [
        "transformers /models/old:1 /envs/a/bin/python",
        "vllm - -",
    ]
    assert CliRunner().invoke(show, []).output == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--peer", "camera"], "'camera' is not one of vllm, transformers"),
        (["--peer", "openai"], "'openai' is not one of vllm, transformers"),
        (["--peer-python", "python3"], "1 --peer-python for 0 --peer"),
    ],
)
def test_what_is_not_a_peer(arguments: list[str], message: str) -> None:
    done = CliRunner().invoke(show, arguments)
    assert done.exit_code == 2
    assert message in done.output


def test_the_parameters_are_those_of_an_engine() -> None:
    parameters = Peer("transformers", "/models/old", "/envs/a/bin/python").parameters(60.0)
    assert (parameters.engine_kind, parameters.engine_model) == ("transformers", "/models/old")
    assert (parameters.engine_python, parameters.engine_request_timeout_s) == ("/envs/a/bin/python", 60.0)


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    for library in ("matplotlib", "skimage"):
        require(importlib.util.find_spec(library), library, "pip install '.[evaluation]'")
    return ["--data", str(write_manifest(tmp_path, [STANDING])), "--out", str(tmp_path / "out"), "--peer", "vllm"]


def test_a_peer_whose_environment_is_missing_ends_the_run_before_it_starts(arguments: list[str]) -> None:
    with pytest.raises(EngineError, match="no/python is missing"):
        CliRunner().invoke(evaluation, [*arguments, "--peer-python", "./no/python"], catch_exceptions=False)


def test_no_peer_on_pictures_without_people(arguments: list[str]) -> None:
    done = CliRunner().invoke(evaluation, [*arguments, "--nobody"])
    assert done.exit_code == 2
    assert "omit --nobody" in done.output
