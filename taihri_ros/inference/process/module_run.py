"""A run of one module of this package in an engine's environment, whose packages the node's does not have."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

from taihri_ros.errors import TaihriError
from taihri_ros.inference.engine import EngineError
from taihri_ros.inference.environment import (
    EngineEnvironment,
    default_python,
    find_interpreter,
    without_python_variables,
)
from taihri_ros.inference.process.private_directory import make_private_directory

_FULL: tuple[EngineEnvironment, ...] = ("vllm", "vllm-cpu", "transformers")
"""Environments with tokenizers, transformers and huggingface_hub."""


def find_full_interpreter(python: str | None) -> str:
    """Find the interpreter of an environment with transformers.

    Args:
        python: A path or a name on PATH, or None for the default directories.

    Returns:
        Its absolute path; this process's own interpreter if there is none in the default directories.

    Raises:
        EngineError: The named interpreter is missing or cannot be executed.
    """
    if python is not None:
        return find_interpreter(python, "transformers")
    return next((str(path) for path in map(default_python, _FULL) if path.exists()), sys.executable)


def run_module(python: str, module: str, arguments: Sequence[str], *, shows_progress: bool = False) -> Any:
    """Run a module of this copy of the package, which calls `print_result`.

    Args:
        python: Interpreter of the environment.
        module: Name of the module.
        arguments: Its arguments; paths are absolute.
        shows_progress: Whether the user sees what it prints on stderr.

    Returns:
        The result, of the types of JSON.

    Raises:
        EngineError: The module has raised an error, whose message this one has, or did not run.
    """
    with make_private_directory() as directory:
        try:
            ended = subprocess.run(
                [python, "-m", module, *arguments],
                stdout=subprocess.PIPE,
                stderr=None if shows_progress else subprocess.PIPE,
                text=True,
                check=False,
                cwd=directory,
                env={**without_python_variables(os.environ), "PYTHONPATH": directory},
            )
        except OSError as error:
            raise EngineError(f"{python} cannot be executed ({error.strerror}): see `taihri doctor`") from error
    try:
        printed: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
        reason, result = printed["error"], printed["result"]
    except (ValueError, IndexError, KeyError, TypeError) as fault:
        name, last = module.rpartition(".")[2], " ".join((ended.stderr or "").splitlines()[-1:])
        raise EngineError(
            f"{name} did not run in {python} (exit status {ended.returncode}) {last}: see `taihri doctor`"
        ) from fault
    if reason is not None:
        raise EngineError(reason)
    return result


def print_result(function: Callable[[], object]) -> None:
    """Call a function, and print its result or its error for `run_module`.

    Args:
        function: It returns types of JSON.
    """
    try:
        printed = {"error": None, "result": function()}
    except TaihriError as error:
        printed = {"error": str(error), "result": None}
    print(json.dumps(printed), flush=True)
