"""`taihri model`: inspect a checkpoint, fetch one from a hub, and lock and verify its files."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from taihri_ros.cli.model_page import page, printable
from taihri_ros.errors import TaihriError
from taihri_ros.inference.checkpoint.lock import FILE_NAME, compare, write_lock
from taihri_ros.inference.process.module_run import find_full_interpreter, run_module
from taihri_ros.resources import expand_home

_PARTS = "taihri_ros.inference.checkpoint"
_MIB = 1 << 20

_engine_python: Callable[[Callable[..., None]], Callable[..., None]] = click.option(
    "--engine-python", help="Python interpreter of the engine's environment."
)
_directory: Callable[[Callable[..., None]], Callable[..., None]] = click.argument(
    "directory", type=click.Path(path_type=Path)
)


@click.group("model")
def command() -> None:
    """Inspect a checkpoint, fetch one from a hub, and lock and verify its files.

    \b
    Examples:
      taihri model inspect ~/TAIHRI
      taihri model fetch OWNER/NAME --revision COMMIT --out ~/TAIHRI
    """


@command.command("inspect")
@click.argument("model")
@click.option("--adapter", type=click.Path(path_type=Path), help="Directory of a LoRA adapter for this checkpoint.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@_engine_python
def inspect_command(*, model: str, adapter: Path | None, as_json: bool, engine_python: str | None) -> None:
    """Print what a checkpoint is, how it answers and the memory that it takes, without loading its weights.

    The exit code is 1 when the node would refuse it.

    \b
    Examples:
      taihri model inspect ~/TAIHRI
      taihri model inspect ~/TAIHRI --adapter ~/our-lora --json
    """
    path = expand_home(model)
    arguments = [str(path.absolute()) if os.path.lexists(path) else model]
    if adapter is not None:
        arguments.append(f"--adapter={expand_home(adapter).absolute()}")
    found = run_module(find_full_interpreter(engine_python), f"{_PARTS}.inspection", arguments)
    click.echo(json.dumps(found, indent=2) if as_json else "\n".join(page(found)))
    if found["fault"]:
        raise TaihriError(found["fault"])


@command.command()
@click.argument("repository", metavar="OWNER/NAME")
@click.option("--revision", required=True, metavar="COMMIT", help="Commit; a branch or tag is resolved to its commit.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Directory to write. Default: ./NAME.")
@click.option("--accept-licence", is_flag=True, help="Agree to the licence without a question.")
@_engine_python
def fetch(*, repository: str, revision: str, out: Path | None, accept_licence: bool, engine_python: str | None) -> None:
    """Fetch a checkpoint from the Hugging Face hub, or from the hub in HF_ENDPOINT, and write its lock.

    Only safetensors, settings, tokenizer and licence are fetched. To continue a fetch that broke off, run it again.

    \b
    Example:
      taihri model fetch OWNER/NAME --revision 0123456789abcdef0123456789abcdef01234567 --out ~/TAIHRI
    """
    python, module = find_full_interpreter(engine_python), f"{_PARTS}.hub"
    directory = expand_home(out or repository.rpartition("/")[2] or repository).absolute()
    offer = run_module(python, module, ["--", repository, revision])
    _show_offer(offer)
    if not accept_licence and not _agrees():
        raise TaihriError("nothing was fetched, because the licence was not agreed to: add --accept-licence")
    into = [f"--into={directory}", "--", repository, offer["commit"]]
    count = run_module(python, module, into, shows_progress=True)
    click.echo(f"fetched {count} files into {directory}, with {FILE_NAME}; see `taihri model inspect {directory}`")


@command.command()
@_directory
def lock(*, directory: Path) -> None:
    """Write taihri.lock, with size and SHA-256 of every file of a checkpoint.

    \b
    Example:
      taihri model lock ~/TAIHRI
    """
    path = expand_home(directory)
    click.echo(f"{len(write_lock(path).files)} files are in {path / FILE_NAME}")


@command.command()
@_directory
def verify(*, directory: Path) -> None:
    """Compare every file of a checkpoint with taihri.lock. The exit code is 1 when one differs.

    \b
    Example:
      taihri model verify ~/TAIHRI
    """
    path = expand_home(directory)
    differences = compare(path)
    for kind, names in vars(differences).items():
        for name in names:
            click.echo(f"{kind}: {printable(name)}")
    if differences:
        raise TaihriError(
            f"{path} differs from its {FILE_NAME}: fetch or copy it again, or lock it again if the changes are yours"
        )
    click.echo(f"{path} is as it was when it was locked")


def _show_offer(offer: Mapping[str, Any]) -> None:
    size = sum(offer["files"].values()) / _MIB
    for name, text in (
        ("repository", offer["repository"]),
        ("commit", offer["commit"]),
        ("licence", " ".join(filter(None, (offer["licence"] or "not stated", offer["licence_link"])))),
        ("files", f"{len(offer['files'])}, {size:.1f} MiB"),
        ("not fetched", ", ".join(offer["others"]) or "none"),
    ):
        click.echo(f"{name:<12}{printable(text)}")


def _agrees() -> bool:
    return sys.stdin.isatty() and click.confirm("Do you agree to the licence?")
